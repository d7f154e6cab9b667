// SPDX-License-Identifier: ISC

/**
 * Runs the benchmarks, each in a process of its own so that none is measured with caches that
 * another has spoiled: `npm run bench [-- file...] [--smoke] [--gate]`. Everything together goes to
 * bench/results/, named after the runtime.
 */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { machineFacts, machineLines } from "./machine.js";
import type { Result } from "./report.js";
import { writeResult } from "./run.js";

const questions = [
  "user-event",
  "register",
  "poll-empty",
  "counter",
  "channel",
  "pipe",
  "timer",
  "wake",
  "wake-one-cpu",
  "throughput",
  "scale",
  "idle",
];

const flags = process.argv.slice(2).filter((argument) => argument.startsWith("--"));
const named = process.argv.slice(2).filter((argument) => !argument.startsWith("--"));
const chosen = named.length === 0 ? questions : named.map(questionName);
const smoke = flags.includes("--smoke");
const limitMs = smoke ? 30_000 : 90_000;
const budgetSeconds = smoke ? 60 : 240;

function questionName(argument: string): string {
  const name = argument.replace(/^.*\//, "").replace(/\.[jt]s$/, "");
  if (questions.includes(name)) return name;
  console.error(`There is no benchmark "${argument}". There are: ${questions.join(", ")}`);
  process.exit(2);
}

interface Outcome {
  readonly result: Result | undefined;
  readonly failure: string | undefined;
}

function run(name: string, machine: string): Promise<Outcome> {
  const file = fileURLToPath(new URL(`${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [file, ...flags], {
    stdio: ["ignore", "inherit", "inherit", "ipc"],
    env: { ...process.env, BENCH_MACHINE: machine },
  });
  return new Promise((resolve) => {
    let result: Result | undefined;
    let late = false;
    const limit = setTimeout(() => {
      late = true;
      child.kill("SIGKILL");
    }, limitMs);
    child.on("message", (message) => {
      result = message as Result;
    });
    child.on("exit", (code, signal) => {
      clearTimeout(limit);
      const reason = late ? `took longer than ${limitMs / 1e3} s` : `ended with ${signal ?? code}`;
      resolve({ result, failure: code === 0 ? undefined : `${name}: ${reason}` });
    });
  });
}

const verdicts = ["met", "within 3x", "under least", "over 3x"] as const;

function summary(results: readonly Result[]): string {
  const all = results.flatMap(({ comparisons }) => comparisons);
  const counts = verdicts.map((wanted) => {
    return `${all.filter(({ verdict }) => verdict === wanted).length} ${wanted}`;
  });
  const worst = all.filter(({ verdict }) => verdict === "over 3x" || verdict === "under least");
  return [
    `goals: ${counts.join(", ")}`,
    ...worst.map(({ operation, label, verdict }) => `  ${verdict}: ${operation}: ${label}`),
  ].join("\n");
}

const start = performance.now();
const machine = await machineFacts();
console.log(`${machineLines(machine)}\n`);
const outcomes: Outcome[] = [];
for (const name of chosen) {
  outcomes.push(await run(name, JSON.stringify(machine)));
  console.log("");
}
const results = outcomes.flatMap(({ result }) => (result === undefined ? [] : [result]));
const failures = outcomes.flatMap(({ failure }) => (failure === undefined ? [] : [failure]));
console.log(summary(results));
for (const failure of failures) console.log(`failed: ${failure}`);
const seconds = ((performance.now() - start) / 1e3).toFixed(0);
console.log(`${seconds} s of ${budgetSeconds} s`);
const runtime = machine.runtime.split(" ").slice(0, 2).join("-").toLowerCase();
if (named.length === 0 && !smoke) {
  console.log(writeResult(`${process.platform}-${process.arch}-${runtime}`, { machine, results }));
}
process.exit(failures.length === 0 ? 0 : 1);
