// SPDX-License-Identifier: ISC
/** Runs rows on targets and keeps the outcomes; the tests and the support table both use it. */
import { release } from "node:os";
import type { Case, TargetName } from "./case.js";
import { DEVIATIONS, type Deviation, occursIn } from "./deviations.js";
import { type Machine, type Mismatch, mismatchText, runCase } from "./run.js";
import { KnellTarget } from "./targets/knell.js";
import { NativeTarget } from "./targets/native.js";
import { gateOf, type Target } from "./targets/target.js";

export interface Outcome {
  readonly table: string;
  readonly id: string;
  readonly target: TargetName;
  readonly result: "passed" | "failed" | "gated" | "skipped";
  /** Why it was gated or skipped, or how it failed. */
  readonly reason: string;
}

export function makeTargets(): readonly Target[] {
  return [
    new KnellTarget("direct"),
    new KnellTarget("threads"),
    new KnellTarget("api"),
    new NativeTarget(),
  ];
}

const sameStep = (deviation: Deviation, found: Mismatch): boolean => {
  return deviation.step === found.step && deviation.what === found.what;
};

/**
 * Linux may differ where a deviation says so and how; a difference without one, one that differs in
 * another way, and one that does not occur any more are all faults. Returns them as text.
 */
export function explain(
  one: Case,
  found: readonly Mismatch[],
  deviations: readonly Deviation[] = DEVIATIONS,
): string[] {
  const faults: string[] = [];
  const here = deviations.filter((deviation) => occursIn(release(), deviation));
  const own = here.filter((deviation) => deviation.id === one.id);
  for (const mismatch of found) {
    const known = own.find((deviation) => sameStep(deviation, mismatch));
    if (known?.linux === mismatch.got && known.ours === mismatch.expected) continue;
    faults.push(`Linux differs and no deviation says so\n${mismatchText(one, [mismatch])}`);
  }
  for (const deviation of own) {
    if (found.some((mismatch) => sameStep(deviation, mismatch))) continue;
    const { step, what, linux } = deviation;
    faults.push(`${one.id}, step ${step}, ${what}: Linux does not say "${linux}" any more`);
  }
  return faults;
}

/** What the row's steps, or the end of the row, show to be wrong; null if nothing. */
async function faultsOf(target: Target, one: Case, machine: Machine): Promise<string | null> {
  const oracle = target.name === "native-linux";
  const found = await runCase(one, machine, oracle);
  if (oracle) return explain(one, found).join("\n") || null;
  if (found.length > 0) return mismatchText(one, found);
  const faults = await machine.audit();
  return faults.length === 0 ? null : `${one.id}, after the row:\n${faults.join("\n")}`;
}

/** Runs the row on the target and returns what went wrong, or null. */
async function failureOf(target: Target, one: Case): Promise<string | null> {
  try {
    const machine = await target.open(one);
    try {
      return await faultsOf(target, one, machine);
    } finally {
      await machine.close();
    }
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Runs one row of a table on one target, unless something gates it. */
export async function runRow(target: Target, table: string, one: Case): Promise<Outcome> {
  const row = { table, id: one.id, target: target.name };
  const gate = gateOf(target, one);
  if (gate !== null) return { ...row, result: "gated", reason: gate };
  const missing = await target.unavailable();
  if (missing !== null) return { ...row, result: "skipped", reason: missing };
  const failure = await failureOf(target, one);
  if (failure === null) return { ...row, result: "passed", reason: "" };
  return { ...row, result: "failed", reason: failure };
}

/** How often each reason occurs, most frequent first. */
export function reasonCounts(outcomes: readonly Outcome[]): [reason: string, count: number][] {
  const counts = new Map<string, number>();
  for (const { reason } of outcomes) counts.set(reason, (counts.get(reason) ?? 0) + 1);
  return [...counts].sort((left, right) => right[1] - left[1] || (left[0] < right[0] ? -1 : 1));
}

/** "threads: 300 passed, 2 gated, 302 rows" and a line per reason. */
export function summaryText(target: TargetName, outcomes: readonly Outcome[]): string {
  const own = outcomes.filter((outcome) => outcome.target === target);
  const parts: string[] = [];
  const details: string[] = [];
  for (const result of ["passed", "failed", "gated", "skipped"] as const) {
    const some = own.filter((outcome) => outcome.result === result);
    if (some.length > 0 || result === "passed") parts.push(`${some.length} ${result}`);
    if (result !== "gated" && result !== "skipped") continue;
    for (const [reason, count] of reasonCounts(some)) {
      details.push(`\n  ${count} ${result}: ${reason}`);
    }
  }
  return `${target}: ${parts.join(", ")}, ${own.length} rows${details.join("")}`;
}
