// SPDX-License-Identifier: ISC
/** Numbers: medians, comparisons that know a tie when they see one, and how they are written. */

/** What is shown of a set of samples. */
export interface Summary {
  readonly count: number;
  readonly median: number;
  readonly p99: number;
}

function quantile(sorted: readonly number[], q: number): number {
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1));
  return sorted[at] ?? Number.NaN;
}

/** The middle of some numbers; NaN of none. */
export function median(values: readonly number[]): number {
  return quantile(
    [...values].sort((a, b) => a - b),
    0.5,
  );
}

/** Count, median and 99th percentile. */
export function summarize(values: readonly number[]): Summary {
  const sorted = [...values].sort((a, b) => a - b);
  return {
    count: sorted.length,
    median: quantile(sorted, 0.5),
    p99: quantile(sorted, 0.99),
  };
}

/** Two ways of doing the same thing, measured in turns. */
export interface Comparison {
  /** Theirs / ours: above 1 means that ours is faster. */
  readonly ratio: number;
  /** Lowest and highest ratio of a single round, without the extremes. */
  readonly low: number;
  readonly high: number;
  readonly tie: boolean;
  /** Rounds that were compared. */
  readonly rounds: number;
}

/** Medians that differ by less than this are a tie in any case. */
const TIE = 1.1;
/** With fewer rounds nothing is said: the machine was too busy. */
const ROUNDS_MIN = 3;

/**
 * Compare rounds of samples that were taken in turns, ours[i] beside theirs[i]. It is a tie when
 * the medians are closer than a tenth, or when the rounds do not agree on who is faster. The
 * quarter of the rounds at either end is not asked: the machine may have been busy.
 */
export function compare(
  ours: readonly (readonly number[])[],
  theirs: readonly (readonly number[])[],
): Comparison {
  const ratios: number[] = [];
  for (let i = 0; i < Math.min(ours.length, theirs.length); i++) {
    const ratio = median(theirs[i] ?? []) / median(ours[i] ?? []);
    if (Number.isFinite(ratio)) ratios.push(ratio);
  }
  ratios.sort((a, b) => a - b);
  const cut = Math.floor(ratios.length / 4);
  const inner = ratios.slice(cut, ratios.length - cut);
  const ratio = median(theirs.flat()) / median(ours.flat());
  const low = inner[0] ?? Number.NaN;
  const high = inner.at(-1) ?? Number.NaN;
  const agreed = (low > 1 && ratio > 1) || (high < 1 && ratio < 1);
  const tie = !agreed || (ratio < TIE && ratio > 1 / TIE);
  return { ratio, low, high, tie, rounds: ratios.length };
}

/** The outcome of a comparison that rests on too little. */
export const TOO_BUSY = "too busy";

/** The outcome of a comparison in one or two words, `knell` and `peer` being the names. */
export function verdict(comparison: Comparison, knell: string, peer: string): string {
  if (!Number.isFinite(comparison.ratio)) return "-";
  if (comparison.rounds < ROUNDS_MIN) return TOO_BUSY;
  if (comparison.tie) return "a tie";
  return comparison.ratio > 1
    ? `${knell} ${times(comparison.ratio)}`
    : `${peer} ${times(1 / comparison.ratio)}`;
}

/** 2.1x, 14x */
export function times(ratio: number): string {
  return `${ratio < 10 ? ratio.toFixed(1) : Math.round(ratio)}x`;
}

/** Nanoseconds as microseconds: 0.8, 22.4, 1,204 */
export function micros(ns: number): string {
  if (!Number.isFinite(ns)) return "-";
  const us = ns / 1000;
  return us < 99.95 ? us.toFixed(1) : whole(us);
}

/** 1204 as 1,204, in every locale. */
export function whole(n: number): string {
  return Math.round(n)
    .toString()
    .replace(/\B(?=(?:\d{3})+$)/g, ",");
}

/** 1 file, 2 files */
export function plural(n: number, noun: string): string {
  return `${whole(n)} ${noun}${n === 1 ? "" : "s"}`;
}

/** 512 B, 1.5 kB, 63.1 MB */
export function bytes(n: number): string {
  if (n < 1000) return `${Math.round(n)} B`;
  const units = ["kB", "MB", "GB", "TB"];
  let value = n / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value < 99.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Milliseconds as seconds: 1.2 s */
export function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}

/** The clock that all threads of this process share, in nanoseconds. */
export function nowNs(): number {
  return Number(process.hrtime.bigint());
}
