// SPDX-License-Identifier: ISC
/**
 * Making a knote from a change, and adding one that has no object: USER and TIMER live under the
 * queue lock alone. What watches a descriptor is in attach.ts.
 */
import {
  EV_ADD,
  EV_DELETE,
  EV_DISABLE,
  EV_ENABLE,
  EV_FORCEONESHOT,
  EV_KEEPUDATA,
  EVFILT_TIMER,
  KE_EXT,
  NOTE_TRIGGER,
} from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { knoteLinkLocked } from "./drop.js";
import { knoteEvaluateLocked } from "./evaluate.js";
import { timerAttachLocked, timerStartLocked } from "./filt/timer.js";
import { userAttachLocked } from "./filt/user.js";
import { type Change, IN_ATTACH, OPS_TIMER, OPS_USER } from "./filterops.js";
import {
  coldTakeLocked,
  extTakeLocked,
  knoteGiveLocked,
  knoteTakeLocked,
  magazineNeedLocked,
} from "./magazine.js";
import { KN_DISABLED, KN_WIDE, Kncold, Knote, type KnotePtr, type KqueuePtr } from "./structs.js";
import { dataSet } from "./value.js";

/** Flags that a registration does not keep. */
const INPUT_FLAGS = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA;

// Constants of this module are folded into the code; imported ones are loads.
const IDENT = Knote.ident.offset;
const FILTER_OPS = Knote.filter.offset;
const STATUS_FLAGS = Knote.status.offset;
const FFLAGS = Knote.fflags.offset;
const SFFLAGS = Knote.sfflags.offset;
const DATA = Knote.data.offset;
const SDATA = Knote.sdata.offset;
const UDATA = Knote.udata.offset;
const OBJ = Knote.obj.offset;
const COLD = Knote.cold.offset;
const CLAIM = Knote.claim.offset;
const IDENT_HI = Kncold.identHi.offset;
const SDATA_HI = Kncold.sdataHi.offset;
const UDATA_HI = Kncold.udataHi.offset;
const EXT = Kncold.ext.offset;
const DISABLED = KN_DISABLED;
const WIDE = KN_WIDE;
const OPS_SHIFT = 16;
const FLAGS_SHIFT = 16;
const STORED_FLAGS = 0xffff & ~INPUT_FLAGS;
const TIMER = EVFILT_TIMER;
const EXT_AT = KE_EXT;

/** Whether a change carries ext values, which cost the knote a slot of their own. */
function extPresent(ch: Int32Array, at: number): boolean {
  const i = at + EXT_AT;
  // Written out, as all loops are here that are short and on every registration's path.
  let any = (ch[i] as number) | (ch[i + 1] as number) | (ch[i + 2] as number);
  any |= (ch[i + 3] as number) | (ch[i + 4] as number) | (ch[i + 5] as number);
  any |= (ch[i + 6] as number) | (ch[i + 7] as number);
  return any !== 0;
}

/** Cold lines that a registration takes: for high words, objects and timers, and for ext values. */
export function coldWanted(c: Change, ch: Int32Array, at: number, always: boolean): number {
  if (extPresent(ch, at)) return 2;
  return always || isWide(c) ? 1 : 0;
}

/** Whether some value of the change does not fit the hot line. */
function isWide(c: Change): boolean {
  return c.identHi !== 0 || c.dataHi !== 0 || c.udataHi !== 0;
}

/**
 * Fill a new knote from a change; queue lock held. Its own fflags and data are 0. The magazines
 * were made sure to have what it takes.
 */
export function knoteFillLocked(
  k: Kthread,
  kq: KqueuePtr,
  c: Change,
  ch: Int32Array,
  at: number,
  ops: number,
  colds: number,
): KnotePtr {
  const a = k.a;
  const kn = knoteTakeLocked(k, kq);
  const wide = c.identHi !== 0 ? WIDE : 0;
  const disabled = (c.flags & EV_DISABLE) !== 0 ? DISABLED : 0;
  a[kn + IDENT] = c.identLo;
  a[kn + FILTER_OPS] = (c.filter & 0xffff) | (ops << OPS_SHIFT);
  a[kn + STATUS_FLAGS] = wide | disabled | ((c.flags & STORED_FLAGS) << FLAGS_SHIFT);
  a[kn + FFLAGS] = 0;
  a[kn + SFFLAGS] = c.fflags;
  a[kn + DATA] = 0;
  a[kn + SDATA] = c.dataLo;
  a[kn + UDATA] = c.udataLo;
  a[kn + OBJ] = 0;
  a[kn + COLD] = 0;
  a[kn + CLAIM] = 0;
  if (colds > 0) coldFillLocked(k, kq, kn, c, ch, at, colds);
  return kn;
}

/** Give a new knote its cold line, with the high words of the change; queue lock held. */
function coldFillLocked(
  k: Kthread,
  kq: KqueuePtr,
  kn: KnotePtr,
  c: Change,
  ch: Int32Array,
  at: number,
  colds: number,
): void {
  const a = k.a;
  const cold = coldTakeLocked(k, kq, kn);
  a[kn + COLD] = cold;
  a[cold + IDENT_HI] = c.identHi;
  a[cold + SDATA_HI] = c.dataHi;
  a[cold + UDATA_HI] = c.udataHi;
  if (colds > 1) a[cold + EXT] = extTakeLocked(k, kq, kn, ch, at + KE_EXT);
}

/**
 * Add a USER or TIMER registration that does not exist; queue lock held. Returns 0, RESTART,
 * -errno or KQ_GONE. Copies ext values from the change at `at`.
 */
export function addPlain(k: Kthread, kq: KqueuePtr, c: Change, ch: Int32Array, at: number): number {
  const timer = c.filter === TIMER;
  const colds = coldWanted(c, ch, at, timer);
  const ready = magazineNeedLocked(k, kq, colds, timer);
  if (ready !== 0) return ready;
  const kn = knoteFillLocked(k, kq, c, ch, at, timer ? OPS_TIMER : OPS_USER, colds);
  const bad = timer ? timerAttachLocked(k, kn) : userAttachLocked(k, kq, kn);
  if (bad !== 0) {
    knoteGiveLocked(k, kq, kn);
    return bad - IN_ATTACH;
  }
  knoteLinkLocked(k, kq, kn, c.identLo, c.filter, true, timer);
  if (timer) {
    // Armed after it is linked: an expiry finds a whole knote.
    timerStartLocked(k, kq, kn);
    return 0;
  }
  dataSet(k, kn, c.dataLo, c.dataHi);
  if ((c.fflags & NOTE_TRIGGER) !== 0) knoteEvaluateLocked(k, kq, kn);
  return 0;
}
