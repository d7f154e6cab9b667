// SPDX-License-Identifier: ISC
/**
 * Claims, and the end of a knote.
 *
 * To attach, detach, or ask an object, a thread *claims* the knote under the queue lock, drops
 * that lock, locks the object, works, takes the queue lock again, and ends the claim, waking who
 * waits for it. A claimed knote keeps its queue from being freed. Notification does not claim.
 *
 * Dropping a knote goes in two steps. `knoteDropLocked` marks it KN_DETACHED, takes it off the
 * ready list and the timer heap, and claims it: from now on it delivers nothing. A knote without
 * an object, or whose object is gone, is freed at once; others are put on the thread's list, and
 * `dropsRun` takes them off their object's klist with the queue unlocked, and frees them.
 */
import { bucketGet, bucketSet, hashBucket } from "../arena/hash.js";
import { DEFER_DROP, type Kthread, kassert } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { LIMBO_FILE, LIMBO_FILTER, limboNext } from "../kern/alloc.js";
import { type FilePtr, fileDrop } from "../kern/file.js";
import { objectLock, objectUnlock } from "../kern/object.js";
import { Thread, type ThreadPtr } from "../kern/thread.js";
import { LIMBO_MAX } from "../limits.js";
import { mutexLock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { NEVER, sleepUntil } from "../sync/sleep.js";
import {
  REASON_WOKEN,
  WORD_SLEEPING,
  waitLinkLocked,
  waitUnlinkLocked,
  wakeAllLocked,
} from "../sync/wait.js";
import { OPS_KQUEUE_READ, OPS_TIMER } from "./filterops.js";
import { filterops } from "./filters.js";
import { KQ_GONE, kqueueLock, kqueueUnlock } from "./lock.js";
import { knoteGiveLocked } from "./magazine.js";
import { nestLeaveLocked } from "./nest.js";
import { readyRemoveLocked } from "./ready.js";
import { filterRelease } from "./registry.js";
import {
  KN_ACTIVE,
  KN_ARMED,
  KN_DETACHED,
  KN_LINKED,
  KN_QUEUED,
  Kncold,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
  kqClaimWaitq,
} from "./structs.js";
import { timerDisarmLocked } from "./timer.js";

/** Whether the knote has, or may have, a place in the timer heap. */
export function mayArm(ops: number): boolean {
  return ops === OPS_TIMER || ops === OPS_KQUEUE_READ;
}

/** Join who waits for claims on the queue to end; queue lock held. Then unlock and sleep. */
export function claimLinkLocked(k: Kthread, kq: KqueuePtr): void {
  const rec = Thread.record.get(k, k.thread as ThreadPtr);
  waitLinkLocked(k, kqClaimWaitq(kq), rec, NEVER, WORD_SLEEPING);
}

/** Sleep after claimLinkLocked, no lock held. Something about the claims has changed after it. */
export function claimSleep(k: Kthread, kq: KqueuePtr): void {
  sleepUntil(k, NEVER);
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  waitUnlinkLocked(k, kqClaimWaitq(kq), Thread.record.get(k, k.thread as ThreadPtr));
  kqueueUnlock(k, kq);
}

/**
 * Sleep until some claim on the queue ends; queue lock held before and after. Returns 0, or
 * KQ_GONE when the queue went away, and then it is not locked.
 */
export function claimWaitLocked(k: Kthread, kq: KqueuePtr): number {
  const generation = Kqueue.generation.hint(k, kq);
  claimLinkLocked(k, kq);
  kqueueUnlock(k, kq);
  claimSleep(k, kq);
  return kqueueLock(k, kq, generation) === 0 ? 0 : KQ_GONE;
}

/** End a claim; queue lock held. */
export function claimEndLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  Knote.claim.set(k, kn, 0);
  wakeAllLocked(k, kqClaimWaitq(kq), REASON_WOKEN);
}

/** Bucket of a knote in its queue's hash. */
function bucketOf(k: Kthread, kq: KqueuePtr, kn: KnotePtr): number {
  const spread = filterops[Knote.ops.get(k, kn)]?.isDescriptor === false;
  const bits = Kqueue.hashBits.get(k, kq);
  return hashBucket(Knote.ident.get(k, kn), Knote.filter.get(k, kn), bits, spread);
}

/** Enter a knote into its queue's hash. */
export function knoteLinkLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const buckets = Kqueue.hash.get(k, kq);
  const at = bucketOf(k, kq, kn);
  Knote.hashNext.set(k, kn, bucketGet(k, buckets, at) as KnotePtr);
  bucketSet(k, buckets, at, kn);
  Kqueue.knotes.add(k, kq, 1);
  if (mayArm(Knote.ops.get(k, kn))) Kqueue.heapWanted.add(k, kq, 1);
  // Last: from now on it is a registration, whatever its links are like.
  Knote.status.or(k, kn, KN_LINKED);
}

function unlinkLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const buckets = Kqueue.hash.get(k, kq);
  const at = bucketOf(k, kq, kn);
  const next = Knote.hashNext.get(k, kn);
  let other = bucketGet(k, buckets, at) as KnotePtr;
  if (other === kn) {
    bucketSet(k, buckets, at, next);
  } else {
    for (;;) {
      kassert(other !== 0, "a knote is in its bucket");
      const following = Knote.hashNext.get(k, other);
      if (following === kn) break;
      other = following;
    }
    Knote.hashNext.set(k, other, next);
  }
  Kqueue.knotes.add(k, kq, -1);
  if (mayArm(Knote.ops.get(k, kn))) Kqueue.heapWanted.add(k, kq, -1);
}

/** Unlink and free a knote that is off its object's list; queue lock held. */
export function knoteFreeLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const cold = Knote.cold.get(k, kn);
  const file = cold === 0 ? NIL : Kncold.file.get(k, cold);
  const filter = file === 0 ? 0 : Math.max(0, Knote.filter.get(k, kn));
  const at = kn + Knote.status.offset;
  const note = file === 0 ? 0 : limboNext(k, LIMBO_FILE);
  const noteFilter = filter === 0 ? 0 : note + 1;
  const kind = filter === 0 ? 0 : noteFilter + LIMBO_MAX;
  // One run: it is no registration any more, and what it counted as is this thread's.
  k.a[at] = (k.a[at] as number) & ~KN_LINKED;
  k.a[kind] = filter === 0 ? 0 : LIMBO_FILTER;
  k.a[noteFilter] = -filter;
  k.a[note] = file;
  if (file !== 0) {
    k.limboCount += filter === 0 ? 1 : 2;
    if (filter > 0) k.filterDrops.push(filter);
    k.fileDrops.push(file);
    k.deferred |= DEFER_DROP;
  }
  unlinkLocked(k, kq, kn);
  knoteGiveLocked(k, kq, kn);
}

/**
 * First step of dropping an unclaimed knote; queue lock held. What has no object is gone after
 * it; the rest is on the thread's list until `dropsRun`.
 */
export function knoteDropLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const ops = filterops[Knote.ops.get(k, kn)] as (typeof filterops)[number];
  const status = Knote.status.get(k, kn);
  if ((status & KN_QUEUED) !== 0) readyRemoveLocked(k, kq, kn);
  if ((status & KN_ARMED) !== 0) timerDisarmLocked(k, kq, kn);
  Knote.status.or(k, kn, KN_DETACHED);
  Knote.status.clear(k, kn, KN_ACTIVE);
  if (Knote.obj.get(k, kn) === 0) {
    ops.detach(k, kq, kn);
    knoteFreeLocked(k, kq, kn);
    return;
  }
  Knote.claim.set(k, kn, k.owner);
  Knote.readyNext.set(k, kn, k.dropHead as KnotePtr);
  k.dropHead = kn;
  k.deferred |= DEFER_DROP;
}

/** Second step, for every knote on the thread's list, and for held files. No lock held. */
export function dropsRun(k: Kthread): void {
  k.deferred &= ~DEFER_DROP;
  while (k.dropHead !== 0) {
    const kn = k.dropHead as KnotePtr;
    // The claim keeps the knote and its queue where they are.
    const kq = Knote.kq.get(k, kn);
    k.dropHead = Knote.readyNext.get(k, kn);
    const obj = Knote.obj.get(k, kn);
    if (obj !== 0) {
      objectLock(k, obj);
      if (Knote.obj.get(k, kn) !== 0) detachLocked(k, kq, kn);
      objectUnlock(k, obj);
    }
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    claimEndLocked(k, kq, kn);
    knoteFreeLocked(k, kq, kn);
    kqueueUnlock(k, kq);
    // At once, because a thread has few references in its hands.
    while (k.filterDrops.length > 0) filterRelease(k, k.filterDrops.pop() as number);
    while (k.fileDrops.length > 0) fileDrop(k, k.fileDrops.pop() as FilePtr);
  }
  while (k.filterDrops.length > 0) filterRelease(k, k.filterDrops.pop() as number);
  while (k.fileDrops.length > 0) fileDrop(k, k.fileDrops.pop() as FilePtr);
}

/** Detach a claimed knote from its object; object lock held. */
function detachLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const ops = Knote.ops.get(k, kn);
  // It is not, if the thread died before it had joined it.
  const joined = Kncold.klistPrev.get(k, Knote.cold.get(k, kn)) !== 0;
  if (joined) filterops[ops]?.detach(k, kq, kn);
  if (ops === OPS_KQUEUE_READ) nestLeaveLocked(k, Knote.obj.get(k, kn) as KqueuePtr);
  Knote.obj.set(k, kn, NIL);
}
