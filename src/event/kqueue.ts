// SPDX-License-Identifier: ISC
/**
 * Queues as open files: making one, closing one, and what closing a descriptor number does to the
 * knotes for it.
 *
 * Life of a queue: made OPEN with one file reference; CLOSING when the last reference goes, which
 * wakes everybody who sleeps on it with EBADF and lets nobody in; then every knote is dropped,
 * waiting for claims to end; then the slot is freed and its generation raised.
 */
import { EINVAL, EMFILE, ENFILE, ENOMEM, ENXIO } from "../abi/errno.js";
import { EVFILT_READ } from "../abi/event.js";
import { bucketGet, bucketsClear } from "../arena/hash.js";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import {
  heapAlloc,
  heapFree,
  limboHold,
  limboHoldBuffer,
  published,
  zabandon,
  zalloc,
  zfree,
  zfreeChain,
} from "../kern/alloc.js";
import { fdInstall } from "../kern/descrip.js";
import { curtable, Fdtable, type TablePtr } from "../kern/fdtable.js";
import {
  File,
  type FileOps,
  type FilePtr,
  FREAD,
  FT_KQUEUE,
  FWRITE,
  fileAlloc,
  fileDrop,
  fileUnbound,
} from "../kern/file.js";
import { Obj, objectInit, objectLock, objectRetireLocked, objectUnlock } from "../kern/object.js";
import { HASH_BUCKETS_MIN } from "../limits.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_QUEUE, RANK_TABLE } from "../sync/order.js";
import { REASON_CLOSED, waitqInit, wakeAllLocked } from "../sync/wait.js";
import { deferredRun } from "./defer.js";
import { claimLinkLocked, claimSleep, knoteDropLocked } from "./drop.js";
import { OPS_KQUEUE_READ } from "./filterops.js";
import { filterops } from "./filters.js";
import { magazinesTakeLocked } from "./magazine.js";
import {
  Knote,
  type KnotePtr,
  KQ_CLOSING,
  KQ_FREE,
  KQ_OPEN,
  Kqueue,
  type KqueuePtr,
  kncoldZone,
  knoteZone,
  kqClaimWaitq,
  kqueueZone,
  kqWaitq,
  LOOK_NEVER,
} from "./structs.js";
import { heapBytesWords } from "./timer.js";

const FIRST_BITS = 31 - Math.clz32(HASH_BUCKETS_MIN);

/**
 * Make a queue and its open file. Returns the file with one reference, in limbo, or NIL when
 * memory is exhausted.
 */
export function kqueueMake(k: Kthread): FilePtr {
  const kq = zalloc(k, kqueueZone) as KqueuePtr;
  if (kq === 0) return NIL;
  const hash = heapAlloc(k, 1 << FIRST_BITS);
  if (hash === 0) {
    zabandon(k, kqueueZone, kq);
    return NIL;
  }
  const fp = fileAlloc(k, FT_KQUEUE, kq, FREAD | FWRITE);
  if (fp === 0) {
    heapFree(k, hash, 1 << FIRST_BITS);
    zabandon(k, kqueueZone, kq);
    return NIL;
  }
  bucketsClear(k, hash, FIRST_BITS);
  kqueueInit(k, kq, hash);
  Obj.file.set(k, kq, fp);
  const table = curtable(k);
  mutexLock(k, Fdtable.lock.at(table), RANK_TABLE);
  const first = Fdtable.queues.get(k, table);
  Kqueue.tableNext.set(k, kq, first);
  Kqueue.tablePrev.set(k, kq, NIL);
  if (first !== 0) Kqueue.tablePrev.set(k, first as KqueuePtr, kq);
  Fdtable.queues.set(k, table, kq);
  Kqueue.listed.set(k, kq, 1);
  published(k, kq);
  published(k, hash);
  mutexUnlock(k, Fdtable.lock.at(table));
  return fp;
}

