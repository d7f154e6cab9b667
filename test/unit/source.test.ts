// SPDX-License-Identifier: ISC
/** Sources: what watchers find, ask for, and keep when the source is destroyed under them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { CHECKS } from "#field";
import {
  EBADF,
  EBUSY,
  EEXIST,
  EINVAL,
  ENAMETOOLONG,
  ENOENT,
  ENOMEM,
  ENOTSUP,
  ENXIO,
  EPERM,
} from "#src/abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_ENABLE,
  EV_EOF,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_USER,
  EVFILT_WRITE,
  NOTE_LOWAT,
} from "#src/abi/event.js";
import { SOURCE_SILENT, SRC_EOF, SRC_READY } from "#src/abi/source.js";
import type { Kthread } from "#src/arena/kthread.js";
import type { Filterops } from "#src/event/filterops.js";
import { filterops } from "#src/event/filters.js";
import { klistFini, objectDoomLocked } from "#src/event/fini.js";
import { klistNotifyLocked } from "#src/event/klist.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { Kqueue } from "#src/event/structs.js";
import { sourcesEnd } from "#src/fd/source.js";
import { usage } from "#src/inspect/usage.js";
import { fdHint } from "#src/kern/fdtable.js";
import { File } from "#src/kern/file.js";
import { objectLock } from "#src/kern/object.js";
import { FILTERS_MAX } from "#src/limits.js";
import { KeventList, type Sys, sys } from "#src/sys/face.js";
import { assertPanics, assertSound, attachThread, bootThread } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

/** A kernel with a source and a queue. */
class Stand {
  readonly k: Kthread;
  readonly s: Sys;
  readonly kq: number;
  readonly fd: number;
  readonly #list = new KeventList(8);

  constructor() {
    this.k = bootThread();
    this.s = sys({ thread: this.k });
    this.kq = this.s.kqueue();
    this.fd = this.s.source(0);
    assert.ok(this.fd > 0);
  }

  change(flags: number, filter = EVFILT_READ, ident = this.fd, fflags = 0, data = 0): number {
    this.#list.set(0, ident, filter, flags, fflags, data, 77);
    const result = this.s.kevent(this.kq, this.#list, 1, null, 0, ZERO);
    assertSound(this.k);
    return result;
  }

  /** [flags, fflags, data] of each event of a poll. */
  poll(): [number, number, bigint][] {
    const n = this.s.kevent(this.kq, null, 0, this.#list, 8, ZERO);
    assertSound(this.k);
    const list = this.#list;
    return Array.from({ length: n }, (_, i) => [list.flags(i), list.fflags(i), list.dataBig(i)]);
  }

  set(flags: number, data: number | bigint = 0, fflags = 0, filter = EVFILT_READ): void {
    assert.equal(this.s.source_set(this.fd, filter, flags, fflags, data), 0);
    assert.equal(this.s.source_notify(this.fd), 0);
    assertSound(this.k);
  }

  destroy(flags = 0, fflags = 0): void {
    assert.equal(this.s.source_destroy(this.fd, flags, fflags), 0);
    assertSound(this.k);
  }

  registered(): number {
    return this.k.a[Kqueue.knotes.at(fileKqueue(this.k, fdHint(this.k, this.kq)))] as number;
  }
}

test("a source is ready for as long as its owner says so", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD), 0);
  assert.deepEqual(t.poll(), []);
  t.set(SRC_READY, 5);
  assert.deepEqual(t.poll(), [[0, 0, 5n]]);
  assert.deepEqual(t.poll(), [[0, 0, 5n]], "level");
  t.set(0);
  assert.deepEqual(t.poll(), []);
  t.set(SRC_EOF);
  assert.deepEqual(t.poll(), [[EV_EOF, 0, 0n]]);
  t.set(SRC_READY, 1);
  assert.deepEqual(t.poll(), [[0, 0, 1n]], "the end was taken back");
});

test("the two directions are apart, and each has its own data", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD | EV_CLEAR), 0);
  assert.equal(t.change(EV_ADD | EV_CLEAR, EVFILT_WRITE), 0);
  t.set(SRC_READY, 9, 0, EVFILT_WRITE);
  assert.deepEqual(t.poll(), [[EV_CLEAR, 0, 9n]]);
  t.set(SRC_READY, 8);
  assert.equal(t.poll().length, 2, "an edge of either direction is one of the source");
});

