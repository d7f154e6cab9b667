// SPDX-License-Identifier: ISC

/**
 * A process that waits and does nothing else: `node idle-child.js nothing|await|block MS`. Prints
 * the microseconds of processor time that it used during MS milliseconds, once it was at rest.
 */

import { fileURLToPath } from "node:url";
import { isMainThread, parentPort, Worker, workerData } from "node:worker_threads";
import { attach, boot, userEvent } from "knell";

const restMs = 300;

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** One thread awaits a queue on which nothing ever happens. */
function awaitQueue(): void {
  const queue = boot().queue().add("never", userEvent(1));
  void queue.wait();
}

/** Another thread blocks on such a queue. */
async function blockOnQueue(): Promise<void> {
  const kernel = boot();
  const worker = new Worker(fileURLToPath(import.meta.url), { workerData: kernel.share() });
  await new Promise((resolve) => worker.once("message", resolve));
}

async function main(): Promise<void> {
  const [, , mode = "", ms = ""] = process.argv;
  if (mode === "await") awaitQueue();
  if (mode === "block") await blockOnQueue();
  await sleep(restMs);
  const before = process.cpuUsage();
  await sleep(Number(ms));
  const { user, system } = process.cpuUsage(before);
  console.log(user + system);
  process.exit(0);
}

function blockingThread(): void {
  const queue = attach(workerData).kernel.queue().add("never", userEvent(1));
  parentPort!.postMessage("ready");
  queue.waitSync();
}

if (isMainThread) await main();
else blockingThread();
