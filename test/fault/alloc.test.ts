// SPDX-License-Identifier: ISC
/**
 * Memory runs out: at the n-th allocation of each call, for every n, and for good. The call says
 * ENOMEM and has changed nothing; everything works as soon as there is memory.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EMFILE, ENOMEM } from "#src/abi/errno.js";
import {
  EV_ADD,
  EV_DELETE,
  EV_ERROR,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
} from "#src/abi/event.js";
import { F_DUPFD, O_DIRECT, O_NONBLOCK } from "#src/abi/fcntl.js";
import type { Kthread } from "#src/arena/kthread.js";
import { bellMake } from "#src/fd/bell.js";
import { channelMake } from "#src/fd/channel.js";
import { type Usage, usage } from "#src/inspect/usage.js";
import { published } from "#src/kern/alloc.js";
import { fdInstall } from "#src/kern/descrip.js";
import { type FilePtr, fileDrop } from "#src/kern/file.js";
import { FD_CHUNK_ENTRIES, HASH_BUCKETS_MIN, HEAP_ENTRIES_MIN } from "#src/limits.js";
import { KeventList, type Sys, sys } from "#src/sys/face.js";
import { assertSound, bootSmallest, Random, SEED } from "../unit/support.js";

const ZERO = { sec: 0, nsec: 0 };

/** A kernel made ready for a call, and the call: it can be repeated until it succeeds. */
interface Prepared {
  readonly k: Kthread;
  readonly call: () => number;
}

interface Scenario {
  readonly name: string;
  /** Allocations that the call makes at least, so that the test cannot test nothing. */
  readonly allocations: number;
  prepare(): Prepared;
}

function onSys(prepare: (s: Sys, k: Kthread) => () => number): () => Prepared {
  return () => {
    const k = bootSmallest({ descriptors: 8192, userEvents: 4096 });
    return { k, call: prepare(sys({ thread: k }), k) };
  };
}

/** Registrations of `count` user events, timers or both, before the call. */
function fill(s: Sys, kq: number, filter: number, count: number): void {
  const list = new KeventList(1);
  for (let i = 0; i < count; i++) {
    list.set(0, 1000 + i, filter, EV_ADD, 0, 100);
    assert.equal(s.kevent(kq, list, 1, null, 0, ZERO), 0);
  }
}

/** One change, applied to a queue. */
function change(
  name: string,
  allocations: number,
  build: (s: Sys, kq: number, list: KeventList) => void,
): Scenario {
  const prepare = onSys((s) => {
    const kq = s.kqueue();
    const list = new KeventList(1);
    build(s, kq, list);
    return () => s.kevent(kq, list, 1, null, 0, ZERO);
  });
  return { name: `kevent: ${name}`, allocations, prepare };
}

function pipeEnds(s: Sys): [number, number] {
  const fds = new Int32Array(2);
  assert.equal(s.pipe2(fds, O_NONBLOCK), 0);
  return [fds[0] as number, fds[1] as number];
}

function installed(k: Kthread, fp: FilePtr): number {
  if (fp === 0) return -ENOMEM;
  const fd = fdInstall(k, fp, false);
  published(k, fp);
  if (fd < 0) fileDrop(k, fp);
  return fd;
}

const SHAPE = { bytes: 4096, packet: true, recordMax: 4092 };

