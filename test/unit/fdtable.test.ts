// SPDX-License-Identifier: ISC
/** The descriptor table against a plain map, with random calls. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EBADF, EINVAL, EMFILE } from "#src/abi/errno.js";
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_SETFD,
  FD_CLOEXEC,
  O_CLOEXEC,
  RLIMIT_NOFILE,
} from "#src/abi/fcntl.js";
import { usage } from "#src/inspect/usage.js";
import { DESCRIPTORS_MAX, FD_CHUNK_ENTRIES } from "#src/limits.js";
import { sys } from "#src/sys/face.js";
import { assertSound, bootThread, Random, SEED } from "./support.js";

interface Entry {
  readonly file: object;
  cloexec: boolean;
}

/** The table as the manual has it. */
class Table {
  readonly entries = new Map<number, Entry>();
  limit = 200;

  lowest(from: number): number {
    let fd = from;
    while (this.entries.has(fd)) fd++;
    return fd < this.limit ? fd : -EMFILE;
  }
  install(file: object, from: number, cloexec: boolean): number {
    const fd = this.lowest(from);
    if (fd >= 0) this.entries.set(fd, { file, cloexec });
    return fd;
  }
  dupFrom(fd: number, from: number, cloexec: boolean): number {
    if (from < 0 || from >= this.limit) return -EINVAL;
    const entry = this.entries.get(fd);
    return entry === undefined ? -EBADF : this.install(entry.file, from, cloexec);
  }
  /** `equal` is an error for equal numbers, 0 if they are none. */
  dup2(from: number, to: number, cloexec: boolean, equal: number): number {
    const entry = this.entries.get(from);
    if (from === to && equal < 0) return equal;
    if (entry === undefined || to < 0 || to >= this.limit) return -EBADF;
    if (from !== to) this.entries.set(to, { file: entry.file, cloexec });
    return to;
  }
  files(): number {
    return new Set([...this.entries.values()].map(({ file }) => file)).size;
  }
}

test(`numbers are handed out as a map says, KNELL_SEED=${SEED}`, () => {
  const k = bootThread({ descriptors: 200 });
  const s = sys({ thread: k });
  const random = new Random(SEED);
  const table = new Table();
  for (let step = 0; step < 6000; step++) {
    const fd = random.below(220) - 4;
    const to = random.below(220) - 4;
    switch (random.below(10)) {
      case 0:
      case 1:
        assert.equal(s.eventfd(0, 0), table.install({}, 0, false));
        break;
      case 2:
        assert.equal(s.dup(fd), table.dupFrom(fd, 0, false));
        break;
      case 3:
        assert.equal(s.dup2(fd, to), table.dup2(fd, to, false, 0));
        break;
      case 4:
        assert.equal(s.dup3(fd, to, O_CLOEXEC), table.dup2(fd, to, true, -EINVAL));
        break;
      case 5: {
        const cmd = random.pick([F_DUPFD, F_DUPFD_CLOEXEC]);
        assert.equal(s.fcntl(fd, cmd, to), table.dupFrom(fd, to, cmd === F_DUPFD_CLOEXEC));
        break;
      }
      case 6: {
        const entry = table.entries.get(fd);
        const flag = random.below(2);
        assert.equal(s.fcntl(fd, F_SETFD, flag), entry === undefined ? -EBADF : 0);
        if (entry !== undefined) entry.cloexec = flag === FD_CLOEXEC;
        const flags = entry?.cloexec === true ? FD_CLOEXEC : 0;
        assert.equal(s.fcntl(fd, F_GETFD), entry === undefined ? -EBADF : flags);
        break;
      }
      default:
        assert.equal(s.close(fd), table.entries.delete(fd) ? 0 : -EBADF);
    }
    if (step % 500 === 0) {
      assertSound(k, `step ${step}`);
      assert.equal(usage(k).descriptors, table.entries.size);
      assert.equal(usage(k).files, table.files());
    }
  }
  for (const [fd, { cloexec }] of table.entries) {
    assert.equal(s.fcntl(fd, F_GETFD), cloexec ? FD_CLOEXEC : 0);
    assert.equal(s.close(fd), 0);
  }
  assert.deepEqual([usage(k).files, usage(k).eventfds], [0, 0]);
  assertSound(k);
});

test("chunks come on need, also for a number far up, and the lowest is still the lowest", () => {
  const k = bootThread({ descriptors: 4096 });
  const s = sys({ thread: k });
  const fd = s.eventfd(0, 0);
  const far = FD_CHUNK_ENTRIES * 30 + 5;
  assert.equal(s.dup2(fd, far), far);
  assert.equal(s.dup(fd), fd + 1);
  assert.equal(s.fcntl(fd, F_DUPFD, far), far + 1);
  assertSound(k);
  for (let n = 0; n < 300; n++) assert.equal(s.dup(fd), fd + 2 + n);
  assertSound(k);
});

test("the limit can be lowered below what is open, and only new numbers feel it", () => {
  const k = bootThread({ descriptors: 64 });
  const s = sys({ thread: k });
  const fds = Array.from({ length: 10 }, () => s.eventfd(0, 0));
  assert.equal(s.getrlimit(RLIMIT_NOFILE), 64);
  assert.equal(s.setrlimit(RLIMIT_NOFILE, 5), 0);
  assert.equal(s.eventfd(0, 0), -EMFILE);
  assert.equal(s.dup(fds[9] as number), -EMFILE);
  assert.equal(s.fcntl(fds[9] as number, F_GETFD), 0, "still open");
  assert.equal(s.close(fds[3] as number), 0);
  assert.equal(s.dup(fds[9] as number), fds[3]);
  assert.equal(s.setrlimit(RLIMIT_NOFILE, DESCRIPTORS_MAX), 0);
  assert.equal(s.setrlimit(RLIMIT_NOFILE, DESCRIPTORS_MAX + 1), -EINVAL);
  assert.equal(s.dup2(fds[0] as number, DESCRIPTORS_MAX - 1), DESCRIPTORS_MAX - 1);
  assert.equal(s.dup2(fds[0] as number, DESCRIPTORS_MAX), -EBADF);
  assertSound(k);
});

test("numbers of no sense are EBADF everywhere and change nothing", () => {
  const k = bootThread();
  const s = sys({ thread: k });
  const bytes = new Uint8Array(8);
  for (const fd of [-1, 3, DESCRIPTORS_MAX, 2 ** 31, -(2 ** 31), Number.NaN, 1e300]) {
    for (const result of [s.close(fd), s.dup(fd), s.read(fd, bytes), s.write(fd, bytes)]) {
      assert.equal(result, -EBADF, `${fd}`);
    }
    assert.equal(s.fcntl(fd, F_GETFD), -EBADF, `${fd}`);
  }
  assertSound(k);
});
