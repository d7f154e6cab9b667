// SPDX-License-Identifier: ISC
/**
 * The list of knotes on a watched object, guarded by the object's lock. A notifier holds that lock
 * and takes the queue lock of every knote in turn; it never skips one on an unlocked look, which
 * is half of the argument that no event is lost (the other half is at the views, kern/object.ts).
 *
 * Notification is idempotent: the object's edge count says how many operations were accepted, and
 * a knote that has acted on the current count is passed by.
 */

import { CHECKS } from "#field";
import { EVFILT_WRITE } from "../abi/event.js";
import { type Kthread, kassert } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { OBJ_LIVE, Obj, type ObjectPtr } from "../kern/object.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { filterops } from "./filters.js";
import { knoteActivateLocked } from "./ready.js";
import {
  KN_ANSWERED,
  KN_DETACHED,
  Kncold,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
} from "./structs.js";

/** A constant of this module is folded away where it is false. */
const CHECKED: boolean = CHECKS;

/** Put a claimed knote on the list of its object; object lock held. */
export function klistInsertLocked(k: Kthread, obj: ObjectPtr, kn: KnotePtr): void {
  const first = Obj.klist.get(k, obj);
  Knote.klistNext.set(k, kn, first);
  Kncold.klistPrev.set(k, Knote.cold.get(k, kn), obj as number as KnotePtr);
  if (first !== 0) Kncold.klistPrev.set(k, Knote.cold.get(k, first), kn);
  Obj.klist.set(k, obj, kn);
  Obj.knotes.add(k, obj, 1);
}

/** Take a claimed knote off; object lock held. */
export function klistRemoveLocked(k: Kthread, obj: ObjectPtr, kn: KnotePtr): void {
  const next = Knote.klistNext.get(k, kn);
  const prev = Kncold.klistPrev.get(k, Knote.cold.get(k, kn));
  if ((prev as number) === obj) Obj.klist.set(k, obj, next);
  else Knote.klistNext.set(k, prev, next);
  if (next !== 0) Kncold.klistPrev.set(k, Knote.cold.get(k, next), prev);
  Obj.knotes.add(k, obj, -1);
  // Last: what has a link back is on the list.
  Kncold.klistPrev.set(k, Knote.cold.get(k, kn), NIL);
}

/** Raise the edge count of an object, and let its knotes look; object lock held. */
export function klistNotifyLocked(k: Kthread, obj: ObjectPtr): void {
  Obj.edge.publish(k, obj, (Obj.edge.hint(k, obj) + 1) | 0);
  klistTellLocked(k, obj);
}

/**
 * An operation on the object was accepted: let every knote look that has not acted on its edge yet.
 * The caller holds the object lock, has raised the edge count and then published the views. Wakes
 * are deferred. Done again after a death in the middle, it goes on with the knotes that are left.
 */
export function klistTellLocked(k: Kthread, obj: ObjectPtr): void {
  if (CHECKED) kassert(Obj.state.get(k, obj) === OBJ_LIVE, "no notification beside klistFini");
  const edge = Obj.edge.hint(k, obj);
  for (let kn = Obj.klist.get(k, obj); kn !== 0; kn = Knote.klistNext.get(k, kn)) {
    const kq = Knote.kq.get(k, kn);
    const lock = Kqueue.lock.at(kq);
    mutexLock(k, lock, RANK_QUEUE);
    knoteNotifyLocked(k, kq, obj, kn, edge);
    mutexUnlock(k, lock);
  }
}

/** Let one knote act on the object's state; both locks held. */
function knoteNotifyLocked(
  k: Kthread,
  kq: KqueuePtr,
  obj: ObjectPtr,
  kn: KnotePtr,
  edge: number,
): void {
  const cold = Knote.cold.get(k, kn);
  if (Kncold.seenEdge.get(k, cold) === edge) return;
  if ((Knote.status.get(k, kn) & KN_DETACHED) !== 0) return;
  const ops = filterops[Knote.ops.get(k, kn)] as (typeof filterops)[number];
  // An answer is to the edge that was seen. A source tells again after a death.
  const asked = ops.ask !== null;
  if (asked) Kncold.seenEdge.set(k, cold, edge);
  exactCopyLocked(k, obj, kn);
  if (ops.event(k, kn)) knoteActivateLocked(k, kq, kn);
  // Otherwise last, so that a death before it leaves the edge to be acted on.
  if (!asked) Kncold.seenEdge.set(k, cold, edge);
}

/** Note what the object said, for evaluations of the knote under the queue lock, which is held. */
export function answerLocked(k: Kthread, kn: KnotePtr, holds: boolean): void {
  if (holds) Knote.status.or(k, kn, KN_ANSWERED);
  else Knote.status.clear(k, kn, KN_ANSWERED);
}

/** Copy the exact data of the knote's direction, for when the view is saturated. */
function exactCopyLocked(k: Kthread, obj: ObjectPtr, kn: KnotePtr): void {
  const ops = filterops[Knote.ops.get(k, kn)];
  if (ops === undefined || !ops.exact) return;
  if (ops.ask !== null) {
    answerLocked(k, kn, ops.ask(k, kn));
    return;
  }
  const cold = Knote.cold.get(k, kn);
  const from = Knote.filter.get(k, kn) === EVFILT_WRITE ? Obj.exactWrite : Obj.exactRead;
  Kncold.exactLo.set(k, cold, from.lo(k, obj));
  Kncold.exactHi.set(k, cold, from.hi(k, obj));
}

/**
 * First look of a knote that has just joined the list; object lock and queue lock held. It acts on
 * the state as it is, without waiting for the next operation.
 */
export function knoteJoinedLocked(k: Kthread, obj: ObjectPtr, kn: KnotePtr): void {
  const cold = Knote.cold.get(k, kn);
  const edge = Obj.edge.hint(k, obj);
  Kncold.seenEdge.set(k, cold, edge);
  Kncold.exactLo.set(k, cold, edge);
  exactCopyLocked(k, obj, kn);
}