const SCENARIOS: readonly Scenario[] = [
  { name: "kqueue", allocations: 4, prepare: onSys((s) => () => s.kqueue()) },
  { name: "eventfd", allocations: 3, prepare: onSys((s) => () => s.eventfd(0, 0)) },
  {
    name: "pipe",
    allocations: 5,
    prepare: onSys((s) => {
      const fds = new Int32Array(2);
      return () => s.pipe(fds);
    }),
  },
  {
    name: "pipe2, the second number in a new chunk",
    allocations: 5,
    prepare: onSys((s) => {
      for (let i = 0; i < FD_CHUNK_ENTRIES - 1; i++) s.eventfd(0, 0);
      const fds = new Int32Array(2);
      return () => s.pipe2(fds, O_DIRECT);
    }),
  },
  { name: "source", allocations: 3, prepare: onSys((s) => () => s.source(0)) },
  {
    name: "source of a named filter",
    allocations: 3,
    prepare: onSys((s) => {
      const filter = s.kfilter_register("keys");
      return () => s.source(0, filter, 7);
    }),
  },
  {
    name: "kfilter_register",
    allocations: 1,
    prepare: onSys((s) => () => s.kfilter_register("keys")),
  },
  { name: "bell", allocations: 3, prepare: onSys((_s, k) => () => installed(k, bellMake(k))) },
  {
    name: "channel",
    allocations: 4,
    prepare: onSys((_s, k) => () => installed(k, channelMake(k, SHAPE))),
  },
  {
    name: "dup, into a new chunk",
    allocations: 1,
    prepare: onSys((s) => {
      for (let i = 0; i < FD_CHUNK_ENTRIES; i++) s.eventfd(0, 0);
      return () => s.dup(0);
    }),
  },
  {
    name: "dup2 to a number far up",
    allocations: 1,
    prepare: onSys((s) => {
      s.eventfd(0, 0);
      return () => s.dup2(0, 700);
    }),
  },
  {
    name: "fcntl F_DUPFD from a number far up",
    allocations: 1,
    prepare: onSys((s) => {
      s.eventfd(0, 0);
      return () => s.fcntl(0, F_DUPFD, 700);
    }),
  },
  change("add a user event", 1, (_s, _kq, list) => list.set(0, 1, EVFILT_USER, EV_ADD)),
  change("add a user event with wide values", 2, (_s, _kq, list) => {
    list.set(0, 2n ** 40n, EVFILT_USER, EV_ADD, 0, 2n ** 40n, 2n ** 40n);
  }),
  change("add a user event with ext", 2, (_s, _kq, list) => {
    list.set(0, 1, EVFILT_USER, EV_ADD).setExt(0, 2, 99n);
  }),
  change("give a user event a wide value", 1, (s, kq, list) => {
    list.set(0, 1, EVFILT_USER, EV_ADD);
    s.kevent(kq, list, 1, null, 0, ZERO);
    list.set(0, 1, EVFILT_USER, EV_ADD, 0, 2n ** 50n);
  }),
  change("add a timer", 3, (_s, _kq, list) => list.set(0, 1, EVFILT_TIMER, EV_ADD, 0, 10)),
  change("add a timer that outgrows the heap", 1, (s, kq, list) => {
    fill(s, kq, EVFILT_TIMER, HEAP_ENTRIES_MIN);
    list.set(0, 1, EVFILT_TIMER, EV_ADD, 0, 10);
  }),
  change("add a user event that outgrows the hash", 1, (s, kq, list) => {
    fill(s, kq, EVFILT_USER, HASH_BUCKETS_MIN);
    list.set(0, 1, EVFILT_USER, EV_ADD);
  }),
  change("watch an eventfd", 2, (s, _kq, list) => {
    list.set(0, s.eventfd(1, 0), EVFILT_READ, EV_ADD);
  }),
  change("watch a pipe, with ext", 2, (s, _kq, list) => {
    list.set(0, pipeEnds(s)[1], EVFILT_WRITE, EV_ADD).setExt(0, 0, 1n);
  }),
  change("watch a source", 2, (s, _kq, list) => list.set(0, s.source(0), EVFILT_READ, EV_ADD)),
  change("watch by a named filter", 2, (s, _kq, list) => {
    const filter = s.kfilter_register("keys");
    s.source(0, filter, 2n ** 40n);
    list.set(0, 2n ** 40n, filter, EV_ADD);
  }),
  {
    name: "destroy a source that is watched",
    allocations: 0,
    prepare: onSys((s) => {
      const kq = s.kqueue();
      const fd = s.source(0);
      s.kevent(kq, new KeventList(1).set(0, fd, EVFILT_READ, EV_ADD), 1, null, 0, ZERO);
      return () => s.source_destroy(fd);
    }),
  },
  change("watch a queue", 3, (s, _kq, list) => list.set(0, s.kqueue(), EVFILT_READ, EV_ADD)),
  change("watch a queue, outgrowing hash and heap", 2, (s, kq, list) => {
    fill(s, kq, EVFILT_TIMER, Math.max(HEAP_ENTRIES_MIN, HASH_BUCKETS_MIN));
    list.set(0, s.kqueue(), EVFILT_READ, EV_ADD);
  }),
];

