// SPDX-License-Identifier: ISC
/**
 * Waiting for events, and the kevent call that ties changes and events together.
 *
 * Waiting follows the protocol of sync/wait.ts. A thread that leaves events which nobody has had
 * yet (`fresh`) claims the next waiter before it unlocks.
 */
import { EAGAIN, EBADF } from "../abi/errno.js";
import {
  EV_DELETE,
  EV_ERROR,
  EV_RECEIPT,
  EVFILT_USER,
  KE_DATA,
  KE_DATA_HI,
  KE_FFLAGS,
  KE_FILTER_FLAGS,
  KE_IDENT,
  KE_IDENT_HI,
  KEVENT_WORDS,
} from "../abi/event.js";
import { DEFER_ASK, DEFER_POKE, type Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { Thread, type ThreadPtr } from "../kern/thread.js";
import { TIMER_BACKUP_NS } from "../limits.js";
import { callBegin, callNow, clockMonotonic, clockMoves } from "../sync/clock.js";
import { mutexLock, mutexLockFirst } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { NEVER, SLEPT_NET, sleepUntil, sleepWord } from "../sync/sleep.js";
import {
  REC_CLAIMED,
  REC_DETACHED,
  Waitq,
  waitLinkLocked,
  waitUnlinkLocked,
} from "../sync/wait.js";
import { deferredRun } from "./defer.js";
import { scanLocked } from "./deliver.js";
import { type Change, ERRNO_MASK, IN_ATTACH } from "./filterops.js";
import { KQ_GONE, kqueueLock, kqueueUnlock } from "./lock.js";
import { knoteExpireLocked } from "./nest.js";
import { queueWakeLocked } from "./ready.js";
import { ADDED, changeRead, kqueueRegisterLocked, SKIPPED } from "./register.js";
import { KQ_OPEN, Kqueue, type KqueuePtr, kqWaitq, LOOK_NEVER, LOOK_NS } from "./structs.js";
import { NO_DUE, timerKeepLocked, timerNextLocked, timersRunLocked } from "./timer.js";
import { userTriggerLocked } from "./trigger.js";

/** Timeouts of a wait, in nanoseconds. */
export const WAIT_FOREVER = -1;
export const WAIT_POLL = 0;

// Constants of this module are folded into the code; imported ones are loads.
const LOCK = Kqueue.lock.offset;
const STATE = Kqueue.state.offset;
const GENERATION = Kqueue.generation.offset;
const COUNT = Kqueue.count.offset;
const FRESH = Kqueue.fresh.offset;
const HEAP_COUNT = Kqueue.heapCount.offset;
const WAITERS = Kqueue.waitq.offset + Waitq.head.offset;
const ASYNC_WAITERS = Kqueue.waitq.offset + Waitq.asyncHead.offset;
const OPEN = KQ_OPEN;
const POLL = WAIT_POLL;
const POKE = DEFER_POKE;
const RECORD_WORDS = KEVENT_WORDS;
const DELETE = EV_DELETE << 16;
const R_IDENT = KE_IDENT;
const R_IDENT_HI = KE_IDENT_HI;
const R_FILTER_FLAGS = KE_FILTER_FLAGS;
const R_FFLAGS = KE_FFLAGS;
const NEVER_LOOK = LOOK_NEVER;
const LOOK_UNIT = LOOK_NS;
/** A change of a user event without flags: it can set its fflags and trigger it, and no more. */
const TRIGGER_ONLY = EVFILT_USER & 0xffff;

/** Run due timers, if any are armed; queue lock held. */
export function timersPollLocked(k: Kthread, kq: KqueuePtr): void {
  if (k.a[kq + HEAP_COUNT] === 0) return;
  timersRunLocked(k, kq, clockMonotonic(k), knoteExpireLocked);
}

/** A thread leaves the queue: pass the wake on if there is work nobody has had. Lock held. */
export function passOnLocked(k: Kthread, kq: KqueuePtr): void {
  const a = k.a;
  if (a[kq + WAITERS] === 0 && a[kq + ASYNC_WAITERS] === 0) return;
  if ((a[kq + FRESH] as number) > 0) queueWakeLocked(k, kq);
  if (a[kq + HEAP_COUNT] !== 0) timerKeepLocked(k, kq);
}

/**
 * Run what was put off, such as the timers of children that came due, with the queue unlocked.
 * Returns 0 or KQ_GONE.
 */
export function deferredBetween(k: Kthread, kq: KqueuePtr): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  deferredRun(k);
  return kqueueLock(k, kq, generation) === 0 ? 0 : KQ_GONE;
}

/**
 * Wait for events; queue lock held on entry, no lock on return. Returns their number, 0 when the
 * time is up, or -EBADF when the queue was closed.
 */
