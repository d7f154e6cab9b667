// SPDX-License-Identifier: ISC
/**
 * Claims, and the end of a knote.
 *
 * To attach, detach, or ask an object, a thread *claims* the knote under the queue lock, drops
 * that lock, locks the object, works, takes the queue lock again, and ends the claim, waking who
 * waits for it. A claimed knote keeps its queue from being freed. Notification does not claim.
 *
 * Dropping a knote goes in two steps. `knoteDropLocked` marks it KN_DETACHED, takes it off the
 * ready list and the timer heap, and claims it: from now on it delivers nothing. A knote that holds
 * no file is freed at once; others are put on the thread's list, and `dropsRun` takes them off
 * their object's klist, if they have one still, with the queue unlocked, and frees them.
 */
import { assertHeld } from "#field";
import { hashBucket } from "../arena/hash.js";
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
import { type Filterops, OPS_KQUEUE_READ, OPS_TIMER } from "./filterops.js";
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

// Constants of this module are folded into the code; imported ones are loads.
const HASH = Kqueue.hash.offset;
const HASH_BITS = Kqueue.hashBits.offset;
const KNOTES = Kqueue.knotes.offset;
const HEAP_WANTED = Kqueue.heapWanted.offset;
const HASH_NEXT = Knote.hashNext.offset;
const IDENT = Knote.ident.offset;
const FILTER_OPS = Knote.filter.offset;
const STATUS_FLAGS = Knote.status.offset;
const COLD = Knote.cold.offset;
const FILE = Kncold.file.offset;
const QUEUED = KN_QUEUED;
const ARMED = KN_ARMED;
const DETACHED = KN_DETACHED;
const LINKED = KN_LINKED;
const ACTIVE = KN_ACTIVE;
const OPS_SHIFT = 16;

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

/** Enter a knote into its queue's hash: its identifier, filter, and whether it may be armed. */
export function knoteLinkLocked(
  k: Kthread,
  kq: KqueuePtr,
  kn: KnotePtr,
  ident: number,
  filter: number,
  spread: boolean,
  arms: boolean,
): void {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  const bits = a[kq + HASH_BITS] as number;
  const at = (a[kq + HASH] as number) + hashBucket(ident, filter, bits, spread);
  a[kn + HASH_NEXT] = a[at] as number;
  a[at] = kn;
  a[kq + KNOTES] = (a[kq + KNOTES] as number) + 1;
  if (arms) a[kq + HEAP_WANTED] = (a[kq + HEAP_WANTED] as number) + 1;
  // Last: from now on it is a registration, whatever its links are like.
  a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) | LINKED;
}

function unlinkLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  const filterOps = a[kn + FILTER_OPS] as number;
  const ops = filterOps >>> OPS_SHIFT;
  const spread = !(filterops[ops] as Filterops).isDescriptor;
  const bits = a[kq + HASH_BITS] as number;
  const bucket = hashBucket(a[kn + IDENT] as number, (filterOps << 16) >> 16, bits, spread);
  const at = (a[kq + HASH] as number) + bucket;
  const next = a[kn + HASH_NEXT] as number;
  let other = a[at] as number;
  if (other === kn) a[at] = next;
  else {
    for (;;) {
      kassert(other !== 0, "a knote is in its bucket");
      const following = a[other + HASH_NEXT] as number;
      if (following === kn) break;
      other = following;
    }
    a[other + HASH_NEXT] = next;
  }
  a[kq + KNOTES] = (a[kq + KNOTES] as number) - 1;
  if (mayArm(ops)) a[kq + HEAP_WANTED] = (a[kq + HEAP_WANTED] as number) - 1;
}

/** Unlink and free a knote that is off its object's list; queue lock held. */
export function knoteFreeLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const a = k.a;
  const cold = a[kn + COLD] as number;
  const file = cold === 0 ? 0 : (a[cold + FILE] as number);
  if (file === 0) {
    // It is no registration any more.
    a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) & ~LINKED;
    unlinkLocked(k, kq, kn);
    knoteGiveLocked(k, kq, kn);
    return;
  }
  const filter = Math.max(0, ((a[kn + FILTER_OPS] as number) << 16) >> 16);
  const note = limboNext(k, LIMBO_FILE);
  const noteFilter = filter === 0 ? 0 : note + 1;
  const kind = filter === 0 ? 0 : noteFilter + LIMBO_MAX;
  // One run: it is no registration any more, and what it counted as is this thread's.
  a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) & ~LINKED;
  a[kind] = filter === 0 ? 0 : LIMBO_FILTER;
  a[noteFilter] = -filter;
  a[note] = file;
  k.limboCount += filter === 0 ? 1 : 2;
  if (filter > 0) k.filterDrops.push(filter);
  k.fileDrops.push(file);
  k.deferred |= DEFER_DROP;
  unlinkLocked(k, kq, kn);
  knoteGiveLocked(k, kq, kn);
}

/**
 * First step of dropping a knote; queue lock held. What holds no file is gone after it; the rest is
 * on the thread's list until `dropsRun`, which drops the files one by one.
 *
 * Nobody has claimed the knote, but for one case: a scan delivers a one-shot event while another
 * thread asks the object. Then the asker has the knote, finds it KN_DETACHED, and drops it.
 */
export function knoteDropLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const a = k.a;
  const word = a[kn + STATUS_FLAGS] as number;
  if ((word & QUEUED) !== 0) readyRemoveLocked(k, kq, kn);
  if ((word & ARMED) !== 0) timerDisarmLocked(k, kq, kn);
  a[kn + STATUS_FLAGS] = ((a[kn + STATUS_FLAGS] as number) | DETACHED) & ~ACTIVE;
  const ops = filterops[(a[kn + FILTER_OPS] as number) >>> OPS_SHIFT] as Filterops;
  const cold = a[kn + COLD] as number;
  if (cold === 0 || a[cold + FILE] === 0) {
    ops.detach(k, kq, kn);
    knoteFreeLocked(k, kq, kn);
    return;
  }
  if (Knote.claim.get(k, kn) !== 0) return;
  Knote.claim.set(k, kn, k.owner);
  dropLaterLocked(k, kn);
}

/** Put a knote that this thread has claimed on its list of those to drop; queue lock held. */
export function dropLaterLocked(k: Kthread, kn: KnotePtr): void {
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