/** What a call may not change when it fails; memory kept for later is no change. */
function counts(k: Kthread): Omit<Usage, "bufferBytes" | "touchedBytes"> {
  const { bufferBytes: _, touchedBytes: __, ...rest } = usage(k);
  return rest;
}

for (const scenario of SCENARIOS) {
  test(`${scenario.name}: the n-th allocation fails, for every n`, () => {
    let n = 1;
    for (; ; n++) {
      const { k, call } = scenario.prepare();
      const before = counts(k);
      k.failAllocation = n;
      const result = call();
      const reached = k.failAllocation === 0;
      k.failAllocation = 0;
      if (!reached) {
        assert.ok(result >= 0, `${result} without a failure`);
        break;
      }
      assertSound(k, `after the failure of allocation ${n}`);
      // What could only have become faster, such as a larger hash, is done without.
      if (result >= 0) continue;
      assert.equal(result, -ENOMEM, `allocation ${n}`);
      assert.deepEqual(counts(k), before, `allocation ${n}`);
      assert.ok(call() >= 0, `again after the failure of allocation ${n}`);
      assertSound(k, `after the success that followed the failure of allocation ${n}`);
    }
    assert.ok(n > scenario.allocations, `${n - 1} allocations`);
  });
}

test("an error of one change has its record, and the others are applied", () => {
  for (let n = 1; ; n++) {
    const k = bootSmallest();
    const s = sys({ thread: k });
    const kq = s.kqueue();
    const list = new KeventList(4)
      .set(0, 1, EVFILT_TIMER, EV_ADD, 0, 10)
      .set(1, 2n ** 33n, EVFILT_USER, EV_ADD)
      .set(2, s.eventfd(0, 0), EVFILT_READ, EV_ADD)
      .set(3, 4, EVFILT_USER, EV_ADD);
    const events = new KeventList(8);
    k.failAllocation = n;
    const count = s.kevent(kq, list, 4, events, 8, ZERO);
    const reached = k.failAllocation === 0;
    k.failAllocation = 0;
    assertSound(k);
    if (!reached) {
      assert.equal(count, 0);
      assert.ok(n > 3);
      return;
    }
    assert.equal(count, 1, `allocation ${n}`);
    assert.equal(events.flags(0), EV_ERROR);
    assert.equal(events.data(0), ENOMEM);
    assert.equal(usage(k).knotes, 3);
  }
});

test("a kevent that fails half-way keeps the changes before and drops those after", () => {
  const k = bootSmallest();
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const list = new KeventList(3)
    .set(0, 1, EVFILT_USER, EV_ADD)
    .set(1, 2, EVFILT_TIMER, EV_ADD, 0, 10)
    .set(2, 3, EVFILT_USER, EV_ADD);
  k.failAllocation = 2;
  assert.equal(s.kevent(kq, list, 3, null, 0, ZERO), -ENOMEM);
  assert.equal(usage(k).knotes, 1);
  assert.equal(s.kevent(kq, list, 3, null, 0, ZERO), 0);
  assertSound(k);
});

/** Every call that makes something, in an arena with no memory left. */
function makers(s: Sys, kq: number): [string, () => number][] {
  const fds = new Int32Array(2);
  const list = new KeventList(1);
  let ident = 1 << 20;
  const add = (filter: number, more = 0n): number => {
    list.set(0, ident++, filter, EV_ADD, 0, 100n + more);
    return s.kevent(kq, list, 1, null, 0, ZERO);
  };
  return [
    ["pipe", () => s.pipe(fds)],
    ["kqueue", () => s.kqueue()],
    ["timer", () => add(EVFILT_TIMER)],
    ["wide user event", () => add(EVFILT_USER, 2n ** 40n)],
    ["user event", () => add(EVFILT_USER)],
    ["eventfd", () => s.eventfd(0, 0)],
    ["source", () => s.source(0)],
    ["dup", () => s.dup(kq)],
  ];
}

