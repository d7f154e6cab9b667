// SPDX-License-Identifier: ISC
/**
 * How soon a sleeping thread hears of something. A team is four workers and this thread; whoever
 * wakes another writes the time just before, whoever is woken looks at the clock just after, and
 * nobody has anything else to do meanwhile.
 */
import { type CtrlC, type Run, sleep } from "./demo-run.js";
import { nowNs } from "./stats.js";

export const WORKERS = 4;
/** Period of each worker's own timer. */
export const TICK_MS = 50;

/**
 * What a team is woken by. A note is for one worker, a job and a stop are for any one, reloads and
 * Ctrl-C are for all. An answer is what a worker says to a note: it wakes this thread.
 */
export type Kind = "note" | "job" | "stop" | "reload" | "ctrl-c" | "answer" | "tick";

/** What a worker says to whatever woke it, the same in both teams. */
export type Answer = {
  readonly kind: Kind;
  readonly worker: number;
  /** How long it took to wake; null if the worker was not asleep. */
  readonly ns: number | null;
};

/** Main thread in Stamps; the workers are 1 to WORKERS. */
export const MAIN = 0;
const DRILL = WORKERS + 1;
const QUIET_SINCE = WORKERS + 2;
const OVER = WORKERS + 3;
/** From here on two words for each worker. */
const TOTALS = WORKERS + 4;
const STAMPS = TOTALS + 2 * WORKERS;

/** What all threads of a team see: the times at which somebody was about to wake somebody. */
export class Stamps {
  readonly times: Float64Array<SharedArrayBuffer>;

  constructor(times = new Float64Array(new SharedArrayBuffer(8 * STAMPS))) {
    this.times = times;
  }

  /** The thread `who` is about to wake another. */
  write(who: number): void {
    this.times[who] = nowNs();
  }

  read(who: number): number {
    return this.times[who] as number;
  }

  /** How many reloads and Ctrl-Cs a worker has heard so far. */
  setTotals(worker: number, reloads: number, ctrlCs: number): void {
    this.times[TOTALS + 2 * worker - 2] = reloads;
    this.times[TOTALS + 2 * worker - 1] = ctrlCs;
  }

  /** Whether every worker has heard so many. */
  allHeard(kind: "reload" | "ctrl-c", total: number): boolean {
    const first = TOTALS + (kind === "reload" ? 0 : 1);
    for (let at = first; at < STAMPS; at += 2) if ((this.times[at] as number) < total) return false;
    return true;
  }

  /** Whether the next Ctrl-C is one of the demo's own, which ends nothing. */
  get drill(): boolean {
    return this.times[DRILL] === 1;
  }

  set drill(on: boolean) {
    this.times[DRILL] = on ? 1 : 0;
  }

  /** The user ended it all: for workers that come too late to hear it. */
  get over(): boolean {
    return this.times[OVER] === 1;
  }

  set over(on: boolean) {
    this.times[OVER] = on ? 1 : 0;
  }

  /** Since when no thread computes; Infinity while one does. */
  get quietSince(): number {
    return this.times[QUIET_SINCE] as number;
  }

  set quietSince(ns: number) {
    this.times[QUIET_SINCE] = ns;
  }
}

/** Samples in nanoseconds for each kind. */
export class Samples {
  readonly #lists = new Map<Kind, number[]>();

  add(kind: Kind, ns: number): void {
    this.list(kind).push(ns);
  }

  list(kind: Kind): number[] {
    let list = this.#lists.get(kind);
    if (list === undefined) {
      list = [];
      this.#lists.set(kind, list);
    }
    return list;
  }
}

export interface Team {
  /**
   * Wake one worker, or all of them; done when they have told their samples. Kinds that wake one
   * can be sent several times in a row.
   */
  probe(kind: Kind, times: number): Promise<void>;
  /** From now on nobody computes: ticks count. */
  quiet(): void;
  readonly samples: Samples;
}

