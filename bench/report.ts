// SPDX-License-Identifier: ISC

/** Puts what was measured into words: a table for people, an object for files. */

import { type GoalName, goals, type Verdict, verdictOf } from "./goals.js";
import {
  type Comparison,
  compareRow,
  type Figure,
  type Kind,
  type Measured,
  type Options,
  type Question,
  type Row,
  type Spread,
  spreadOf,
} from "./harness.js";
import type { Machine } from "./machine.js";

export interface VariantResult {
  readonly id: string;
  readonly label: string;
  readonly kind: Kind;
  /** Nanoseconds per operation. */
  readonly ns?: Spread;
  readonly samples: readonly number[];
  readonly atomics?: Record<string, number>;
  readonly bytes?: number;
  readonly failure?: string;
  readonly skipped?: boolean;
}

export interface ComparisonResult extends Omit<Comparison, "distance" | "least"> {
  readonly verdict: Verdict | "";
}

/** Everything about one question, as it goes into a file. */
export interface Result {
  readonly name: string;
  readonly text: string;
  readonly machine: Machine;
  readonly options: Options;
  readonly variants: readonly VariantResult[];
  readonly comparisons: readonly ComparisonResult[];
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
}

export interface Findings {
  readonly question: Question;
  readonly machine: Machine;
  readonly options: Options;
  readonly rows: readonly Row[];
  readonly all: Map<string, Measured>;
  readonly atomics: Record<string, Record<string, number>>;
  readonly bytes: Record<string, number>;
  readonly figures: readonly Figure[];
  readonly notes: readonly string[];
}

export function resultOf(findings: Findings): Result {
  const { question, machine, options, rows, all, atomics, bytes, figures, notes } = findings;
  const variants = [...all.values()].map(({ variant, samples, failure, skipped }) => {
    const { id, label, kind } = variant;
    return {
      id,
      label,
      kind,
      samples,
      ...(samples.length > 0 && { ns: spreadOf(samples) }),
      ...(atomics[id] !== undefined && { atomics: atomics[id] }),
      ...(bytes[id] !== undefined && { bytes: bytes[id] }),
      ...(failure !== undefined && { failure }),
      ...(skipped && { skipped }),
    };
  });
  const comparisons = [
    ...rows.flatMap((row) => compareRow(row, all)),
    ...rows.flatMap((row) => compareCounts(row, atomics[row.ours.id], bytes[row.ours.id])),
    ...figures.map(compareFigure),
  ].map(({ distance, least, ...rest }) => ({
    ...rest,
    verdict: Number.isNaN(distance) ? ("" as const) : verdictOf(distance, least),
  }));
  const { name, text } = question;
  return { name, text, machine, options, variants, comparisons, figures, notes };
}

function plain(
  goal: GoalName,
  what: string,
  unit: string,
  value: number,
  bound: number,
): Comparison {
  return {
    goal,
    operation: goals[goal].operation,
    label: what,
    figure: { median: value, min: value, max: value },
    unit,
    bound: `<= ${bound}${unit}`,
    distance: value <= bound ? 1 : value / bound,
    gates: true,
  };
}

/** The counts are rounded, since a loop of many operations has calls of its own. */
function compareCounts(
  row: Row,
  atomics: Record<string, number> | undefined,
  bytes: number | undefined,
): Comparison[] {
  const { goal } = row;
  const wanted = goals[goal];
  const comparisons: Comparison[] = [];
  if (atomics !== undefined && wanted.atomics !== undefined) {
    const calls = Math.round(sum(atomics) * 100) / 100;
    comparisons.push(plain(goal, "Atomics calls", "", calls, wanted.atomics));
  }
  if (atomics !== undefined && wanted.notifies !== undefined) {
    const calls = Math.round((atomics["notify"] ?? 0) * 1000) / 1000;
    comparisons.push(plain(goal, "wakes", "", calls, wanted.notifies));
  }
  if (bytes !== undefined && wanted.bytes !== undefined) {
    comparisons.push(plain(goal, "allocated", " B", Math.round(bytes), wanted.bytes));
  }
  return comparisons;
}

function compareFigure({ goal, value, unit }: Figure): Comparison {
  const bound = goals[goal].atMost;
  const shown = unit === "" ? "" : ` ${unit}`;
  return plain(goal, "in total", shown, value, bound ?? value);
}

function sum(counts: Record<string, number>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}

const unitsOfTime: ReadonlyArray<readonly [number, string]> = [
  [1e6, "ms"],
  [1e3, "us"],
  [1, "ns"],
];

/** Three digits, in the unit of the median. */
function time(spread: Spread): { median: string; range: string } {
  const [scale, unit] = unitsOfTime.find(([size]) => spread.median >= 10 * size) ?? [1, "ns"];
  const show = (value: number): string => digits(value / scale);
  return {
    median: `${show(spread.median)} ${unit}`,
    range: `${show(spread.min)}..${show(spread.max)}`,
  };
}

function digits(value: number): string {
  if (value === 0) return "0";
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

function line(cells: ReadonlyArray<readonly [text: string, width: number]>): string {
  return cells
    .map(([text, width]) => (width < 0 ? text.padEnd(-width) : text.padStart(width)))
    .join("  ")
    .trimEnd();
}

function variantLine(variant: VariantResult): string {
  const kind = variant.kind === "knell" ? "" : `  ${variant.kind} `.padEnd(10);
  const label = kind + variant.label;
  if (variant.ns === undefined) return `${line([[label, -50]])}  ${variant.failure ?? ""}`;
  const { median, range } = time(variant.ns);
  const calls = variant.atomics === undefined ? "" : digits(sum(variant.atomics));
  const bytes = variant.bytes === undefined ? "" : variant.bytes.toFixed(0);
  return line([
    [label, -50],
    [median, 9],
    [range, 18],
    [calls, 7],
    [bytes, 6],
  ]);
}

/** The lines about one operation, below its name. */
function comparisonLine({ label, figure, unit, bound, verdict }: ComparisonResult): string {
  const range = figure.min === figure.max ? "" : `${digits(figure.min)}..${digits(figure.max)}`;
  return line([
    [`  ${label}`, -50],
    [digits(figure.median) + unit, 9],
    [range, 13],
    [bound, -17],
    [verdict, -9],
  ]);
}

function comparisonLines(comparisons: readonly ComparisonResult[]): string[] {
  const operations = new Map<string, string[]>();
  for (const comparison of comparisons) {
    const lines = operations.get(comparison.operation) ?? [];
    operations.set(comparison.operation, [...lines, comparisonLine(comparison)]);
  }
  return [...operations].flatMap(([operation, lines]) => [operation, ...lines]);
}

export function textOf(result: Result): string {
  const lines = [`${result.name}: ${result.text}`];
  if (result.variants.length > 0) {
    const head: ReadonlyArray<readonly [string, number]> = [
      ["per operation", -50],
      ["median", 9],
      ["min..max", 18],
      ["Atomics", 7],
      ["bytes", 6],
    ];
    lines.push("", line(head), ...result.variants.map(variantLine));
  }
  if (result.comparisons.length > 0) {
    const head = line([
      ["goals", -50],
      ["figure", 9],
      ["min..max", 13],
      ["goal", -17],
      ["verdict", -9],
    ]);
    lines.push("", head, ...comparisonLines(result.comparisons));
  }
  lines.push(...result.notes.map((note) => `note: ${note}`));
  return lines.join("\n");
}
