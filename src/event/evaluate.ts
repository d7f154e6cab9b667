// SPDX-License-Identifier: ISC
/** Evaluation of a knote by a change, as opposed to by a notification (klist.ts) or a scan. */
import type { Kthread } from "../arena/kthread.js";
import { filterops } from "./filters.js";
import { knoteActivateLocked } from "./ready.js";
import {
  KN_ACTIVE,
  KN_DISABLED,
  KN_QUEUED,
  Knote,
  type KnotePtr,
  type KqueuePtr,
} from "./structs.js";

/**
 * A change has met a knote whose condition is now true or not (`ready`). A change does not make an
 * active knote inactive, as on FreeBSD: one that is queued keeps its place, one that was active
 * while disabled is queued, and the scan finds out whether the condition still holds.
 */
export function knoteResultLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, ready: boolean): void {
  const status = Knote.status.get(k, kn);
  if ((status & KN_DISABLED) !== 0) return;
  if (ready || (status & (KN_ACTIVE | KN_QUEUED)) === KN_ACTIVE) knoteActivateLocked(k, kq, kn);
}

/** The first evaluation of a new knote. */
export function knoteEvaluateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  knoteResultLocked(k, kq, kn, filterops[Knote.ops.get(k, kn)]?.event(k, kn) === true);
}