function kqueueInit(k: Kthread, kq: KqueuePtr, hash: number): void {
  const table = curtable(k);
  objectInit(k, kq);
  Kqueue.state.set(k, kq, KQ_OPEN);
  Kqueue.count.publish(k, kq, 0);
  Kqueue.fresh.set(k, kq, 0);
  Kqueue.head.set(k, kq, NIL);
  Kqueue.tail.set(k, kq, NIL);
  Kqueue.magazine.set(k, kq, NIL);
  Kqueue.magazineCount.set(k, kq, 0);
  Kqueue.coldMagazine.set(k, kq, NIL);
  Kqueue.coldCount.set(k, kq, 0);
  Kqueue.hash.set(k, kq, hash);
  Kqueue.hashBits.set(k, kq, FIRST_BITS);
  Kqueue.knotes.set(k, kq, 0);
  Kqueue.heap.set(k, kq, 0);
  Kqueue.heapCount.set(k, kq, 0);
  Kqueue.heapSize.set(k, kq, 0);
  Kqueue.heapWanted.set(k, kq, 0);
  Kqueue.heapSerial.set(k, kq, 0);
  Kqueue.watched.set(k, kq, 0);
  Kqueue.dirty.set(k, kq, 0);
  Kqueue.look.publish(k, kq, LOOK_NEVER);
  Kqueue.tableLock.set(k, kq, Fdtable.lock.at(table));
  Kqueue.table.set(k, kq, table);
  Kqueue.listed.set(k, kq, 0);
  Kqueue.proc.set(k, kq, k.proc);
  Kqueue.copyOnFork.set(k, kq, 0);
  waitqInit(k, kqWaitq(kq), Kqueue.lock.at(kq));
  waitqInit(k, kqClaimWaitq(kq), Kqueue.lock.at(kq));
}

/** kqueue(2): a new queue at the lowest free number, or -EMFILE, -ENOMEM. */
export function kqueueCreate(k: Kthread, cloexec: boolean, owner = 0, copyOnFork = false): number {
  const fp = kqueueMake(k);
  if (fp === 0) return -ENOMEM;
  if (copyOnFork) Kqueue.copyOnFork.set(k, File.object.hint(k, fp) as KqueuePtr, 1);
  const fd = fdInstall(k, fp, cloexec, 0, owner);
  if (fd >= 0) {
    published(k, fp);
    return fd;
  }
  fileDrop(k, fp);
  return fd === -EMFILE || fd === -ENFILE ? fd : -ENOMEM;
}

/** The queue of an open file, or NIL if the file is no queue. */
export function fileKqueue(k: Kthread, fp: FilePtr): KqueuePtr {
  return File.type.hint(k, fp) === FT_KQUEUE ? (File.object.hint(k, fp) as KqueuePtr) : NIL;
}

/**
 * Wake who sleeps on it, drop its knotes, free it. Nobody refers to the queue any more. Done again
 * after a death in the middle, it goes on: each step finds what is left for it.
 */
function kqueueDestroy(k: Kthread, kq: KqueuePtr, fp: FilePtr): void {
  limboHold(k, kqueueZone.index, kq);
  const lock = Kqueue.lock.at(kq);
  mutexLock(k, lock, RANK_QUEUE);
  Kqueue.state.set(k, kq, KQ_CLOSING);
  wakeAllLocked(k, kqWaitq(kq), REASON_CLOSED);
  mutexUnlock(k, lock);
  leaveTable(k, kq);
  for (;;) {
    mutexLock(k, lock, RANK_QUEUE);
    dropAllLocked(k, kq);
    const left = Kqueue.knotes.get(k, kq);
    // In the same hold: what is left is either ours to finish, or claimed by somebody else, whose
    // claim cannot end before we are among those who wait for that.
    const wait = left > 0 && k.dropHead === 0;
    if (wait) claimLinkLocked(k, kq);
    mutexUnlock(k, lock);
    if (wait) claimSleep(k, kq);
    deferredRun(k);
    if (left === 0) break;
  }
  freeQueue(k, kq, fp);
}

/** Drop every knote that nobody has claimed; queue lock held. */
function dropAllLocked(k: Kthread, kq: KqueuePtr): void {
  const buckets = Kqueue.hash.get(k, kq);
  if (buckets === 0) return;
  for (let i = 0; i < 1 << Kqueue.hashBits.get(k, kq); i++) {
    let kn = bucketGet(k, buckets, i) as KnotePtr;
    while (kn !== 0) {
      const next = Knote.hashNext.get(k, kn);
      if (Knote.claim.get(k, kn) === 0) knoteDropLocked(k, kq, kn);
      kn = next;
    }
  }
}

function leaveTable(k: Kthread, kq: KqueuePtr): void {
  const table = Kqueue.table.get(k, kq) as TablePtr;
  mutexLock(k, Fdtable.lock.at(table), RANK_TABLE);
  if (Kqueue.listed.get(k, kq) === 1) {
    const next = Kqueue.tableNext.get(k, kq);
    const prev = Kqueue.tablePrev.get(k, kq);
    if (prev === 0) Fdtable.queues.set(k, table, next);
    else Kqueue.tableNext.set(k, prev as KqueuePtr, next);
    if (next !== 0) Kqueue.tablePrev.set(k, next as KqueuePtr, prev);
    Kqueue.listed.set(k, kq, 0);
  }
  mutexUnlock(k, Fdtable.lock.at(table));
}