/** Rounds of samples of one kind: rounds[i] was taken beside the other team's rounds[i]. */
export type Rounds = Map<Kind, number[][]>;

interface Plan {
  readonly kind: Kind;
  /** Probes in one round. */
  readonly times: number;
  /** Kinds that the probe gives samples of. */
  readonly gives: readonly Kind[];
}

const PLAN: readonly Plan[] = [
  { kind: "note", times: 32, gives: ["note", "answer"] },
  { kind: "job", times: 24, gives: ["job"] },
  { kind: "stop", times: 12, gives: ["stop"] },
  { kind: "reload", times: 10, gives: ["reload"] },
  { kind: "ctrl-c", times: 10, gives: ["ctrl-c"] },
];
const ROUNDS = 16;
/** Time for everybody to be asleep again. */
const GAP_MS = 1;
/**
 * Events before the measurement. JavaScript is compiled while it runs, and what is measured are
 * programs that have run for a while.
 */
const WARM_UP_EVENTS = 20_000;
const WARM_UP_BURST = 100;
const WARM_UP_MS = 300;
/** Part of the progress display that it takes. */
const WARM_UP_SHARE = 0.2;

/** Wake without gaps, in bursts where several events can be under way. */
async function warmUp(run: Run, team: Team, until: number, step: () => void): Promise<void> {
  for (const { kind } of PLAN) {
    step();
    const burst = kind === "reload" || kind === "ctrl-c" ? 1 : WARM_UP_BURST;
    const deadline = Math.min(until, performance.now() + WARM_UP_MS);
    for (let i = 0; i < WARM_UP_EVENTS && performance.now() < deadline; i += burst) {
      await team.probe(kind, burst);
      run.ctrlC.check();
    }
  }
}

/** One round of one team; what it gives is found in the team's samples. */
async function round(run: Run, team: Team): Promise<Map<Kind, number[]>> {
  const given = new Map<Kind, number[]>();
  for (const { kind, times, gives } of PLAN) {
    for (const one of gives) team.samples.list(one).length = 0;
    for (let i = 0; i < times; i++) {
      await sleep(GAP_MS);
      run.ctrlC.check();
      await team.probe(kind, 1);
    }
    for (const one of gives) given.set(one, team.samples.list(one).slice());
  }
  return given;
}

/**
 * Probe the teams in turns until all rounds are done or the time is up, after a round that does
 * not count.
 */
export async function measureTeams(
  run: Run,
  teams: readonly Team[],
  budgetMs: number,
  progress: (fraction: number) => void,
): Promise<Rounds[]> {
  const deadline = performance.now() + budgetMs;
  const results = teams.map((): Rounds => new Map());
  let steps = 0;
  const step = (): void => progress((steps++ * WARM_UP_SHARE) / (teams.length * PLAN.length));
  for (const team of teams) await warmUp(run, team, deadline, step);
  for (const team of teams) team.quiet();
  for (const team of teams) if (performance.now() < deadline) await round(run, team);
  for (let i = 0; i < ROUNDS && (i === 0 || performance.now() < deadline); i++) {
    progress(WARM_UP_SHARE + (i / ROUNDS) * (1 - WARM_UP_SHARE));
    for (let j = 0; j < teams.length; j++) {
      // Who goes first changes from round to round.
      const at = (i & 1) === 0 ? j : teams.length - 1 - j;
      for (const [kind, samples] of await round(run, teams[at] as Team)) {
        const rounds = results[at] as Rounds;
        rounds.set(kind, [...(rounds.get(kind) ?? []), samples]);
      }
    }
  }
  return results;
}

/** Raise a real Ctrl-C whose handler calls `post`, and wait until everybody has `heard`. */
export async function probeCtrlC(
  ctrlC: CtrlC,
  post: () => void,
  heard: Promise<void>,
): Promise<void> {
  const before = ctrlC.post;
  ctrlC.post = post;
  ctrlC.raise();
  await heard;
  ctrlC.post = before;
}
