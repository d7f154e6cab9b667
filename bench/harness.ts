// SPDX-License-Identifier: ISC

/**
 * The measuring harness. A question is a list of rows; a row has a variant of ours, the floor that
 * it stands on and the peers that one would use instead. All variants of a question take turns in
 * one process: in every round each is measured once, the order reversed from round to round, and a
 * ratio is formed per round from neighbours in time, so that what disturbs the machine for a
 * while disturbs both sides. The median of these ratios is the figure.
 */

import { type GoalName, goals } from "./goals.js";

/** Does `count` operations in the calling thread, in a small function that V8 optimises. */
export type Loop = (count: number) => void;

/** A variant that is ready to be measured. */
export interface Prepared {
  /** Nanoseconds per operation, found in about `budgetNs`. */
  round(budgetNs: number): number | Promise<number>;
  /** Where there is one, it can be counted: Atomics calls and bytes allocated per operation. */
  readonly loop?: Loop;
  /** The same with a second thread, of which only the wakes are worth counting. */
  readonly stream?: Loop;
  close?(): void | Promise<void>;
}

export type Kind = "knell" | "floor" | "native" | "peer";

export interface Variant {
  readonly id: string;
  readonly label: string;
  readonly kind: Kind;
  prepare(): Prepared | Promise<Prepared>;
}

export interface Row {
  readonly goal: GoalName;
  readonly ours: Variant;
  readonly floor?: Variant;
  readonly peers?: readonly Variant[];
}

/** A figure that is no time per operation, with a note on how it was found. */
export interface Figure {
  readonly goal: GoalName;
  readonly value: number;
  readonly unit: string;
  readonly note?: string;
}

export interface Question {
  readonly name: string;
  readonly text: string;
  rows?(options: Options): readonly Row[];
  figures?(options: Options): Promise<readonly Figure[]>;
}

export interface Options {
  readonly smoke: boolean;
  readonly rounds: number;
  readonly warmUps: number;
  readonly budgetNs: number;
  /** For how long each variant runs alone before the first round, until the engine has settled. */
  readonly settleNs: number;
}

export function optionsFor(smoke: boolean): Options {
  return smoke
    ? { smoke, rounds: 3, warmUps: 1, budgetNs: 8e6, settleNs: 30e6 }
    : { smoke, rounds: 9, warmUps: 2, budgetNs: 50e6, settleNs: 400e6 };
}

/** Thrown by `prepare` where a variant cannot exist on this machine; that is no failure. */
export class Skipped extends Error {}

/** What became of one variant: its samples, or why there are none. */
export interface Measured {
  readonly variant: Variant;
  readonly samples: number[];
  prepared?: Prepared;
  failure?: string;
  skipped?: boolean;
}

/** The variants of the rows, each once, in the order in which they are mentioned. */
export function variantsOf(rows: readonly Row[]): Map<string, Measured> {
  const all = new Map<string, Measured>();
  for (const row of rows) {
    for (const variant of [row.ours, row.floor, ...(row.peers ?? [])]) {
      if (variant !== undefined && !all.has(variant.id)) {
        all.set(variant.id, { variant, samples: [] });
      }
    }
  }
  return all;
}

function fail(measured: Measured, error: unknown): void {
  measured.skipped = error instanceof Skipped;
  measured.failure = error instanceof Error ? error.message : String(error);
  if (!measured.skipped && process.env["BENCH_STACKS"] !== undefined) console.error(error);
}

export async function prepareAll(all: Iterable<Measured>): Promise<void> {
  for (const measured of all) {
    try {
      measured.prepared = await measured.variant.prepare();
    } catch (error) {
      fail(measured, error);
    }
  }
}

export async function closeAll(all: Iterable<Measured>): Promise<void> {
  for (const { prepared } of all) await prepared?.close?.();
}

/** Runs a variant until it is what it will be: the engine compiles what is hot while it runs. */
async function settle(measured: Measured, ns: number): Promise<void> {
  if (measured.failure !== undefined || measured.prepared === undefined) return;
  try {
    await measured.prepared.round(ns);
  } catch (error) {
    fail(measured, error);
  }
}

