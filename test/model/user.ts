// SPDX-License-Identifier: ISC
/** EVFILT_USER as in spec/kqueue.md 3.13, column "O seed". The values live in fflags and data. */
import type { Knote, Surroundings } from "./kqueue.js";
import * as N from "./numbers.js";
import type { Mutants } from "./rules.js";
import type { Kev } from "./system.js";

/** Rows 1, 2 and 17. */
export function attachUser(kn: Knote, env: Surroundings): number {
  const more = env.rules.mutants.has("user limit is one more") ? 1 : 0;
  if (env.usage.users >= env.rules.userEvents + more) return N.ENOMEM;
  env.usage.users++;
  const lost = env.rules.mutants.has("user trigger at add is lost");
  kn.triggered = (kn.sfflags & N.NOTE_TRIGGER) !== 0 && !lost;
  const raw = env.rules.mutants.has("user reports control bits");
  kn.fflags = raw ? kn.sfflags : kn.sfflags & N.NOTE_FFLAGSMASK;
  kn.data = kn.sdata;
  return 0;
}

/** Rows 3 to 10: trigger, flag operation, then with ADD data and udata, CLEAR last. */
export function modifyUser(kn: Knote, change: Kev, mutants: Mutants): void {
  if ((change.fflags & N.NOTE_TRIGGER) !== 0) kn.triggered = true;
  const low = change.fflags & N.NOTE_FFLAGSMASK;
  const operation = (change.fflags & N.NOTE_FFCTRLMASK) >>> 0;
  if (operation === N.NOTE_FFAND) kn.fflags &= low;
  if (operation === N.NOTE_FFOR) kn.fflags |= low;
  if (operation === N.NOTE_FFCOPY) kn.fflags = low;
  if ((change.flags & N.EV_ADD) !== 0) {
    kn.data = change.data;
    kn.udata = change.udata;
  }
  if (mutants.has("user takes data without add")) kn.data = change.data;
  if ((change.flags & N.EV_CLEAR) !== 0) {
    kn.triggered = false;
    kn.data = 0n;
    if (mutants.has("cleared user event stays queued")) return;
    kn.active = false;
    kn.queue.dequeue(kn);
  }
}

/** What a stored EV_CLEAR does at delivery, for every filter (row 13 for this one). */
export function clearUser(kn: Knote, mutants: Mutants): void {
  kn.triggered = false;
  if (kn.filter === N.EVFILT_USER && mutants.has("user keeps its values over clear")) return;
  kn.fflags = 0;
  kn.data = 0n;
}
