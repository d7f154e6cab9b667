// SPDX-License-Identifier: ISC
/**
 * What a conformance case is: plain data, so that one table runs through every face of the kernel,
 * in one thread or several, and against Linux.
 *
 * A word that starts with "$" is a variable. `as` and `ends` bind descriptors (and some results) to
 * variables; everywhere else "$name", "$name+5" and "$name-5" stand for what was bound.
 *
 * Tables are written from the specification only. A row cites where its expectation comes from, and
 * "Deviation:" marks what is our own choice.
 */
import type { ErrnoName } from "./numbers.js";

export type Variable = `$${string}`;
/** A descriptor, or any small number. */
export type Ref = number | Variable;
/** A 64-bit quantity. */
export type Word = number | bigint | Variable;

/** Expected result of a call: a value, the name of an error, "fd" (any descriptor) or "any". */
export type Ret = number | ErrnoName | "fd" | "any" | Variable;

/** One entry of a changelist. */
export interface Change {
  readonly ident: Word;
  readonly filter: number;
  readonly flags: number;
  readonly fflags?: number;
  readonly data?: Word;
  readonly udata?: Word;
  readonly ext?: readonly Word[];
}

/** One expected record. Fields that are left out must be 0; "any" is not checked. */
export interface Expected {
  readonly ident: Word;
  readonly filter: number;
  readonly flags: number;
  readonly fflags?: number | "any";
  readonly data?: Word | "any";
  readonly udata?: Word;
  readonly ext?: readonly Word[];
}

export interface Timeout {
  readonly sec: number;
  readonly nsec: number;
}

/** Bytes to write, or expected from a read. A size alone stands for a pattern nobody looks at. */
export type Bytes =
  | { readonly text: string }
  | { readonly u64: Word; readonly length?: number }
  | { readonly size: number };

export interface KeventStep {
  readonly call: "kevent";
  readonly kq: Ref;
  readonly changes: readonly Change[];
  /** Instead of the length of `changes`. */
  readonly nchanges?: number;
  readonly nevents: number;
  /** Records that the eventlist really has room for, instead of `nevents`. */
  readonly capacity?: number;
  /** null waits for ever. */
  readonly timeout: Timeout | null;
  /** The changelist and the eventlist are one array. */
  readonly alias?: true;
  /** Sources with no order between them: any order of records will do. */
  readonly unordered?: true;
  /** The call takes at least so long, on a real clock. */
  readonly atLeastMs?: number;
  readonly ret: Ret;
  readonly events: readonly Expected[];
}

/**
 * Calls on sources and named filters. Where threads take turns, these are the first one's, who owns
 * what it makes; `elsewhere` says that the other one does it.
 */
