// SPDX-License-Identifier: ISC
/** Three threads that sleep on the queue "$q". */
import type { Step } from "../case.js";
import { begin, close, endAll, wait } from "../steps.js";

export const WAITERS = ["one", "two", "three"] as const;

/** All waiters sleep on the queue for ever; what they get is for the table to say later. */
export function allSleep(nevents = 8): Step[] {
  return WAITERS.map((thread) => begin(thread, wait("$q", [], undefined, nevents)));
}
export const closeAll: Step[] = [close("$q"), endAll(WAITERS, "EBADF")];
