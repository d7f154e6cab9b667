// SPDX-License-Identifier: ISC
/**
 * Random sequences of calls on the model and on the kernel, compared step by step.
 *
 * KNELL_SEED=n repeats a run, KNELL_RUNS=n makes it longer, KNELL_MODEL_TRACE=1 prints every call
 * before it is made (to see where a run hangs), KNELL_MODEL_FAULTS="a;b" builds faults into the
 * model (to see what lies behind a difference that is known).
 */
import assert from "node:assert/strict";
import { writeSync } from "node:fs";
import test from "node:test";
import fc from "fast-check";
import { type Op, sequences, withPrelude } from "./commands.js";
import { DIRECTED, tenSteps } from "./directed.js";
import { KernelSystem } from "./kernel.js";
import { Model } from "./model.js";
import { resolve } from "./resolve.js";
import { DEFAULT_RULES, MUTANTS } from "./rules.js";
import { type Report, runSequence } from "./run.js";

const LENGTH = 60;
const RUNS = Number(process.env["KNELL_RUNS"] ?? 300);
const SEED = Number(process.env["KNELL_SEED"] ?? Math.floor(Math.random() * 2 ** 31));
const TRACE = process.env["KNELL_MODEL_TRACE"] === "1";

const FAULTS = (process.env["KNELL_MODEL_FAULTS"] ?? "").split(";").filter((name) => name !== "");
const mutants = new Set(MUTANTS.filter((name) => FAULTS.includes(name)));
assert.equal(mutants.size, FAULTS.length, "every fault is in the list");

function onKernel<T>(limits: { userEvents?: number }, body: (kernel: KernelSystem) => T): T {
  const kernel = new KernelSystem(limits);
  try {
    return body(kernel);
  } finally {
    kernel.shutDown();
  }
}

function run(ops: readonly Op[]): Report {
  const trace = (text: string) => {
    if (TRACE) writeSync(2, `${text}\n`);
  };
  return onKernel({}, (kernel) => {
    return runSequence(withPrelude(ops), resolve, new Model({ ...kernel.rules, mutants }), kernel, {
      trace,
    });
  });
}

/** A difference as text: the calls up to it, and what the two systems said. */
function explain(report: Report): string {
  const steps = report.transcript.map((line, i) => `${String(i + 1).padStart(4)} ${line}`);
  return `${steps.join("\n")}\n${report.difference}`;
}

test("the kernel passes OpenBSD's test of EVFILT_USER", () => {
  onKernel({ userEvents: 1024 }, (kernel) => tenSteps(kernel, 1024));
});

for (const [name, body] of DIRECTED) {
  test(`the kernel is right about ${name}`, () => {
    onKernel({}, (kernel) => body(kernel, DEFAULT_RULES.wallMs));
  });
}

test(`the kernel does what the model does, KNELL_SEED=${SEED}`, (t) => {
  const totals = { calls: 0, skipped: 0, abandoned: 0 };
  const property = fc.property(sequences(LENGTH), (ops) => {
    const report = run(ops);
    totals.calls += report.calls;
    totals.skipped += report.skipped;
    if (report.abandoned !== null) totals.abandoned++;
    return report.difference === null;
  });
  const result = fc.check(property, { numRuns: RUNS, seed: SEED });
  const counts = Object.entries(totals).map(([name, count]) => `${count} ${name}`);
  t.diagnostic(`seed ${SEED}: ${result.numRuns} sequences, ${counts.join(", ")}`);
  if (!result.failed) return;
  const example = result.counterexample;
  const told = example === null ? String(result.errorInstance) : tell(example[0]);
  assert.fail(`KNELL_SEED=${SEED}, sequence ${result.numRuns}, shrunk:\n${told}`);
});

/** Run the shrunk sequence once more, for its text. */
function tell(ops: readonly Op[]): string {
  const calls: string[] = [];
  try {
    return onKernel({}, (kernel) => {
      const trace = (text: string) => calls.push(text);
      const model = new Model({ ...kernel.rules, mutants });
      return explain(runSequence(withPrelude(ops), resolve, model, kernel, { trace }));
    });
  } catch (error) {
    return `${calls.join("\n")}\nthrew ${error instanceof Error ? error.stack : String(error)}`;
  }
}
