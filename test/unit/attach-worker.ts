// SPDX-License-Identifier: ISC
/** Attaches, makes a call or two, and leaves, many times; see kernels.test.ts. */
import { workerData } from "node:worker_threads";
import { threadHost } from "#src/host/node.js";
import { slotLeave } from "#src/kern/attach.js";
import { sys } from "#src/sys/face.js";
import { kernelAttach } from "#src/sys/kernel.js";

const { buffer, turns } = workerData as { buffer: SharedArrayBuffer; turns: number };
for (let turn = 0; turn < turns; turn++) {
  const k = kernelAttach(buffer, threadHost);
  if (typeof k === "number") throw new Error(`attach ${turn}: ${k}`);
  const s = sys({ thread: k });
  const fd = s.eventfd(turn, 0);
  if (fd < 0 || s.close(fd) !== 0) throw new Error(`turn ${turn}`);
  slotLeave(k);
}