function waitLocked(
  k: Kthread,
  kq: KqueuePtr,
  ev: Int32Array,
  nev: number,
  timeoutNs: number,
): number {
  const wq = kqWaitq(kq);
  const rec = Thread.record.get(k, k.thread as ThreadPtr);
  let deadline = NEVER;
  if (timeoutNs > 0) deadline = clockMonotonic(k) + timeoutNs;
  let netWake = false;
  let poked = false;
  let begun = -1;
  for (;;) {
    const moves = k.manualClock ? clockMoves(k) : 0;
    const fresh = Kqueue.fresh.get(k, kq);
    timersPollLocked(k, kq);
    // Once: a child's timer may be due again before this thread is back.
    if (k.pokes.length > 0 && !poked) {
      poked = true;
      if (deferredBetween(k, kq) === KQ_GONE) return -EBADF;
      continue;
    }
    poked = false;
    const n = Kqueue.count.hint(k, kq) === 0 ? 0 : scanLocked(k, kq, ev, nev);
    if (n > 0) {
      if (netWake && fresh > 0) netHit(k);
      return leave(k, kq, n);
    }
    if ((k.deferred & DEFER_ASK) !== 0) {
      if (deferredBetween(k, kq) === KQ_GONE) return -EBADF;
      continue;
    }
    // A look runs so many timers at once, and they may have been disabled ones: on with those that
    // were due when it began, so that none that is due is passed over.
    if (k.a[kq + HEAP_COUNT] !== 0) {
      if (begun < 0) begun = clockMonotonic(k);
      if (timerNextLocked(k, kq) <= begun) continue;
    }
    if (timeoutNs === WAIT_POLL) return leave(k, kq, 0);
    if (deadline !== NEVER && clockMonotonic(k) >= deadline) return leave(k, kq, 0);
    if (k.deferred !== 0) {
      // Before the record is linked: what was put off may need it for a sleep of its own.
      if (deferredBetween(k, kq) === KQ_GONE) return -EBADF;
      continue;
    }
    const alone = Waitq.head.get(k, wq) === 0;
    const backup = alone ? 0 : TIMER_BACKUP_NS;
    const due = timerNextLocked(k, kq);
    const until = Math.min(deadline, due === NO_DUE ? NEVER : due + backup);
    waitLinkLocked(k, wq, rec, until, sleepWord(k, alone));
    kqueueUnlock(k, kq);
    let slept = 0;
    if (!k.manualClock || clockMoves(k) === moves) slept = sleepUntil(k, until);
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    const state = waitUnlinkLocked(k, wq, rec);
    if (state === REC_DETACHED) {
      kqueueUnlock(k, kq);
      return -EBADF;
    }
    netWake = slept === SLEPT_NET && state !== REC_CLAIMED && Waitq.claimed.get(k, wq) === 0;
  }
}

/** The safety net caught an event that nobody was woken for; tests require that this is never. */
function netHit(k: Kthread): void {
  k.netHits++;
  Super.netHits.fetchAdd(k, SUPER, 1);
}

function leave(k: Kthread, kq: KqueuePtr, result: number): number {
  passOnLocked(k, kq);
  kqueueUnlock(k, kq);
  if (k.deferred !== 0) deferredRun(k);
  return result;
}

/** Write a result record: the change as it is after registration, EV_ERROR, and the error. */
function resultWrite(
  ev: Int32Array,
  at: number,
  ch: Int32Array,
  from: number,
  result: number,
): void {
  const filterFlags = ch[from + KE_FILTER_FLAGS] as number;
  for (let i = 0; i < KEVENT_WORDS; i++) ev[at + i] = ch[from + i] as number;
  ev[at + KE_FILTER_FLAGS] = (filterFlags & 0xffff) | (EV_ERROR << 16);
  ev[at + KE_DATA] = result < 0 ? -result & ERRNO_MASK : 0;
  ev[at + KE_DATA_HI] = 0;
  // A new registration has used up the change's fflags: the record shows none.
  if (result === ADDED || result <= -IN_ATTACH) ev[at + KE_FFLAGS] = 0;
}

const change: Change = {
  identLo: 0,
  identHi: 0,
  filter: 0,
  flags: 0,
  fflags: 0,
  dataLo: 0,
  dataHi: 0,
  udataLo: 0,
  udataHi: 0,
};

/**
 * Apply changes; queue locked on entry. Returns the number of result records (>= 0) with the queue
 * still locked, or -errno with no lock held when an error has no room in the event list.
 */
