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
import { clockMonotonic, clockWall } from "../../sync/clock.js";
import { type Change, type Filterops, OPS_TIMER } from "../filterops.js";
import { knoteActivateLocked, knoteDeactivateLocked } from "../ready.js";
import { KN_ARMED, KN_COUNTED, Kncold, Knote, type KnotePtr, type KqueuePtr } from "../structs.js";
import { NO_DUE, timerArmLocked, timerDisarmLocked } from "../timer.js";
import { dataNumber, dataSet, dataSetNumber, sdataNumber, sdataSet } from "../value.js";

const STATUS = Knote.status.offset;
const UNITS = NOTE_SECONDS | NOTE_MSECONDS | NOTE_USECONDS | NOTE_NSECONDS;
const ABSOLUTE = NOTE_ABSTIME | NOTE_MONOTONIC;

/** Nanoseconds of one unit, or 0 if the flags are not valid. */
function unitNs(fflags: number): number {
  if ((fflags & ~(UNITS | ABSOLUTE)) !== 0) return 0;
  if ((fflags & ABSOLUTE) === NOTE_MONOTONIC) return 0;
  switch (fflags & UNITS) {
    case NOTE_SECONDS:
      return 1e9;
    case 0:
    case NOTE_MSECONDS:
      return 1e6;
    case NOTE_USECONDS:
      return 1e3;
    case NOTE_NSECONDS:
      return 1;
    default:
      return 0;
  }
}

/** Whether fflags and data make a timer; 0 or -EINVAL. */
function validate(fflags: number, dataHi: number): number {
  return unitNs(fflags) === 0 || dataHi < 0 ? -EINVAL : 0;
}

/** Set due time and period from sfflags and sdata. Returns the due time. */
function program(k: Kthread, kn: KnotePtr): number {
  const fflags = Knote.sfflags.get(k, kn);
  const cold = Knote.cold.get(k, kn);
  const now = clockMonotonic(k) + k.clockSkewNs;
  const value = sdataNumber(k, kn) * unitNs(fflags);
  const oneshot = (Knote.flags.get(k, kn) & EV_ONESHOT) !== 0;
  if ((fflags & NOTE_ABSTIME) !== 0) {
    Kncold.period.setNumber(k, cold, 0);
    const due = (fflags & NOTE_MONOTONIC) !== 0 ? value : now + untilWall(k, kn, fflags);
    return Math.min(Math.max(due, 0), TIME_NS_MAX);
  }
  const span = Math.min(value === 0 && !oneshot ? unitNs(fflags) : value, TIME_NS_MAX);
  Kncold.period.setNumber(k, cold, oneshot ? 0 : span);
  return Math.min(now + span, TIME_NS_MAX);
}

/** Nanoseconds from now to the time on the wall clock that the timer names. */
function untilWall(k: Kthread, kn: KnotePtr, fflags: number): number {
  const hi = Kncold.sdataHi.get(k, Knote.cold.get(k, kn));
  const data = (BigInt(hi) << 32n) | BigInt(Knote.sdata.get(k, kn) >>> 0);
  return Number(data * BigInt(unitNs(fflags)) - clockWall(k));
}

function attach(k: Kthread, _kq: KqueuePtr, kn: KnotePtr): number {
  const fflags = Knote.sfflags.get(k, kn);
  const bad = validate(fflags, Kncold.sdataHi.get(k, Knote.cold.get(k, kn)));
  if (bad !== 0) return bad;
  const before = Super.timers.fetchAdd(k, SUPER, 1);
  // One run with the count, as below: what is counted says so.
  k.a[kn + STATUS] = (k.a[kn + STATUS] as number) | KN_COUNTED;
  if (before >= Super.timersMax.get(k, SUPER)) {
    timerUncount(k, kn);
    return -ENOMEM;
  }
  if ((fflags & NOTE_ABSTIME) === 0) Knote.flags.or(k, kn, EV_CLEAR);
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
  attach,
  detach,
  event,
  ask: null,
  refuse,
  touch,
  cleared: null,
  copy: null,
  dump: null,
};
