// SPDX-License-Identifier: ISC
/**
 * Adding a registration on a descriptor: find the file, make a claimed knote, join the object.
 *
 * The object's lock ranks before the queue's, so the queue is unlocked while the file is found and
 * while the object is locked; the claimed knote in the hash keeps the queue alive and everybody
 * else away. The last step looks at the descriptor entry again: if the number was closed
 * meanwhile, the registration is undone (see kern/descrip.ts for the other side).
 */
import { EBADF } from "../abi/errno.js";
import { EV_CLEAR } from "../abi/event.js";
import { DEFER_DROP, type Kthread } from "../arena/kthread.js";
import { fdGetWatched } from "../kern/descrip.js";
import { fdHint } from "../kern/fdtable.js";
import { File, type FilePtr, fileops } from "../kern/file.js";
import { type ObjectPtr, objectLock, objectUnlock } from "../kern/object.js";
import { mutexLock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { coldWanted, knoteFillLocked } from "./add.js";
import { claimEndLocked, knoteDropLocked, knoteLinkLocked } from "./drop.js";
import { knoteEvaluateLocked } from "./evaluate.js";
import { type Change, IN_ATTACH, OPS_BELL, OPS_KQUEUE_READ } from "./filterops.js";
import { filterops } from "./filters.js";
import { knoteFindLocked } from "./find.js";
import { knoteJoinedLocked } from "./klist.js";
import { KQ_GONE, kqueueRelock, kqueueUnlock } from "./lock.js";
import { magazineNeedLocked, RESTART } from "./magazine.js";
import { nestDueLocked, nestJoinLocked, nestLock, nestUnlock, nestWouldCycle } from "./nest.js";
import { Kncold, Knote, type KnotePtr, KQ_OPEN, Kqueue, type KqueuePtr } from "./structs.js";
import { NO_DUE } from "./timer.js";

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
  const fp = fdGetWatched(k, fd);
  if (fp === 0) {
    const back = kqueueRelock(k, kq, generation);
    return back < 0 ? back : -EBADF;
  }
  const ops = fileops(k, fp)?.kqfilter(k, fp, c.filter) ?? -EBADF;
  const nested = ops === OPS_KQUEUE_READ;
  if (nested) nestLock(k);
  let result = ops < 0 ? ops - IN_ATTACH : ops;
  if (nested) {
    const bad = nestWouldCycle(k, kq, File.object.hint(k, fp) as ObjectPtr);
    if (bad !== 0) result = bad - IN_ATTACH;
  }
  const back = kqueueRelock(k, kq, generation);
  if (back < 0) result = back;
  else if (result >= 0) result = attachFile(k, kq, c, ch, at, ops, fp);
  if (nested) nestUnlock(k);
  if (result === 0 && Kqueue.state.get(k, kq) !== KQ_OPEN) {
    // Closed while the object was joined. Whoever closes it waited for the claim and drops the
    // knote; nobody may go on with the queue, least of all sleep on it.
    kqueueUnlock(k, kq);
    return KQ_GONE;
  }
  if (result !== 0) {
    k.fileDrops.push(fp);
    k.deferred |= DEFER_DROP;
  } else if (fdHint(k, fd) !== fp) {
    const kn = knoteFindLocked(k, kq, c);
    if (kn !== 0 && Knote.claim.get(k, kn) === 0) knoteDropLocked(k, kq, kn);
    result = -EBADF;
  }
  return result;
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
    if (knoteFindLocked(k, kq, c) !== 0) return RESTART;
    const colds = coldWanted(c, ch, at, true);
    const ready = magazineNeedLocked(k, kq, colds, ops === OPS_KQUEUE_READ);
    if (ready === KQ_GONE || ready < 0) return ready;
    if (ready === 0) {
      const kn = knoteFillLocked(k, kq, c, ch, at, ops, colds);
      joinObject(k, kq, kn, fp);
      return 0;
    }
  }
}

function joinObject(k: Kthread, kq: KqueuePtr, kn: KnotePtr, fp: FilePtr): void {
  const obj = File.object.hint(k, fp) as ObjectPtr;
  const ops = Knote.ops.get(k, kn);
  Kncold.file.set(k, Knote.cold.get(k, kn), fp);
  Knote.obj.set(k, kn, obj);
  if (ops === OPS_BELL) Knote.flags.or(k, kn, EV_CLEAR);
  Knote.claim.set(k, kn, k.owner);
  knoteLinkLocked(k, kq, kn);
  kqueueUnlock(k, kq);
  // The file reference keeps the object alive.
  objectLock(k, obj);
  filterops[ops]?.attach(k, kq, kn);
  const due = ops === OPS_KQUEUE_READ ? nestJoinLocked(k, obj as KqueuePtr) : NO_DUE;
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  knoteJoinedLocked(k, obj, kn);
  if (due !== NO_DUE) nestDueLocked(k, kq, kn, due);
  claimEndLocked(k, kq, kn);
  knoteEvaluateLocked(k, kq, kn);
  objectUnlock(k, obj);
}
