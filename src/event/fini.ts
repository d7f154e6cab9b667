// SPDX-License-Identifier: ISC
/**
 * klistFini: the end of an object that knotes watch. NetBSD's klist_fini (kern_event.c), with the
 * claim in the place of the foplock; ARCHITECTURE.md lists the rules.
 *
 * The object is DYING, so no knote joins it any more and nobody notifies it. Then, one knote at a
 * time, with the object and its queue locked, its operations become the no-ops, it leaves the list,
 * and it has no object. A knote that somebody has claimed is in use: an asker is about to lock the
 * object, a dropper to take the knote off it. So both locks are dropped and the claim is awaited.
 * When the list is empty nothing leads to the object, and its slot can be freed. The knotes live on
 * until they are deleted, or their number or queue is closed: detaching one is a no-op then.
 *
 * Watchers are told in the same hold that takes the object away: the knote becomes EV_EOF and
 * EV_ONESHOT, as in FreeBSD's knlist_clear, so it is delivered once, however it was registered,
 * and forgotten. Silently, as on NetBSD, it is never ready again.
 */
import { EV_EOF, EV_ONESHOT } from "../abi/event.js";
import { type Kthread, kassert } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import {
  OBJ_DYING,
  OBJ_LIVE,
  Obj,
  type ObjectPtr,
  objectLock,
  objectUnlock,
} from "../kern/object.js";
import { mutexLock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { deferredRun } from "./defer.js";
import { claimLinkLocked, claimSleep, mayArm } from "./drop.js";
import { OPS_NOP, OPS_NOP_FD } from "./filterops.js";
import { filterops } from "./filters.js";
import { klistRemoveLocked } from "./klist.js";
import { kqueueUnlock } from "./lock.js";
import { knoteActivateLocked } from "./ready.js";
import { KN_ANSWERED, Knote, type KnotePtr, Kqueue, type KqueuePtr } from "./structs.js";
import { dataSet } from "./value.js";

/** What the knotes of a dying object are told: nothing. */
export const FINI_SILENT = -1;

/**
 * Nobody attaches to the object any more; object lock held. Done twice by whoever finishes what a
 * dead thread began.
 */
export function objectDoomLocked(k: Kthread, obj: ObjectPtr): void {
  const state = Obj.state.get(k, obj);
  kassert(state === OBJ_LIVE || state === OBJ_DYING, "what is doomed is in use");
  Obj.state.set(k, obj, OBJ_DYING);
}

/**
 * Take every knote off a doomed object. `fflags` of the last event, or FINI_SILENT for none. No
 * lock held; the caller makes sure that it alone does this. May sleep, for claims. Runs as often
 * as it takes: a thread that dies in it leaves the rest of the list to the next.
 */
export function klistFini(k: Kthread, obj: ObjectPtr, fflags: number): void {
  objectLock(k, obj);
  kassert(Obj.state.get(k, obj) === OBJ_DYING, "klistFini is for objects that are being torn down");
  for (let kn = Obj.klist.get(k, obj); kn !== 0; kn = Obj.klist.get(k, obj)) {
    const kq = Knote.kq.get(k, kn);
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    if (Knote.claim.get(k, kn) === 0) {
      orphanLocked(k, kq, obj, kn, fflags);
      kqueueUnlock(k, kq);
      continue;
    }
    // What was put off may need the wait record for a sleep of its own, and wakes must not wait.
    const wait = k.deferred === 0;
    if (wait) claimLinkLocked(k, kq);
    kqueueUnlock(k, kq);
    objectUnlock(k, obj);
    if (wait) claimSleep(k, kq);
    else deferredRun(k);
    objectLock(k, obj);
  }
  objectUnlock(k, obj);
  if (k.deferred !== 0) deferredRun(k);
}

/** Part a knote from its object, and tell it; both locks held, and nobody has claimed it. */
function orphanLocked(
  k: Kthread,
  kq: KqueuePtr,
  obj: ObjectPtr,
  kn: KnotePtr,
  fflags: number,
): void {
  const ops = Knote.ops.get(k, kn);
  kassert(!mayArm(ops), "what has a timer keeps its object");
  klistRemoveLocked(k, obj, kn);
  Knote.ops.set(k, kn, filterops[ops]?.isDescriptor === true ? OPS_NOP_FD : OPS_NOP);
  Knote.status.clear(k, kn, KN_ANSWERED);
  if (fflags !== FINI_SILENT) {
    Knote.fflags.set(k, kn, fflags);
    dataSet(k, kn, 0, 0);
    Knote.flags.or(k, kn, EV_EOF | EV_ONESHOT);
  }
  // A knote without an object that has those flags is owed its last event, whoever dies now.
  Knote.obj.set(k, kn, NIL);
  if (fflags === FINI_SILENT) return;
  knoteActivateLocked(k, kq, kn);
}
