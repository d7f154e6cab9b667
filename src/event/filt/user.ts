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
import { dataSet, udataSet } from "../value.js";

const STATUS = Knote.status.offset;

/** fflags operations, from the top two bits of fflags. */
const FFNOP = 0;
const FFAND = 1;
const FFOR = 2;

function attach(k: Kthread, kq: KqueuePtr, kn: KnotePtr): number {
  const proc = Kqueue.proc.get(k, kq) as ProcPtr;
  // Counted first and compared after, so that exactly the limit can exist at once.
  const before = Proc.userEvents.fetchAdd(k, proc, 1);
  // One run with the count, as below: what is counted says so.
  k.a[kn + STATUS] = (k.a[kn + STATUS] as number) | KN_COUNTED;
  if (before >= Super.userEventsMax.get(k, SUPER)) {
    userUncount(k, kq, kn);
    return -ENOMEM;
  }
  const fflags = Knote.sfflags.get(k, kn);
  Knote.fflags.set(k, kn, fflags & NOTE_FFLAGSMASK);
  if ((fflags & NOTE_TRIGGER) !== 0) Knote.status.or(k, kn, KN_TRIGGERED);
  return 0;
}

/** Take back that the knote is counted, if it is; queue lock held. */
export function userUncount(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  if ((Knote.status.get(k, kn) & KN_COUNTED) === 0) return;
  Proc.userEvents.fetchAdd(k, Kqueue.proc.get(k, kq) as ProcPtr, -1);
  k.a[kn + STATUS] = (k.a[kn + STATUS] as number) & ~KN_COUNTED;
}

function detach(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  userUncount(k, kq, kn);
}

function event(k: Kthread, kn: KnotePtr): boolean {
  return (Knote.status.get(k, kn) & KN_TRIGGERED) !== 0;
}

function touch(k: Kthread, kq: KqueuePtr, kn: KnotePtr, change: Change): number {
  const fflags = change.fflags;
  if ((fflags & NOTE_TRIGGER) !== 0) Knote.status.or(k, kn, KN_TRIGGERED);
  const operation = fflags >>> 30;
  if (operation !== FFNOP) {
    const old = Knote.fflags.get(k, kn);
    const low = fflags & NOTE_FFLAGSMASK;
    const made = operation === FFAND ? old & low : operation === FFOR ? old | low : low;
    Knote.fflags.set(k, kn, made);
  }
  if ((change.flags & EV_ADD) !== 0) {
    dataSet(k, kn, change.dataLo, change.dataHi);
    udataSet(k, kn, change.udataLo, change.udataHi);
  }
  if ((change.flags & EV_CLEAR) !== 0) {
    Knote.status.clear(k, kn, KN_TRIGGERED);
    dataSet(k, kn, 0, 0);
    // Not left to the scan, which delivers a one-shot event without asking again.
    knoteDeactivateLocked(k, kq, kn);
    return 0;
  }
  return (Knote.status.get(k, kn) & KN_TRIGGERED) !== 0 ? 1 : 0;
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
  attach,
  detach,
  event,
  ask: null,
  refuse: null,
  touch,
  cleared,
  copy: null,
  dump: null,
};
