// SPDX-License-Identifier: ISC
/**
 * The short way of a change that only triggers a user event: no flags at all, an existing
 * registration. It does what kqueueRegisterLocked would do for it, in one piece, because it is the
 * call that wakes others; everything else goes the long way. The checked build verifies once that
 * the queue is locked.
 */
import { assertHeld } from "#field";
import { EVFILT_USER, NOTE_FFLAGSMASK, NOTE_TRIGGER } from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { knoteFindLocked } from "./find.js";
import { knoteActivateLocked } from "./ready.js";
import {
  KN_ACTIVE,
  KN_DELIVERED,
  KN_DISABLED,
  KN_QUEUED,
  KN_TRIGGERED,
  Knote,
  Kqueue,
  type KqueuePtr,
} from "./structs.js";

// Constants of this module are folded into the code; imported ones are loads.
const FILTER = EVFILT_USER;
const STATUS_FLAGS = Knote.status.offset;
const FFLAGS = Knote.fflags.offset;
const CLAIM = Knote.claim.offset;
const TRIGGER = NOTE_TRIGGER;
const VALUE = NOTE_FFLAGSMASK;
const TRIGGERED = KN_TRIGGERED;
const DISABLED = KN_DISABLED;
const ACTIVE = KN_ACTIVE;
const WAITING = KN_ACTIVE | KN_QUEUED;
/** Of these bits only the first: queued, active, and not delivered since. */
const NEWS = KN_ACTIVE | KN_QUEUED | KN_DELIVERED;
const OPERATION_SHIFT = 30;
const AND = 1;
const OR = 2;

/** The user event's flags after the operation that a change's top two bits name. */
export function fflagsApply(old: number, fflags: number): number {
  const low = fflags & VALUE;
  const operation = fflags >>> OPERATION_SHIFT;
  if (operation === AND) return old & low;
  return operation === OR ? old | low : low;
}

/**
 * Apply it; queue lock held. False if there is no such registration, or somebody has a claim on
 * it: then nothing was done, and the long way says what is to be said.
 */
export function userTriggerLocked(
  k: Kthread,
  kq: KqueuePtr,
  identLo: number,
  identHi: number,
  fflags: number,
): boolean {
  assertHeld(k, Kqueue.lock.at(kq));
  const kn = knoteFindLocked(k, kq, identLo, identHi, FILTER);
  if (kn === 0) return false;
  const a = k.a;
  if (a[kn + CLAIM] !== 0) return false;
  if (fflags >>> OPERATION_SHIFT !== 0) {
    a[kn + FFLAGS] = fflagsApply(a[kn + FFLAGS] as number, fflags);
  }
  let word = a[kn + STATUS_FLAGS] as number;
  if ((fflags & TRIGGER) !== 0) word |= TRIGGERED;
  a[kn + STATUS_FLAGS] = word;
  if ((word & DISABLED) !== 0 || (word & NEWS) === WAITING) return true;
  // One that was active while disabled is queued even if it is no longer triggered: the scan asks.
  if ((word & TRIGGERED) !== 0 || (word & WAITING) === ACTIVE) knoteActivateLocked(k, kq, kn);
  return true;
}
