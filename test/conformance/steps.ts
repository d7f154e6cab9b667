// SPDX-License-Identifier: ISC
/** Short ways to write the steps of a case; each function returns plain data. */
import type {
  Bytes,
  CallStep,
  Change,
  Expected,
  KeventStep,
  Ref,
  Ret,
  ThreadStep,
  Timeout,
  Variable,
  Word,
} from "./case.js";
import * as N from "./numbers.js";

/** What a change or a record has besides ident, filter and flags. */
export type Fields = Pick<Change, "fflags" | "data" | "udata" | "ext">;
type ExpectedFields = Pick<Expected, "fflags" | "data" | "udata" | "ext">;

export const NOW: Timeout = { sec: 0, nsec: 0 };

export function change(ident: Word, filter: number, flags: number, fields: Fields = {}): Change {
  return { ident, filter, flags, ...fields };
}

export function event(
  ident: Word,
  filter: number,
  flags: number,
  fields: ExpectedFields = {},
): Expected {
  return { ident, filter, flags, ...fields };
}

/** The record of a change that failed; it echoes the change but for flags and data. */
export function failed(ident: Word, filter: number, error: N.ErrnoName, echo: Fields = {}) {
  return event(ident, filter, N.ERROR, { ...echo, data: N.ERRNO[error] });
}

/** The record of a change that succeeded under EV_RECEIPT. */
export function receipt(ident: Word, filter: number, echo: Fields = {}): Expected {
  return event(ident, filter, N.ERROR, { ...echo, data: 0 });
}

type KeventOptions = Partial<Omit<KeventStep, "call" | "kq">>;

/** A kevent call: by default a poll for up to eight records that returns those in `events`. */
export function kevent(kq: Ref, options: KeventOptions): KeventStep {
  const events = options.events ?? [];
  return {
    call: "kevent",
    kq,
    changes: [],
    nevents: 8,
    timeout: NOW,
    ret: events.length,
    ...options,
    events,
  };
}

/** Polls: exactly these records, in this order. */
export function poll(kq: Ref, ...events: Expected[]): KeventStep {
  return kevent(kq, { events });
}

/** Applies changes that must succeed, without collecting. */
export function apply(kq: Ref, ...changes: Change[]): KeventStep {
  return kevent(kq, { changes, nevents: 0 });
}

/** Applies one change that must fail, without room for a record. */
export function refuse(kq: Ref, one: Change, ret: N.ErrnoName): KeventStep {
  return kevent(kq, { changes: [one], nevents: 0, ret });
}

/** A kevent call that waits: for ever, or at most `ms` of the manual clock. */
export function wait(kq: Ref, events: readonly Expected[], ms?: number, nevents = 8): KeventStep {
  const timeout = ms === undefined ? null : { sec: Math.floor(ms / 1e3), nsec: (ms % 1e3) * 1e6 };
  return kevent(kq, { events, nevents, timeout });
}

export const kqueue = (as: Variable = "$q"): CallStep => ({ call: "kqueue", as, ret: "fd" });

export function eventfd(as: Variable, initval = 0, flags = 0): CallStep {
  return { call: "eventfd", initval, flags, as, ret: "fd" };
}

/** A pipe with "$r" and "$w" unless named otherwise. */
export function pipe(
  flags = 0,
  ends: readonly [Variable, Variable] = ["$r", "$w"],
  ret: Ret = 0,
): CallStep {
  return { call: flags === 0 ? "pipe" : "pipe2", flags, ends, ret };
}

export function read(fd: Ref, length: number, ret: Ret, bytes?: Bytes): CallStep {
  return { call: "read", fd, length, ret, ...(bytes === undefined ? {} : { bytes }) };
}

function sizeOf(bytes: Bytes): number {
  if ("text" in bytes) return bytes.text.length;
  return "size" in bytes ? bytes.size : (bytes.length ?? 8);
}

export function write(fd: Ref, bytes: Bytes, ret: Ret = sizeOf(bytes)): CallStep {
  return { call: "write", fd, bytes, ret };
}

export const text = (value: string): Bytes => ({ text: value });
export const size = (value: number): Bytes => ({ size: value });
/** A 64-bit number in native order, padded to `length` bytes. */
export const u64 = (value: Word, length = 8): Bytes => ({ u64: value, length });

