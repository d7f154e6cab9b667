// SPDX-License-Identifier: ISC
/**
 * One of the four workers of the demo. It parks in a single wait, in which six kinds of thing
 * reach it: jobs, notes, reloads, stops, Ctrl-C, and the ticks of its own timer.
 */
import { workerData } from "node:worker_threads";
import { attach, type Bell, type Channel, type Counter, every } from "../api/index.js";
import { hashFile } from "./demo-files.js";
import { type Answer, type Kind, MAIN, Stamps, TICK_MS } from "./demo-team.js";
import { nowNs } from "./stats.js";

/** A file to hash. */
export type Job = {
  readonly index: number;
  readonly path: string;
  readonly size: number;
  readonly times: number;
};

/** What a worker counts of what it heard. */
export type Heard = {
  job: number;
  bytes: number;
  reload: number;
  stop: number;
  ctrlC: number;
  tick: number;
};

/** What a worker says. */
export type FromWorker =
  | { readonly kind: "ready"; readonly worker: number }
  | Answer
  | {
      readonly kind: "digest";
      readonly worker: number;
      readonly index: number;
      readonly hex: string;
      readonly bytes: number;
    }
  | {
      readonly kind: "unread";
      readonly worker: number;
      readonly index: number;
      readonly reason: string;
    }
  | {
      readonly kind: "bye";
      readonly worker: number;
      readonly heard: Heard;
      readonly tickNs: readonly number[];
    };

/** The objects of the kernel that all five threads have. */
export type Tools = {
  /** A file to hash, or null: only say how long it took to hear of it. */
  jobs: Channel<Job | null>;
  done: Channel<FromWorker>;
  reload: Bell;
  ctrlC: Bell;
  stop: Counter;
  /** For this worker alone. */
  notes: Channel<null>;
};

export interface WorkerExtra {
  readonly worker: number;
  readonly times: Float64Array<SharedArrayBuffer>;
}

const { kernel, jobs, done, reload, ctrlC, stop, notes } = attach<Tools>(workerData);
const { worker, times: stampTimes } = (workerData as { workerData: WorkerExtra }).workerData;
const stamps = new Stamps(stampTimes);
const heard: Heard = { job: 0, bytes: 0, reload: 0, stop: 0, ctrlC: 0, tick: 0 };
const tickNs: number[] = [];
const WARM_UP_ADDS = 200;

function tell(message: FromWorker): void {
  stamps.write(worker);
  done.send(message);
}

/** Say how long it took to wake, if this thread was asleep when it was woken. */
function answer(kind: Kind, parked: number, woke: number): void {
  const sent = stamps.read(MAIN);
  stamps.setTotals(worker, heard.reload, heard.ctrlC);
  tell({ kind, worker, ns: parked < sent ? woke - sent : null });
}

function doJob({ index, path, size, times }: Job): void {
  heard.job++;
  try {
    const { hex, bytes } = hashFile(path, size, times);
    heard.bytes += bytes;
    tell({ kind: "digest", worker, index, hex, bytes });
  } catch (error) {
    const { code = "?" } = error as NodeJS.ErrnoException;
    tell({ kind: "unread", worker, index, reason: code });
  }
}

/** A tick is due at a known time; how late is it, if nobody computed and this thread slept? */
function tick(due: number, parked: number, woke: number): void {
  if (parked < due && stamps.quietSince < due) tickNs.push(woke - due);
}

const others = kernel
  .queue()
  .add("job", jobs.receive())
  .add("reload", reload.rings())
  .add("stop", stop.takes())
  .add("ctrl-c", ctrlC.rings())
  .add("note", notes.receive());
// The due times count from the moment of the call that counts, which is to be quick.
for (let i = 0; i < WARM_UP_ADDS; i++) others.add("tick", every(TICK_MS)).remove("tick");
const armed = nowNs();
const queue = others.add("tick", every(TICK_MS));
let noMoreJobs = false;
let leaving = stamps.over;
tell({ kind: "ready", worker });
while (!leaving) {
  const parked = nowNs();
  const events = queue.waitSync();
  const woke = nowNs();
  for (const event of events) {
    if (event.tag === "job") {
      if (event.ended) noMoreJobs = true;
      else if (event.value === null) answer("job", parked, woke);
      else doJob(event.value);
    } else if (event.ended) leaving = true;
    else if (event.tag === "note") answer("note", parked, woke);
    else if (event.tag === "reload") {
      heard.reload += event.value;
      answer("reload", parked, woke);
    } else if (event.tag === "stop") {
      heard.stop += Number(event.value);
      if (noMoreJobs) leaving = true;
      else answer("stop", parked, woke);
    } else if (event.tag === "ctrl-c") {
      heard.ctrlC += event.value;
      if (!stamps.drill) leaving = true;
      else answer("ctrl-c", parked, woke);
    } else {
      heard.tick += event.value;
      tick(armed + heard.tick * TICK_MS * 1e6, parked, woke);
    }
  }
}
tell({ kind: "bye", worker, heard, tickNs });
kernel.close();
