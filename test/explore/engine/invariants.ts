// SPDX-License-Identifier: ISC
/** The walks through the arena: one when a run has ended, and one of what a lock guards. */
import type { Kthread } from "#src/arena/kthread.js";
import { checkGuarded } from "#src/inspect/guarded.js";
import { checkInvariants as walk } from "#src/inspect/invariants.js";

function complain(complaints: readonly string[]): void {
  if (complaints.length > 0) throw new Error(complaints.join("\n"));
}

/** Throws if some invariant of the arena does not hold. Nobody is in the middle of a call. */
export function checkInvariants(k: Kthread): void {
  complain(walk(k));
}

/** Throws if something is wrong with what a lock guards that is about to be released. */
export function checkReleased(k: Kthread, lock: number): void {
  complain(checkGuarded(k, lock));
}
