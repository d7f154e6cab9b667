// SPDX-License-Identifier: ISC
/**
 * Waiting. The protocol is stated here once; other files refer to it.
 *
 * A waiter is a *wait record* on one *wait queue*. The queue and the records on it are guarded by
 * the lock of the object they belong to. A record is
 *
 *   FREE      on no list, private to its thread
 *   ARMED     linked; a waker may claim it
 *   CLAIMED   a waker chose it: the wake is the record's owner's now, and it must use it or pass
 *             it on, even if it timed out or was cancelled in the meantime
 *   DETACHED  taken off the list by somebody else, who left the reason
 *
 * To sleep, a thread holds the lock, finds that there is nothing to do, links its record ARMED
 * (which sets its sync word), drops the lock, and sleeps on the sync word. After any return it
 * takes the lock, looks at the record, and unlinks it. To wake, a thread holds the lock, changes
 * the state that the sleeper looks at, claims the record, drops the lock, and sets the sleeper's
 * word. So either the sleeper sees the new state, or the waker sees its record.
 *
 * One blocking wake is in flight per wait queue: `claimed` names it, and more activations do not
 * wake more threads until the claimed one has looked. It passes the wake on if it leaves work.
 *
 * The sync word says what its thread is doing: SPINNING (set by linking), SLEEPING, or WOKEN. A
 * waker exchanges it for WOKEN and notifies only a sleeper. It does so after the last unlock, so
 * that no lock is held across the seven microseconds that a notify can cost. A late set of the
 * word of a thread that has moved on is a spurious return, which every sleeper bears.
 */
import { atomicCas, atomicExchange, atomicLoad, atomicNotify, atomicStore } from "#atomics";
import { DEFER_WAKE, type Kthread, kassert } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  IMMUTABLE,
  NIL,
  PRIVATE,
  type Ptr,
  ptr,
  racyPtr,
  u64,
  word,
} from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { TIME_NS_MAX, WAKES_DEFERRED_MAX } from "../limits.js";

export const REC_FREE = 0;
export const REC_ARMED = 1;
export const REC_CLAIMED = 2;
export const REC_DETACHED = 3;
/** Chosen, as CLAIMED, but not on the list of fired records of its thread yet. */
export const REC_FIRING = 4;

export const WORD_SPINNING = 0;
export const WORD_WOKEN = 1;
export const WORD_SLEEPING = 2;

/** Why a record was detached. */
export const REASON_NONE = 0;
export const REASON_WOKEN = 1;
export const REASON_CLOSED = 2;

export type WaitrecPtr = Ptr<"waitrec">;
export type WaitqPtr = Ptr<"waitq">;

const REC_LOCK_AT = 7;
const REC_THREAD_AT = 9;
const W = guardedBy(
  "w",
  "lock of the wait queue it is on; private while FREE",
  (k, p) => k.a[p + REC_LOCK_AT] as number,
  (k, p) => k.a[p + REC_LOCK_AT] === 0 && k.a[p + REC_THREAD_AT] === k.thread,
);
const WQ = guardedBy("w", "lock of the object it is part of", (k, p) => k.a[p] as number);

export const Waitrec = defineStruct("waitrec", {
  state: word(W, "FREE, ARMED, CLAIMED or DETACHED"),
  reason: word(W, "why it was detached"),
  async: word(IMMUTABLE, "1 if its thread awaits, 0 if it blocks"),
  next: ptr<"waitrec">(W, "wait queue link"),
  prev: ptr<"waitrec">(W, "wait queue link"),
  wakeAt: u64(W, "when its thread looks again by itself (ns since boot)"),
  lock: word(IMMUTABLE, "lock of the wait queue it is on, 0 while FREE"),
  waitq: ptr<"waitq">(W, "wait queue it is on"),
  thread: word(IMMUTABLE, "slot of the thread it belongs to"),
  wakeWord: word(IMMUTABLE, "word of that thread to set: sync or async"),
  firedAt: word(IMMUTABLE, "head of that thread's list of fired records"),
  fired: racyPtr<"waitrec">(ATOMIC, "link of that list"),
  sibling: ptr<"waitrec">(PRIVATE, "next asynchronous record of the thread"),
});
export const waitrecZone = defineZone<"waitrec">(Waitrec.struct, Waitrec.next.offset, 16);

