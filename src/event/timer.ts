// SPDX-License-Identifier: ISC
/**
 * Timers of a queue: a 4-ary heap under the queue lock, each entry the due time in two words,
 * the knote, and a serial number that orders equal times; sifting need not look at the knotes.
 * `heapIndex` in the cold line says where a knote is; KN_ARMED says that it is.
 *
 * Only the queue's own waiters and pollers need a timer, because expiry does nothing but queue
 * knotes on that queue. So there is no clock thread: whoever looks at the queue runs what is due,
 * and whoever sleeps on it sleeps no longer than until the next due time. The invariant: while a
 * queue has a due time and a blocking waiter, some blocking waiter's wakeAt is not later than due
 * time plus TIMER_BACKUP_NS. `timerKeepLocked` repairs it whenever it may have been broken.
 */
import { atomicStore } from "#atomics";
import { assertHeld } from "#field";
import type { Kthread } from "../arena/kthread.js";
import { TIMER_BACKUP_NS, TIMERS_PER_CALL } from "../limits.js";
import { Waitq, Waitrec, wakeAsyncLocked, wakeOneLocked } from "../sync/wait.js";
import { queueTouchedLocked } from "./ready.js";
import {
  KN_ARMED,
  Kncold,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
  kqWaitq,
  LOOK_NEVER,
} from "./structs.js";

const ENTRY_WORDS = 4;
const ARITY = 4;
const TWO_32 = 4_294_967_296;
/** No timer is armed. */
export const NO_DUE = Number.POSITIVE_INFINITY;

// Constants of this module are folded into the code; imported ones are loads. The words of an entry
// are its due time (low, high), its knote, and its serial number.
const HEAP = Kqueue.heap.offset;
const COUNT = Kqueue.heapCount.offset;
const SERIAL = Kqueue.heapSerial.offset;
const LOOK = Kqueue.look.offset;
const WAITERS = Kqueue.waitq.offset + Waitq.head.offset;
const ASYNC_WAITERS = Kqueue.waitq.offset + Waitq.asyncHead.offset;
const WATCHED = Kqueue.watched.offset;
const COLD = Knote.cold.offset;
const STATUS_FLAGS = Knote.status.offset;
const INDEX = Kncold.heapIndex.offset;
const DUE = Kncold.due.offset;
const ARMED = KN_ARMED;
const NEVER = LOOK_NEVER;
/** Due times from here on are too far away to be looked at more closely. */
const LOOK_HI_MAX = 0x7ffff;
const LOOK_HI_SHIFT = 12;
const LOOK_LO_SHIFT = 20;

/** Words of a heap of `entries` entries. */
export function heapBytesWords(entries: number): number {
  return entries * ENTRY_WORDS;
}

/** Whether the entry at word x is due before that of these words. */
function isBefore(a: Int32Array, x: number, lo: number, hi: number, serial: number): boolean {
  const hiX = a[x + 1] as number;
  if (hiX !== hi) return hiX < hi;
  const loX = a[x] as number;
  if (loX !== lo) return loX >>> 0 < lo >>> 0;
  return (((a[x + 3] as number) - serial) | 0) < 0;
}

/** Move the entry at word `from` to place i, whose word is `to`. */
function entryMove(a: Int32Array, from: number, to: number, i: number): void {
  const kn = a[from + 2] as number;
  a[to] = a[from] as number;
  a[to + 1] = a[from + 1] as number;
  a[to + 2] = kn;
  a[to + 3] = a[from + 3] as number;
  a[(a[kn + COLD] as number) + INDEX] = i;
}

/** Write an entry at place i. */
function entryPut(
  a: Int32Array,
  h: number,
  i: number,
  lo: number,
  hi: number,
  kn: number,
  serial: number,
): void {
  const x = h + i * ENTRY_WORDS;
  a[x] = lo;
  a[x + 1] = hi;
  a[x + 2] = kn;
  a[x + 3] = serial;
  a[(a[kn + COLD] as number) + INDEX] = i;
}

/** Place for an entry of these words, at the hole `from` or above it; what is on the way moves. */
function siftUp(
  a: Int32Array,
  h: number,
  from: number,
  lo: number,
  hi: number,
  serial: number,
): number {
  let i = from;
  while (i > 0) {
    const parent = (i - 1) >> 2;
    const x = h + parent * ENTRY_WORDS;
    if (isBefore(a, x, lo, hi, serial)) break;
    entryMove(a, x, h + i * ENTRY_WORDS, i);
    i = parent;
  }
  return i;
}

/** The same downwards, in a heap of `count` entries. */
function siftDown(
  a: Int32Array,
  h: number,
  from: number,
  count: number,
  lo: number,
  hi: number,
  serial: number,
): number {
  let i = from;
  for (;;) {
    const first = i * ARITY + 1;
    if (first >= count) return i;
    let least = first;
    let x = h + first * ENTRY_WORDS;
    const end = Math.min(first + ARITY, count);
    for (let c = first + 1; c < end; c++) {
      const y = h + c * ENTRY_WORDS;
      if (isBefore(a, y, a[x] as number, a[x + 1] as number, a[x + 3] as number)) {
        least = c;
        x = y;
      }
    }
    if (!isBefore(a, x, lo, hi, serial)) return i;
    entryMove(a, x, h + i * ENTRY_WORDS, i);
    i = least;
  }
}

/** Publish when polls without the lock have to look; after every change of the first entry. */
function lookPublishLocked(a: Int32Array, kq: number): void {
  let look = NEVER;
  if (a[kq + COUNT] !== 0) {
    const h = a[kq + HEAP] as number;
    const hi = Math.min(a[h + 1] as number, LOOK_HI_MAX);
    look = (hi << LOOK_HI_SHIFT) | ((a[h] as number) >>> LOOK_LO_SHIFT);
    if (look === NEVER) look--;
  }
  // After the count of what a timer activated: a poll reads this word first, and then the count.
  atomicStore(a, kq + LOOK, look);
}

