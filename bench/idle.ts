// SPDX-License-Identifier: ISC

/**
 * Question: does a process that waits for something that does not happen use the processor?
 *
 * Goals (goals.ts, idle/*): less than 1 ms of processor time in 10 s (2 s in a smoke run), whether
 * a thread awaits a queue or blocks on it, beyond what the same process takes that only waits for
 * a timer. The three processes run side by side.
 */

import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { GoalName } from "./goals.js";
import type { Figure, Options, Question } from "./harness.js";
import { runAlone } from "./run.js";

const script = fileURLToPath(new URL("idle-child.js", import.meta.url));

/** Milliseconds of processor time of a process that waits in this way. */
function idle(mode: string, ms: number): Promise<number> {
  const child = spawn(process.execPath, [script, mode, `${ms}`], {
    stdio: ["ignore", "pipe", "inherit"],
    timeout: ms + 10_000,
  });
  let output = "";
  child.stdout.on("data", (text) => {
    output += text;
  });
  return new Promise((resolve, reject) => {
    child.on("exit", (code) => {
      if (code === 0) resolve(Number(output) / 1000);
      else reject(new Error(`the idle process "${mode}" ended with ${code}`));
    });
  });
}

async function figures({ smoke }: Options): Promise<Figure[]> {
  const ms = smoke ? 2000 : 10_000;
  const modes: ReadonlyArray<readonly [GoalName, string]> = [
    ["idle/await", "await"],
    ["idle/block", "block"],
  ];
  const nothing = idle("nothing", ms);
  const used = modes.map(async ([goal, mode]) => {
    const [own, base] = await Promise.all([idle(mode, ms), nothing]);
    const raw = `${mode}: ${own.toFixed(2)} ms in ${ms / 1e3} s, of which a timer alone takes`;
    const value = Math.max(0, own - base);
    return { goal, value, unit: "ms", note: `${raw} ${base.toFixed(2)} ms` };
  });
  return Promise.all(used);
}

export const question: Question = {
  name: "idle",
  text: "does a process that waits for something that does not happen use the processor?",
  figures,
};

await runAlone(import.meta.url, question);
