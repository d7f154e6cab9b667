// SPDX-License-Identifier: ISC
/**
 * Recovery: what a thread left behind whose call was cut off, wherever that was. It is done in the
 * name of that thread: by who heard of its end, with its identity, which nobody else uses any more;
 * or by the thread itself, if an exception went through its call and left it alive.
 *
 * The record of the thread (struct thread) says what it was about. The steps:
 *
 *   1  the locks that its owner word is in: repair what each guards, the innermost first; unlock
 *   2  its wait records leave their queues, and a wake that one of them was given is passed on
 *   3  claims on knotes: a registration that was being attached is undone, a drop is finished
 *   4  slots that it had taken in batches go back
 *   5  a call of several steps is finished or undone
 *   6  what it had in limbo goes back: slots, buffers, references; files are closed
 *   7  queues that others watch pass on their readiness and their next due time
 *   8  everybody who sleeps is woken once, since wakes it had collected are lost with it
 *
 * Each step leaves the record such that it is found done, so that all of it can be begun again:
 * when who recovers has ended too, or had to give up for a while (RecoveryStuck).
 */
import { limboEnter, lockWanted, recordReset } from "#field";
import { DEFER_ASK, type Kthread } from "../arena/kthread.js";
import { NIL, type Ptr } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { type ZoneDef, zones } from "../arena/zone.js";
import { deferredRun } from "../event/defer.js";
import { claimEndLocked, dropsRun, knoteDropLocked } from "../event/drop.js";
import { knoteEvaluateLocked } from "../event/evaluate.js";
import { filterops } from "../event/filters.js";
import { queueTouchedLocked, readyRemoveLocked } from "../event/ready.js";
import { slotsEach } from "../event/slots.js";
import {
  COLD_WHOSE,
  KN_ACTIVE,
  KN_ARMED,
  KN_DETACHED,
  KN_QUEUED,
  Kncold,
  Knote,
  type KnotePtr,
  KQ_OPEN,
  Kqueue,
  type KqueuePtr,
  kncoldZone,
  knoteZone,
  kqueueZone,
} from "../event/structs.js";
import { timerDisarmLocked } from "../event/timer.js";
import {
  LIMBO_BUFFER,
  LIMBO_FILE,
  LIMBO_FILTER,
  limboFind,
  published,
  zfree,
} from "../kern/alloc.js";
import { fdClose, fdCloseFinish, fdReplaceFinish, REPLACE_CLOEXEC } from "../kern/descrip.js";
import { curtable, FD_CLOSING, FD_OPEN, Fdentry, fdEntry, fdHint } from "../kern/fdtable.js";
import type { FilePtr } from "../kern/file.js";
import { threadsRouse } from "../kern/rouse.js";
import {
  handleAt,
  PHASE_CLOSE,
  PHASE_CREATE,
  PHASE_REPLACE,
  phaseAt,
  phaseLeave,
  Thread,
  type ThreadPtr,
} from "../kern/thread.js";
import { LIMBO_MAX, LOCKS_HELD_MAX } from "../limits.js";
import { LOCK_OWNER_MASK, mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import {
  REC_ARMED,
  REC_CLAIMED,
  REC_FREE,
  Waitq,
  Waitrec,
  type WaitrecPtr,
  waitUnlinkLocked,
  wakeAsyncLocked,
  wakeOneLocked,
} from "../sync/wait.js";
import { limboReturn } from "./limbo.js";
import { type LockPlace, lockPlace, lockRepair } from "./repair.js";

/** A lock that was held by the thread, and what it guarded. */
interface Taken extends LockPlace {
  readonly lock: number;
}

/**
 * Undo or finish what the thread was doing; `alive` if it is the thread itself that does, whose
 * parked waits go on. Returns the ranks of the locks it held. May sleep.
 */
export function recover(k: Kthread, alive: boolean): number[] {
  const locks = adopt(k);
  for (const { lock, ...place } of locks.slice().reverse()) {
    lockRepair(k, place);
    mutexUnlock(k, lock);
  }
  spinningEnd(k);
  waitsLeave(k, alive);
  deferredRun(k);
  claimsEnd(k);
  batchesReturn(k);
  deferredRun(k);
  stepFinish(k);
  limboReturn(k);
  deferredRun(k);
  watchedTell(k);
  deferredRun(k);
  threadsRouse(k);
  k.a[k.callAt] = 0;
  return locks.map(({ rank }) => rank);
}

/**
 * Make the thread's private state what its record says: which of the locks in it are its own, and
 * what is in limbo. Whatever it had put off is not known any more.
 */
function adopt(k: Kthread): Taken[] {
  recordReset(k);
  k.deferred = 0;
  k.wakeCount = 0;
  k.dropHead = 0;
  for (const list of [k.nestWork, k.pokes, k.asks, k.fileDrops, k.filterDrops]) list.length = 0;
  for (const list of [k.slotFrees, k.bufferFrees]) list.length = 0;
  const taken = locksAdopt(k);
  limboAdopt(k);
  return taken;
}

function locksAdopt(k: Kthread): Taken[] {
  const { a } = k;
  const taken: Taken[] = [];
  for (let i = 0; i < LOCKS_HELD_MAX; i++) {
    const lock = a[k.locksAt + i] as number;
    if (lock === 0 || ((a[lock] as number) & LOCK_OWNER_MASK) !== k.owner) continue;
    const place = lockPlace(k, lock);
    if (place !== null && !taken.some((other) => other.lock === lock)) {
      taken.push({ lock, ...place });
    }
  }
  // Written anew in the same order, so that none is missing from the record meanwhile.
  for (let i = 0; i < LOCKS_HELD_MAX; i++) a[k.locksAt + i] = taken[i]?.lock ?? 0;
  k.lockDepth = 0;
  for (const { lock, rank } of taken) {
    lockWanted(k, lock, rank);
    k.lockDepth++;
  }
  return taken;
}

function limboAdopt(k: Kthread): void {
  const { a } = k;
  let count = 0;
  for (let i = 0; i < LIMBO_MAX; i++) {
    const place = a[k.limboAt + i] as number;
    const kind = a[k.limboAt + LIMBO_MAX + i] as number;
    if (place === 0) continue;
    if (count !== i) {
      a[k.limboAt + count] = place;
      a[k.limboAt + LIMBO_MAX + count] = kind;
      a[k.limboAt + i] = 0;
    }
    count++;
    if (kind < LIMBO_BUFFER) limboEnter(k, place, (zones[kind] as ZoneDef<string>).struct.words);
  }
  k.limboCount = count;
}

function spinningEnd(k: Kthread): void {
  if (k.a[k.spinningAt] === 0) return;
  Super.spinners.fetchAdd(k, SUPER, -1);
  // One run with the count.
  k.a[k.spinningAt] = 0;
}

function waitsLeave(k: Kthread, alive: boolean): void {
  const thread = k.thread as ThreadPtr;
  const record = Thread.record.get(k, thread);
  if (record !== 0) waitLeave(k, record);
  if (alive) return;
  for (let rec = Thread.records.get(k, thread); rec !== 0; rec = Waitrec.sibling.get(k, rec)) {
    waitLeave(k, rec);
  }
}

/**
 * Take a record off its queue. Whether it had been claimed, or was to wake for a timer: somebody
 * else is woken in its place, and finds out whether there is anything to do.
 */
function waitLeave(k: Kthread, rec: WaitrecPtr): void {
  const lock = k.a[Waitrec.lock.at(rec)] as number;
  if (lock === 0) return;
  mutexLock(k, lock, RANK_QUEUE);
  const wq = Waitrec.waitq.get(k, rec);
  const state = Waitrec.state.get(k, rec);
  if (state !== REC_FREE) {
    waitUnlinkLocked(k, wq, rec);
  } else {
    // It was about to be linked, or had just been unlinked.
    Waitrec.waitq.set(k, rec, NIL);
    Waitrec.lock.set(k, rec, 0);
  }
  if (state === REC_ARMED || state === REC_CLAIMED) {
    if (Waitq.head.get(k, wq) !== 0) wakeOneLocked(k, wq);
    else wakeAsyncLocked(k, wq);
  }
  mutexUnlock(k, lock);
}

/** End the claims that the thread owns. */
function claimsEnd(k: Kthread): void {
  const claimed: KnotePtr[] = [];
  slotsEach(k, knoteZone, (slot) => {
    if (k.a[slot + Knote.claim.offset] === k.owner) claimed.push(slot as KnotePtr);
  });
  for (const kn of claimed) {
    const kq = Knote.kq.get(k, kn);
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    const status = Knote.status.get(k, kn);
    const cold = Knote.cold.get(k, kn);
    if ((status & KN_DETACHED) === 0) {
      // The references went to the knote, and are dropped with it.
      limboForget(k, LIMBO_FILE, Kncold.file.get(k, cold));
      limboForget(k, LIMBO_FILTER, -Knote.filter.get(k, kn));
      if (joined(k, cold)) {
        // Attached, or its object was to be asked: that is finished.
        askedLocked(k, kq, kn);
        mutexUnlock(k, Kqueue.lock.at(kq));
        continue;
      }
      attachUndoLocked(k, kq, kn, status);
    }
    mutexUnlock(k, Kqueue.lock.at(kq));
    Knote.readyNext.set(k, kn, k.dropHead as KnotePtr);
    k.dropHead = kn;
  }
  dropsRun(k);
  deferredRun(k);
}

/** Whether a knote that this thread has claimed is on its object's list. */
function joined(k: Kthread, cold: number): boolean {
  return k.a[cold + Kncold.klistPrev.offset] !== 0;
}

function limboForget(k: Kthread, kind: number, place: number): void {
  const entry = limboFind(k, place);
  if (entry !== 0 && k.a[entry + LIMBO_MAX] === kind) published(k, place);
}

/** End the claim on a registration that is whole, and evaluate it; queue lock held. */
function askedLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const fd = Knote.ident.get(k, kn);
  const named = Knote.filter.get(k, kn) < 0;
  const gone = named && fdHint(k, fd) !== Kncold.file.get(k, Knote.cold.get(k, kn));
  if (gone) {
    // Its number was closed before it was linked: see kern/descrip.ts.
    claimEndLocked(k, kq, kn);
    knoteDropLocked(k, kq, kn);
  } else if (filterops[Knote.ops.get(k, kn)]?.ask !== null) {
    k.asks.push(0, kn);
    k.deferred |= DEFER_ASK;
  } else {
    claimEndLocked(k, kq, kn);
    knoteEvaluateLocked(k, kq, kn);
  }
}