/** When the queue's next timer is due, or NO_DUE. */
export function timerNextLocked(k: Kthread, kq: KqueuePtr): number {
  const a = k.a;
  if (a[kq + COUNT] === 0) return NO_DUE;
  const h = a[kq + HEAP] as number;
  return (a[h + 1] as number) * TWO_32 + ((a[h] as number) >>> 0);
}

/** Put a knote into the heap for its due time. The heap has room: see heapWanted. */
export function timerArmLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, due: number): void {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  const lo = due | 0;
  const hi = Math.floor(due / TWO_32) | 0;
  const cold = a[kn + COLD] as number;
  a[cold + DUE] = lo;
  a[cold + DUE + 1] = hi;
  const h = a[kq + HEAP] as number;
  const count = a[kq + COUNT] as number;
  const serial = ((a[kq + SERIAL] as number) + 1) | 0;
  a[kq + SERIAL] = serial;
  a[kq + COUNT] = count + 1;
  a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) | ARMED;
  const i = siftUp(a, h, count, lo, hi, serial);
  entryPut(a, h, i, lo, hi, kn, serial);
  if (i === 0) firstChangedLocked(k, kq);
}

/** The next due time of the queue is another one: waiters, polls and parents have to know. */
function firstChangedLocked(k: Kthread, kq: KqueuePtr): void {
  const a = k.a;
  lookPublishLocked(a, kq);
  if (a[kq + WAITERS] !== 0 || a[kq + ASYNC_WAITERS] !== 0) timerKeepLocked(k, kq);
  if (a[kq + WATCHED] !== 0) queueTouchedLocked(k, kq, false);
}

/** Take a KN_ARMED knote out of the heap. */
export function timerDisarmLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  const word = a[kn + STATUS_FLAGS] as number;
  if ((word & ARMED) === 0) return;
  a[kn + STATUS_FLAGS] = word & ~ARMED;
  const h = a[kq + HEAP] as number;
  const last = (a[kq + COUNT] as number) - 1;
  const i = a[(a[kn + COLD] as number) + INDEX] as number;
  a[kq + COUNT] = last;
  if (i !== last) {
    // The last entry fills the hole, or what is above or below it does.
    const x = h + last * ENTRY_WORDS;
    const lo = a[x] as number;
    const hi = a[x + 1] as number;
    const serial = a[x + 3] as number;
    let to = siftUp(a, h, i, lo, hi, serial);
    if (to === i) to = siftDown(a, h, i, last, lo, hi, serial);
    entryPut(a, h, to, lo, hi, a[x + 2] as number, serial);
  }
  if (i === 0) lookPublishLocked(a, kq);
}

/** What happens to a knote whose time has come; the filter decides. Returns the next due time. */
export type Expire = (k: Kthread, kq: KqueuePtr, kn: KnotePtr, now: number) => number;

/**
 * Run what is due at `now`, at most TIMERS_PER_CALL timers. Returns whether there was anything.
 * A periodic timer goes back into the heap at its next due time.
 */
export function timersRunLocked(k: Kthread, kq: KqueuePtr, now: number, expire: Expire): boolean {
  const a = k.a;
  // What stays due (see nest.ts) gets a younger serial number, and its turn is over.
  const youngest = a[kq + SERIAL] as number;
  let ran = 0;
  while (ran < TIMERS_PER_CALL && timerNextLocked(k, kq) <= now) {
    const h = a[kq + HEAP] as number;
    if ((((a[h + 3] as number) - youngest) | 0) > 0) break;
    const kn = a[h + 2] as KnotePtr;
    const next = expire(k, kq, kn, now);
    if (next === NO_DUE) timerDisarmLocked(k, kq, kn);
    else againLocked(a, kq, kn, next, next <= now);
    ran++;
  }
  return ran > 0;
}

/** The first entry of the heap has a new due time. */
function againLocked(a: Int32Array, kq: number, kn: number, due: number, younger: boolean): void {
  const lo = due | 0;
  const hi = Math.floor(due / TWO_32) | 0;
  const cold = a[kn + COLD] as number;
  a[cold + DUE] = lo;
  a[cold + DUE + 1] = hi;
  const h = a[kq + HEAP] as number;
  let serial = a[h + 3] as number;
  if (younger) {
    serial = ((a[kq + SERIAL] as number) + 1) | 0;
    a[kq + SERIAL] = serial;
  }
  const i = siftDown(a, h, 0, a[kq + COUNT] as number, lo, hi, serial);
  entryPut(a, h, i, lo, hi, kn, serial);
  lookPublishLocked(a, kq);
}

/** Somebody among the waiters must wake in time for the next timer; see the top of this file. */
export function timerKeepLocked(k: Kthread, kq: KqueuePtr): void {
  const due = timerNextLocked(k, kq);
  if (due === NO_DUE) return;
  const wq = kqWaitq(kq);
  const head = Waitq.head.get(k, wq);
  let rec = head !== 0 ? head : Waitq.asyncHead.get(k, wq);
  if (rec === 0 || Waitq.claimed.get(k, wq) !== 0) return;
  for (; rec !== 0; rec = Waitrec.next.get(k, rec)) {
    if (Waitrec.wakeAt.getNumber(k, rec) <= due + TIMER_BACKUP_NS) return;
  }
  if (head !== 0) wakeOneLocked(k, wq);
  else wakeAsyncLocked(k, wq);
}
