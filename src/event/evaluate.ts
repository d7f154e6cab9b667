// SPDX-License-Identifier: ISC
/** Evaluation of a knote by a change, as opposed to by a notification (klist.ts) or a scan. */
import { EV_ONESHOT } from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { filterops } from "./filters.js";
import { knoteActivateLocked, knoteDeactivateLocked } from "./ready.js";
import { KN_ACTIVE, KN_DISABLED, Knote, type KnotePtr, type KqueuePtr } from "./structs.js";

/**
 * Evaluate a knote that a change has met. What is one-shot and was active stays so: its event is
 * delivered with the values recorded when it happened, whatever the condition is now.
 */
export function knoteEvaluateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const status = Knote.status.get(k, kn);
  if ((status & KN_DISABLED) !== 0) return;
  const ops = filterops[Knote.ops.get(k, kn)] as (typeof filterops)[number];
  const oneshot = (Knote.flags.get(k, kn) & EV_ONESHOT) !== 0;
  if (ops.event(k, kn) || (oneshot && (status & KN_ACTIVE) !== 0)) {
    knoteActivateLocked(k, kq, kn);
  } else if ((status & KN_ACTIVE) !== 0) {
    knoteDeactivateLocked(k, kq, kn);
  }
}
