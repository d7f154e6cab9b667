// SPDX-License-Identifier: ISC
/**
 * Waiting without blocking: the kernel half of `await`. A thread links an asynchronous record, is
 * told when it was fired, and comes back to collect. It may come back early, or late, or cancel;
 * the record is FREE again after each of these. A record that comes back early may still be on the
 * thread's list of fired ones: cancel, take that list, and only then link the record again.
 */
import { EAGAIN, EBADF } from "../abi/errno.js";
import { DEFER_ASK, type Kthread } from "../arena/kthread.js";
import { callEnter, callLeave } from "../kern/thread.js";
import { clockMonotonic } from "../sync/clock.js";
import { mutexLockFirst } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import {
  REC_ARMED,
  REC_CLAIMED,
  REC_DETACHED,
  Waitrec,
  type WaitrecPtr,
  WORD_SLEEPING,
  waitLinkLocked,
  waitUnlinkLocked,
} from "../sync/wait.js";
import { deferredRun } from "./defer.js";
import { scanLocked } from "./deliver.js";
import { KQ_GONE, kqueueLock, kqueueUnlock } from "./lock.js";
import { deferredBetween, passOnLocked, timersPollLocked } from "./scan.js";
import { Kqueue, type KqueuePtr, kqWaitq } from "./structs.js";
import { timerNextLocked } from "./timer.js";

/** Number of kevent, as the thread's record has it. */
const CALL = 560;

/** Nothing yet; the record is linked and will be fired. */
export const PARKED = -0x20000;

/** When the caller of kqueueAwait, parked, must look by itself. */
let parkedUntil = 0;

/** After PARKED: the monotonic time at which the caller must look by itself, or Infinity. */
export function awaitParkedUntil(): number {
  return parkedUntil;
}

/**
 * Collect what is ready, or link the record until `deadline` (monotonic, Infinity for none).
 * Returns the number of events, 0 when the time is up, PARKED, -EBADF when the queue is closed, or
 * -EAGAIN, and then the record is as it was, from a thread that may not wait for the queue's lock.
 */
export function kqueueAwait(
  k: Kthread,
  kq: KqueuePtr,
  generation: number,
  ev: Int32Array,
  nev: number,
  rec: WaitrecPtr,
  deadline: number,
): number {
  callEnter(k, CALL);
  const result = collectOrPark(k, kq, generation, ev, nev, rec, deadline);
  callLeave(k);
  return result;
}

function collectOrPark(
  k: Kthread,
  kq: KqueuePtr,
  generation: number,
  ev: Int32Array,
  nev: number,
  rec: WaitrecPtr,
  deadline: number,
): number {
  const settled = settle(k, kq, rec);
  if (settled !== 0) return settled;
  if (kqueueLock(k, kq, generation) !== 0) return -EBADF;
  timersPollLocked(k, kq);
  if (k.pokes.length > 0) {
    if (deferredBetween(k, kq) === KQ_GONE) return -EBADF;
    timersPollLocked(k, kq);
  }
  let result = Kqueue.count.hint(k, kq) === 0 ? 0 : scanLocked(k, kq, ev, nev);
  while (result === 0 && (k.deferred & DEFER_ASK) !== 0) {
    if (deferredBetween(k, kq) === KQ_GONE) return -EBADF;
    result = scanLocked(k, kq, ev, nev);
  }
  if (result === 0 && !(deadline <= clockMonotonic(k))) {
    parkedUntil = Math.min(deadline, timerNextLocked(k, kq));
    waitLinkLocked(k, kqWaitq(kq), rec, parkedUntil, WORD_SLEEPING);
    result = PARKED;
  } else {
    passOnLocked(k, kq);
  }
  kqueueUnlock(k, kq);
  if (k.deferred !== 0) deferredRun(k);
  return result;
}

/**
 * Cancel: the record is FREE afterwards, and a wake that it was given is passed on. False, and then
 * nothing has changed, from a thread that may not wait for the queue's lock.
 */
export function kqueueAwaitCancel(k: Kthread, kq: KqueuePtr, rec: WaitrecPtr): boolean {
  callEnter(k, CALL);
  const settled = settle(k, kq, rec);
  callLeave(k);
  return settled !== -EAGAIN;
}

/** Unlink the record if it is linked. 0, -EBADF if the queue was closed under it, -EAGAIN. */
function settle(k: Kthread, kq: KqueuePtr, rec: WaitrecPtr): number {
  if (!mutexLockFirst(k, Kqueue.lock.at(kq), RANK_QUEUE)) return -EAGAIN;
  const was = Waitrec.state.get(k, rec);
  if (was === REC_ARMED || was === REC_CLAIMED || was === REC_DETACHED) {
    waitUnlinkLocked(k, kqWaitq(kq), rec);
  }
  if (was === REC_CLAIMED) passOnLocked(k, kq);
  kqueueUnlock(k, kq);
  if (k.deferred !== 0) deferredRun(k);
  return was === REC_DETACHED ? -EBADF : 0;
}
