// SPDX-License-Identifier: ISC
/**
 * Adding a registration on a descriptor, or on a source of a named filter: find the file, make a
 * claimed knote, join the object.
 *
 * The object's lock ranks before the queue's, so the queue is unlocked while the file is found and
 * while the object is locked; the claimed knote in the hash keeps the queue alive and everybody
 * else away. The last step looks at the descriptor entry again: if the number was closed
 * meanwhile, the registration is undone (see kern/descrip.ts for the other side).
 */
import { EBADF, EINVAL, ENOTSUP, ENXIO } from "../abi/errno.js";
import { EV_CLEAR } from "../abi/event.js";
import { DEFER_DROP, type Kthread, kassert } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { LIMBO_FILE, LIMBO_FILTER, limboHold, published } from "../kern/alloc.js";
import { fdGetWatched } from "../kern/descrip.js";
import { fdHint } from "../kern/fdtable.js";
import { File, type FilePtr, fileGiven, fileops } from "../kern/file.js";
import { type ObjectPtr, objectIsOf, objectLock, objectUnlock } from "../kern/object.js";
import { mutexLock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { coldWanted, knoteFillLocked } from "./add.js";
import {
  claimEndLocked,
  dropsRun,
  knoteDropLocked,
  knoteFreeLocked,
  knoteLinkLocked,
  mayArm,
} from "./drop.js";
import { knoteEvaluateLocked } from "./evaluate.js";
import {
  type Change,
  IN_ATTACH,
  OPS_BELL,
  OPS_KQUEUE_READ,
  OPS_SOURCE_NAMED,
} from "./filterops.js";
import { filterops } from "./filters.js";
import { knoteFindLocked } from "./find.js";
import { knoteJoinedLocked } from "./klist.js";
import { KQ_GONE, kqueueRelock, kqueueUnlock } from "./lock.js";
import { magazineNeedLocked, RESTART } from "./magazine.js";
import { nestDueLocked, nestJoinLocked, nestLock, nestUnlock, nestWouldCycle } from "./nest.js";
import { filterTake } from "./registry.js";
import { Kncold, Knote, type KnotePtr, KQ_OPEN, Kqueue, type KqueuePtr } from "./structs.js";
import { NO_DUE } from "./timer.js";

/**
 * Whether a filter may be used as an operation of knotes with an object. Touch runs under the
 * queue lock, where the object's lock cannot be taken, so it is for TIMER and USER only.
 */
function opsCheck(ops: number): number {
  if (ops < 0) return ops - IN_ATTACH;
  return filterops[ops]?.touch === null ? ops : -ENOTSUP - IN_ATTACH;
}

/** Add a descriptor registration that does not exist. Returns as kqueueRegisterLocked. */
export function addDescriptor(
  k: Kthread,
  kq: KqueuePtr,
  c: Change,
  ch: Int32Array,
  at: number,
): number {
  const generation = Kqueue.generation.hint(k, kq);
  const fd = c.identLo;
  kqueueUnlock(k, kq);
  // References of changes that failed: a thread has few in its hands.
  if (k.fileDrops.length > 0) dropsRun(k);
  const fp = fdGetWatched(k, fd);
  if (fp === 0) {
    const back = kqueueRelock(k, kq, generation);
    return back < 0 ? back : -EBADF;
  }
  const ops = opsCheck(fileops(k, fp)?.kqfilter(k, fp, c.filter) ?? -EBADF);
  const nested = ops === OPS_KQUEUE_READ;
  if (nested) nestLock(k);
  let result = ops;
  if (nested) {
    const bad = nestWouldCycle(k, kq, File.object.hint(k, fp) as ObjectPtr);
    if (bad !== 0) result = bad - IN_ATTACH;
  }
  const back = kqueueRelock(k, kq, generation);
  if (back < 0) result = back;
  else if (result >= 0) result = attachFile(k, kq, c, ch, at, ops, fp);
  if (nested) nestUnlock(k);
  result = attached(k, kq, fp, 0, result);
  if (result === 0 && fdHint(k, fd) !== fp) {
    const kn = knoteFindLocked(k, kq, c.identLo, c.identHi, c.filter);
    if (kn !== 0 && Knote.claim.get(k, kn) === 0) knoteDropLocked(k, kq, kn);
    result = -EBADF;
  }
  return result;
}

/**
 * Add a registration of a named filter: on the source that its owner has under the identifier.
 * The knote holds that source's file, as a descriptor's would. Returns as kqueueRegisterLocked.
 */
export function addNamed(k: Kthread, kq: KqueuePtr, c: Change, ch: Int32Array, at: number): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  if (k.fileDrops.length > 0) dropsRun(k);
  const found = filterTake(k, c.filter, c.identLo, c.identHi);
  const back = kqueueRelock(k, kq, generation);
  if (found < 0) return back < 0 ? back : found === -EINVAL ? found : found - IN_ATTACH;
  const fp = found as FilePtr;
  const result = back < 0 ? back : attachFile(k, kq, c, ch, at, OPS_SOURCE_NAMED, fp);
  return attached(k, kq, fp, c.filter, result);
}