/** Adds to an eventfd, or takes from it, by write(2) and read(2). */
export const put = (fd: Ref, value: Word, ret: Ret = 8): CallStep => write(fd, u64(value), ret);
export const take = (fd: Ref, value: Word): CallStep => read(fd, 8, 8, u64(value));
export const takeNothing = (fd: Ref, ret: Ret = "EAGAIN"): CallStep => read(fd, 8, ret);

export const close = (fd: Ref, ret: Ret = 0): CallStep => ({ call: "close", fd, ret });

export function dup(fd: Ref, as: Variable): CallStep {
  return { call: "dup", fd, as, ret: "fd" };
}

export function dup2(fd: Ref, to: Ref, ret: Ret, as?: Variable): CallStep {
  return { call: "dup2", fd, to, ret, ...(as === undefined ? {} : { as }) };
}

export function fcntl(fd: Ref, cmd: number, arg: Ref, ret: Ret): CallStep {
  return { call: "fcntl", fd, cmd, arg, ret };
}

export const fill = (fd: Ref, as: Variable): CallStep => ({ call: "fill", fd, as, ret: "any" });
export const advance = (ms: number): CallStep => ({ call: "advance", ms, ret: 0 });
export const setWall = (ms: number): CallStep => ({ call: "setWall", ms, ret: 0 });
export const userEventCount = (ret: Ret): CallStep => ({ call: "userEventCount", ret });

type SourceOptions = Partial<{ fflags: number; quiet: true; elsewhere: true; ret: Ret }>;

export function source(as: Variable, more: { filter?: number; ident?: Word } = {}): CallStep {
  return { call: "source", as, ret: "fd", ...more };
}

/** Sets the reading direction of a source ready with some data, and tells. */
export function ready(fd: Ref, data: Word = 1, options: SourceOptions = {}): CallStep {
  const fixed = { call: "sourceSet", fd, filter: N.READ, flags: N.SRC_READY, data } as const;
  return { ...fixed, fflags: 0, ret: 0, ...options };
}

/** As ready, with any direction and flags. */
export function setSource(
  fd: Ref,
  filter: number,
  flags: number,
  data: Word = 0,
  options: SourceOptions = {},
): CallStep {
  return { call: "sourceSet", fd, filter, flags, data, fflags: 0, ret: 0, ...options };
}

export function notify(fd: Ref, options: Pick<SourceOptions, "elsewhere" | "ret"> = {}): CallStep {
  return { call: "sourceNotify", fd, ret: 0, ...options };
}

export function destroy(
  fd: Ref,
  options: Partial<{ silent: boolean; fflags: number; elsewhere: true; ret: Ret }> = {},
): CallStep {
  return { call: "sourceDestroy", fd, silent: false, fflags: 0, ret: 0, ...options };
}

export function filter(name: string, ret: Ret, elsewhere?: true): CallStep {
  return { call: "filterRegister", name, ret, ...(elsewhere ? { elsewhere } : {}) };
}

export function unregister(number: number, ret: Ret, elsewhere?: true): CallStep {
  return { call: "filterUnregister", filter: number, ret, ...(elsewhere ? { elsewhere } : {}) };
}

/** Starts a call that must fall asleep. */
export const begin = (thread: string, step: CallStep): ThreadStep => {
  return { call: "begin", thread, step, parks: true };
};
/** Starts a call beside the others that will not sleep. */
export const start = (thread: string, step: CallStep): ThreadStep => {
  return { call: "begin", thread, step, parks: false };
};
export const end = (thread: string): ThreadStep => ({ call: "end", thread });
export const blocked = (thread: string): ThreadStep => ({ call: "blocked", thread });

/** Exactly one of the calls returns `ret`, and these records if it is a kevent. */
export function race(threads: readonly string[], ret: Ret, ...events: Expected[]): ThreadStep {
  return { call: "race", threads, ret, events };
}

export function endAll(threads: readonly string[], ret: Ret, ...events: Expected[]): ThreadStep {
  return { call: "endAll", threads, ret, events };
}

/** As endAll; which thread gets which of the records is open. */
export function endTogether(
  threads: readonly string[],
  ret: Ret,
  ...events: Expected[]
): ThreadStep {
  return { call: "endAll", threads, ret, events, together: true };
}

/** `count` steps or changes made from their index. */
export function times<T>(count: number, make: (index: number) => T): T[] {
  return Array.from({ length: count }, (_, index) => make(index));
}
