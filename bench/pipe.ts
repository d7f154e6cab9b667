// SPDX-License-Identifier: ISC

/**
 * Question: what does it cost to write to a pipe and to read from it, in one thread?
 *
 * Goals (goals.ts, pipe/*): none but to beat the native pipe; the floor, two lock pairs with the
 * two copies, is printed with it.
 */

import { sys } from "knell/sys";
import { lockedRing } from "./floors.js";
import type { GoalName } from "./goals.js";
import type { Question, Variant } from "./harness.js";
import { pipeWriteRead8, pipeWriteRead32 } from "./native.js";
import { expect, kernel, ours } from "./ours.js";
import { runAlone } from "./run.js";

function writeAndRead(goal: GoalName, length: number): Variant {
  return ours(goal, () => {
    const s = sys(kernel());
    const fds = new Int32Array(2);
    expect("pipe", s.pipe(fds), 0);
    const [readEnd, writeEnd] = [fds[0]!, fds[1]!];
    const from = new Uint8Array(length);
    const to = new Uint8Array(length);
    return (count) => {
      let moved = 0;
      for (let i = 0; i < count; i++) {
        moved += s.write(writeEnd, from);
        moved += s.read(readEnd, to);
      }
      expect("bytes", moved, 2 * length * count);
    };
  });
}

const eight = writeAndRead("pipe/8", 8);
const thirtyTwo = writeAndRead("pipe/32", 32);

export const question: Question = {
  name: "pipe",
  text: "what does it cost to write to a pipe and to read from it, in one thread?",
  rows: () => [
    { goal: "pipe/8", ours: eight, peers: [pipeWriteRead8] },
    { goal: "pipe/32", ours: thirtyTwo, floor: lockedRing, peers: [pipeWriteRead32] },
  ],
};

await runAlone(import.meta.url, question);
