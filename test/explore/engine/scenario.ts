// SPDX-License-Identifier: ISC
/**
 * A scenario: a small kernel, two to four threads with a few calls each, and what must hold however
 * they interleave. Its functions run again and again, each time on the same arena as `setup` left
 * it, so they keep nothing between runs, and take from outside only what `setup` returned.
 */

import type { Sys } from "knell/sys";
import type { Kthread, ThreadHost } from "#src/arena/kthread.js";
import type { Limits } from "./limits.js";

/** What `setup` hands to the threads: descriptors, word indexes. */
export type Shared = Readonly<Record<string, number>>;

/** The kernel as one thread of a scenario has it. */
export interface Stage {
  readonly k: Kthread;
  readonly s: Sys;
  readonly shared: Shared;
  /** Go back to the event loop until a pending waitAsync is fulfilled, or the time is up. */
  park(timeoutMs: number): void;
}

/** A stage after a run, with what each thread returned (nothing if it died). */
export interface Outcome extends Stage {
  readonly returned: readonly (readonly number[])[];
  /** Which threads died. */
  readonly died: readonly boolean[];
}

/**
 * Where a thread may die, as a choice of the search that costs as much as a preemption.
 *
 *   nowhere   it does not
 *   parked    about to sleep or back from it, or outside of calls; and it owns no lock
 *   anywhere  at every step, and before every store to a field or an indexed word
 */
export type Mortality = "nowhere" | "parked" | "anywhere";

/** A thread that died, as who reaps it knows it. */
export interface Dead {
  readonly buffer: SharedArrayBuffer;
  readonly host: ThreadHost;
  /** Number of its slot. */
  readonly number: number;
  /** What it was introduced as (sys/exits.ts, threadIntroduce). */
  readonly hostThread: number;
  readonly name: string;
}

export interface ScenarioThread {
  readonly name: string;
  /** At most 24 whole numbers of 32 bits may be returned. */
  run(stage: Stage): readonly number[];
  /** Where it may die; see Mortality. One thread dies in a run, unless `deaths` says more. */
  readonly mayDie?: Mortality;
}

export interface Scenario {
  readonly name: string;
  /** What must hold. */
  readonly text: string;
  readonly threads: readonly ScenarioThread[];
  setup(stage: Stage): Record<string, number>;
  /** Throws if something does not hold. Runs after every run, on its arena. */
  check(outcome: Outcome): void;
  /**
   * When a caller's time-out or a timer ends a sleep: only when nobody can go on ("idle"), or
   * also whenever the search chooses that time passes ("choice"; counts as a preemption). A
   * time-out must not be as long as one of the kernel's own (limits.ts: LOCK_SLEEP_MS,
   * NET_SLEEP_MS), by whose length those are known.
   */
  readonly timeouts?: "idle" | "choice";
  /**
   * What is done, by a thread that stands outside of the kernel, after a death: any time after it,
   * while the others go on. The default is what the warden does.
   */
  reap?(dead: Dead, shared: Shared): void;
  /** Deaths in one run, at most (1). With more than one, who reaps may die of the second, and is
   * followed by another. */
  readonly deaths?: number;
  /** A defect of the kernel that it shows and that is not mended yet. */
  readonly defect?: string;
  /** Must fail: the proof that the machinery notices. */
  readonly canary?: boolean;
  readonly limits?: Partial<Limits>;
  /** Names for words of the arena that no struct names. */
  labels?(shared: Shared): Record<number, string>;
}
