// SPDX-License-Identifier: ISC
/**
 * How soon a sleeping thread hears of something. A team is four workers and this thread; whoever
 * wakes another writes the time just before, whoever is woken looks at the clock just after, and
 * nobody has anything else to do meanwhile.
 */
import { type CtrlC, type Run, sleep } from "./demo-run.js";
import { nowNs } from "./stats.js";

export const WORKERS = 4;

/** What a team is woken by. A digest is how a worker answers a job: it wakes this thread. */
export type Kind = "job" | "reload" | "stop" | "ctrl-c" | "tick" | "digest";

/** Times at which somebody was about to wake somebody, shared by all threads. */
export class Stamps {
  readonly times: Float64Array<SharedArrayBuffer>;

  constructor(times = new Float64Array(new SharedArrayBuffer(8 * (WORKERS + 1)))) {
    this.times = times;
  }

  /** Worker 1 to 4, or 0 for the main thread: about to wake. */
  write(who: number): void {
    this.times[who] = nowNs();
  }

  /** How long ago that was at the time `woke`. */
  since(who: number, woke: number): number {
    return woke - (this.times[who] as number);
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

  clear(): void {
    this.#lists.clear();
  }
}

export interface Team {
  /** Wake one worker (a job) or all of them (the rest); done when all have told their samples. */
  probe(kind: Kind): Promise<void>;
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
  { kind: "job", times: 32, gives: ["job", "digest"] },
  { kind: "reload", times: 10, gives: ["reload"] },
  { kind: "stop", times: 10, gives: ["stop"] },
  { kind: "ctrl-c", times: 10, gives: ["ctrl-c"] },
];
const ROUNDS = 12;
const WARM_UP_ROUNDS = 1;
/** Time for everybody to be asleep again. */
const GAP_MS = 1;

async function round(run: Run, team: Team, rounds: Rounds): Promise<void> {
  for (const { kind, times, gives } of PLAN) {
    for (const given of gives) team.samples.list(given).length = 0;
    for (let i = 0; i < times; i++) {
      await sleep(GAP_MS);
      run.ctrlC.check();
      await team.probe(kind);
    }
    for (const given of gives) {
      const list = rounds.get(given) ?? [];
      list.push(team.samples.list(given).slice());
      rounds.set(given, list);
    }
  }
}

/**
 * Probe the teams in turns until all rounds are done or the time is up. Ticks come by themselves:
 * all that were late or in time meanwhile are one round.
 */
export async function measureTeams(
  run: Run,
  teams: readonly Team[],
  budgetMs: number,
  progress: (fraction: number) => void,
): Promise<Rounds[]> {
  const results = teams.map((): Rounds => new Map());
  const deadline = performance.now() + budgetMs;
  for (let i = -WARM_UP_ROUNDS; i < ROUNDS && (i < 3 || performance.now() < deadline); i++) {
    if (i === 0) {
      for (const rounds of results) rounds.clear();
      for (const team of teams) team.samples.clear();
    }
    for (let j = 0; j < teams.length; j++) {
      // Who goes first changes from round to round.
      const at = (i & 1) === 0 ? j : teams.length - 1 - j;
      await round(run, teams[at] as Team, results[at] as Rounds);
    }
    progress(Math.max(0, i + 1) / ROUNDS);
  }
  teams.forEach((team, i) => {
    results[i]?.set("tick", [team.samples.list("tick").slice()]);
  });
  return results;
}

/** Raise a real Ctrl-C for the team and wait until the handler has called `post` and all heard. */
export async function probeCtrlC(ctrlC: CtrlC, post: () => void, heard: Promise<void>) {
  const before = ctrlC.post;
  ctrlC.post = post;
  ctrlC.raise();
  await heard;
  ctrlC.post = before;
}