/**
 * The end of an attempt to attach: what the knote did not take over is dropped after unlocking. If
 * the queue was closed meanwhile, whoever closes it waited for the claim and drops the knote;
 * nobody may go on with the queue, least of all sleep on it.
 */
function attached(k: Kthread, kq: KqueuePtr, fp: FilePtr, filter: number, result: number): number {
  if (result !== 0) {
    k.fileDrops.push(fp);
    if (filter !== 0) k.filterDrops.push(filter);
    k.deferred |= DEFER_DROP;
  }
  if (result === KQ_GONE || Kqueue.state.get(k, kq) === KQ_OPEN) return result;
  kqueueUnlock(k, kq);
  return KQ_GONE;
}

/**
 * Make the knote and join the object; queue lock held before and after. 0 means that the knote
 * has taken over the file reference.
 */
function attachFile(
  k: Kthread,
  kq: KqueuePtr,
  c: Change,
  ch: Int32Array,
  at: number,
  ops: number,
  fp: FilePtr,
): number {
  for (;;) {
    if (knoteFindLocked(k, kq, c.identLo, c.identHi, c.filter) !== 0) return RESTART;
    const colds = coldWanted(c, ch, at, true);
    const ready = magazineNeedLocked(k, kq, colds, ops === OPS_KQUEUE_READ);
    if (ready === KQ_GONE || ready < 0) return ready;
    if (ready === 0) {
      const obj = File.object.hint(k, fp) as ObjectPtr;
      if (obj === 0) return -ENXIO - IN_ATTACH;
      return joinObject(k, kq, knoteFillLocked(k, kq, c, ch, at, ops, colds), obj, fp);
    }
  }
}

/**
 * Claim the new knote, link it, and join the object. The file reference keeps the object, unless it
 * is a source: those are destroyed under it, and take no more knotes from then on (event/fini.ts).
 */
function joinObject(k: Kthread, kq: KqueuePtr, kn: KnotePtr, obj: ObjectPtr, fp: FilePtr): number {
  const ops = Knote.ops.get(k, kn);
  Kncold.file.set(k, Knote.cold.get(k, kn), fp);
  Knote.obj.set(k, kn, obj);
  if (ops === OPS_BELL) Knote.flags.or(k, kn, EV_CLEAR);
  Knote.claim.set(k, kn, k.owner);
  const ident = Knote.ident.get(k, kn);
  const spread = filterops[ops]?.isDescriptor === false;
  knoteLinkLocked(k, kq, kn, ident, Knote.filter.get(k, kn), spread, mayArm(ops));
  // The reference is the knote's. A recovery that finds both counts it once.
  fileGiven(k, fp);
  const filter = Knote.filter.get(k, kn);
  if (filter > 0) published(k, -filter);
  kqueueUnlock(k, kq);
  objectLock(k, obj);
  if (!objectIsOf(k, obj, fp)) {
    objectUnlock(k, obj);
    return joinFailed(k, kq, kn);
  }
  filterops[ops]?.attach(k, kq, kn);
  const due = ops === OPS_KQUEUE_READ ? nestJoinLocked(k, obj as KqueuePtr) : NO_DUE;
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  kassert(Knote.ops.get(k, kn) === ops, "the operations of a claimed knote stay");
  knoteJoinedLocked(k, obj, kn);
  if (due !== NO_DUE) nestDueLocked(k, kq, kn, due);
  claimEndLocked(k, kq, kn);
  knoteEvaluateLocked(k, kq, kn);
  objectUnlock(k, obj);
  return 0;
}

/** The object is gone: forget the claimed knote, whose file stays the caller's. Locks the queue. */
function joinFailed(k: Kthread, kq: KqueuePtr, kn: KnotePtr): number {
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  const filter = Knote.filter.get(k, kn);
  limboHold(k, LIMBO_FILE, Kncold.file.get(k, Knote.cold.get(k, kn)));
  if (filter > 0) limboHold(k, LIMBO_FILTER, -filter);
  Kncold.file.set(k, Knote.cold.get(k, kn), NIL);
  Knote.obj.set(k, kn, NIL);
  claimEndLocked(k, kq, kn);
  knoteFreeLocked(k, kq, kn);
  return -ENXIO - IN_ATTACH;
}