test(`a full arena: everything says ENOMEM, and works after a close, KNELL_SEED=${SEED}`, () => {
  const random = new Random(SEED);
  const k = bootSmallest({ descriptors: 8192, userEvents: 1 << 20, timers: 1 << 20 });
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const calls = makers(s, kq);
  const open: number[] = [];
  const full = (): void => {
    for (const [name, call] of calls) {
      let result = call();
      for (let n = 0; result >= 0; n++) {
        assert.ok(n < 20_000, `${name} never fails`);
        if (name === "eventfd" || name === "dup" || name === "kqueue") open.push(result);
        result = call();
      }
      assert.equal(result, -ENOMEM, name);
    }
    assertSound(k, "full");
  };
  full();
  for (let round = 0; round < 10; round++) {
    // What exists goes on: read, write, trigger, collect, delete.
    const fd = random.pick(open);
    assert.equal(s.close(fd), 0);
    open.splice(open.indexOf(fd), 1);
    const list = new KeventList(64);
    assert.ok(s.kevent(kq, null, 0, list, 64, ZERO) >= 0);
    assertSound(k, `round ${round}`);
    full();
  }
  for (let fd = 0; fd < 8192; fd++) s.close(fd);
  const left = usage(k);
  const { files, queues, knotes, pipes, sources } = left;
  assert.deepEqual([files, queues, knotes, pipes, sources], [0, 0, 0, 0, 0]);
  assert.equal(left.bufferBytes, 0);
  assert.ok(s.pipe(new Int32Array(2)) >= 0, "there is room for a pipe again");
  assertSound(k);
});

test("a full descriptor table: EMFILE from everything, and nothing is left behind", () => {
  const k = bootSmallest({ descriptors: 10 });
  const s = sys({ thread: k });
  const kq = s.kqueue();
  while (s.eventfd(0, 0) >= 0);
  const before = counts(k);
  const fds = new Int32Array(2).fill(-7);
  for (const call of [
    () => s.eventfd(0, 0),
    () => s.kqueue(),
    () => s.pipe(fds),
    () => s.source(0),
    () => s.dup(kq),
    () => s.fcntl(kq, F_DUPFD, 3),
  ]) {
    assert.equal(call(), -EMFILE);
    assert.deepEqual(counts(k), before);
    assertSound(k);
  }
  assert.deepEqual([...fds], [-7, -7]);
  s.close(5);
  assert.equal(s.pipe(fds), -EMFILE, "one number is not enough for two ends");
  assert.deepEqual(counts(k), { ...before, descriptors: 9, files: 9, eventfds: 8 });
  assertSound(k);
  assert.equal(s.eventfd(0, 0), 5);
  assert.equal(s.dup2(kq, 5), 5, "dup2 needs no free number");
  assertSound(k);
});

test("limits of user events and timers: exactly so many, ENOMEM, and again after a delete", () => {
  for (const filter of [EVFILT_USER, EVFILT_TIMER]) {
    const k = bootSmallest({ userEvents: 20, timers: 20 });
    const s = sys({ thread: k });
    const queues = [s.kqueue(), s.kqueue()];
    const list = new KeventList(1);
    const add = (ident: number, flags = EV_ADD): number => {
      list.set(0, ident, filter, flags, 0, 50);
      return s.kevent(queues[ident & 1] as number, list, 1, null, 0, ZERO);
    };
    for (let ident = 0; ident < 20; ident++) assert.equal(add(ident), 0);
    for (let ident = 20; ident < 25; ident++) assert.equal(add(ident), -ENOMEM);
    assert.equal(add(7), 0, "what exists can be changed");
    assertSound(k);
    assert.equal(add(7, EV_DELETE), 0);
    assert.equal(add(21), 0);
    assert.equal(add(23), -ENOMEM);
    s.close(queues[0] as number);
    assertSound(k);
    for (let i = 0; i < 10; i++) assert.equal(add(101 + 2 * i), 0);
    assert.equal(add(201), -ENOMEM);
    assertSound(k);
  }
});

test("what is made and not installed can be given back", () => {
  const k = bootSmallest();
  const before = counts(k);
  const bell = bellMake(k);
  published(k, bell);
  fileDrop(k, bell);
  assert.deepEqual(counts(k), before);
  assertSound(k);
});
