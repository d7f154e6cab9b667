// SPDX-License-Identifier: ISC
/** A worker that acts until it is ended. It counts its acts on the board, where all can see it. */
import { parentPort, workerData } from "node:worker_threads";
import { threadHost } from "#src/host/node.js";
import { kernelAttach } from "#src/sys/kernel.js";
import { Random } from "../unit/support.js";
import { Actor, type Shared } from "./acts.js";
import { exchange, type Trade } from "./trade.js";

export interface Told {
  readonly arena: SharedArrayBuffer;
  readonly board: Int32Array;
  /** Word of the board that this worker counts in. */
  readonly index: number;
  readonly seed: number;
  readonly shared: Shared;
  readonly trade: Trade | null;
}

const told = workerData as Told;
const k = kernelAttach(told.arena, threadHost);
if (typeof k === "number") throw new Error(`attach: ${k}`);
const random = new Random(told.seed);
const actor = new Actor(k, told.shared, random);
parentPort?.postMessage("ready");
if (told.trade !== null) exchange(k, told.board, told.index, told.trade);
for (;;) {
  actor.act();
  Atomics.add(told.board, told.index, 1);
}
