// SPDX-License-Identifier: ISC
/** A thread that takes a lock many times; see mutex.test.ts. */
import { parentPort, workerData } from "node:worker_threads";
import { threadHost } from "#src/host/node.js";
import { slotLeave } from "#src/kern/attach.js";
import { mutexLock, mutexUnlock } from "#src/sync/mutex.js";
import { RANK_OBJECT } from "#src/sync/order.js";
import { kernelAttach } from "#src/sys/kernel.js";

export interface Work {
  readonly buffer: SharedArrayBuffer;
  /** Words: a lock, and a counter that it guards. */
  readonly lock: number;
  readonly counter: number;
  readonly turns: number;
  /** Turns of a loop inside of the lock: more make the others sleep. */
  readonly inside: number;
}

const { buffer, lock, counter, turns, inside } = workerData as Work;
const k = kernelAttach(buffer, threadHost);
if (typeof k === "number") throw new Error(`attach: ${k}`);
for (let turn = 0; turn < turns; turn++) {
  mutexLock(k, lock, RANK_OBJECT);
  const before = k.a[counter] as number;
  for (let i = 0; i < inside; i++) k.a[counter] = before;
  k.a[counter] = before + 1;
  mutexUnlock(k, lock);
}
parentPort?.postMessage(k.lockDepth);
slotLeave(k);
