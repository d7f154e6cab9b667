// SPDX-License-Identifier: ISC
/** Boot and attach: many kernels at once, slots and their epochs, and buffers that are no arena. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import { EAGAIN, EINVAL, ENOMEM } from "#src/abi/errno.js";
import { EV_ADD, EVFILT_USER } from "#src/abi/event.js";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { threadHost } from "#src/host/node.js";
import { peek } from "#src/inspect/peek.js";
import { usage } from "#src/inspect/usage.js";
import { heapAlloc, heapFree } from "#src/kern/alloc.js";
import { slotLeave } from "#src/kern/attach.js";
import { threadSerial } from "#src/kern/thread.js";
import { ARENA_BYTES_MIN, LINE_WORDS } from "#src/limits.js";
import { KeventList, sys } from "#src/sys/face.js";
import { kernelAttach, kernelBoot } from "#src/sys/kernel.js";
import { assertPanics, assertSound, attachThread, bootSmallest, bootThread } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

test("kernels in one process know nothing of each other", () => {
  const kernels = Array.from({ length: 20 }, (_, id) => bootSmallest({ id }));
  const list = new KeventList(1);
  for (const [i, k] of kernels.entries()) {
    const s = sys({ thread: k });
    const kq = s.kqueue();
    assert.equal(kq, 0, "the first number of each");
    for (let ident = 0; ident < i; ident++) {
      list.set(0, ident, EVFILT_USER, EV_ADD);
      assert.equal(s.kevent(kq, list, 1, null, 0, ZERO), 0);
    }
  }
  for (const [i, k] of kernels.entries()) {
    assert.equal(sys({ thread: k }).userEventCount(), i);
    assert.equal(usage(k).knotes, i);
    assertSound(k);
  }
});

test("a thread of one kernel may make and use others, in any order", () => {
  const one = bootSmallest();
  const two = bootSmallest();
  const [s1, s2] = [sys({ thread: one }), sys({ thread: two })];
  const fds = [s1.eventfd(1, 0), s2.eventfd(2, 0), s1.eventfd(3, 0), s2.eventfd(4, 0)];
  assert.deepEqual(fds, [0, 0, 1, 1]);
  const value = new BigUint64Array(1);
  for (const [s, fd, want] of [
    [s2, 1, 4n],
    [s1, 0, 1n],
    [s1, 1, 3n],
    [s2, 0, 2n],
  ] as const) {
    assert.equal(s.eventfd_read(fd, value), 0);
    assert.equal(value[0], want);
  }
  assertSound(one);
  assertSound(two);
});

test("attaching a second time gives a second thread of the same process", () => {
  const k = bootThread();
  const other = attachThread(k);
  assert.notEqual(other.owner, k.owner);
  assert.notEqual(threadSerial(other), threadSerial(k));
  const fd = sys({ thread: k }).eventfd(7, 0);
  const value = new BigUint64Array(1);
  assert.equal(sys({ thread: other }).eventfd_read(fd, value), 0);
  assert.equal(value[0], 7n);
  assert.equal(usage(k).threads, 2);
  slotLeave(other);
  assert.equal(usage(k).threads, 1);
  assertSound(k);
});

test("a slot is used again, by another owner word", () => {
  const k = bootThread({ threads: 2 });
  const owners = new Set<number>([k.owner]);
  for (let i = 0; i < 50; i++) {
    const other = attachThread(k);
    owners.add(other.owner);
    slotLeave(other);
  }
  assert.equal(owners.size, 51);
  assertSound(k);
});

test("more threads than slots are refused with EAGAIN, until one leaves", () => {
  const k = bootThread({ threads: 4 });
  const buffer = k.a.buffer as SharedArrayBuffer;
  const others = [1, 2, 3].map(() => attachThread(k));
  assert.equal(kernelAttach(buffer, threadHost), -EAGAIN);
  assert.equal(usage(k).threads, 4);
  assertSound(k);
  slotLeave(others[1] as Kthread);
  attachThread(k);
  assert.equal(kernelAttach(buffer, threadHost), -EAGAIN);
  assert.ok(sys({ thread: k }).kqueue() >= 0, "everything else goes on");
  assertSound(k);
});

test("a thread that holds something cannot leave", () => {
  const k = bootThread();
  k.lockDepth = 1;
  assertPanics(() => slotLeave(k), /leaves/);
  k.lockDepth = 0;
});

test("an arena too small for its tables is refused, and one for little more boots or not", () => {
  const shape = {
    arenaBytes: 4096,
    threads: 64,
    descriptors: 64,
    userEvents: 8,
    timers: 8,
    profile: 0,
    manualClock: false,
    spin: false,
    wallNs: 0,
    id: 1,
  };
  assert.equal(kernelBoot(shape, threadHost), -EINVAL);
  let refused = 0;
  for (let arenaBytes = 8192; arenaBytes <= ARENA_BYTES_MIN; arenaBytes += 1024) {
    const k = kernelBoot({ ...shape, arenaBytes }, threadHost);
    if (typeof k === "number") {
      assert.ok(k === -EINVAL || k === -ENOMEM, `${arenaBytes}: ${k}`);
      refused = arenaBytes;
    } else {
      assertSound(k, `${arenaBytes}`);
    }
  }
  assert.ok(refused < ARENA_BYTES_MIN / 2, `${refused} bytes are refused`);
});

test("a thread that finds no memory for its record is refused and leaves no trace", () => {
  const k = bootSmallest({ threads: 200 });
  const buffer = k.a.buffer as SharedArrayBuffer;
  const s = sys({ thread: k });
  // Use the memory up to the last line.
  const fds = new Int32Array(2);
  while (s.pipe(fds) === 0);
  while (s.kqueue() >= 0);
  while (s.eventfd(0, 0) >= 0);
  const lines: number[] = [];
  for (let at = heapAlloc(k, 1); at !== 0; at = heapAlloc(k, 1)) lines.push(at);
  let attached = 0;
  let result = 0;
  for (;;) {
    const other = kernelAttach(buffer, threadHost);
    if (typeof other === "number") {
      result = other;
      break;
    }
    attached++;
  }
  assert.equal(result, -ENOMEM);
  assert.equal(usage(k).threads, 1 + attached);
  for (const at of lines) heapFree(k, at, 1);
  assertSound(k);
});

/** What may be attached to is an arena of this version, whole. */
function refused(change: (a: Int32Array) => void): void {
  const k = bootSmallest();
  const buffer = new SharedArrayBuffer(ARENA_BYTES_MIN);
  const copy = new Int32Array(buffer);
  copy.set(k.a);
  change(copy);
  const before = copy.slice();
  assert.equal(kernelAttach(buffer, threadHost), -EINVAL);
  assert.deepEqual(copy, before, "and nothing in it was touched");
}

