// SPDX-License-Identifier: ISC
/**
 * EVFILT_TIMER, as FreeBSD has it (kern_event.c, filt_timer*): units as flag bits, milliseconds
 * without one; relative timers are EV_CLEAR; due times are absolute and periods do not drift; data
 * counts expirations since the last delivery, also while the event is disabled. An absolute time
 * is one on the wall clock, converted once; with NOTE_MONOTONIC, our own, on the monotonic clock.
 * It fires once and stays ready until it is deleted or added again.
 *
 * Deviation: adding a timer again with invalid values is an error of that call and leaves the old
 * timer running, as on OpenBSD. FreeBSD delivers the error later, as an event.
 */

import { EINVAL, ENOMEM } from "../../abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EV_ONESHOT,
  NOTE_ABSTIME,
  NOTE_MONOTONIC,
  NOTE_MSECONDS,
  NOTE_NSECONDS,
  NOTE_SECONDS,
  NOTE_USECONDS,
} from "../../abi/event.js";
import type { Kthread } from "../../arena/kthread.js";
import { SUPER, Super } from "../../arena/superblock.js";
import { TIME_NS_MAX } from "../../limits.js";
import { callNow, clockWall } from "../../sync/clock.js";
import { type Change, type Filterops, OPS_TIMER } from "../filterops.js";
import { knoteActivateLocked, knoteDeactivateLocked } from "../ready.js";
import {
  KN_ARMED,
  KN_COUNTED,
  Kncold,
  type KncoldPtr,
  Knote,
  type KnotePtr,
  type KqueuePtr,
} from "../structs.js";
import { NO_DUE, timerArmLocked, timerDisarmLocked } from "../timer.js";
import { dataNumber, dataSet, dataSetNumber, sdataNumber, sdataSet } from "../value.js";

const STATUS = Knote.status.offset;
const UNITS = NOTE_SECONDS | NOTE_MSECONDS | NOTE_USECONDS | NOTE_NSECONDS;
const ABSOLUTE = NOTE_ABSTIME | NOTE_MONOTONIC;

// Constants of this module are folded into the code; imported ones are loads.
const STATUS_FLAGS = Knote.status.offset;
const SFFLAGS = Knote.sfflags.offset;
const COLD = Knote.cold.offset;
const SDATA_HI = Kncold.sdataHi.offset;
const PERIOD = Kncold.period.offset;
const ABSTIME = NOTE_ABSTIME;
const ONESHOT = EV_ONESHOT << 16;
const CLEAR = EV_CLEAR << 16;
const TIME_MAX = TIME_NS_MAX;
const TWO_32 = 4_294_967_296;
const MONOTONIC = NOTE_MONOTONIC;
const SECONDS = NOTE_SECONDS;
const MSECONDS = NOTE_MSECONDS;
const USECONDS = NOTE_USECONDS;
const NSECONDS = NOTE_NSECONDS;

/** Nanoseconds of one unit, or 0 if the flags are not valid. */
function unitNs(fflags: number): number {
  if ((fflags & ~(UNITS | ABSOLUTE)) !== 0) return 0;
  if ((fflags & ABSOLUTE) === MONOTONIC) return 0;
  const unit = fflags & UNITS;
  if (unit === 0 || unit === MSECONDS) return 1e6;
  if (unit === NSECONDS) return 1;
  if (unit === USECONDS) return 1e3;
  return unit === SECONDS ? 1e9 : 0;
}

/** Whether fflags and data make a timer; 0 or -EINVAL. */
function validate(fflags: number, dataHi: number): number {
  return unitNs(fflags) === 0 || dataHi < 0 ? -EINVAL : 0;
}

/** Set due time and period from sfflags and sdata. Returns the due time. */
function program(k: Kthread, kn: KnotePtr): number {
  const a = k.a;
  const fflags = a[kn + SFFLAGS] as number;
  const cold = a[kn + COLD] as number;
  const now = callNow(k) + k.clockSkewNs;
  const unit = unitNs(fflags);
  const value = sdataNumber(k, kn) * unit;
  if ((fflags & ABSTIME) !== 0) {
    Kncold.period.setNumber(k, cold as KncoldPtr, 0);
    const due = (fflags & NOTE_MONOTONIC) !== 0 ? value : now + untilWall(k, kn, fflags);
    return Math.min(Math.max(due, 0), TIME_MAX);
  }
  if (((a[kn + STATUS_FLAGS] as number) & ONESHOT) !== 0) {
    a[cold + PERIOD] = 0;
    a[cold + PERIOD + 1] = 0;
    return Math.min(now + value, TIME_MAX);
  }
  const span = Math.min(value === 0 ? unit : value, TIME_MAX);
  a[cold + PERIOD] = span | 0;
  a[cold + PERIOD + 1] = Math.floor(span / TWO_32) | 0;
  return Math.min(now + span, TIME_MAX);
}