/** The part of an object that threads wait on; embedded, see WAITQ_WORDS. */
export const Waitq = defineStruct("waitq", {
  lock: word(IMMUTABLE, "index of the lock that guards it"),
  head: ptr<"waitrec">(WQ, "blocking waiters, oldest first"),
  tail: ptr<"waitrec">(WQ, "and the youngest"),
  asyncHead: ptr<"waitrec">(WQ, "awaiting threads, oldest first"),
  asyncTail: ptr<"waitrec">(WQ, "and the youngest"),
  claimed: ptr<"waitrec">(WQ, "blocking waiter that a wake is in flight to"),
});
// Constants of this module are folded into the code; imported ones are loads.
const HEAD = Waitq.head.offset;
const ASYNC_HEAD = Waitq.asyncHead.offset;
/** Words to reserve for an embedded wait queue. */
export const WAITQ_WORDS = 6;

/** Make an embedded wait queue empty. */
export function waitqInit(k: Kthread, wq: WaitqPtr, lock: number): void {
  Waitq.lock.set(k, wq, lock);
  Waitq.head.set(k, wq, NIL);
  Waitq.tail.set(k, wq, NIL);
  Waitq.asyncHead.set(k, wq, NIL);
  Waitq.asyncTail.set(k, wq, NIL);
  Waitq.claimed.set(k, wq, NIL);
}

/** Link a record ARMED; lock held. A blocking thread's sync word becomes `sync`. */
export function waitLinkLocked(
  k: Kthread,
  wq: WaitqPtr,
  rec: WaitrecPtr,
  wakeAt: number,
  syncWord: number,
): void {
  Waitrec.lock.set(k, rec, Waitq.lock.get(k, wq));
  kassert(Waitrec.state.get(k, rec) === REC_FREE, "only a free wait record can be linked");
  const isAsync = Waitrec.async.get(k, rec) === 1;
  if (!isAsync) atomicStore(k.a, k.syncWord, syncWord);
  Waitrec.reason.set(k, rec, REASON_NONE);
  Waitrec.wakeAt.setNumber(k, rec, Math.min(wakeAt, TIME_NS_MAX));
  Waitrec.waitq.set(k, rec, wq);
  appendLocked(k, wq, rec, isAsync);
  Waitrec.state.set(k, rec, REC_ARMED);
}

/**
 * Link a record again that a repair found to be on the queue; lock held. One that was CLAIMED has
 * the wake that is in flight.
 */
export function waitRelinkLocked(k: Kthread, wq: WaitqPtr, rec: WaitrecPtr): void {
  const isAsync = Waitrec.async.get(k, rec) === 1;
  appendLocked(k, wq, rec, isAsync);
  if (Waitrec.state.get(k, rec) === REC_CLAIMED) Waitq.claimed.set(k, wq, rec);
}

function appendLocked(k: Kthread, wq: WaitqPtr, rec: WaitrecPtr, isAsync: boolean): void {
  const tailField = isAsync ? Waitq.asyncTail : Waitq.tail;
  const tail = tailField.get(k, wq);
  Waitrec.next.set(k, rec, NIL);
  Waitrec.prev.set(k, rec, tail);
  if (tail !== 0) Waitrec.next.set(k, tail, rec);
  else (isAsync ? Waitq.asyncHead : Waitq.head).set(k, wq, rec);
  tailField.set(k, wq, rec);
}

function takeOffLocked(k: Kthread, wq: WaitqPtr, rec: WaitrecPtr): void {
  const isAsync = Waitrec.async.get(k, rec) === 1;
  const next = Waitrec.next.get(k, rec);
  const prev = Waitrec.prev.get(k, rec);
  if (prev === 0) (isAsync ? Waitq.asyncHead : Waitq.head).set(k, wq, next);
  else Waitrec.next.set(k, prev, next);
  if (next === 0) (isAsync ? Waitq.asyncTail : Waitq.tail).set(k, wq, prev);
  else Waitrec.prev.set(k, next, prev);
}

/**
 * After any return from a sleep, lock held: the record is FREE again. Returns the state it was in;
 * after CLAIMED the caller owns a wake. The lock may be that of a recycled slot if the record was
 * DETACHED, and then only the record is touched.
 */
export function waitUnlinkLocked(k: Kthread, wq: WaitqPtr, rec: WaitrecPtr): number {
  const state = Waitrec.state.get(k, rec);
  if (state === REC_ARMED || state === REC_CLAIMED) {
    if (Waitrec.async.get(k, rec) === 0 || state === REC_ARMED) takeOffLocked(k, wq, rec);
    if (Waitq.claimed.get(k, wq) === rec) Waitq.claimed.set(k, wq, NIL);
  }
  Waitrec.state.set(k, rec, REC_FREE);
  Waitrec.waitq.set(k, rec, NIL);
  Waitrec.lock.set(k, rec, 0);
  return state;
}

