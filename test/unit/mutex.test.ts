// SPDX-License-Identifier: ISC
/** The mutex: exclusion among real threads, sleeping, ownership, and what it refuses. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { heapAlloc, heapFree } from "#src/kern/alloc.js";
import { ownerWord } from "#src/kern/thread.js";
import { LOCKS_HELD_MAX, OWNER_EPOCH_BITS, OWNER_SLOT_BITS, THREADS_MAX } from "#src/limits.js";
import {
  LOCK_OWNER_MASK,
  LOCK_WAITERS,
  mutexLock,
  mutexOwned,
  mutexUnlock,
} from "#src/sync/mutex.js";
import { lockOrder, RANK_OBJECT, RANK_QUEUE } from "#src/sync/order.js";
import type { Work } from "./mutex-worker.js";
import { assertPanics, assertSound, attachThread, bootThread } from "./support.js";

const WORDS = 64;

/** Free words to use as locks and counters. */
function wordsOf(k: Kthread): number {
  const at = heapAlloc(k, WORDS);
  k.a.fill(0, at, at + WORDS);
  return at;
}

async function contend(threads: number, turns: number, inside: number): Promise<void> {
  const k = bootThread({ threads: threads + 1 });
  const lock = wordsOf(k);
  const counter = lock + 32;
  const buffer = k.a.buffer as SharedArrayBuffer;
  const work: Work = { buffer, lock, counter, turns, inside };
  const workers = Array.from({ length: threads }, () => {
    return new Worker(new URL("./mutex-worker.js", import.meta.url), { workerData: work });
  });
  await Promise.all(workers.map((worker) => once(worker, "exit")));
  assert.equal(k.a[counter], threads * turns);
  assert.equal(k.a[lock], 0, "free, and no waiters bit left behind");
  heapFree(k, lock, WORDS);
  assert.equal(Super.threads.load(k, SUPER), 1);
  assertSound(k);
}

test("threads count under a lock without losing one", () => contend(4, 20_000, 0));

test("threads that have to sleep for the lock get it", () => contend(6, 300, 3000));

test("the word is 0 when free and names its owner when taken", () => {
  const k = bootThread();
  const lock = wordsOf(k);
  assert.equal(mutexOwned(k, lock), false);
  mutexLock(k, lock, RANK_OBJECT);
  assert.equal(k.a[lock], k.owner);
  assert.equal(mutexOwned(k, lock), true);
  assert.equal(mutexOwned(attachThread(k), lock), false);
  mutexUnlock(k, lock);
  assert.equal(k.a[lock], 0);
});

test("the record lists the locks held, in order, through any order of release", () => {
  const k = bootThread();
  const at = wordsOf(k);
  const locks = [at, at + 1, at + 2];
  const listed = (): number[] => [...k.a.subarray(k.locksAt, k.locksAt + 4)];
  for (const [i, lock] of locks.entries()) mutexLock(k, lock, i + 1);
  assert.deepEqual(listed(), [...locks, 0]);
  mutexUnlock(k, at + 1);
  assert.deepEqual(listed(), [at, at + 2, 0, 0]);
  mutexUnlock(k, at);
  mutexUnlock(k, at + 2);
  assert.deepEqual(listed(), [0, 0, 0, 0]);
  assert.equal(k.lockDepth, 0);
});

test("a sleep on a lock is timed: a wake that was lost does not strand the sleeper", async () => {
  const k = bootThread();
  const lock = wordsOf(k);
  mutexLock(k, lock, RANK_OBJECT);
  const buffer = k.a.buffer as SharedArrayBuffer;
  const work: Work = { buffer, lock, counter: lock + 32, turns: 1, inside: 0 };
  const url = new URL("./mutex-worker.js", import.meta.url);
  const worker = new Worker(url, { workerData: work });
  const exit = once(worker, "exit");
  while (((k.a[lock] as number) & LOCK_WAITERS) === 0) await new Promise(setImmediate);
  // As if the thread that the unlock woke had died: the word is free, and nobody is notified.
  Atomics.store(k.a, lock, 0);
  await exit;
  assert.equal(k.a[lock + 32], 1);
});

test("unlocking what another holds is a defect, and so is holding too many", () => {
  const k = bootThread();
  const other = attachThread(k);
  const lock = wordsOf(k);
  mutexLock(k, lock, RANK_OBJECT);
  assertPanics(() => mutexUnlock(other, lock), /lock/);
  const many = bootThread();
  const at = wordsOf(many);
  for (let i = 0; i < LOCKS_HELD_MAX; i++) mutexLock(many, at + i, i + 1);
  assertPanics(() => mutexLock(many, at + WORDS - 1, RANK_QUEUE + 1), /too many/);
});

test("a thread cannot take a lock twice", () => {
  const k = bootThread();
  const lock = wordsOf(k);
  mutexLock(k, lock, RANK_OBJECT);
  assertPanics(() => mutexLock(k, lock, RANK_QUEUE), /holds/);
});

test("owner words are never 0, fit beside the waiters bit, and differ", () => {
  const words = new Set<number>();
  const epochs = [1, 2, 2 ** OWNER_EPOCH_BITS - 1];
  for (const epoch of epochs) {
    for (const slot of [1, 2, THREADS_MAX]) {
      const word = ownerWord(slot, epoch);
      assert.notEqual(word & LOCK_OWNER_MASK, 0);
      assert.equal(word & ~LOCK_OWNER_MASK, 0);
      assert.equal(word & (2 ** OWNER_SLOT_BITS - 1), slot);
      words.add(word);
    }
  }
  assert.equal(words.size, 9);
});

test("the lock order is a list of distinct ranks, outermost first", () => {
  const ranks = lockOrder.map(({ rank }) => rank);
  assert.deepEqual(
    [...new Set(ranks)].sort((x, y) => x - y),
    ranks,
  );
});
