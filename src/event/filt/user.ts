// SPDX-License-Identifier: ISC
/**
 * EVFILT_USER, as OpenBSD's patch of 2025 has it (kern_event.c 1.202, filt_user*): the knote's own
 * fflags and data hold the values, of the flags only the low 24 bits; TRIGGER works in the ADD
 * that creates the event; data and udata change only with ADD; a change with EV_CLEAR resets
 * trigger and data, after everything else in that change; delivery of an event that was added
 * with EV_CLEAR resets trigger, flags and data. At most Super.userEventsMax per process, exactly.
 */

import { ENOMEM } from "../../abi/errno.js";
import { EV_ADD, EV_CLEAR, NOTE_FFLAGSMASK, NOTE_TRIGGER } from "../../abi/event.js";
import type { Kthread } from "../../arena/kthread.js";
import { SUPER, Super } from "../../arena/superblock.js";
import { Proc, type ProcPtr } from "../../kern/process.js";
import { type Change, type Filterops, OPS_USER } from "../filterops.js";
import { knoteDeactivateLocked } from "../ready.js";
import {
  KN_COUNTED,
  KN_TRIGGERED,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
} from "../structs.js";
import { fflagsApply } from "../trigger.js";
import { dataSet, udataSet } from "../value.js";

// Constants of this module are folded into the code; imported ones are loads.
const PROC = Kqueue.proc.offset;
const STATUS_FLAGS = Knote.status.offset;
const FFLAGS = Knote.fflags.offset;
const SFFLAGS = Knote.sfflags.offset;
const TRIGGERED = KN_TRIGGERED;
const TRIGGER = NOTE_TRIGGER;
const VALUE = NOTE_FFLAGSMASK;
const ADD = EV_ADD;
const CLEAR = EV_CLEAR;

/** Count a new user event and set its values; queue lock held. 0 or -ENOMEM. */
export function userAttachLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): number {
  const a = k.a;
  const proc = a[kq + PROC] as ProcPtr;
  // Counted first and compared after, so that exactly the limit can exist at once.
  const before = Proc.userEvents.fetchAdd(k, proc, 1);
  // One run with the count, as below: what is counted says so.
  k.a[kn + STATUS_FLAGS] = (k.a[kn + STATUS_FLAGS] as number) | KN_COUNTED;
  if (before >= Super.userEventsMax.get(k, SUPER)) {
    userUncount(k, kq, kn);
    return -ENOMEM;
  }
  const fflags = a[kn + SFFLAGS] as number;
  a[kn + FFLAGS] = fflags & VALUE;
  if ((fflags & TRIGGER) !== 0) a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) | TRIGGERED;
  return 0;
}

/** Take back that the knote is counted, if it is; queue lock held. */
export function userUncount(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  if ((Knote.status.get(k, kn) & KN_COUNTED) === 0) return;
  Proc.userEvents.fetchAdd(k, Kqueue.proc.get(k, kq) as ProcPtr, -1);
  k.a[kn + STATUS_FLAGS] = (k.a[kn + STATUS_FLAGS] as number) & ~KN_COUNTED;
}

function detach(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  userUncount(k, kq, kn);
}

function event(k: Kthread, kn: KnotePtr): boolean {
  return (Knote.status.get(k, kn) & KN_TRIGGERED) !== 0;
}

function touch(k: Kthread, kq: KqueuePtr, kn: KnotePtr, change: Change): number {
  const a = k.a;
  const fflags = change.fflags;
  if ((fflags & TRIGGER) !== 0) a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) | TRIGGERED;
  if (fflags >>> 30 !== 0) a[kn + FFLAGS] = fflagsApply(a[kn + FFLAGS] as number, fflags);
  if ((change.flags & ADD) !== 0) {
    dataSet(k, kn, change.dataLo, change.dataHi);
    udataSet(k, kn, change.udataLo, change.udataHi);
  }
  if ((change.flags & CLEAR) !== 0) {
    a[kn + STATUS_FLAGS] = (a[kn + STATUS_FLAGS] as number) & ~TRIGGERED;
    dataSet(k, kn, 0, 0);
    // Not left to the scan, which delivers a one-shot event without asking again.
    knoteDeactivateLocked(k, kq, kn);
    return 0;
  }
  return ((a[kn + STATUS_FLAGS] as number) & TRIGGERED) !== 0 ? 1 : 0;
}

/** Delivered with EV_CLEAR. */
function cleared(k: Kthread, kn: KnotePtr): void {
  Knote.status.clear(k, kn, KN_TRIGGERED);
}

export const userFilter: Filterops = {
  id: OPS_USER,
  name: "USER",
  isDescriptor: false,
  exact: false,
  attach: userAttachLocked,
  detach,
  event,
  ask: null,
  refuse: null,
  touch,
  cleared,
  copy: null,
  dump: null,
};