/** Measures the rows. One variant that fails leaves the others in place. */
export async function measureRows(
  rows: readonly Row[],
  options: Options,
): Promise<Map<string, Measured>> {
  const all = variantsOf(rows);
  const order = [...all.values()];
  await prepareAll(order);
  for (const measured of order) await settle(measured, options.settleNs);
  for (let round = -options.warmUps; round < options.rounds; round++) {
    for (const measured of order) {
      if (measured.failure !== undefined || measured.prepared === undefined) continue;
      try {
        const ns = await measured.prepared.round(options.budgetNs);
        if (round >= 0) measured.samples.push(ns);
      } catch (error) {
        fail(measured, error);
      }
    }
    order.reverse();
  }
  return all;
}

/** The middle of some figures, and their ends. */
export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
  return { median, min: sorted[0]!, max: sorted[sorted.length - 1]! };
}

/** The ratio of two variants, round by round. */
export function ratioOf(above: Measured, below: Measured): Spread | undefined {
  if (above.failure !== undefined || below.failure !== undefined) return undefined;
  return spreadOf(above.samples.map((ns, round) => ns / below.samples[round]!));
}

/** One line of the verdict: a figure beside its goal. `distance` is 1 at the goal. */
export interface Comparison {
  readonly goal: GoalName;
  readonly operation: string;
  /** What the figure says about the operation. */
  readonly label: string;
  readonly figure: Spread;
  readonly unit: string;
  readonly bound: string;
  readonly distance: number;
  /** The distance that must not be passed, where an aim has such a bound. */
  readonly least?: number;
  /** The floors and counts gate; what a peer does is out of our hands. */
  readonly gates: boolean;
}

/** The comparisons of a row that rest on time. */
export function compareRow(row: Row, all: Map<string, Measured>): Comparison[] {
  const goal = goals[row.goal];
  const ours = all.get(row.ours.id)!;
  const comparisons: Comparison[] = [];
  const floor = row.floor === undefined ? undefined : all.get(row.floor.id);
  const toFloor = floor === undefined ? undefined : ratioOf(ours, floor);
  if (toFloor !== undefined) {
    comparisons.push({
      goal: row.goal,
      operation: goal.operation,
      label: `time over ${row.floor!.label}`,
      figure: toFloor,
      unit: "x",
      bound: goal.floor === undefined ? "" : `<= ${round3(goal.floor)}x`,
      distance: goal.floor === undefined ? Number.NaN : toFloor.median / goal.floor,
      gates: goal.floor !== undefined,
    });
  }
  for (const peer of row.peers ?? []) {
    const ratio = ratioOf(all.get(peer.id)!, ours);
    const aim = goal.against?.[peer.id];
    if (ratio === undefined) continue;
    const least = aim?.least === undefined ? "" : `, least ${aim.least}`;
    comparisons.push({
      goal: row.goal,
      operation: goal.operation,
      label: `faster than ${peer.label}`,
      figure: ratio,
      unit: "x",
      bound: aim === undefined ? "" : `>= ${aim.aim}x${least}`,
      distance: aim === undefined ? Number.NaN : aim.aim / ratio.median,
      ...(aim?.least !== undefined && { least: aim.aim / aim.least }),
      gates: false,
    });
  }
  return comparisons;
}

/** Three decimals are enough for a bound. */
function round3(value: number): number {
  return Math.round(value * 1000) / 1000;
}

/** A variant whose operations run in the calling thread, one after another. */
export function loopVariant(
  kind: Kind,
  id: string,
  label: string,
  make: () => Loop | Promise<Loop>,
): Variant {
  return {
    id,
    label,
    kind,
    async prepare() {
      const loop = await make();
      return { loop, round: timer(loop) };
    },
  };
}

/**
 * Times a loop in batches. A batch is a power of two of at least 64, so that loops that work in
 * groups of 64 count right, and is long enough for the clock not to matter.
 */
function timer(loop: Loop): (budgetNs: number) => number {
  let batch = 64;
  return (budgetNs) => {
    const start = nowMs();
    const end = start + budgetNs / 1e6;
    let operations = 0;
    let now = start;
    while (now < end) {
      loop(batch);
      operations += batch;
      const after = nowMs();
      if (after - now < 0.02) batch *= 2;
      now = after;
    }
    return ((now - start) * 1e6) / operations;
  };
}

function nowMs(): number {
  return performance.now();
}