/** A registration that was not attached yet is dropped; queue lock held. */
function attachUndoLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, status: number): void {
  if ((status & KN_QUEUED) !== 0) readyRemoveLocked(k, kq, kn);
  if ((status & KN_ARMED) !== 0) timerDisarmLocked(k, kq, kn);
  Knote.status.clear(k, kn, KN_ACTIVE);
  Knote.status.or(k, kn, KN_DETACHED);
}

/** Give back what is marked as in the hands of the thread. */
function batchesReturn(k: Kthread): void {
  const mine = -k.owner;
  for (const [zone, at] of [
    [knoteZone, Knote.claim.offset],
    [kncoldZone, COLD_WHOSE],
  ] as const) {
    const slots: number[] = [];
    slotsEach(k, zone as ZoneDef<string>, (slot) => {
      if (k.a[slot + at] === mine) slots.push(slot);
    });
    for (const slot of slots) {
      if (zone === (knoteZone as ZoneDef<string>)) k.a[slot + Knote.kq.offset] = 0;
      zfree(k, zone as ZoneDef<string>, slot as Ptr<string>);
    }
  }
}

/** Go forward or back with a call of several steps. */
function stepFinish(k: Kthread): void {
  const phase = k.a[phaseAt(k)] as number;
  const first = k.a[handleAt(k, 0)] as number;
  const second = k.a[handleAt(k, 1)] as number;
  if (phase === PHASE_CLOSE) {
    if (stateOf(k, first) === FD_CLOSING) fdCloseFinish(k, first);
  } else if (phase === PHASE_REPLACE) {
    replaceFinish(k, first & ~REPLACE_CLOEXEC, second as FilePtr, (first & REPLACE_CLOEXEC) !== 0);
  } else if (phase === PHASE_CREATE) {
    createUndo(k, second - 1);
    createUndo(k, first - 1);
  }
  phaseLeave(k);
}

