// SPDX-License-Identifier: ISC
/**
 * The threads of a kernel as the runtime knows them: by the number of the worker. The record of a
 * thread that has ended stays as it was until somebody recovers it, and says what it held.
 */
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { ownerWord, THREAD_FREE, Thread } from "../kern/thread.js";
import { LOCKS_HELD_MAX } from "../limits.js";
import { LOCK_OWNER_MASK } from "../sync/mutex.js";
import { type LockClass, lockOrder } from "../sync/order.js";
import { lockPlace } from "../sys/repair.js";
import { type Inspected, peek, threadOf } from "./peek.js";

/** Numbers of the slots that a worker is attached as. */
function slotsOf(k: Kthread, hostThread: number): number[] {
  const found: number[] = [];
  for (let number = 1; number <= peek(k, Super.threadsMax, SUPER); number++) {
    const thread = placeOf(k, number);
    if (peek(k, Thread.state, thread) === THREAD_FREE) continue;
    if (peek(k, Thread.worker, thread) === hostThread) found.push(number);
  }
  return found;
}

function placeOf(k: Kthread, number: number): number {
  return peek(k, Super.threadTable, SUPER) + (number - 1) * Thread.struct.words;
}

/**
 * Whether a worker has a place in the kernel: from its attach until it leaves, or is recovered
 * after its end. Never sleeps, takes no lock.
 *
 * @param hostThread number that the runtime knows the worker by, above 0
 */
export function isAttached(of: Inspected, hostThread: number): boolean {
  return slotsOf(threadOf(of), hostThread).length > 0;
}

/**
 * Classes of the locks that a worker holds, outermost first. A lock that its record names is held
 * if the worker's owner word is in it; one that it was only about to take has another there. Exact
 * for a worker that has ended and is not recovered yet. Never sleeps, takes no lock.
 */
export function locksHeld(of: Inspected, hostThread: number): LockClass[] {
  const k = threadOf(of);
  const held = new Set<number>();
  for (const number of slotsOf(k, hostThread)) {
    const thread = placeOf(k, number);
    const owner = ownerWord(number, peek(k, Thread.epoch, thread));
    const first = thread + Thread.locks.offset;
    for (const lock of k.a.subarray(first, first + LOCKS_HELD_MAX)) {
      if (lock !== 0 && ((k.a[lock] as number) & LOCK_OWNER_MASK) === owner) held.add(lock);
    }
  }
  const ranks = [...held].map((lock) => lockPlace(k, lock)?.rank);
  return lockOrder.filter(({ rank }) => ranks.includes(rank));
}