test("what does not fit a view is asked for: large data, flags, and none at all", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD), 0);
  for (const [data, fflags] of [
    [2n ** 63n - 1n, 0],
    [0x3fffffffn, 0],
    [2n ** 40n, 54],
    [0n, 0],
    [3n, 0xffffffff],
  ] as const) {
    t.set(SRC_READY, data, fflags);
    assert.deepEqual(t.poll(), [[0, fflags, data]]);
    assert.deepEqual(t.poll(), [[0, fflags, data]], "level");
  }
  t.set(0, 2n ** 40n);
  assert.deepEqual(t.poll(), []);
});

test("an asked event is delivered once to EV_CLEAR, and anew after each notification", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD | EV_CLEAR), 0);
  t.set(SRC_READY, 2n ** 40n);
  assert.deepEqual(t.poll(), [[EV_CLEAR, 0, 2n ** 40n]]);
  assert.deepEqual(t.poll(), []);
  assert.equal(t.s.source_notify(t.fd), 0);
  assert.deepEqual(t.poll(), [[EV_CLEAR, 0, 2n ** 40n]]);
});

test("a scan sees what was set since the notification", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD), 0);
  t.set(SRC_READY, 5);
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, SRC_READY, 7, 2n ** 33n), 0);
  assert.deepEqual(t.poll(), [[0, 7, 2n ** 33n]]);
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, 0), 0);
  assert.deepEqual(t.poll(), []);
});

test("the low-water mark counts data, whether they fit a view or not", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD, EVFILT_READ, t.fd, NOTE_LOWAT, 2 ** 32), 0);
  t.set(SRC_READY, 2 ** 31);
  assert.deepEqual(t.poll(), []);
  t.set(SRC_READY, 2 ** 32);
  assert.deepEqual(t.poll(), [[0, 0, 2n ** 32n]]);
  assert.equal(t.change(0, EVFILT_READ, t.fd, NOTE_LOWAT, 2 ** 33), 0);
  assert.deepEqual(t.poll(), []);
  assert.equal(t.change(0, EVFILT_READ, t.fd, NOTE_LOWAT, 2 ** 20), 0);
  assert.deepEqual(t.poll(), [[0, 0, 2n ** 32n]], "a change asks too");
});

test("a queue that watches the queue sees the event, asked for or not", () => {
  const t = new Stand();
  const parent = t.s.kqueue();
  const list = new KeventList(1).set(0, t.kq, EVFILT_READ, EV_ADD);
  assert.equal(t.s.kevent(parent, list, 1, null, 0, ZERO), 0);
  assert.equal(t.change(EV_ADD), 0);
  t.set(SRC_READY, 2n ** 40n);
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, SRC_READY, 0, 2n ** 41n), 0);
  assert.equal(t.s.kevent(parent, null, 0, list, 1, ZERO), 1);
  assert.deepEqual(t.poll(), [[0, 0, 2n ** 41n]], "asked for");
  assert.equal(t.s.kevent(parent, null, 0, list, 1, ZERO), 1, "level, in both");
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, 0), 0);
  assert.deepEqual(t.poll(), []);
  assert.equal(t.s.kevent(parent, null, 0, list, 1, ZERO), 0);
});

test("enabling asks anew", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD), 0);
  assert.equal(t.change(EV_DISABLE), 0);
  t.set(SRC_READY, 2n ** 40n);
  t.set(SRC_READY, 2n ** 41n);
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, SRC_READY, 3, 1), 0);
  assert.deepEqual(t.poll(), []);
  assert.equal(t.change(EV_ENABLE), 0);
  assert.deepEqual(t.poll(), [[0, 3, 1n]]);
});

