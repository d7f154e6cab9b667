// SPDX-License-Identifier: ISC

/** The entry module of every partner thread; see partner.ts. */

import { parentPort, workerData } from "node:worker_threads";
import { Control, type PartnerStart, type Role } from "./partner.js";
import { pinThread } from "./pin.js";

const start = workerData as PartnerStart;
const control = new Control(start.control);
const module = (await import(start.module)) as Record<string, Role>;

pinThread(start.cpus);
const work = await module[start.role]!(control, start.data);
let round = 0;

parentPort!.on("message", async (count: number) => {
  await work(count);
  round++;
  control.done(round);
  parentPort!.postMessage(round);
});

control.done(-1);
parentPort!.postMessage(0);
