// SPDX-License-Identifier: ISC
/**
 * The list of knotes on a watched object, guarded by the object's lock. A notifier holds that lock
 * and takes the queue lock of every knote in turn; it never skips one on an unlocked look, which
 * is half of the argument that no event is lost (the other half is at the views, kern/object.ts).
 *
 * Notification is idempotent: the object's edge count says how many operations were accepted, and
 * a knote that has acted on the current count is passed by.
 */

import { racyPoint } from "#atomics";
import { assertHeld, CHECKS } from "#field";
import { EVFILT_WRITE } from "../abi/event.js";
import { type Kthread, kassert } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { OBJ_LIVE, Obj, type ObjectPtr } from "../kern/object.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import type { Filterops } from "./filterops.js";
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

// Constants of this module are folded into the code; imported ones are loads.
const KLIST = Obj.klist.offset;
const EDGE = Obj.edge.offset;
const EXACT_READ = Obj.exactRead.offset;
const EXACT_WRITE = Obj.exactWrite.offset;
const LOCK = Kqueue.lock.offset;
const KQ = Knote.kq.offset;
const NEXT = Knote.klistNext.offset;
const COLD = Knote.cold.offset;
const FILTER_OPS = Knote.filter.offset;
const STATUS_FLAGS = Knote.status.offset;
const SEEN_EDGE = Kncold.seenEdge.offset;
const EXACT = Kncold.exactLo.offset;
const DETACHED = KN_DETACHED;
const WRITE = EVFILT_WRITE;
const RANK = RANK_QUEUE;
const OPS_SHIFT = 16;

/**
 * An operation on the object was accepted: let every knote look that has not acted on its edge yet.
 * The caller holds the object lock, has raised the edge count and then published the views. Wakes
 * are deferred. Done again after a death in the middle, it goes on with the knotes that are left.
 */
export function klistTellLocked(k: Kthread, obj: ObjectPtr): void {
  assertHeld(k, Obj.lockAt.get(k, obj));
  if (CHECKED) kassert(Obj.state.get(k, obj) === OBJ_LIVE, "no notification beside klistFini");
  const a = k.a;
  racyPoint(a, obj + EDGE);
  const edge = a[obj + EDGE] as number;
  for (let kn = a[obj + KLIST] as number; kn !== 0; kn = a[kn + NEXT] as number) {
    const kq = a[kn + KQ] as number;
    mutexLock(k, kq + LOCK, RANK);
    knoteNotifyLocked(k, kq, obj, kn, edge);
    mutexUnlock(k, kq + LOCK);
  }
}

/** Let one knote act on the object's state; both locks held. */
function knoteNotifyLocked(k: Kthread, kq: number, obj: number, kn: number, edge: number): void {
  const a = k.a;
  const cold = a[kn + COLD] as number;
  if (a[cold + SEEN_EDGE] === edge) return;
  if (((a[kn + STATUS_FLAGS] as number) & DETACHED) !== 0) return;
  const ops = filterops[(a[kn + FILTER_OPS] as number) >>> OPS_SHIFT] as Filterops;
  if (ops.exact) exactCopyLocked(k, obj, kn, cold, ops);
  if (ops.event(k, kn as KnotePtr)) knoteActivateLocked(k, kq as KqueuePtr, kn as KnotePtr);
  // Last, so that a death before it leaves the edge to be acted on.
  a[cold + SEEN_EDGE] = edge;
}

/**
 * Note what the object said, and at which edge, for evaluations of the knote under the queue lock;
 * both locks held.
 */
export function answerLocked(k: Kthread, obj: ObjectPtr, kn: KnotePtr, holds: boolean): void {
  Kncold.exactLo.set(k, Knote.cold.get(k, kn), Obj.edge.hint(k, obj));
  if (holds) Knote.status.or(k, kn, KN_ANSWERED);
  else Knote.status.clear(k, kn, KN_ANSWERED);
}

/** Copy the exact data of the knote's direction, for when the view is saturated. */
function exactCopyLocked(k: Kthread, obj: number, kn: number, cold: number, ops: Filterops): void {
  if (ops.ask !== null) {
    answerLocked(k, obj as ObjectPtr, kn as KnotePtr, ops.ask(k, kn as KnotePtr));
    return;
  }
  const a = k.a;
  const filter = ((a[kn + FILTER_OPS] as number) << 16) >> 16;
  const from = obj + (filter === WRITE ? EXACT_WRITE : EXACT_READ);
  a[cold + EXACT] = a[from] as number;
  a[cold + EXACT + 1] = a[from + 1] as number;
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
  const ops = filterops[Knote.ops.get(k, kn)] as Filterops;
  if (ops.exact) exactCopyLocked(k, obj, kn, cold, ops);
}