for (const flags of [0, EV_CLEAR, EV_ONESHOT]) {
  test(`destroyed under a registration with flags ${flags}: EV_EOF once, and then nothing`, () => {
    const t = new Stand();
    assert.equal(t.change(EV_ADD | flags), 0);
    t.set(SRC_READY, 5);
    t.destroy(0, 54);
    assert.deepEqual(usage(t.k).sources, 0, "the source is gone while it is watched");
    assert.deepEqual(t.poll(), [[flags | EV_EOF | EV_ONESHOT, 54, 0n]]);
    assert.deepEqual(t.poll(), []);
    assert.equal(t.registered(), 0);
    assert.equal(t.change(EV_DELETE), -ENOENT);
  });
}

test("silently destroyed: never ready, still registered, deleted like any other", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD), 0);
  t.set(SRC_READY, 5);
  t.destroy(SOURCE_SILENT);
  assert.deepEqual(t.poll(), []);
  assert.equal(t.registered(), 1);
  assert.equal(t.change(EV_ENABLE), 0);
  assert.deepEqual(t.poll(), []);
  assert.equal(t.change(EV_DELETE), 0);
  assert.equal(t.registered(), 0);
});

test("whoever watched it disabled hears of the end when it is enabled", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD | EV_DISABLE), 0);
  t.destroy();
  assert.deepEqual(t.poll(), []);
  assert.equal(t.change(EV_ENABLE), 0);
  assert.deepEqual(t.poll(), [[EV_EOF | EV_ONESHOT, 0, 0n]]);
});

test("nothing can be done with a destroyed source but closing its number", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD | EV_DISABLE), 0);
  t.destroy();
  assert.equal(t.change(EV_ADD), -ENXIO, "of what is left");
  assert.equal(t.change(EV_ADD, EVFILT_WRITE), -ENXIO);
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, SRC_READY, 0, 1), -ENXIO);
  assert.equal(t.s.source_notify(t.fd), -ENXIO);
  assert.equal(t.s.source_destroy(t.fd), -ENXIO);
  assert.equal(t.s.read(t.fd, new Uint8Array(8)), -ENXIO);
  // Another source in the same slot is another source.
  const other = t.s.source(0);
  assert.equal(t.s.source_set(other, EVFILT_READ, SRC_READY, 0, 9), 0);
  assert.equal(t.s.source_set(t.fd, EVFILT_READ, SRC_READY, 0, 1), -ENXIO);
  assert.equal(t.change(EV_ADD, EVFILT_WRITE), -ENXIO);
  assert.equal(t.s.close(t.fd), 0);
  assertSound(t.k);
  assert.equal(t.registered(), 0, "the rest goes with its number");
});

test("a queue with registrations on destroyed sources can be closed", () => {
  const t = new Stand();
  assert.equal(t.change(EV_ADD), 0);
  assert.equal(t.change(EV_ADD, EVFILT_WRITE), 0);
  t.destroy(SOURCE_SILENT);
  const { files } = usage(t.k);
  assert.equal(t.s.close(t.kq), 0);
  assertSound(t.k);
  assert.equal(t.s.close(t.fd), 0);
  assertSound(t.k);
  assert.equal(usage(t.k).files, files - 2);
});

test("many ends are delivered in one call, and many additions refused in one", () => {
  const t = new Stand();
  const { s } = t;
  const count = 40;
  const filter = s.kfilter_register("keys");
  const list = new KeventList(2 * count);
  const fds = Array.from({ length: count }, (_, i) => s.source(0, filter, i));
  for (const [i, fd] of fds.entries()) {
    list.set(2 * i, fd, EVFILT_READ, EV_ADD).set(2 * i + 1, i, filter, EV_ADD);
  }
  assert.equal(s.kevent(t.kq, list, 2 * count, null, 0, ZERO), 0);
  for (const fd of fds) assert.equal(s.source_destroy(fd), 0);
  assert.equal(s.kevent(t.kq, null, 0, list, 2 * count, ZERO), 2 * count);
  assertSound(t.k);
  for (const [i, fd] of fds.entries()) {
    list.set(2 * i, fd, EVFILT_WRITE, EV_ADD).set(2 * i + 1, i, filter, EV_ADD);
  }
  const errors = new KeventList(2 * count);
  assert.equal(s.kevent(t.kq, list, 2 * count, errors, 2 * count, ZERO), 2 * count);
  for (let i = 0; i < count; i++) {
    assert.deepEqual([errors.data(2 * i), errors.data(2 * i + 1)], [ENXIO, ENOENT]);
  }
  assertSound(t.k);
  assert.equal(s.kfilter_unregister(filter), 0);
});

