// SPDX-License-Identifier: ISC
/**
 * One of the four workers of the demo. It parks in a single wait, in which five kinds of thing
 * reach it: jobs, reloads, stops, Ctrl-C and the ticks of its own timer.
 */
import { workerData } from "node:worker_threads";
import { attach, every } from "../api/index.js";
import { hashFile } from "./demo-files.js";
import { type FromWorker, type Job, type Shared, TICK_MS, type WorkerData } from "./demo-knell.js";
import { Stamps } from "./demo-team.js";
import { nowNs } from "./stats.js";

const { kernel, jobs, done, reload, ctrlC, stop } = attach<Shared>(workerData);
const { worker, times } = workerData.workerData as WorkerData;
const stamps = new Stamps(times);
const heard = { job: 0, bytes: 0, reload: 0, stop: 0, ctrlC: 0, tick: 0 };

function tell(message: FromWorker): void {
  stamps.write(worker);
  done.send(message);
}

function doJob({ index, path, size }: Job): void {
  try {
    const { hex, bytes } = hashFile(path, size);
    heard.bytes += bytes;
    tell({ kind: "digest", worker, index, hex, bytes });
  } catch (error) {
    tell({ kind: "unread", worker, index, reason: String((error as NodeJS.ErrnoException).code) });
  }
}
