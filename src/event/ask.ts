// SPDX-License-Identifier: ISC
/**
 * Asking an object for what does not fit its view (VIEW_ASK): a datum beyond 30 bits, an error.
 *
 * A notifier, or a thread that attaches, holds the object's lock, reads the state as it goes, and
 * leaves it in the knote (KN_ANSWERED), with the object's edge count. While that has not moved, a
 * scan or a change takes the answer from there. When it has, because the object was set and nobody
 * notified, it has to ask; but it holds the queue lock, under which the object cannot be locked. So
 * it claims the knote, takes it off the ready list, and puts the question off; `asksRun` locks the
 * object, then the queue, notes the answer, ends the claim and queues the knote again. Then the
 * caller scans again.
 *
 * The claim keeps the knote, its queue and its object: klistFini waits for it. No event is lost
 * meanwhile: a notification does not mind the claim and queues the knote by itself, and one that
 * came before is in the state that is read.
 */
import { EVFILT_WRITE } from "../abi/event.js";
import { DEFER_ASK, type Kthread, kassert } from "../arena/kthread.js";
import { Obj, type ObjectPtr, objectLock, objectUnlock, VIEW_ASK } from "../kern/object.js";
import { mutexLock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { claimEndLocked, dropLaterLocked } from "./drop.js";
import { filterops } from "./filters.js";
import { answerLocked } from "./klist.js";
import { kqueueUnlock } from "./lock.js";
import { knoteActivateLocked, knoteReturnLocked } from "./ready.js";
import {
  KN_DELIVERED,
  KN_DETACHED,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
} from "./structs.js";

/** Whether the view of the knote's direction says that the object has to be asked. */
function viewAsks(k: Kthread, kn: KnotePtr): boolean {
  const view = Knote.filter.get(k, kn) === EVFILT_WRITE ? Obj.writeView : Obj.readView;
  return (view.hint(k, Knote.obj.get(k, kn)) & VIEW_ASK) !== 0;
}

/**
 * An evaluation found the condition false. If its object has to be asked, claim the knote for that;
 * queue lock held. `word` is the knote's status before it was taken off the ready list. Whoever
 * has claimed it already evaluates it afterwards, and this is put off to that.
 */
export function askLocked(k: Kthread, kn: KnotePtr, word: number): void {
  if (!viewAsks(k, kn) || Knote.claim.get(k, kn) !== 0) return;
  Knote.claim.set(k, kn, k.owner);
  k.asks.push(word & KN_DELIVERED, kn);
  k.deferred |= DEFER_ASK;
}

/** Ask, end the claim, and queue the knote again if its condition holds; both locks held. */
function askedLocked(
  k: Kthread,
  kq: KqueuePtr,
  kn: KnotePtr,
  obj: ObjectPtr,
  delivered: boolean,
): void {
  const holds = filterops[Knote.ops.get(k, kn)]?.ask?.(k, kn) === true;
  answerLocked(k, obj, kn, holds);
  claimEndLocked(k, kq, kn);
  if (!holds) return;
  if (delivered) knoteReturnLocked(k, kq, kn);
  else knoteActivateLocked(k, kq, kn);
}

/** Ask for every knote on the thread's list. No lock held. */
export function asksRun(k: Kthread): void {
  k.deferred &= ~DEFER_ASK;
  while (k.asks.length > 0) {
    const kn = k.asks.pop() as KnotePtr;
    const delivered = k.asks.pop() !== 0;
    const kq = Knote.kq.get(k, kn);
    const obj = Knote.obj.get(k, kn);
    kassert(obj !== 0, "the object of a claimed knote stays");
    objectLock(k, obj);
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    kassert(Knote.obj.get(k, kn) === obj, "a claimed knote stays on its object");
    if ((Knote.status.get(k, kn) & KN_DETACHED) !== 0) dropLaterLocked(k, kn);
    else askedLocked(k, kq, kn, obj, delivered);
    kqueueUnlock(k, kq);
    objectUnlock(k, obj);
  }
}
