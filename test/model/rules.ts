// SPDX-License-Identifier: ISC
/** The model's parameters, and the faults that can be built into it to prove that it notices. */

/** Each name is one rule of the specification done wrong. */
export const MUTANTS = [
  "add enables a disabled knote",
  "add wins over delete",
  "modify without add keeps udata",
  "modify refreshes ext",
  "modify changes the stored flags",
  "modify without add keeps the low-water mark",
  "enable with disable is accepted",
  "level event goes back to the head",
  "clear wins over dispatch",
  "oneshot stays",
  "oneshot is tested again at delivery",
  "receipt without room stops the call",
  "error without room is skipped",
  "receipt keeps fflags of a new knote",
  "records and events in one call",
  "bad timeout is found late",
  "user trigger at add is lost",
  "user keeps its values over clear",
  "user takes data without add",
  "user reports control bits",
  "user limit is one more",
  "edge only for the other direction",
  "no edge for a write of zero",
  "write readiness from one byte",
  "end of file at the first close",
  "big pipe write is all or nothing",
  "packet remainder is kept",
  "eventfd allows 2^64-1",
  "eventfd write data counts one more",
  "semaphore reads everything",
  "disabled timer does not count",
  "disabled knote stays queued",
  "close keeps knotes",
  "dup2 keeps knotes",
  "descriptor numbers grow",
  "dup copies close-on-exec",
  "timer counts one for all periods",
  "timer drifts",
  "timer keeps its count over add",
  "absolute timer is cleared",
  "bad timer values are kept",
  "cycle of queues is accepted",
  "refused add shows its fflags",
  "cleared user event stays queued",
  "relative timer is cleared from its re-add on",
  "forced one-shot timer goes on counting",
  "nested queue reports one",
] as const;
export type Mutant = (typeof MUTANTS)[number];
export type Mutants = ReadonlySet<Mutant>;

export interface Rules {
  /** Descriptor numbers are below this. */
  readonly descriptors: number;
  /** Numbers below this belong to somebody else. */
  readonly firstDescriptor: number;
  readonly userEvents: number;
  readonly timers: number;
  readonly pipeBytes: number;
  /** Milliseconds since 1970 when the clock shows 0. */
  readonly wallMs: number;
  /** In which order one notification reaches the knotes of an object; nobody may rely on it. */
  readonly klist: "oldest first" | "newest first";
  readonly mutants: Mutants;
}

export const DEFAULT_RULES: Rules = {
  descriptors: 16,
  firstDescriptor: 0,
  userEvents: 5,
  timers: 4,
  pipeBytes: 65536,
  wallMs: 1_700_000_000_000,
  klist: "oldest first",
  mutants: new Set(),
};
