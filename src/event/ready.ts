// SPDX-License-Identifier: ISC
/**
 * The ready list of a queue: a doubly linked FIFO of the knotes that are KN_QUEUED, in order of
 * activation. `count` is its length; `fresh` counts those that were not delivered since they were
 * activated, which is what waiters are woken for. All functions expect the queue lock.
 */
import { racyPoint } from "#atomics";
import { assertHeld } from "#field";
import { DEFER_NEST, type Kthread } from "../arena/kthread.js";
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

// Activation is on the path of every event: it indexes words, with constants of this module, which
// are folded into the code.
const STATUS_FLAGS = Knote.status.offset;
const NEXT = Knote.readyNext.offset;
const PREV = Knote.readyPrev.offset;
const HEAD = Kqueue.head.offset;
const TAIL = Kqueue.tail.offset;
const COUNT = Kqueue.count.offset;
const FRESH = Kqueue.fresh.offset;
const WATCHED = Kqueue.watched.offset;
const WAITERS = Kqueue.waitq.offset + Waitq.head.offset;
const ASYNC_WAITERS = Kqueue.waitq.offset + Waitq.asyncHead.offset;
const ACTIVE = KN_ACTIVE;
const QUEUED = KN_QUEUED;
const DISABLED = KN_DISABLED;
const DELIVERED = KN_DELIVERED;

/** What parents have to be told of, and above these bits how often it was noted. */
export const DIRTY_DUE = 1;
export const DIRTY_READY = 2;
const DIRTY_BITS = 3;
const DIRTY_TOUCH = 4;

/** Append a knote that is on no list; it becomes KN_QUEUED and KN_ACTIVE. */
function appendLocked(a: Int32Array, kq: number, kn: number, word: number): void {
  const tail = a[kq + TAIL] as number;
  a[kn + STATUS_FLAGS] = word | QUEUED | ACTIVE;
  a[kn + NEXT] = 0;
  a[kn + PREV] = tail;
  if (tail === 0) a[kq + HEAD] = kn;
  else a[tail + NEXT] = kn;
  a[kq + TAIL] = kn;
  racyPoint(a, kq + COUNT);
  a[kq + COUNT] = (a[kq + COUNT] as number) + 1;
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

/**
 * Queues that watch this one hear of it after the last unlock: of its readiness, or (`ready`
 * false) only of the time of its next timer, which is no news to deliver.
 */
export function queueTouchedLocked(k: Kthread, kq: KqueuePtr, ready: boolean): void {
  if (Kqueue.watched.get(k, kq) === 0) return;
  const before = Kqueue.dirty.get(k, kq);
  const bits = (before & DIRTY_BITS) | (ready ? DIRTY_READY : DIRTY_DUE);
  Kqueue.dirty.set(k, kq, ((before & ~DIRTY_BITS) + DIRTY_TOUCH) | bits);
  const work = ready ? kq : -kq;
  if (!k.nestWork.includes(kq) && !k.nestWork.includes(work)) k.nestWork.push(work);
  k.deferred |= DEFER_NEST;
}

/**
 * The knote's condition holds, or holds again. It is queued unless disabled, and somebody is woken
 * for it, also when it was still queued from before but had been delivered since.
 */
export function knoteActivateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  const word = a[kn + STATUS_FLAGS] as number;
  if ((word & DISABLED) !== 0 || (word & (QUEUED | DELIVERED)) === QUEUED) {
    a[kn + STATUS_FLAGS] = word | ACTIVE;
    return;
  }
  if ((word & QUEUED) === 0) appendLocked(a, kq, kn, word);
  else a[kn + STATUS_FLAGS] = word & ~DELIVERED;
  a[kq + FRESH] = (a[kq + FRESH] as number) + 1;
  if (a[kq + WAITERS] !== 0 || a[kq + ASYNC_WAITERS] !== 0) queueWakeLocked(k, kq);
  if (a[kq + WATCHED] !== 0) queueTouchedLocked(k, kq, true);
}

/**
 * Put a knote back that had been delivered and was taken off to ask its object, and whose
 * condition holds still: its waiters had their wake.
 */
export function knoteReturnLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const a = k.a;
  const word = a[kn + STATUS_FLAGS] as number;
  if ((word & (DISABLED | QUEUED)) !== 0) {
    a[kn + STATUS_FLAGS] = word | ACTIVE;
    return;
  }
  appendLocked(a, kq, kn, word | DELIVERED);
  if (a[kq + WATCHED] !== 0) queueTouchedLocked(k, kq, true);
}

/** The knote's condition no longer holds, or its event was taken. */
export function knoteDeactivateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  if ((Knote.status.get(k, kn) & KN_QUEUED) !== 0) readyRemoveLocked(k, kq, kn);
  Knote.status.clear(k, kn, KN_ACTIVE);
}
