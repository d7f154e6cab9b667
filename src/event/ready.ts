// SPDX-License-Identifier: ISC
/**
 * The ready list of a queue: a doubly linked FIFO of the knotes that are KN_QUEUED, in order of
 * activation. `count` is its length; `fresh` counts those that were not delivered since they were
 * activated, which is what waiters are woken for. All functions expect the queue lock.
 */
import { DEFER_NEST, type Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { Waitq, wakeAsyncLocked, wakeOneLocked } from "../sync/wait.js";
import {
  KN_ACTIVE,
  KN_DELIVERED,
  KN_DISABLED,
  KN_QUEUED,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
  kqWaitq,
} from "./structs.js";

/** Append a knote that is on no list. */
export function readyAppendLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const tail = Kqueue.tail.get(k, kq);
  Knote.status.or(k, kn, KN_QUEUED);
  Knote.readyNext.set(k, kn, NIL);
  Knote.readyPrev.set(k, kn, tail);
  if (tail === 0) Kqueue.head.set(k, kq, kn);
  else Knote.readyNext.set(k, tail, kn);
  Kqueue.tail.set(k, kq, kn);
  Kqueue.count.publish(k, kq, Kqueue.count.hint(k, kq) + 1);
}

/** Take a KN_QUEUED knote off the list. */
export function readyRemoveLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const next = Knote.readyNext.get(k, kn);
  const prev = Knote.readyPrev.get(k, kn);
  if (prev === 0) Kqueue.head.set(k, kq, next);
  else Knote.readyNext.set(k, prev, next);
  if (next === 0) Kqueue.tail.set(k, kq, prev);
  else Knote.readyPrev.set(k, next, prev);
  Kqueue.count.publish(k, kq, Kqueue.count.hint(k, kq) - 1);
  if ((Knote.status.get(k, kn) & KN_DELIVERED) === 0) Kqueue.fresh.add(k, kq, -1);
  Knote.status.clear(k, kn, KN_QUEUED | KN_DELIVERED);
}

/** Wake whoever waits for events of the queue: one blocking thread, or else all awaiting ones. */
export function queueWakeLocked(k: Kthread, kq: KqueuePtr): void {
  const wq = kqWaitq(kq);
  if (Waitq.head.get(k, wq) !== 0) wakeOneLocked(k, wq);
  else if (Waitq.asyncHead.get(k, wq) !== 0) wakeAsyncLocked(k, wq);
}

/** The queue's readiness changed: queues that watch it hear of it after the last unlock. */
export function queueTouchedLocked(k: Kthread, kq: KqueuePtr): void {
  if (Kqueue.watched.get(k, kq) === 0) return;
  Kqueue.dirty.set(k, kq, 1);
  if (!k.nestWork.includes(kq)) k.nestWork.push(kq);
  k.deferred |= DEFER_NEST;
}

/**
 * The knote's condition holds, or holds again. It is queued unless disabled, and somebody is woken
 * for it, also when it was still queued from before but had been delivered since.
 */
export function knoteActivateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const status = Knote.status.get(k, kn);
  if ((status & KN_DISABLED) !== 0) {
    Knote.status.or(k, kn, KN_ACTIVE);
    return;
  }
  if ((status & (KN_QUEUED | KN_DELIVERED)) === KN_QUEUED) {
    Knote.status.or(k, kn, KN_ACTIVE);
    return;
  }
  if ((status & KN_QUEUED) === 0) {
    Knote.status.or(k, kn, KN_ACTIVE);
    readyAppendLocked(k, kq, kn);
  } else {
    Knote.status.clear(k, kn, KN_DELIVERED);
  }
  Kqueue.fresh.add(k, kq, 1);
  queueWakeLocked(k, kq);
  queueTouchedLocked(k, kq);
}

/** The knote's condition no longer holds, or its event was taken. */
export function knoteDeactivateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  if ((Knote.status.get(k, kn) & KN_QUEUED) !== 0) readyRemoveLocked(k, kq, kn);
  Knote.status.clear(k, kn, KN_ACTIVE);
}