test("buffers that are no arena of this version are refused", () => {
  refused((a) => a.fill(0));
  refused((a) => a.fill(-1));
  for (const field of [Super.magic, Super.version, Super.layout, Super.arenaWords]) {
    refused((a) => {
      a[field.at(SUPER)] = (a[field.at(SUPER)] as number) + 1;
    });
  }
});

test("a cut-off arena is refused, at any length", () => {
  const k = bootSmallest();
  for (const words of [0, 1, LINE_WORDS, LINE_WORDS + 1, SUPER + Super.struct.words, 4096]) {
    const buffer = new SharedArrayBuffer(words * 4);
    new Int32Array(buffer).set(k.a.subarray(0, words));
    assert.equal(kernelAttach(buffer, threadHost), -EINVAL, `${words} words`);
  }
  for (const bytes of [1, 3, 63, 1023]) {
    assert.equal(kernelAttach(new SharedArrayBuffer(bytes), threadHost), -EINVAL, `${bytes}`);
  }
});

test("a whole copy is an arena of its own", () => {
  const k = bootSmallest();
  sys({ thread: k }).eventfd(5, 0);
  const buffer = new SharedArrayBuffer(ARENA_BYTES_MIN);
  new Int32Array(buffer).set(k.a);
  const other = kernelAttach(buffer, threadHost);
  assert.ok(typeof other !== "number");
  assert.equal(peek(other, Super.id, SUPER), 1);
  assert.equal(sys({ thread: other }).close(0), 0);
  assert.equal(usage(k).descriptors, 1);
});

test("threads that attach and leave at the same time all get slots", async () => {
  const k = bootThread({ threads: 9 });
  const url = new URL("./attach-worker.js", import.meta.url);
  const workers = Array.from({ length: 4 }, () => {
    return new Worker(url, { workerData: { buffer: k.a.buffer, turns: 400 } });
  });
  const codes = await Promise.all(workers.map((worker) => once(worker, "exit")));
  assert.deepEqual(codes.flat(), [0, 0, 0, 0]);
  assert.equal(usage(k).threads, 1);
  assertSound(k);
});