/** Nanoseconds from now to the time on the wall clock that the timer names. */
function untilWall(k: Kthread, kn: KnotePtr, fflags: number): number {
  const hi = Kncold.sdataHi.get(k, Knote.cold.get(k, kn));
  const data = (BigInt(hi) << 32n) | BigInt(Knote.sdata.get(k, kn) >>> 0);
  return Number(data * BigInt(unitNs(fflags)) - clockWall(k));
}

/** Check and count a new timer; queue lock held. 0, -EINVAL or -ENOMEM. */
export function timerAttachLocked(k: Kthread, kn: KnotePtr): number {
  const fflags = k.a[kn + SFFLAGS] as number;
  const bad = validate(fflags, k.a[(k.a[kn + COLD] as number) + SDATA_HI] as number);
  if (bad !== 0) return bad;
  const before = Super.timers.fetchAdd(k, SUPER, 1);
  // One run with the count, as below: what is counted says so.
  k.a[kn + STATUS] = (k.a[kn + STATUS] as number) | KN_COUNTED;
  if (before >= Super.timersMax.get(k, SUPER)) {
    timerUncount(k, kn);
    return -ENOMEM;
  }
  if ((fflags & ABSTIME) === 0) {
    k.a[kn + STATUS_FLAGS] = (k.a[kn + STATUS_FLAGS] as number) | CLEAR;
  }
  return 0;
}

/**
 * Arm a linked knote. What is due already fires in the next look at the queue, in its order among
 * what is due; in a call that also collects events, that is this call.
 */
export function timerStartLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  timerArmLocked(k, kq, kn, program(k, kn));
}

function detach(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  timerDisarmLocked(k, kq, kn);
  timerUncount(k, kn);
}

/** Take back that the knote is counted, if it is; queue lock held. */
export function timerUncount(k: Kthread, kn: KnotePtr): void {
  if ((Knote.status.get(k, kn) & KN_COUNTED) === 0) return;
  Super.timers.fetchAdd(k, SUPER, -1);
  k.a[kn + STATUS] = (k.a[kn + STATUS] as number) & ~KN_COUNTED;
}

function event(k: Kthread, kn: KnotePtr): boolean {
  return dataNumber(k, kn) !== 0;
}

/** The time has come: count the periods that went by and say when the next one ends. */
export function timerExpireLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, now: number): number {
  const cold = Knote.cold.get(k, kn);
  const due = Kncold.due.getNumber(k, cold);
  // Made one-shot after it was armed with a period (EV_FORCEONESHOT): this was its last time.
  const oneshot = (Knote.flags.get(k, kn) & EV_ONESHOT) !== 0;
  const period = oneshot ? 0 : Kncold.period.getNumber(k, cold);
  const count = period === 0 ? 1 : 1 + Math.floor((now - due) / period);
  dataSetNumber(k, kn, dataNumber(k, kn) + count);
  knoteActivateLocked(k, kq, kn);
  if (period === 0) return NO_DUE;
  const next = due + count * period;
  return next > now ? next : now + period;
}

function refuse(change: Change): number {
  return (change.flags & EV_ADD) === 0 ? 0 : validate(change.fflags, change.dataHi);
}

function touch(k: Kthread, kq: KqueuePtr, kn: KnotePtr, change: Change): number {
  if ((change.flags & EV_ADD) === 0) return event(k, kn) ? 1 : 0;
  timerDisarmLocked(k, kq, kn);
  knoteDeactivateLocked(k, kq, kn);
  dataSet(k, kn, 0, 0);
  Knote.sfflags.set(k, kn, change.fflags);
  sdataSet(k, kn, change.dataLo, change.dataHi);
  timerStartLocked(k, kq, kn);
  return 0;
}

/** Nanoseconds until the timer is due, for the inspector; NO_DUE if it is not armed. */
export function timerRemaining(k: Kthread, kn: KnotePtr, now: number): number {
  if ((Knote.status.get(k, kn) & KN_ARMED) === 0) return NO_DUE;
  return Kncold.due.getNumber(k, Knote.cold.get(k, kn)) - now;
}

export const timerFilter: Filterops = {
  id: OPS_TIMER,
  name: "TIMER",
  isDescriptor: false,
  exact: false,
  attach: (k, _kq, kn) => timerAttachLocked(k, kn),
  detach,
  event,
  ask: null,
  refuse,
  touch,
  cleared: null,
  copy: null,
  dump: null,
};
