// SPDX-License-Identifier: ISC
/** A thread that takes locks and gives them back when it is told; see no-block.test.ts. */
import { workerData } from "node:worker_threads";
import { threadHost } from "#src/host/node.js";
import { slotLeave } from "#src/kern/attach.js";
import { mutexLock, mutexUnlock } from "#src/sync/mutex.js";
import { kernelAttach } from "#src/sys/kernel.js";
import { HELD, RANK, WANTED } from "./support.js";

export interface Work {
  readonly buffer: SharedArrayBuffer;
  readonly control: Int32Array;
}

const { buffer, control } = workerData as Work;
const k = kernelAttach(buffer, threadHost);
if (typeof k === "number") throw new Error(`attach: ${k}`);
for (let held = 0; ; ) {
  Atomics.wait(control, WANTED, held);
  const wanted = Atomics.load(control, WANTED);
  if (wanted === held) continue;
  if (held > 0) mutexUnlock(k, held);
  if (wanted > 0) mutexLock(k, wanted, Atomics.load(control, RANK));
  held = wanted;
  Atomics.store(control, HELD, held);
  Atomics.notify(control, HELD);
  if (held < 0) break;
}
slotLeave(k);
