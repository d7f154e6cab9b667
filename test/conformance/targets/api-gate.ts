// SPDX-License-Identifier: ISC
/**
 * Which rows have a form in the JavaScript face, found out by going through their steps without
 * running them. api-calls.ts does what passes here.
 */
import type { CallStep, Case, Change, KeventStep, Ref, SourceStep, Variable } from "../case.js";
import * as N from "../numbers.js";

const NUMBERS = "descriptor numbers, their flags and limits belong to knell/sys";
const ARGUMENT = "such an argument is refused before any call, or cannot be given";
const FLAGS = "a source is `once` or `edge`; there is no disabling, no receipt and no ext word";
const MODIFY = "a source is added and removed, not modified";
const USER = "a user event has no flags and data of its own, its trigger brings them";
const TAKES = "the source of a counter takes what it reports";
const TIMER = "a timer has no other form than `every`, `after` and `at`";
const RECORDS = "errors are thrown, not put into a list; a wait is for at least one event";
const ENDED = "a source ends with one event, after the last byte, and is forgotten";
const CLOSED = "closing a watched object is an event of those who watch it";
const QUIET = "setting a source tells who watches it";
const LAST = "a last event has no data, and ends what watches";
const BUILT_IN = "filters that are built in have no names there";
const PACKETS = "packets are the messages of a channel";

type Kind = "queue" | "counter" | "reader" | "writer" | "source";

/** What is known of the objects of a case at some step. */
class Shape {
  readonly kinds = new Map<Ref, Kind>();
  /** Per open queue: filter and ident of its sources. */
  readonly sources = new Map<Ref, Set<string>>();
  readonly closed = new Set<Ref>();
  /** Numbers of the named filters. */
  readonly filters = new Set<number>();
  ends = 0;

  make(name: Variable | undefined, kind: Kind): null {
    if (name === undefined) return null;
    this.kinds.set(name, kind);
    this.closed.delete(name);
    if (kind === "queue") this.sources.set(name, new Set());
    return null;
  }

  is(ref: Ref, kind: Kind): boolean {
    return this.kinds.get(ref) === kind;
  }

  watched(ref: Ref): boolean {
    const keys = [`${N.READ} ${ref}`, `${N.WRITE} ${ref}`];
    return [...this.sources.values()].some((own) => keys.some((key) => own.has(key)));
  }
}

const only = (value: number, allowed: number): boolean => (value & ~allowed) === 0;

function gateEventfd(step: CallStep & { call: "eventfd" }, shape: Shape): string | null {
  if (!only(step.flags, N.EFD_SEMAPHORE | N.EFD_NONBLOCK)) return NUMBERS;
  return shape.make(step.as, "counter");
}

function gatePipe(step: CallStep & { call: "pipe" | "pipe2" }, shape: Shape): string | null {
  if ((step.flags & N.O_DIRECT) !== 0) return PACKETS;
  if (!only(step.flags, N.O_NONBLOCK)) return NUMBERS;
  shape.make(step.ends[0], "reader");
  return shape.make(step.ends[1], "writer");
}

function gateRead(step: CallStep & { call: "read" }, shape: Shape): string | null {
  if (step.claim !== undefined) return ARGUMENT;
  if (shape.is(step.fd, "reader")) return step.length > 0 ? null : ARGUMENT;
  if (!shape.is(step.fd, "counter")) return NUMBERS;
  return step.length === 8 ? null : ARGUMENT;
}

function gateWrite(step: CallStep & { call: "write" }, shape: Shape): string | null {
  const { bytes } = step;
  if (step.claim !== undefined) return ARGUMENT;
  if (shape.is(step.fd, "writer")) {
    const empty = "text" in bytes ? bytes.text === "" : "size" in bytes && bytes.size === 0;
    return empty || "u64" in bytes ? ARGUMENT : null;
  }
  if (!shape.is(step.fd, "counter")) return NUMBERS;
  if (!("u64" in bytes) || (bytes.length ?? 8) !== 8) return ARGUMENT;
  return bytes.u64 === N.EFD_MAX ? ARGUMENT : null;
}

