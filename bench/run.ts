// SPDX-License-Identifier: ISC

/**
 * Runs one question: `node build/bench/user-event.js [--smoke] [--json] [--gate]`. With `--json`
 * the result goes to bench/results/ too; with `--gate` a floor or a count that is missed by more
 * than three times its goal makes the exit status 1, as a variant of ours that fails always does.
 */

import { mkdirSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { isMainThread } from "node:worker_threads";
import { countAtomics, measureBytes, printAtomicsCounts } from "./audit.js";
import {
  closeAll,
  type Figure,
  type Measured,
  measureRows,
  type Options,
  optionsFor,
  type Question,
  type Row,
} from "./harness.js";
import { machineFacts, machineLines } from "./machine.js";
import { startNative } from "./native.js";
import { allowedCpus, nthCpu, pinThread } from "./pin.js";
import { type Findings, type Result, resultOf, textOf } from "./report.js";

const results = fileURLToPath(new URL("../../bench/results/", import.meta.url));

export function writeResult(name: string, result: unknown): string {
  mkdirSync(results, { recursive: true });
  const path = `${results}${name}.json`;
  writeFileSync(path, `${JSON.stringify(result, null, 2)}\n`);
  return path;
}

/** Runs the question if `module` is the program that was started, and not imported by it. */
export async function runAlone(module: string, question: Question): Promise<void> {
  if (!isMainThread || process.argv[1] !== fileURLToPath(module)) return;
  if (process.argv.includes("--count-atomics")) {
    await printAtomicsCounts(question);
    process.exit(0);
  }
  const options = optionsFor(process.argv.includes("--smoke"));
  const startedByMain = process.send !== undefined;
  await startNative();
  const machine = await machineFacts();
  if (!startedByMain) console.log(`${machineLines(machine)}\n`);
  const result = resultOf(await answer(question, options, machine, fileURLToPath(module)));
  console.log(textOf(result));
  if (process.argv.includes("--json")) console.log(writeResult(result.name, result));
  const status = failed(result, process.argv.includes("--gate")) ? 1 : 0;
  if (startedByMain) await new Promise((resolve) => process.send!(result, resolve));
  process.exit(status);
}

async function answer(
  question: Question,
  options: Options,
  machine: Findings["machine"],
  file: string,
): Promise<Findings> {
  const rows = question.rows?.(options) ?? [];
  const notes: string[] = [];
  const measured = await measure(rows, options);
  let figures: readonly Figure[] = [];
  try {
    figures = (await question.figures?.(options)) ?? [];
  } catch (error) {
    notes.push(`failed: ${error instanceof Error ? error.message : String(error)}`);
  }
  for (const { note } of figures) if (note !== undefined) notes.push(note);
  const counts = rows.length === 0 ? {} : countAtomics(file);
  if (typeof counts === "string") notes.push(`Atomics were not counted: ${counts}`);
  return {
    question,
    machine,
    options,
    rows,
    ...measured,
    atomics: typeof counts === "string" ? {} : counts,
    figures,
    notes,
  };
}

async function measure(
  rows: readonly Row[],
  options: Options,
): Promise<{ all: Map<string, Measured>; bytes: Record<string, number> }> {
  pinThread(nthCpu(0));
  const all = await measureRows(rows, options);
  const bytes = measureBytes(all.values());
  await closeAll(all.values());
  pinThread(allowedCpus);
  return { all, bytes };
}

/** Whether the run is to count as failed. */
export function failed(result: Result, gate: boolean): boolean {
  const ours = result.variants.some(({ kind, failure, skipped }) => {
    return kind === "knell" && failure !== undefined && !skipped;
  });
  const gated = result.comparisons.some(({ gates, verdict }) => gates && verdict === "over 3x");
  return ours || result.notes.some((note) => note.startsWith("failed")) || (gate && gated);
}
