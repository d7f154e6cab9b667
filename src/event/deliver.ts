// SPDX-License-Identifier: ISC
/**
 * Delivery: copying ready events out.
 *
 * A scan is one hold of the queue lock. Its run length is fixed when it starts, so no markers are
 * needed: what is activated during it, and level-triggered knotes that it puts back at the tail,
 * are beyond its end, and each knote is returned at most once per call. CLEAR, ONESHOT and
 * DISPATCH take the event under the lock, so exactly one scanner gets it.
 *
 * This is the hottest loop there is, so it indexes the knote's words directly, at the offsets that
 * the layout gives; the checked build verifies once per scan that the queue is locked.
 */
import { racyPoint } from "#atomics";
import { assertHeld } from "#field";
import {
  EV_CLEAR,
  EV_DISPATCH,
  EV_ONESHOT,
  KE_DATA,
  KE_DATA_HI,
  KE_EXT,
  KE_FFLAGS,
  KE_FILTER_FLAGS,
  KE_IDENT,
  KE_IDENT_HI,
  KE_UDATA,
  KE_UDATA_HI,
  KEVENT_WORDS,
} from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { askLocked } from "./ask.js";
import { knoteDropLocked } from "./drop.js";
import { type Filterops, OPS_USER } from "./filterops.js";
import { filterops } from "./filters.js";
import {
  KN_ACTIVE,
  KN_DELIVERED,
  KN_DISABLED,
  KN_QUEUED,
  KN_TRIGGERED,
  KN_WIDE,
  Kncold,
  Knext,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
} from "./structs.js";

// Constants of this module are folded into the code; imported ones are loads.
const IDENT = Knote.ident.offset;
const FILTER_OPS = Knote.filter.offset;
const STATUS_FLAGS = Knote.status.offset;
const FFLAGS = Knote.fflags.offset;
const DATA = Knote.data.offset;
const UDATA = Knote.udata.offset;
const COLD = Knote.cold.offset;
const NEXT = Knote.readyNext.offset;
const PREV = Knote.readyPrev.offset;
const DATA_HI = Kncold.dataHi.offset;
const UDATA_HI = Kncold.udataHi.offset;
const IDENT_HI = Kncold.identHi.offset;
const EXT = Kncold.ext.offset;
const EXT_VALUES = Knext.values.offset;
const HEAD = Kqueue.head.offset;
const TAIL = Kqueue.tail.offset;
const COUNT = Kqueue.count.offset;
const FRESH = Kqueue.fresh.offset;
const OPS_SHIFT = 16;
const FLAGS_SHIFT = 16;
const DELIVERED = KN_DELIVERED;
const OFF_LIST = ~(KN_QUEUED | KN_DELIVERED);
const BACK_ON_LIST = KN_QUEUED | KN_DELIVERED;
const INACTIVE = ~KN_ACTIVE;
const DISABLED = KN_DISABLED;
const WIDE = KN_WIDE;
const TRIGGERED = KN_TRIGGERED;
const UNTRIGGERED = ~KN_TRIGGERED;
const USER = OPS_USER;
const ONESHOT = EV_ONESHOT << FLAGS_SHIFT;
const CLEAR = EV_CLEAR << FLAGS_SHIFT;
const DISPATCH = EV_DISPATCH << FLAGS_SHIFT;
const R_IDENT_HI = KE_IDENT_HI - KE_IDENT;
const R_FILTER_FLAGS = KE_FILTER_FLAGS - KE_IDENT;
const R_FFLAGS = KE_FFLAGS - KE_IDENT;
const R_DATA = KE_DATA - KE_IDENT;
const R_DATA_HI = KE_DATA_HI - KE_IDENT;
const R_UDATA = KE_UDATA - KE_IDENT;
const R_UDATA_HI = KE_UDATA_HI - KE_IDENT;
const R_EXT = KE_EXT - KE_IDENT;
const RECORD_WORDS = KEVENT_WORDS;

/** Write the event record of a knote at word `at`; queue lock held. */
function recordWriteLocked(a: Int32Array, kn: number, ev: Int32Array, at: number): void {
  const cold = a[kn + COLD] as number;
  const statusFlags = a[kn + STATUS_FLAGS] as number;
  ev[at] = a[kn + IDENT] as number;
  ev[at + R_FILTER_FLAGS] = ((a[kn + FILTER_OPS] as number) & 0xffff) | (statusFlags & ~0xffff);
  ev[at + R_FFLAGS] = a[kn + FFLAGS] as number;
  ev[at + R_DATA] = a[kn + DATA] as number;
  ev[at + R_UDATA] = a[kn + UDATA] as number;
  if (cold !== 0) {
    recordColdLocked(a, cold, statusFlags, ev, at);
    return;
  }
  ev[at + R_IDENT_HI] = 0;
  ev[at + R_DATA_HI] = 0;
  ev[at + R_UDATA_HI] = 0;
  // Written out: a loop costs a third more, and a bulk fill three times as much.
  ev[at + R_EXT] = 0;
  ev[at + R_EXT + 1] = 0;
  ev[at + R_EXT + 2] = 0;
  ev[at + R_EXT + 3] = 0;
  ev[at + R_EXT + 4] = 0;
  ev[at + R_EXT + 5] = 0;
  ev[at + R_EXT + 6] = 0;
  ev[at + R_EXT + 7] = 0;
}