function gateClose(step: CallStep & { call: "close" }, shape: Shape): string | null {
  if (!shape.kinds.has(step.fd) || shape.closed.has(step.fd)) return NUMBERS;
  shape.sources.delete(step.fd);
  if (shape.watched(step.fd)) return CLOSED;
  shape.closed.add(step.fd);
  return null;
}

/** Longest span of a timer, in any unit, that we do not bother to convert with care. */
const SPAN_MAX = 2 ** 40;

function gateTimer(change: Change): string | null {
  const { data = 0, fflags = 0 } = change;
  if (typeof data !== "number" || data < 0 || data > SPAN_MAX) return ARGUMENT;
  const unit = fflags & 0xf;
  const units = [0, N.SECONDS, N.MSECONDS, N.USECONDS, N.NSECONDS];
  if (!units.includes(unit) || !only(fflags, 0x1f)) return ARGUMENT;
  const once = (change.flags & N.ONESHOT) !== 0;
  if ((fflags & N.ABSTIME) !== 0) return once && (change.flags & N.CLEAR) === 0 ? null : TIMER;
  return data > 0 || once ? null : ARGUMENT;
}

function gateAdd(change: Change, shape: Shape): string | null {
  const { filter, fflags = 0, data = 0 } = change;
  if (filter === N.TIMER) return gateTimer(change);
  if (filter === N.USER) {
    if (typeof change.ident !== "number") return ARGUMENT;
    return fflags === 0 && data === 0 ? null : USER;
  }
  const ident = change.ident as Ref;
  if (filter > 0) {
    return typeof change.ident === "number" && shape.filters.has(filter) ? null : ARGUMENT;
  }
  if (shape.is(ident, "source")) return fflags === 0 ? null : ARGUMENT;
  if (shape.is(ident, "counter")) return filter === N.READ ? TAKES : ARGUMENT;
  if (filter === N.READ && fflags === 0) {
    return shape.is(ident, "reader") || shape.is(ident, "queue") ? null : NUMBERS;
  }
  if (filter !== N.WRITE || !shape.is(ident, "writer")) return ARGUMENT;
  return fflags === 0 || (fflags === N.LOWAT && typeof data === "number") ? null : ARGUMENT;
}

const FF_OF_TRIGGER = [N.FFNOP, N.FFCOPY];

/** A change without EV_ADD or EV_DELETE: a trigger, or nothing that the face has. */
function gateChange(change: Change): string | null {
  const fflags = change.fflags ?? 0;
  if (change.filter !== N.USER || change.flags !== 0) return MODIFY;
  if (typeof change.ident !== "number" || (fflags & N.TRIGGER) === 0) return MODIFY;
  if (change.data !== undefined || change.udata !== undefined) return USER;
  const control = ((fflags & N.FFCOPY) >>> 0) as number;
  if (!FF_OF_TRIGGER.includes(control)) return USER;
  return control === N.FFNOP && (fflags & N.FFLAGSMASK) !== 0 ? USER : null;
}

function gateOne(step: KeventStep, change: Change, shape: Shape): string | null {
  if (!only(change.flags, N.ADD | N.DELETE | N.CLEAR | N.ONESHOT)) return FLAGS;
  if (change.ext !== undefined) return FLAGS;
  const sources = shape.sources.get(step.kq);
  const key = `${change.filter} ${change.ident}`;
  if ((change.flags & N.ADD) !== 0) {
    if ((change.flags & N.DELETE) !== 0 || sources?.has(key)) return MODIFY;
    const why = gateAdd(change, shape);
    if (why === null && typeof step.ret === "number") sources?.add(key);
    return why;
  }
  if (change.flags !== N.DELETE) return gateChange(change);
  if (shape.closed.has(change.ident as Ref)) return NUMBERS;
  sources?.delete(key);
  return null;
}

