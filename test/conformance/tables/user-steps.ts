// SPDX-License-Identifier: ISC
/** Changes and records of EVFILT_USER, which most tables use as the simplest source. */
import type { Change, Expected } from "../case.js";
import * as N from "../numbers.js";
import { change, type Fields } from "../steps.js";

export function add(ident: number, flags = 0, fields: Fields = {}): Change {
  return change(ident, N.USER, N.ADD | flags, fields);
}

/** A change of an existing event, without EV_ADD. */
export function modify(ident: number, flags: number, fields: Fields = {}): Change {
  return change(ident, N.USER, flags, fields);
}

export function trigger(ident: number, fields: Fields = {}): Change {
  return modify(ident, 0, { ...fields, fflags: ((fields.fflags ?? 0) | N.TRIGGER) >>> 0 });
}

export function fired(ident: number, fields: Fields = {}, flags = 0): Expected {
  return { ident, filter: N.USER, flags, ...fields };
}