test("arguments", () => {
  const { s, fd, kq } = new Stand();
  assert.equal(s.source(2), -EINVAL);
  assert.equal(s.source(0, -1), -EINVAL);
  assert.equal(s.source(0, 1, -1), -EINVAL);
  assert.equal(s.source(0, 1, 1), -ENOENT);
  assert.equal(s.source_set(99, EVFILT_READ, 0), -EBADF);
  assert.equal(s.source_set(kq, EVFILT_READ, 0), -EINVAL);
  assert.equal(s.source_set(fd, EVFILT_USER, 0), -EINVAL);
  assert.equal(s.source_set(fd, EVFILT_READ, 4), -EINVAL);
  for (const data of [-1, 0.5, Number.NaN, 2 ** 53, 2n ** 63n, -1n]) {
    assert.equal(s.source_set(fd, EVFILT_READ, 0, 0, data), -EINVAL, `${data}`);
  }
  assert.equal(s.source_set(fd, EVFILT_READ, 0, -1), -EINVAL);
  assert.equal(s.source_destroy(fd, 2), -EINVAL);
  assert.equal(s.source_destroy(kq), -EINVAL);
  assert.equal(s.source_destroy(99), -EBADF);
});

test("only the owner sets, notifies and destroys; its end is the end of its sources", () => {
  const t = new Stand();
  const other = attachThread(t.k);
  const s2 = sys({ thread: other });
  assert.equal(t.change(EV_ADD), 0);
  assert.equal(s2.source_set(t.fd, EVFILT_READ, SRC_READY), -EPERM);
  assert.equal(s2.source_notify(t.fd), -EPERM);
  assert.equal(s2.source_destroy(t.fd), -EPERM);
  const theirs = s2.source(0);
  assert.equal(t.change(EV_ADD, EVFILT_READ, theirs), 0);
  // In the name of a thread that is gone: what the reaper does.
  sourcesEnd(t.k, other.owner);
  assertSound(t.k);
  assert.deepEqual(t.poll(), [[EV_EOF | EV_ONESHOT, 0, 0n]]);
  assert.equal(t.s.source_notify(t.fd), 0, "this thread's own is there");
});

// Asserted in the checked build only, where the test stands too.
if (CHECKS) {
  test("a source that is being torn down is notified by nobody", () => {
    const t = new Stand();
    const obj = File.object.load(t.k, fdHint(t.k, t.fd));
    objectLock(t.k, obj);
    objectDoomLocked(t.k, obj);
    assertPanics(() => klistNotifyLocked(t.k, obj), /beside klistFini/);
  });
}

test("klistFini is for what is being torn down", () => {
  const t = new Stand();
  const obj = File.object.load(t.k, fdHint(t.k, t.fd));
  assertPanics(() => klistFini(t.k, obj, 0), /being torn down/);
});

test("a filter with touch is refused, and leaves nothing behind", () => {
  const t = new Stand();
  const table = filterops as Filterops[];
  const id = table.findIndex(({ name, ask }) => name === "READ" && ask !== null);
  const real = table[id] as Filterops;
  table[id] = { ...real, touch: () => 0 };
  const { files } = usage(t.k);
  const refused = t.change(EV_ADD);
  table[id] = real;
  assert.equal(refused, -ENOTSUP);
  assert.deepEqual([t.registered(), usage(t.k).files], [0, files]);
  assert.equal(t.change(EV_ADD), 0);
});