function gateWait(step: KeventStep, shape: Shape): string | null {
  const { timeout, events, nevents } = step;
  if (nevents < 0 || step.capacity !== undefined || step.alias) return ARGUMENT;
  if (timeout !== null) {
    const { sec, nsec } = timeout;
    if (!(sec >= 0 && sec < SPAN_MAX && nsec >= 0 && nsec < 1e9)) return ARGUMENT;
    if (!Number.isInteger(sec)) return ARGUMENT;
  }
  for (const event of events) {
    if ((event.flags & N.ERROR) !== 0) return RECORDS;
    if ((event.flags & N.EOF) !== 0 && (event.data !== 0 || ++shape.ends > 1)) return ENDED;
    const key = `${event.filter} ${event.ident}`;
    if ((event.flags & N.ONESHOT) !== 0) shape.sources.get(step.kq)?.delete(key);
  }
  return null;
}

function gateKevent(step: KeventStep, shape: Shape): string | null {
  if (!shape.is(step.kq, "queue")) return NUMBERS;
  if (step.nchanges !== undefined) return ARGUMENT;
  if (step.changes.length === 0 && step.nevents === 0) return RECORDS;
  if (typeof step.ret === "string" && step.nevents > 0 && step.changes.length > 0) return RECORDS;
  for (const change of step.changes) {
    const why = gateOne(step, change, shape);
    if (why !== null) return why;
  }
  return gateWait(step, shape);
}

function gateSource(step: SourceStep, shape: Shape): string | null {
  switch (step.call) {
    case "source":
      if (typeof (step.ident ?? 0) !== "number") return ARGUMENT;
      return shape.make(step.as, "source");
    case "sourceSet":
      if (!shape.is(step.fd, "source")) return NUMBERS;
      if (step.quiet) return QUIET;
      if ((step.flags & N.SRC_EOF) !== 0 && step.data !== 0) return LAST;
      return typeof step.data === "number" ? null : ARGUMENT;
    case "sourceNotify":
    case "sourceDestroy":
      return shape.is(step.fd, "source") ? null : NUMBERS;
    case "filterRegister":
      if (typeof step.ret === "number") shape.filters.add(step.ret);
      return step.ret === "EINVAL" ? ARGUMENT : null;
    case "filterUnregister":
      if (step.filter <= 0 || !shape.filters.has(step.filter)) return BUILT_IN;
      if (step.ret === 0) shape.filters.delete(step.filter);
      return null;
    case "filterByName":
      return step.name.startsWith("EVFILT_") ? BUILT_IN : null;
    case "filterByNumber":
      return step.filter > 0 ? null : BUILT_IN;
  }
}

function gateStep(step: CallStep, shape: Shape): string | null {
  switch (step.call) {
    case "kqueue":
      return shape.make(step.as, "queue");
    case "eventfd":
      return gateEventfd(step, shape);
    case "pipe":
    case "pipe2":
      return gatePipe(step, shape);
    case "read":
      return gateRead(step, shape);
    case "write":
      return gateWrite(step, shape);
    case "close":
      return gateClose(step, shape);
    case "kevent":
      return gateKevent(step, shape);
    case "source":
    case "sourceSet":
    case "sourceNotify":
    case "sourceDestroy":
    case "filterRegister":
    case "filterUnregister":
    case "filterByName":
    case "filterByNumber":
      return gateSource(step, shape);
    case "advance":
    case "setWall":
    case "fill":
    case "userEventCount":
      return null;
    default:
      return NUMBERS;
  }
}

/** Why a row has no form in the JavaScript face, or null. */
export function apiGate(one: Case): string | null {
  const shape = new Shape();
  for (const step of one.steps) {
    if (!("ret" in step) || step.call === "race" || step.call === "endAll") continue;
    const why = gateStep(step, shape);
    if (why !== null) return why;
  }
  return null;
}
