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
} from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { knoteLinkLocked } from "./drop.js";
import { knoteEvaluateLocked } from "./evaluate.js";
import { timerStartLocked } from "./filt/timer.js";
import { type Change, IN_ATTACH, OPS_TIMER, OPS_USER } from "./filterops.js";
import { filterops } from "./filters.js";
import {
  coldTakeLocked,
  EXT_WORDS,
  extTakeLocked,
  knoteGiveLocked,
  knoteTakeLocked,
  magazineNeedLocked,
} from "./magazine.js";
import { KN_DISABLED, KN_WIDE, Kncold, Knote, type KnotePtr, type KqueuePtr } from "./structs.js";
import { dataSet, sdataSet, udataSet } from "./value.js";

/** Flags that a registration does not keep. */
const INPUT_FLAGS = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT | EV_KEEPUDATA;

/** Whether a change carries ext values, which cost the knote a slot of their own. */
function extPresent(ch: Int32Array, at: number): boolean {
  for (let i = 0; i < EXT_WORDS; i++) if (ch[at + KE_EXT + i] !== 0) return true;
  return false;
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

/** Fill a new knote from a change; queue lock held. Its own fflags and data are 0. */
export function knoteFillLocked(
  k: Kthread,
  kq: KqueuePtr,
  c: Change,
  ch: Int32Array,
  at: number,
  ops: number,
  colds: number,
): KnotePtr {
  const kn = knoteTakeLocked(k, kq);
  const cold = colds > 0 ? coldTakeLocked(k, kq, kn) : NIL;
  Knote.claim.set(k, kn, 0);
  Knote.obj.set(k, kn, NIL);
  Knote.cold.set(k, kn, cold);
  Knote.ident.set(k, kn, c.identLo);
  Knote.filter.set(k, kn, c.filter);
  Knote.ops.set(k, kn, ops);
  Knote.status.set(k, kn, (c.flags & EV_DISABLE) !== 0 ? KN_DISABLED : 0);
  Knote.flags.set(k, kn, c.flags & ~INPUT_FLAGS);
  Knote.fflags.set(k, kn, 0);
  Knote.sfflags.set(k, kn, c.fflags);
  dataSet(k, kn, 0, 0);
  sdataSet(k, kn, c.dataLo, c.dataHi);
  udataSet(k, kn, c.udataLo, c.udataHi);
  if (c.identHi !== 0) {
    Kncold.identHi.set(k, cold, c.identHi);
    Knote.status.or(k, kn, KN_WIDE);
  }
  if (colds > 1) Kncold.ext.set(k, cold, extTakeLocked(k, kq, kn, ch, at + KE_EXT));
  return kn;
}

/**
 * Add a USER or TIMER registration that does not exist; queue lock held. Returns 0, RESTART,
 * -errno or KQ_GONE. Copies ext values from the change at `at`.
 */
export function addPlain(k: Kthread, kq: KqueuePtr, c: Change, ch: Int32Array, at: number): number {
  const timer = c.filter === EVFILT_TIMER;
  const colds = coldWanted(c, ch, at, timer);
  const ready = magazineNeedLocked(k, kq, colds, timer);
  if (ready !== 0) return ready;
  const kn = knoteFillLocked(k, kq, c, ch, at, timer ? OPS_TIMER : OPS_USER, colds);
  const bad = filterops[Knote.ops.get(k, kn)]?.attach(k, kq, kn) ?? 0;
  if (bad !== 0) {
    knoteGiveLocked(k, kq, kn);
    return bad - IN_ATTACH;
  }
  if (!timer) dataSet(k, kn, c.dataLo, c.dataHi);
  knoteLinkLocked(k, kq, kn);
  // Armed after it is linked: an expiry finds a whole knote.
  if (timer) timerStartLocked(k, kq, kn);
  else knoteEvaluateLocked(k, kq, kn);
  return 0;
}