/** The part of a record that comes from the knote's cold line. */
function recordColdLocked(
  a: Int32Array,
  cold: number,
  statusFlags: number,
  ev: Int32Array,
  at: number,
): void {
  ev[at + R_IDENT_HI] = (statusFlags & WIDE) !== 0 ? (a[cold + IDENT_HI] as number) : 0;
  ev[at + R_DATA_HI] = a[cold + DATA_HI] as number;
  ev[at + R_UDATA_HI] = a[cold + UDATA_HI] as number;
  const ext = a[cold + EXT] as number;
  const values = ext + EXT_VALUES;
  for (let i = at + R_EXT, j = values; i < at + RECORD_WORDS; i++, j++) {
    ev[i] = ext === 0 ? 0 : (a[j] as number);
  }
}

/**
 * Take an edge-triggered event or one that disables itself; queue lock held. `word` is the knote's
 * status and flags.
 */
function consumeLocked(k: Kthread, kn: KnotePtr, word: number, ops: number): void {
  const a = k.a;
  let left = word & INACTIVE;
  if ((word & DISPATCH) !== 0) left |= DISABLED;
  if ((word & CLEAR) === 0) {
    a[kn + STATUS_FLAGS] = left;
    return;
  }
  if (ops === USER) left &= UNTRIGGERED;
  a[kn + STATUS_FLAGS] = left;
  if (ops > USER) {
    const { cleared } = filterops[ops] as Filterops;
    if (cleared !== null) cleared(k, kn);
  }
  a[kn + DATA] = 0;
  a[kn + FFLAGS] = 0;
  const cold = a[kn + COLD] as number;
  if (cold !== 0) a[cold + DATA_HI] = 0;
}

/**
 * Copy at most `nev` events to the start of `ev`; queue lock held. Returns how many.
 *
 * The run is unlinked from the front as it is walked, and head, tail and count are written once:
 * that is what makes a batch cheap. Level-triggered knotes are collected and put back in order.
 */
export function scanLocked(k: Kthread, kq: KqueuePtr, ev: Int32Array, nev: number): number {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  let left = a[kq + COUNT] as number;
  let fresh = a[kq + FRESH] as number;
  let kn = a[kq + HEAD] as number;
  let copied = 0;
  let backHead = 0;
  let backTail = 0;
  let back = 0;
  while (left > 0 && copied < nev) {
    left--;
    const next = a[kn + NEXT] as number;
    let word = a[kn + STATUS_FLAGS] as number;
    if ((word & DELIVERED) === 0) fresh--;
    const before = word;
    word &= OFF_LIST;
    a[kn + STATUS_FLAGS] = word;
    const ops = (a[kn + FILTER_OPS] as number) >>> OPS_SHIFT;
    let ready = true;
    // What is one-shot is delivered as it was recorded; everything else is asked again. A user
    // event is asked here: the answer is a bit of the word at hand.
    if ((word & ONESHOT) === 0) {
      if (ops === USER) ready = (word & TRIGGERED) !== 0;
      else {
        ready = (filterops[ops] as Filterops).event(k, kn as KnotePtr);
        word = a[kn + STATUS_FLAGS] as number;
      }
    }
    if (!ready) {
      a[kn + STATUS_FLAGS] = word & INACTIVE;
      if (ops !== USER && filterops[ops]?.ask !== null) askLocked(k, kn as KnotePtr, before);
    } else {
      recordWriteLocked(a, kn, ev, copied * RECORD_WORDS);
      copied++;
      if ((word & ONESHOT) !== 0) knoteDropLocked(k, kq, kn as KnotePtr);
      else if ((word & (CLEAR | DISPATCH)) !== 0) consumeLocked(k, kn as KnotePtr, word, ops);
      else {
        a[kn + STATUS_FLAGS] = word | BACK_ON_LIST;
        a[kn + PREV] = backTail;
        if (backTail === 0) backHead = kn;
        else a[backTail + NEXT] = kn;
        backTail = kn;
        back++;
      }
    }
    kn = next;
  }
  a[kq + FRESH] = fresh;
  racyPoint(a, kq + COUNT);
  a[kq + COUNT] = left + back;
  relinkLocked(a, kq, kn, backHead, backTail);
  return copied;
}

/** The ready list is what was not walked, from `rest`, and then what goes back. */
function relinkLocked(
  a: Int32Array,
  kq: number,
  rest: number,
  backHead: number,
  backTail: number,
): void {
  if (backTail !== 0) a[backTail + NEXT] = 0;
  if (rest === 0) {
    a[kq + HEAD] = backHead;
    a[kq + TAIL] = backTail;
    return;
  }
  a[rest + PREV] = 0;
  a[kq + HEAD] = rest;
  if (backHead === 0) return;
  const tail = a[kq + TAIL] as number;
  a[tail + NEXT] = backHead;
  a[backHead + PREV] = tail;
  a[kq + TAIL] = backTail;
}