function stateOf(k: Kthread, fd: number): number {
  const entry = fdEntry(k, curtable(k), fd);
  return entry === 0 ? 0 : (k.a[entry + Fdentry.state.offset] as number);
}

function fileOf(k: Kthread, fd: number): FilePtr {
  const entry = fdEntry(k, curtable(k), fd);
  return entry === 0 ? NIL : Fdentry.file.load(k, entry);
}

function replaceFinish(k: Kthread, fd: number, fp: FilePtr, cloexec: boolean): void {
  if (stateOf(k, fd) === FD_CLOSING) fdReplaceFinish(k, fd, fp, cloexec);
  else if (fileOf(k, fd) === fp && limboFind(k, fp) !== 0) published(k, fp);
}

/** The number was given in a call that did not return: nobody knows it. */
function createUndo(k: Kthread, fd: number): void {
  if (fd < 0 || stateOf(k, fd) !== FD_OPEN) return;
  const fp = fileOf(k, fd);
  if (limboFind(k, fp) !== 0) published(k, fp);
  fdClose(k, fd);
}

/** Queues that are watched: readiness that was not told yet, and due times that others keep. */
function watchedTell(k: Kthread): void {
  const watched: KqueuePtr[] = [];
  slotsEach(k, kqueueZone, (slot) => {
    if (k.a[slot + Kqueue.state.offset] !== KQ_OPEN) return;
    const dirty = k.a[slot + Kqueue.dirty.offset] !== 0;
    if (dirty || k.a[slot + Kqueue.watched.offset] === 1) watched.push(slot as KqueuePtr);
  });
  for (const kq of watched) {
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    if (Kqueue.state.get(k, kq) === KQ_OPEN) {
      const dirty = Kqueue.dirty.get(k, kq) !== 0;
      queueTouchedLocked(k, kq, dirty);
      if (Kqueue.watched.get(k, kq) === 0) Kqueue.dirty.set(k, kq, 0);
    }
    mutexUnlock(k, Kqueue.lock.at(kq));
  }
}