/** Claim the oldest blocking waiter unless a wake is in flight already; lock held. */
export function wakeOneLocked(k: Kthread, wq: WaitqPtr): void {
  const rec = k.a[wq + HEAD] as WaitrecPtr;
  if (rec === 0 || Waitq.claimed.get(k, wq) !== 0) return;
  Waitrec.state.set(k, rec, REC_CLAIMED);
  Waitq.claimed.set(k, wq, rec);
  wakeDefer(k, Waitrec.wakeWord.get(k, rec));
}

/** Fire every awaiting thread's record on the queue; lock held. */
export function wakeAsyncLocked(k: Kthread, wq: WaitqPtr): void {
  for (let rec = Waitq.asyncHead.get(k, wq); rec !== 0; rec = Waitq.asyncHead.get(k, wq)) {
    takeOffLocked(k, wq, rec);
    Waitrec.state.set(k, rec, REC_FIRING);
    fire(k, rec, REC_CLAIMED);
  }
}

/** Detach every record, for a reason; lock held. Used when the object goes, and by claims. */
export function wakeAllLocked(k: Kthread, wq: WaitqPtr, reason: number): void {
  if (k.a[wq + HEAD] === 0 && k.a[wq + ASYNC_HEAD] === 0) return;
  for (let rec = Waitq.head.get(k, wq); rec !== 0; rec = Waitq.head.get(k, wq)) {
    takeOffLocked(k, wq, rec);
    Waitrec.reason.set(k, rec, reason);
    Waitrec.state.set(k, rec, REC_DETACHED);
    wakeDefer(k, Waitrec.wakeWord.get(k, rec));
  }
  Waitq.claimed.set(k, wq, NIL);
  for (let rec = Waitq.asyncHead.get(k, wq); rec !== 0; rec = Waitq.asyncHead.get(k, wq)) {
    takeOffLocked(k, wq, rec);
    Waitrec.reason.set(k, rec, reason);
    Waitrec.state.set(k, rec, REC_FIRING);
    fire(k, rec, REC_DETACHED);
  }
}

/** Fire a record that a dead thread had chosen, and no more; lock held. */
export function waitFireLocked(k: Kthread, rec: WaitrecPtr): void {
  fire(k, rec, Waitrec.reason.get(k, rec) === REASON_NONE ? REC_CLAIMED : REC_DETACHED);
}

const STATE = Waitrec.state.offset;

/** Push a record on its thread's list of fired ones, and have the thread told. */
function fire(k: Kthread, rec: WaitrecPtr, state: number): void {
  const at = Waitrec.firedAt.get(k, rec);
  const stateAt = rec + STATE;
  for (;;) {
    const head = atomicLoad(k.a, at) as WaitrecPtr;
    Waitrec.fired.publish(k, rec, head);
    // The compare-and-swap publishes the link; it pairs with the exchange in waitTakeFired.
    if (atomicCas(k.a, at, head, rec) === head) break;
  }
  // One run with it. Its thread looks at the state under the lock only, which is held here.
  k.a[stateAt] = state;
  wakeDefer(k, Waitrec.wakeWord.get(k, rec));
}

/** Take the whole list of this thread's fired records, youngest first. */
export function waitTakeFired(k: Kthread): WaitrecPtr {
  return atomicExchange(k.a, k.firedAt, 0) as WaitrecPtr;
}

function wakeDefer(k: Kthread, wakeWord: number): void {
  if (k.wakeCount === WAKES_DEFERRED_MAX) wakesFlush(k);
  k.wakes[k.wakeCount++] = wakeWord;
  k.deferred |= DEFER_WAKE;
}

/** Set and notify the words of everybody claimed since the last flush. Holds no lock, normally. */
export function wakesFlush(k: Kthread): void {
  const count = k.wakeCount;
  k.wakeCount = 0;
  k.deferred &= ~DEFER_WAKE;
  for (let i = 0; i < count; i++) {
    const at = k.wakes[i] as number;
    if (atomicExchange(k.a, at, WORD_WOKEN) === WORD_SLEEPING) {
      k.notifies++;
      atomicNotify(k.a, at, 1);
    } else {
      k.notifiesSpared++;
    }
  }
}