/** Give back everything that an empty queue holds, and the slot. */
function freeQueue(k: Kthread, kq: KqueuePtr, fp: FilePtr): void {
  const lock = Kqueue.lock.at(kq);
  objectLock(k, kq);
  mutexLock(k, lock, RANK_QUEUE);
  const { magazine, colds } = magazinesTakeLocked(k, kq);
  const hash = Kqueue.hash.get(k, kq);
  const hashWords = 1 << Kqueue.hashBits.get(k, kq);
  const heap = Kqueue.heap.get(k, kq);
  const heapWords = heapBytesWords(Kqueue.heapSize.get(k, kq));
  if (hash !== 0) limboHoldBuffer(k, hash, hashWords);
  if (heap !== 0) limboHoldBuffer(k, heap, heapWords);
  Kqueue.hash.set(k, kq, 0);
  Kqueue.heap.set(k, kq, 0);
  Kqueue.state.set(k, kq, KQ_FREE);
  Kqueue.generation.publish(k, kq, (Kqueue.generation.hint(k, kq) + 1) | 0);
  mutexUnlock(k, lock);
  objectRetireLocked(k, kq);
  objectUnlock(k, kq);
  fileUnbound(k, fp);
  zfreeChain(k, knoteZone, magazine);
  zfreeChain(k, kncoldZone, colds);
  heapFree(k, hash, hashWords);
  if (heap !== 0) heapFree(k, heap, heapWords);
  zfree(k, kqueueZone, kq);
}

/** Drop the knotes of one descriptor number; queue lock held. Returns whether one is claimed. */
function dropFdLocked(k: Kthread, kq: KqueuePtr, fd: number): boolean {
  if (Kqueue.state.get(k, kq) !== KQ_OPEN) return false;
  const at = fd & ((1 << Kqueue.hashBits.get(k, kq)) - 1);
  let claimed = false;
  let kn = bucketGet(k, Kqueue.hash.get(k, kq), at) as KnotePtr;
  while (kn !== 0) {
    const next = Knote.hashNext.get(k, kn);
    const ops = filterops[Knote.ops.get(k, kn)];
    if (ops?.isDescriptor === true && Knote.ident.get(k, kn) === fd) {
      if (Knote.claim.get(k, kn) !== 0) claimed = true;
      else knoteDropLocked(k, kq, kn);
    }
    kn = next;
  }
  return claimed;
}

/**
 * A number was closed: drop its knotes from every queue of the table, waiting for those that
 * somebody works on. No lock held. The number cannot be reused before this returns.
 */
export function knotesFdClosed(k: Kthread, fd: number): void {
  const table = curtable(k);
  const lock = Fdtable.lock.at(table);
  for (;;) {
    let busy: KqueuePtr = NIL;
    mutexLock(k, lock, RANK_TABLE);
    let kq = Fdtable.queues.get(k, table) as KqueuePtr;
    while (kq !== 0) {
      mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
      if (dropFdLocked(k, kq, fd)) busy = kq;
      mutexUnlock(k, Kqueue.lock.at(kq));
      kq = Kqueue.tableNext.get(k, kq) as KqueuePtr;
    }
    // The table lock keeps the busy queue on the list, and so in being, until we are its waiter.
    const wait = busy !== 0 && k.dropHead === 0 && claimStillHeld(k, busy, fd);
    mutexUnlock(k, lock);
    deferredRun(k);
    if (wait) claimSleep(k, busy);
    if (busy === 0) return;
  }
}

/** If some knote of the number is still claimed, join who waits for that; table lock held. */
function claimStillHeld(k: Kthread, kq: KqueuePtr, fd: number): boolean {
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  const held = dropFdLocked(k, kq, fd) && k.dropHead === 0;
  if (held) claimLinkLocked(k, kq);
  mutexUnlock(k, Kqueue.lock.at(kq));
  return held;
}

export const kqueueFileOps: FileOps = {
  name: "kqueue",
  read: () => -ENXIO,
  write: () => -ENXIO,
  kqfilter: (_k, _fp, filter) => (filter === EVFILT_READ ? OPS_KQUEUE_READ : -EINVAL),
  close(k, fp) {
    kqueueDestroy(k, File.object.hint(k, fp) as KqueuePtr, fp);
  },
};
