// SPDX-License-Identifier: ISC
/**
 * How far an exploration goes, in one place. Each limit has an environment variable that overrides
 * both the default and what a scenario asks for: KNELL_EXPLORE_PREEMPTIONS=3, for instance.
 */
import { THREADS_MAX } from "./control.js";

export interface Limits {
  /** Threads of a scenario. */
  readonly threads: number;
  /** Steps of one run; more is a failure, for then it goes in circles. */
  readonly steps: number;
  /** Preemptions in one run: switches away from a thread that could have gone on. */
  readonly preemptions: number;
  /** Runs of the systematic search. */
  readonly schedules: number;
  /** Time of one search. */
  readonly milliseconds: number;
  /** Runs at random after the search, with this seed and twice the preemptions. */
  readonly random: number;
  readonly seed: number;
  /** 1: what is explored elsewhere anyway is left out (sleep sets); 0: it is not. */
  readonly reduce: number;
  /** 1: data races are looked for; 0: they are not. */
  readonly races: number;
  /** 1: what a lock guards is checked at each release; 0: invariants are checked after a run. */
  readonly inspect: number;
}

const DEFAULTS: Limits = {
  threads: THREADS_MAX,
  steps: 3000,
  preemptions: 2,
  schedules: 200_000,
  milliseconds: 60_000,
  random: 0,
  seed: 1,
  reduce: 1,
  races: 1,
  inspect: 1,
};

function fromEnvironment(key: keyof Limits): number | undefined {
  const name = `KNELL_EXPLORE_${key.toUpperCase()}`;
  const text = process.env[name];
  if (text === undefined || text === "") return undefined;
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new RangeError(`${name} must be a whole number`);
  return value;
}

/** The limits of one exploration; later wishes win over earlier ones, the environment over all. */
export function limitsOf(...wishes: readonly (Partial<Limits> | undefined)[]): Limits {
  const made: Record<string, number> = { ...DEFAULTS };
  for (const wish of wishes) Object.assign(made, wish);
  for (const key of Object.keys(DEFAULTS) as (keyof Limits)[]) {
    const value = fromEnvironment(key);
    if (value !== undefined) made[key] = value;
  }
  return made as unknown as Limits;
}
