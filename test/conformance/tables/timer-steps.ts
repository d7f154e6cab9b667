// SPDX-License-Identifier: ISC
/** Changes and records of the timer with ident 1. */
import type { Change, Expected, Word } from "../case.js";
import * as N from "../numbers.js";
import { change, event, type Fields, refuse } from "../steps.js";

export const FREEBSD = "FreeBSD kern_event.c filt_timer*; spec 3.9";
/** Where the wall clock starts: a whole number of every period in the tables. */
export const WALL_MS = 4_200_000;

export function add(data: Word, fflags = 0, flags = 0, fields: Fields = {}): Change {
  return change(1, N.TIMER, N.ADD | flags, { ...fields, data, fflags });
}

/** A relative timer's event: EV_CLEAR is forced, fflags are 0. */
export function fired(data: number, flags = 0, udata = 0): Expected {
  return event(1, N.TIMER, N.CLEAR | flags, { data, udata });
}

export const remove = change(1, N.TIMER, N.DELETE);
export const gone = refuse("$q", remove, "ENOENT");
