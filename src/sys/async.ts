// SPDX-License-Identifier: ISC
/**
 * The thread's part of waiting without blocking (design: sync/wait.ts, event/await.ts): its
 * asynchronous wait records, the list of those that fired, and its one pending Atomics.waitAsync.
 *
 * The async word is SLEEPING while that wait is pending, so that who fires a record notifies it,
 * and WOKEN otherwise. A thread that arms the wait looks at the list once more afterwards: either
 * it sees the record that was fired before, or the firing saw SLEEPING.
 */
import { atomicLoad, atomicNotify, atomicStore, atomicWaitAsync, hasWaitAsync } from "#atomics";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { limboHold, published, zalloc, zfree } from "../kern/alloc.js";
import { callEnter, callLeave, Thread, type ThreadPtr } from "../kern/thread.js";
import {
  REC_FREE,
  Waitrec,
  type WaitrecPtr,
  WORD_SLEEPING,
  WORD_WOKEN,
  waitrecZone,
  waitTakeFired,
} from "../sync/wait.js";
import { SYS } from "./calls.js";

export { hasWaitAsync };

/** A new asynchronous record of the thread, FREE; NIL when memory is exhausted. */
export function recordMake(k: Kthread): WaitrecPtr {
  callEnter(k, SYS.kevent);
  const rec = recordAlloc(k);
  callLeave(k);
  return rec;
}

function recordAlloc(k: Kthread): WaitrecPtr {
  const rec = zalloc(k, waitrecZone);
  if (rec === 0) return NIL;
  const thread = k.thread as ThreadPtr;
  k.a.fill(0, rec, rec + Waitrec.struct.words);
  Waitrec.async.set(k, rec, 1);
  Waitrec.thread.set(k, rec, thread);
  Waitrec.wakeWord.set(k, rec, k.asyncWord);
  Waitrec.firedAt.set(k, rec, k.firedAt);
  Waitrec.state.set(k, rec, REC_FREE);
  Waitrec.sibling.set(k, rec, Thread.records.get(k, thread));
  Thread.records.set(k, thread, rec);
  published(k, rec);
  return rec;
}

/** Give back all asynchronous records of the thread, which are FREE and on no list. */
export function recordsFree(k: Kthread): void {
  const thread = k.thread as ThreadPtr;
  for (let rec = Thread.records.get(k, thread); rec !== 0; rec = Thread.records.get(k, thread)) {
    const next = Waitrec.sibling.get(k, rec);
    limboHold(k, waitrecZone.index, rec);
    Thread.records.set(k, thread, next);
    zfree(k, waitrecZone, rec);
  }
}

/** Take the records that fired since the last time, oldest first, and put them behind `into`. */
export function firedTake(k: Kthread, into: number[]): void {
  if (!firedAny(k)) return;
  const from = into.length;
  for (let rec = waitTakeFired(k); rec !== 0; rec = Waitrec.fired.hint(k, rec)) into.push(rec);
  for (let i = from, j = into.length - 1; i < j; i++, j--) {
    const t = into[i] as number;
    into[i] = into[j] as number;
    into[j] = t;
  }
}

export function firedAny(k: Kthread): boolean {
  return atomicLoad(k.a, k.firedAt) !== 0;
}

/** Arm the thread's wait. Null when somebody woke it in the same moment. */
export function asyncArm(k: Kthread): Promise<unknown> | null {
  atomicStore(k.a, k.asyncWord, WORD_SLEEPING);
  return atomicWaitAsync(k.a, k.asyncWord, WORD_SLEEPING);
}

/** The wait has ended, or nobody waits for it any more: nobody needs to notify it. */
export function asyncDisarm(k: Kthread): void {
  atomicStore(k.a, k.asyncWord, WORD_WOKEN);
}

/** End the pending wait, so that nothing is left of it. */
export function asyncRetire(k: Kthread): void {
  atomicStore(k.a, k.asyncWord, WORD_WOKEN);
  atomicNotify(k.a, k.asyncWord, 1);
}
