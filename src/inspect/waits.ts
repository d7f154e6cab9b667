// SPDX-License-Identifier: ISC
/** Invariants of wait queues, and of the threads' records on them. */
import { Obj } from "../kern/object.js";
import {
  REC_ARMED,
  REC_CLAIMED,
  Waitq,
  type WaitqPtr,
  Waitrec,
  waitrecZone,
} from "../sync/wait.js";
import { chain, peek, peekNumber } from "./peek.js";
import type { Walk } from "./walk.js";

/**
 * One wait queue: lists linked both ways, records that name it, a claim that is on it. Returns
 * the number of blocking waiters. `work` says what they wait for: if there is some, and nobody
 * was claimed for it, a wake was lost.
 */
export function checkWaitq(
  w: Walk,
  wq: WaitqPtr,
  lock: number,
  work: string | null,
  what: string,
): number {
  const { k } = w;
  w.same(peek(k, Waitq.lock, wq), lock, () => `${what}: lock of the wait queue`);
  const blocking = checkList(w, wq, false, what);
  const awaiting = checkList(w, wq, true, what);
  const claimed = peek(k, Waitq.claimed, wq);
  w.check(
    claimed === 0 || (blocking.includes(claimed) && stateOf(w, claimed) === REC_CLAIMED),
    () => `${what}: record ${claimed} has the wake in flight, but is not on the list`,
  );
  for (const rec of blocking) {
    const state = stateOf(w, rec);
    w.check(
      state === (rec === claimed ? REC_CLAIMED : REC_ARMED),
      () => `${what}: record ${rec} is on the list in state ${state}`,
    );
  }
  const idle = blocking.length > 0 && claimed === 0;
  w.check(!(idle && work !== null), () => `${what}: somebody sleeps although there is ${work}`);
  w.check(
    blocking.length > 0 || awaiting.length === 0 || work === null,
    () => `${what}: somebody awaits although there is ${work}`,
  );
  return blocking.length;
}

function stateOf(w: Walk, rec: number): number {
  return peek(w.k, Waitrec.state, rec);
}

function checkList(w: Walk, wq: WaitqPtr, awaiting: boolean, what: string): number[] {
  const { k } = w;
  const head = awaiting ? Waitq.asyncHead : Waitq.head;
  const tail = awaiting ? Waitq.asyncTail : Waitq.tail;
  const list = chain(k, peek(k, head, wq), Waitrec.next, w.limit);
  w.same(peek(k, tail, wq), list.at(-1) ?? 0, () => `${what}: end of the wait queue`);
  let before = 0;
  for (const rec of list) {
    w.parked.add(rec);
    if (!w.slots.has(rec)) w.claim(waitrecZone, rec, `a waiter of ${what}`);
    w.same(peek(k, Waitrec.prev, rec), before, () => `${what}: link back of record ${rec}`);
    w.same(peek(k, Waitrec.waitq, rec), wq, () => `${what}: wait queue of record ${rec}`);
    w.same(
      peek(k, Waitrec.lock, rec),
      peek(k, Waitq.lock, wq),
      () => `${what}: lock of record ${rec}`,
    );
    w.same(peek(k, Waitrec.async, rec), awaiting ? 1 : 0, () => `${what}: kind of record ${rec}`);
    before = rec;
  }
  return list;
}

/** The earliest time at which some blocking waiter looks by itself. */
export function earliestLook(w: Walk, wq: WaitqPtr): number {
  let least = Number.POSITIVE_INFINITY;
  for (const rec of chain(w.k, peek(w.k, Waitq.head, wq), Waitrec.next, w.limit)) {
    least = Math.min(least, peekNumber(w.k, Waitrec.wakeAt, rec));
  }
  return least;
}

/** The lock in use of an object. */
export function objectLockOf(w: Walk, obj: number): number {
  return peek(w.k, Obj.lockAt, obj);
}
