// SPDX-License-Identifier: ISC

/**
 * Question: what do many registrations, and many kernels, cost each of them?
 *
 * Goals (goals.ts, scale/*): an event of a queue with 10,000 at most 1.15 times the cost of one
 * that is alone, one of 1,000,000 at random at most 6 times (each is a cache miss or several); with
 * three kernels alive at most 1.1 times; a registration takes at most 136 bytes with everything,
 * found by how much the process grows.
 */

import { fileURLToPath } from "node:url";
import { EVFILT_USER, KE_IDENT, NOTE_TRIGGER } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import { Driven, drivenVariant } from "./driven.js";
import { goals } from "./goals.js";
import { type Figure, type Loop, loopVariant, type Question } from "./harness.js";
import { addUserEvents, expect, kernel, ours, poll } from "./ours.js";
import { runAlone } from "./run.js";

const ORDER = 2 ** 20;

/** Numbers 1..count in an order that the processor cannot foresee, the same in every run. */
function randomOrder(count: number): Int32Array {
  const order = new Int32Array(ORDER);
  let state = 12345;
  for (let i = 0; i < ORDER; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    order[i] = 1 + Math.floor((state / 2 ** 32) * count);
  }
  return order;
}

/** All variants go the same way, so that only the number of registrations differs. */
function among(registrations: number): Loop {
  const s = sys(kernel());
  const kq = s.kqueue();
  addUserEvents(s, kq, 1, registrations);
  const order = randomOrder(registrations);
  const trigger = new KeventList(1).set(0, 1, EVFILT_USER, 0, NOTE_TRIGGER);
  const events = new KeventList(64);
  let at = 0;
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) {
      at = (at + 1) & (ORDER - 1);
      trigger.words[KE_IDENT] = order[at]!;
      s.kevent(kq, trigger, 1, null, 0, null);
      got += s.kevent(kq, null, 0, events, 64, poll);
    }
    expect("events", got, count);
  };
}

const one = loopVariant("knell", "knell/scale/1", "trigger + collect, the only one", () =>
  among(1),
);
const tenThousand = ours("scale/10k", () => among(10_000));
const million = ours("scale/1m", () => among(1_000_000));

const script = fileURLToPath(new URL("kernel-child.js", import.meta.url));

function child(kernels: number): () => Promise<Driven> {
  return async () => new Driven(process.execPath, [script, `${kernels}`]);
}

const oneKernel = drivenVariant(
  "knell",
  "knell/scale/one-kernel",
  "trigger + collect with one kernel",
  child(1),
  "trigger",
);
const threeKernels = drivenVariant(
  "knell",
  "knell/scale/three-kernels",
  goals["scale/three-kernels"].operation,
  child(3),
  "trigger",
);

async function bytesPerEvent(): Promise<Figure> {
  const process = await child(0)();
  const count = 1_000_000;
  const bytes = await process.run("bytes", count);
  process.close();
  return { goal: "scale/bytes", value: bytes / count, unit: "bytes" };
}

export const question: Question = {
  name: "scale",
  text: "what do many registrations, and many kernels, cost each of them?",
  rows: () => [
    { goal: "scale/10k", ours: tenThousand, floor: one },
    { goal: "scale/1m", ours: million, floor: one },
    { goal: "scale/three-kernels", ours: threeKernels, floor: oneKernel },
  ],
  figures: async () => [await bytesPerEvent()],
};

await runAlone(import.meta.url, question);
