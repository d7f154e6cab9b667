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
} from "./structs.js";

const ENTRY_WORDS = 4;
const ARITY = 4;
const TWO_32 = 4_294_967_296;
/** No timer is armed. */
export const NO_DUE = Number.POSITIVE_INFINITY;

/** Words of a heap of `entries` entries. */
export function heapBytesWords(entries: number): number {
  return entries * ENTRY_WORDS;
}

/** Whether entry i of the heap at `h` is due before entry j. */
function before(a: Int32Array, h: number, i: number, j: number): boolean {
  const x = h + i * ENTRY_WORDS;
  const y = h + j * ENTRY_WORDS;
  const hiX = a[x + 1] as number;
  const hiY = a[y + 1] as number;
  if (hiX !== hiY) return hiX < hiY;
  const loX = (a[x] as number) >>> 0;
  const loY = (a[y] as number) >>> 0;
  if (loX !== loY) return loX < loY;
  return (((a[x + 3] as number) - (a[y + 3] as number)) | 0) < 0;
}

function swap(k: Kthread, h: number, i: number, j: number): void {
  const a = k.a;
  const x = h + i * ENTRY_WORDS;
  const y = h + j * ENTRY_WORDS;
  for (let w = 0; w < ENTRY_WORDS; w++) {
    const t = a[x + w] as number;
    a[x + w] = a[y + w] as number;
    a[y + w] = t;
  }
  Kncold.heapIndex.set(k, Knote.cold.get(k, a[x + 2] as KnotePtr), i);
  Kncold.heapIndex.set(k, Knote.cold.get(k, a[y + 2] as KnotePtr), j);
}

function siftUp(k: Kthread, h: number, from: number): number {
  let i = from;
  while (i > 0) {
    const parent = (i - 1) >> 2;
    if (!before(k.a, h, i, parent)) break;
    swap(k, h, i, parent);
    i = parent;
  }
  return i;
}

function siftDown(k: Kthread, h: number, from: number, count: number): void {
  let i = from;
  for (;;) {
    const first = i * ARITY + 1;
    if (first >= count) return;
    let least = first;
    const end = Math.min(first + ARITY, count);
    for (let c = first + 1; c < end; c++) if (before(k.a, h, c, least)) least = c;
    if (!before(k.a, h, least, i)) return;
    swap(k, h, i, least);
    i = least;
  }
}

/** When the queue's next timer is due, or NO_DUE. */
export function timerNextLocked(k: Kthread, kq: KqueuePtr): number {
  if (Kqueue.heapCount.get(k, kq) === 0) return NO_DUE;
  const h = Kqueue.heap.get(k, kq);
  return (k.a[h + 1] as number) * TWO_32 + ((k.a[h] as number) >>> 0);
}

/** Put a knote into the heap for its due time. The heap has room: see heapWanted. */
export function timerArmLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, due: number): void {
  const cold = Knote.cold.get(k, kn);
  const h = Kqueue.heap.get(k, kq);
  const i = Kqueue.heapCount.get(k, kq);
  Kncold.due.setNumber(k, cold, due);
  const x = h + i * ENTRY_WORDS;
  k.a[x] = Kncold.due.lo(k, cold);
  k.a[x + 1] = Kncold.due.hi(k, cold);
  k.a[x + 2] = kn;
  k.a[x + 3] = Kqueue.heapSerial.add(k, kq, 1);
  Kncold.heapIndex.set(k, cold, i);
  Kqueue.heapCount.set(k, kq, i + 1);
  Knote.status.or(k, kn, KN_ARMED);
  if (siftUp(k, h, i) === 0) {
    timerKeepLocked(k, kq);
    queueTouchedLocked(k, kq, false);
  }
}

/** Take a KN_ARMED knote out of the heap. */
export function timerDisarmLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  if ((Knote.status.get(k, kn) & KN_ARMED) === 0) return;
  const h = Kqueue.heap.get(k, kq);
  const last = Kqueue.heapCount.get(k, kq) - 1;
  const i = Kncold.heapIndex.get(k, Knote.cold.get(k, kn));
  if (i !== last) swap(k, h, i, last);
  Kqueue.heapCount.set(k, kq, last);
  Knote.status.clear(k, kn, KN_ARMED);
  if (i !== last && siftUp(k, h, i) === i) siftDown(k, h, i, last);
}

/** What happens to a knote whose time has come; the filter decides. Returns the next due time. */
export type Expire = (k: Kthread, kq: KqueuePtr, kn: KnotePtr, now: number) => number;

/**
 * Run what is due at `now`, at most TIMERS_PER_CALL timers. Returns whether there was anything.
 * A periodic timer goes back into the heap at its next due time.
 */
export function timersRunLocked(k: Kthread, kq: KqueuePtr, now: number, expire: Expire): boolean {
  let ran = 0;
  while (ran < TIMERS_PER_CALL && timerNextLocked(k, kq) <= now) {
    const h = Kqueue.heap.get(k, kq);
    const kn = k.a[h + 2] as KnotePtr;
    const next = expire(k, kq, kn, now);
    if (next === NO_DUE) {
      timerDisarmLocked(k, kq, kn);
    } else {
      const cold = Knote.cold.get(k, kn);
      Kncold.due.setNumber(k, cold, next);
      k.a[h] = Kncold.due.lo(k, cold);
      k.a[h + 1] = Kncold.due.hi(k, cold);
      siftDown(k, h, 0, Kqueue.heapCount.get(k, kq));
    }
    ran++;
  }
  return ran > 0;
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