function changesApply(
  k: Kthread,
  kq: KqueuePtr,
  ch: Int32Array,
  nch: number,
  ev: Int32Array,
  nev: number,
): number {
  let results = 0;
  k.hashDenied = 0;
  for (let i = 0; i < nch; i++) {
    const from = i * RECORD_WORDS;
    if (ch[from + R_FILTER_FLAGS] === TRIGGER_ONLY) {
      const lo = ch[from + R_IDENT] as number;
      const hi = ch[from + R_IDENT_HI] as number;
      if (userTriggerLocked(k, kq, lo, hi, ch[from + R_FFLAGS] as number)) continue;
    }
    changeRead(change, ch, from);
    const receipt = (change.flags & EV_RECEIPT) !== 0;
    const r = kqueueRegisterLocked(k, kq, change, ch, from);
    if (r === KQ_GONE) return -EBADF;
    if (r === SKIPPED || (r >= 0 && !receipt)) continue;
    if (results < nev) {
      resultWrite(ev, results * KEVENT_WORDS, ch, from, r);
      results++;
    } else if (r < 0) {
      return leave(k, kq, -(-r & ERRNO_MASK));
    }
  }
  return results;
}

/**
 * Whether a poll would find nothing, seen without the lock by one atomic load. An event that
 * was posted before this call is in the count that it sees; one that is posted meanwhile may be
 * missed, as if the poll had come first. A stale handle goes the long way.
 */
function nothingYet(k: Kthread, kq: KqueuePtr, generation: number): boolean {
  // A plain look first: where something is ready, the lock tells.
  if (Kqueue.count.hint(k, kq) !== 0) return false;
  // Then in this order. Whoever runs timers raises the count before the next due time, so who sees
  // the new time sees the event.
  const look = Kqueue.look.load(k, kq);
  if (look !== NEVER_LOOK && clockMonotonic(k) >= look * LOOK_UNIT) return false;
  return Kqueue.count.hint(k, kq) === 0 && Kqueue.generation.hint(k, kq) === generation;
}

/**
 * kevent on a queue named by slot and generation. All arguments are checked already: the lists
 * hold `nch` and `nev` records, `timeoutNs` is WAIT_FOREVER, WAIT_POLL or positive.
 *
 * Returns the number of records written, or -errno. May sleep.
 */
export function kqueueKevent(
  k: Kthread,
  kq: KqueuePtr,
  generation: number,
  ch: Int32Array,
  nch: number,
  ev: Int32Array,
  nev: number,
  timeoutNs: number,
): number {
  const a = k.a;
  if (nch === 0 && timeoutNs === POLL && nothingYet(k, kq, generation)) return 0;
  if (!mutexLockFirst(k, kq + LOCK, RANK_QUEUE)) return -EAGAIN;
  if (a[kq + GENERATION] !== generation || a[kq + STATE] !== OPEN) {
    kqueueUnlock(k, kq);
    return -EBADF;
  }
  if (nch > 0) {
    callBegin(k);
    // What came due before this call was activated before what this call activates; a single
    // deletion activates nothing.
    if (a[kq + HEAP_COUNT] !== 0 && (nch > 1 || ((ch[R_FILTER_FLAGS] as number) & DELETE) === 0)) {
      timersRunLocked(k, kq, callNow(k), knoteExpireLocked);
    }
    const results = changesApply(k, kq, ch, nch, ev, nev);
    if (results !== 0) {
      if (results > 0) return leave(k, kq, results);
      if (k.deferred !== 0) deferredRun(k);
      return results;
    }
  }
  if (nev === 0) return leave(k, kq, 0);
  if (a[kq + COUNT] !== 0 && a[kq + HEAP_COUNT] === 0 && (k.deferred & POKE) === 0) {
    // The common case at once: something is ready, and no timer, nor a child's, comes first.
    const n = scanLocked(k, kq, ev, nev);
    if (n > 0) return leave(k, kq, n);
  }
  return waitLocked(k, kq, ev, nev, timeoutNs);
}

/**
 * Trigger a user event of a queue named by slot and generation, and set its flags if the top bits
 * of `fflags` say so: the change without the record. Returns 0, -EBADF, or -EAGAIN when
 * there is no such event or somebody has a claim on it: then say it as a change.
 */
export function kqueueTrigger(
  k: Kthread,
  kq: KqueuePtr,
  generation: number,
  identLo: number,
  identHi: number,
  fflags: number,
): number {
  const a = k.a;
  if (!mutexLockFirst(k, kq + LOCK, RANK_QUEUE)) return -EAGAIN;
  if (a[kq + GENERATION] !== generation || a[kq + STATE] !== OPEN) {
    kqueueUnlock(k, kq);
    return -EBADF;
  }
  if (a[kq + HEAP_COUNT] !== 0) timersPollLocked(k, kq);
  const done = userTriggerLocked(k, kq, identLo, identHi, fflags);
  return leave(k, kq, done ? 0 : -EAGAIN);
}