test("named filters: numbers, names, and who may take them back", () => {
  const t = new Stand();
  const { s } = t;
  const found = new Int32Array(1);
  const name = new Uint8Array(64);
  assert.equal(s.kfilter_register("keys"), 1);
  assert.equal(s.kfilter_register("mouse"), 2);
  assert.equal(s.kfilter_register("keys"), -EEXIST);
  assert.equal(s.kfilter_register("EVFILT_READ"), -EEXIST);
  assert.equal(s.kfilter_register(""), -EINVAL);
  assert.equal(s.kfilter_register("x".repeat(65)), -ENAMETOOLONG);
  assert.equal(s.kfilter_byname("mouse", found), 0);
  assert.equal(found[0], 2);
  assert.equal(s.kfilter_byname("EVFILT_USER", found), 0);
  assert.equal(found[0], EVFILT_USER);
  assert.equal(s.kfilter_byname("nobody", found), -ENOENT);
  assert.equal(s.kfilter_byfilter(1, name), 4);
  assert.equal(Buffer.from(name.subarray(0, 4)).toString(), "keys");
  assert.equal(s.kfilter_byfilter(1, new Uint8Array(3)), -EINVAL);
  assert.equal(s.kfilter_byfilter(3, name), -ENOENT);
  assert.equal(s.kfilter_byfilter(EVFILT_READ, name), 11);
  assert.equal(s.kfilter_unregister(EVFILT_READ), -EINVAL);
  assert.equal(s.kfilter_unregister(3), -ENOENT);
  assert.equal(sys({ thread: attachThread(t.k) }).kfilter_unregister(1), -EPERM);
  assert.equal(s.kfilter_unregister(1), 0);
  assert.equal(s.kfilter_register("again"), 1, "the lowest free number");
  assertSound(t.k);
});

test("the table of filters is full at last, and then has room again", () => {
  const t = new Stand();
  for (let i = 1; i <= FILTERS_MAX; i++) assert.equal(t.s.kfilter_register(`f${i}`), i);
  assert.equal(t.s.kfilter_register("more"), -ENOMEM);
  assert.equal(t.s.kfilter_unregister(77), 0);
  assert.equal(t.s.kfilter_register("more"), 77);
  assertSound(t.k);
});

test("a registration by filter and identifier is one on the owner's source for it", () => {
  const t = new Stand();
  const filter = t.s.kfilter_register("keys");
  const big = 2n ** 60n;
  const source = t.s.source(0, filter, 7);
  assert.ok(t.s.source(0, filter, big) > 0);
  assert.equal(t.s.source(0, filter, 7), -EEXIST);
  assert.equal(t.change(EV_ADD, filter, 8), -ENOENT, "nothing under the identifier");
  assert.equal(t.change(EV_ENABLE, filter, 7), -ENOENT, "not registered");
  assert.equal(t.change(EV_ADD, 9, 7), -EINVAL, "no such filter");
  assert.equal(t.change(EV_ENABLE, 9, 7), -EINVAL);
  assert.equal(t.change(EV_ADD, filter, 7), 0);
  assert.equal(t.s.source_set(source, EVFILT_READ, SRC_READY, 0x10, 3), 0);
  assert.equal(t.s.source_notify(source), 0);
  assert.deepEqual(t.poll(), [[0, 0x10, 3n]]);
  assert.equal(t.s.kfilter_unregister(filter), -EBUSY);
  assert.equal(t.s.source_destroy(source), 0);
  assertSound(t.k);
  assert.equal(t.s.kfilter_unregister(filter), -EBUSY, "what is left counts");
  assert.deepEqual(t.poll(), [[EV_EOF | EV_ONESHOT, 0, 0n]]);
  assert.equal(t.change(EV_ADD, filter, 7), -ENOENT, "gone from the filter");
  assert.equal(t.s.kfilter_unregister(filter), 0);
  assert.equal(t.change(EV_ADD, filter, 7), -EINVAL);
});

test("a filter whose owner ends keeps its number until its registrations are gone", () => {
  const t = new Stand();
  const other = attachThread(t.k);
  const s2 = sys({ thread: other });
  const filter = s2.kfilter_register("theirs");
  const source = s2.source(0, filter, 1);
  assert.equal(t.change(EV_ADD | EV_DISABLE, filter, 1), 0);
  assert.equal(t.s.source(0, filter, 2), -EPERM, "only its owner gives it sources");
  sourcesEnd(t.k, other.owner);
  assertSound(t.k);
  assert.equal(t.change(EV_ADD, filter, 2), -ENXIO);
  assert.equal(t.s.kfilter_register("mine"), filter + 1);
  assert.equal(t.change(EV_DELETE, filter, 1), 0);
  assert.equal(t.s.kfilter_register("next"), filter);
  assert.equal(t.s.close(source), 0);
  assertSound(t.k);
});
