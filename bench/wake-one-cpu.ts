// SPDX-License-Identifier: ISC

/**
 * Question: what does a round trip cost when both threads have to share one processor?
 *
 * Goal (goals.ts, wake/one-cpu): at most 1.15 times a bare Atomics.wait. A thread that spins here
 * keeps the other from answering, so this is where spinning must know when to stay away. Both
 * are measured by a child process that is bound to one processor from its start.
 */

import { fileURLToPath } from "node:url";
import { Driven, drivenVariant } from "./driven.js";
import { goals } from "./goals.js";
import { type Question, Skipped } from "./harness.js";
import { allowedCpus } from "./pin.js";
import { runAlone } from "./run.js";

let child: Driven | undefined;

async function open(): Promise<Driven> {
  if (allowedCpus.length === 0) throw new Skipped("threads cannot be bound here: skipped");
  const script = fileURLToPath(new URL("one-cpu-child.js", import.meta.url));
  child ??= new Driven("taskset", ["-c", `${allowedCpus[0]}`, process.execPath, script]);
  return child;
}

const ours = drivenVariant(
  "knell",
  "knell/wake/one-cpu",
  goals["wake/one-cpu"].operation,
  open,
  "knell",
);
const bare = drivenVariant(
  "floor",
  "atomics/one-cpu",
  "bare Atomics.wait, one processor",
  open,
  "wait",
);

export const question: Question = {
  name: "wake-one-cpu",
  text: "what does a round trip cost when both threads share one processor?",
  rows: () => [{ goal: "wake/one-cpu", ours, floor: bare }],
};

await runAlone(import.meta.url, question);
