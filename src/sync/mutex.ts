// SPDX-License-Identifier: ISC
/**
 * The mutex. Its word is 0 when free, otherwise the owner (epoch and slot of a thread, 30 bits),
 * with bit 30 set while somebody sleeps on it. Taking it is one compare-and-swap, releasing it one
 * exchange, whose result says for free whether anybody must be woken.
 *
 * A sleeper sets the waiters bit and sleeps on the word; once it was contended, a thread takes the
 * lock with the bit still set, because it cannot know that it was the only sleeper. Every sleep is
 * timed: the one wake that an unlock gives can go to a thread that dies before it takes the lock.
 *
 * A thread writes the lock's index to its record in the arena before it tries, and removes it
 * after releasing, so that whoever recovers after its death finds every lock it may own.
 *
 * A thread that may not block, such as a page's own, spins instead of sleeping. It does so without
 * limit for a lock that it needs to finish what it has begun: those are held briefly, by threads
 * that run. For the first lock of a call, when nothing has been changed yet, it gives up after
 * LOCK_SPIN_MS (mutexLockFirst, mutexReady), and the call fails with EAGAIN.
 *
 * Locks are not recursive. The checked build verifies rank order and ownership.
 */
import {
  atomicCas,
  atomicExchange,
  atomicLoad,
  atomicNotify,
  atomicWait,
  lockPoint,
  spinHint,
} from "#atomics";
import { lockDropped, lockWanted } from "#field";
import { KernelPanic, type Kthread, RecoveryStuck } from "../arena/kthread.js";
import { IMPATIENT_SLEEPS, LOCK_SLEEP_MS, LOCK_SPIN_MS, LOCKS_HELD_MAX } from "../limits.js";

/** Bit of the lock word: somebody may be asleep on it. */
export const LOCK_WAITERS = 0x40000000;
/** The owner's part of the lock word. */
export const LOCK_OWNER_MASK = 0x3fffffff;
/**
 * Turns of the spin loop before sleeping: some eight microseconds. That is what waking a sleeper
 * costs the lock's owner, so waiting is at most twice as dear as knowing beforehand which is
 * cheaper; and a scan of 64 events holds the lock for less.
 */
const SPIN_TURNS = 1024;

/** Take the lock whose word is at index `lock`. May sleep. */
export function mutexLock(k: Kthread, lock: number, rank: number): void {
  lockWanted(k, lock, rank);
  const depth = k.lockDepth;
  if (depth >= LOCKS_HELD_MAX) throw new KernelPanic("a thread holds too many locks");
  k.a[k.locksAt + depth] = lock;
  k.lockDepth = depth + 1;
  if (atomicCas(k.a, lock, 0, k.owner) !== 0) mutexLockContended(k, lock);
  lockPoint(k.a, lock, true);
}

/**
 * Take a lock before anything was changed. False if the thread may not block and somebody else has
 * held the lock for LOCK_SPIN_MS; it is not held then. Under another lock it is mutexLock.
 */
export function mutexLockFirst(k: Kthread, lock: number, rank: number): boolean {
  if (!k.mayBlock && k.lockDepth === 0) return mutexLockInTime(k, lock, rank);
  mutexLock(k, lock, rank);
  return true;
}

/** Whether the lock can be had by now: for calls that take it somewhere inside, before others. */
export function mutexReady(k: Kthread, lock: number, rank: number): boolean {
  if (k.host.canBlock || k.lockDepth !== 0) return true;
  if (!mutexLockInTime(k, lock, rank)) return false;
  mutexUnlock(k, lock);
  return true;
}

function mutexLockInTime(k: Kthread, lock: number, rank: number): boolean {
  const a = k.a;
  lockWanted(k, lock, rank);
  // The host's clock: a kernel's manual clock stands still while its threads run.
  const end = k.host.monotonicNs() + LOCK_SPIN_MS * 1e6;
  a[k.locksAt] = lock;
  k.lockDepth = 1;
  for (;;) {
    for (let turn = 0; turn < SPIN_TURNS; turn++) {
      if (atomicLoad(a, lock) === 0 && atomicCas(a, lock, 0, k.owner) === 0) {
        lockPoint(a, lock, true);
        return true;
      }
      spinHint();
    }
    if (k.host.monotonicNs() >= end) break;
  }
  lockDropped(k, lock);
  forgetLock(k, lock);
  return false;
}

/** Release a lock that this thread holds. Never sleeps. */
export function mutexUnlock(k: Kthread, lock: number): void {
  const a = k.a;
  lockDropped(k, lock);
  lockPoint(a, lock, false);
  const old = atomicExchange(a, lock, 0);
  if ((old & LOCK_WAITERS) !== 0) atomicNotify(a, lock, 1);
  if ((old & LOCK_OWNER_MASK) !== k.owner) throw new KernelPanic("unlock of a lock of another");
  forgetLock(k, lock);
}

/** Whether this thread holds the lock. */
export function mutexOwned(k: Kthread, lock: number): boolean {
  return (atomicLoad(k.a, lock) & LOCK_OWNER_MASK) === k.owner;
}

function forgetLock(k: Kthread, lock: number): void {
  const a = k.a;
  const last = k.lockDepth - 1;
  k.lockDepth = last;
  const top = k.locksAt + last;
  if (a[top] !== lock) {
    let i = top - 1;
    while (i >= k.locksAt && a[i] !== lock) i--;
    if (i < k.locksAt) throw new KernelPanic("unlock of a lock that is not in the thread's record");
    for (; i < top; i++) a[i] = a[i + 1] as number;
  }
  a[top] = 0;
}

function mutexLockContended(k: Kthread, lock: number): void {
  const a = k.a;
  let sleeps = 0;
  if (k.host.processors > 1) {
    for (let turn = 0; turn < SPIN_TURNS; turn++) {
      spinHint();
      if (atomicLoad(a, lock) === 0 && atomicCas(a, lock, 0, k.owner) === 0) return;
    }
  }
  for (;;) {
    const seen = atomicLoad(a, lock);
    if (seen === 0) {
      if (atomicCas(a, lock, 0, k.owner | LOCK_WAITERS) === 0) return;
    } else if ((seen & LOCK_OWNER_MASK) === k.owner) {
      throw new KernelPanic("a thread takes a lock that it holds");
    } else if (!k.host.canBlock) {
      spinHint();
    } else {
      const marked = seen | LOCK_WAITERS;
      if (seen !== marked && atomicCas(a, lock, seen, marked) !== seen) continue;
      if (k.impatient && ++sleeps > IMPATIENT_SLEEPS) throw new RecoveryStuck("a lock");
      atomicWait(a, lock, marked, LOCK_SLEEP_MS);
    }
  }
}