export type SourceStep =
  | {
      readonly call: "source";
      readonly filter?: number;
      readonly ident?: Word;
      readonly elsewhere?: true;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  /** Sets a direction, and unless `quiet` notifies. */
  | {
      readonly call: "sourceSet";
      readonly fd: Ref;
      readonly filter: number;
      readonly flags: number;
      readonly data: Word;
      readonly fflags: number;
      readonly quiet?: true;
      readonly elsewhere?: true;
      readonly ret: Ret;
    }
  | {
      readonly call: "sourceNotify";
      readonly fd: Ref;
      readonly elsewhere?: true;
      readonly ret: Ret;
    }
  | {
      readonly call: "sourceDestroy";
      readonly fd: Ref;
      readonly silent: boolean;
      readonly fflags: number;
      readonly elsewhere?: true;
      readonly ret: Ret;
    }
  | {
      readonly call: "filterRegister";
      readonly name: string;
      readonly elsewhere?: true;
      readonly ret: Ret;
    }
  | {
      readonly call: "filterUnregister";
      readonly filter: number;
      readonly elsewhere?: true;
      readonly ret: Ret;
    }
  /** The result is the number. */
  | { readonly call: "filterByName"; readonly name: string; readonly ret: Ret }
  /** The result is the length of the name. */
  | { readonly call: "filterByNumber"; readonly filter: number; readonly ret: Ret };

export type CallStep =
  | KeventStep
  | { readonly call: "kqueue"; readonly as?: Variable; readonly ret: Ret }
  | {
      readonly call: "kqueue1" | "kqueuex";
      readonly flags: number;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  | {
      readonly call: "eventfd";
      readonly initval: number;
      readonly flags: number;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  | { readonly call: "eventfd_read"; readonly fd: Ref; readonly ret: Ret; readonly value?: Word }
  | { readonly call: "eventfd_write"; readonly fd: Ref; readonly value: Word; readonly ret: Ret }
  | {
      readonly call: "pipe" | "pipe2";
      readonly flags: number;
      readonly ends: readonly [read: Variable, write: Variable];
      readonly ret: Ret;
    }
  | {
      readonly call: "read";
      readonly fd: Ref;
      readonly length: number;
      /** The length that the call is told, instead of that of its buffer. */
      readonly claim?: number;
      readonly ret: Ret;
      readonly bytes?: Bytes;
    }
  | {
      readonly call: "write";
      readonly fd: Ref;
      readonly bytes: Bytes;
      readonly claim?: number;
      readonly ret: Ret;
    }
  | { readonly call: "close"; readonly fd: Ref; readonly ret: Ret }
  | { readonly call: "dup"; readonly fd: Ref; readonly as?: Variable; readonly ret: Ret }
  | {
      readonly call: "dup2";
      readonly fd: Ref;
      readonly to: Ref;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  | {
      readonly call: "dup3";
      readonly fd: Ref;
      readonly to: Ref;
      readonly flags: number;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  | {
      readonly call: "fcntl";
      readonly fd: Ref;
      readonly cmd: number;
      readonly arg: Ref;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  | {
      readonly call: "getrlimit";
      readonly resource: number;
      readonly as?: Variable;
      readonly ret: Ret;
    }
  | {
      readonly call: "setrlimit";
      readonly resource: number;
      readonly value: Ref;
      readonly ret: Ret;
    }
  | { readonly call: "userEventCount"; readonly ret: Ret }
  | SourceStep
  /** Non-blocking writes until nothing fits; the number of bytes taken is bound to `as`. */
  | { readonly call: "fill"; readonly fd: Ref; readonly as: Variable; readonly ret: Ret }
  /** Polls the queue `times` times; the result is how often exactly `each` records came. */
  | {
      readonly call: "pollLoop";
      readonly kq: Ref;
      readonly times: number;
      readonly each: number;
      readonly ret: Ret;
    }
  /** The manual clock goes on by `ms`, or its wall part is set to `ms`. */
  | { readonly call: "advance" | "setWall"; readonly ms: number; readonly ret: Ret };

export type ThreadStep =
  /** Starts a call in a thread of its own and goes on when the kernel shows that it sleeps. */
  | {
      readonly call: "begin";
      readonly thread: string;
      readonly step: CallStep;
      /** false: the call is not expected to sleep, so nothing is waited for. */
      readonly parks: boolean;
    }
  /** The call begun in `thread` returns what its step says. */
  | { readonly call: "end"; readonly thread: string }
  /** The call begun in `thread` is asleep still. */
  | { readonly call: "blocked"; readonly thread: string }
  /** Exactly one of the calls begun in these threads returns, with this result. */
  | {
      readonly call: "race";
      readonly threads: readonly string[];
      readonly ret: Ret;
      readonly events?: readonly Expected[];
    }
  /** Every call begun in these threads that has not ended returns, with this result. */
  | {
      readonly call: "endAll";
      readonly threads: readonly string[];
      readonly ret: Ret;
      readonly events?: readonly Expected[];
      /** `events` are those of all the calls taken together, in any order. */
      readonly together?: true;
    };

export type Step = CallStep | ThreadStep;

/** Names of the ways in which the tables are run. */
export const TARGETS = ["direct", "threads", "api", "native-linux"] as const;
export type TargetName = (typeof TARGETS)[number];

/** A row that a target cannot express, and why. */
export interface Gate {
  readonly target: TargetName;
  readonly reason: string;
}

/** Limits that the row's kernel is booted with. */
export interface Limits {
  readonly userEvents?: number;
  readonly descriptors?: number;
  readonly timers?: number;
}

export interface Case {
  readonly id: string;
  readonly source: string;
  readonly limits?: Limits;
  /** For rows with hundreds of queues, which the usual arena has no room for. */
  readonly arenaBytes?: number;
  /** "real" for the few rows about sleeping until a time; the others move a manual clock. */
  readonly clock?: "real";
  readonly steps: readonly Step[];
  readonly gates?: readonly Gate[];
  /** The row means something on Linux too and is checked there. */
  readonly oracle?: "linux";
}

export interface Table {
  readonly name: string;
  /** One line for the support table. */
  readonly about: string;
  readonly cases: readonly Case[];
}

/** One record as a target saw it; every field as the kernel gave it. */
export interface EventRecord {
  readonly ident: bigint;
  readonly filter: number;
  readonly flags: number;
  readonly fflags: number;
  readonly data: bigint;
  readonly udata: bigint;
  readonly ext: readonly bigint[];
}

/** What a call did. `ret` is -1 when `error` names the failure. */
export interface Observed {
  readonly ret: number;
  readonly error?: string;
  readonly events?: readonly EventRecord[];
  readonly bytes?: Uint8Array;
  readonly value?: bigint;
  readonly fds?: readonly [number, number];
  /** How long a kevent call took. */
  readonly elapsedMs?: number;
  /** What an adapter found wrong beyond the result, such as bytes written behind the count. */
  readonly fault?: string;
}
