// SPDX-License-Identifier: ISC
/** The warden under Node; see warden.ts. This module is what its worker runs. */
import { BroadcastChannel, parentPort, Worker, workerData } from "node:worker_threads";
import { atomicCas, atomicNotify, atomicStore } from "#atomics";
import { type Ending, workerDying } from "../sys/exits.js";
import { errorText, threadHost } from "./node.js";
import { workerReap } from "./reap.js";
import {
  ASKED,
  type Ask,
  CLAIM_CODE,
  CLAIM_ENDED,
  CLAIM_STATE,
  type SpawnRequest,
  TAKEN,
  type WardenNews,
  type WardenStart,
} from "./warden.js";

/** Time until the end of a worker is told again, if the thread table was full. */
const RETRY_MS = 10;

interface Running {
  readonly worker: Worker;
  readonly hostThread: number;
  held: boolean;
  /** Somebody asked for its end. */
  unwanted: boolean;
}

/** How a worker ended, and where another thread looks for that. */
interface News extends Ending {
  readonly claim: Int32Array | null;
}

const { buffer, channel } = workerData as WardenStart;
const running = new Map<number, Running>();
/** Workers whose end was not told yet. */
let untold = 0;
/** Spawn requests of the keeper's own. */
let seen = 0;
let ending = false;

function tellKeeper(news: WardenNews): void {
  parentPort?.postMessage(news);
}

function tellHeld(): void {
  let count = 0;
  for (const { held } of running.values()) if (held) count++;
  tellKeeper({ kind: "held", count, seen });
}

function spawn(request: SpawnRequest): void {
  const { claim, worker: number, name, url, data } = request;
  if (claim !== null) {
    // Whoever asks this way asks again, and of the next warden.
    if (ending) return;
    if (atomicCas(claim, CLAIM_STATE, ASKED, TAKEN) !== ASKED) return;
    atomicNotify(claim, CLAIM_STATE, 1);
  }
  if (claim === null) seen++;
  let error = "";
  let worker: Worker;
  try {
    worker = new Worker(new URL(url), { name, workerData: data });
  } catch (thrown) {
    const how = { hostThread: 0, worker: number, name, code: 1, error: errorText(thrown) };
    ended(number, { ...how, claim });
    return;
  }
  const hostThread = worker.threadId;
  const one: Running = { worker, hostThread, held: request.held, unwanted: false };
  running.set(number, one);
  worker.on("error", (thrown) => {
    error = errorText(thrown);
  });
  worker.on("exit", (status) => {
    // One that is ended while it starts would seem to have ended as it should.
    const code = one.unwanted && status === 0 ? 1 : status;
    ended(number, { hostThread, worker: number, name, code, error, claim });
  });
  tellHeld();
}

function ended(number: number, how: Omit<News, "relatives">): void {
  untold++;
  running.delete(number);
  tell({ ...how, relatives: [] });
}

/** Reap and post the record, then tell the keeper, who may let the process end. */
function tell(how: News): void {
  if (!workerReap(buffer, threadHost, how)) {
    setTimeout(tell, RETRY_MS, how);
    return;
  }
  untold--;
  if (how.claim !== null) {
    atomicStore(how.claim, CLAIM_CODE, how.code);
    atomicStore(how.claim, CLAIM_ENDED, 1);
  }
  tellKeeper({
    kind: "ended",
    worker: how.worker,
    name: how.name,
    code: how.code,
    error: how.error,
  });
  tellHeld();
  endIfDone();
}

function handle(request: Ask): void {
  if (request.kind === "spawn") {
    spawn(request);
  } else if (request.kind === "end") {
    ending = true;
    endIfDone();
  } else {
    const one = running.get(request.worker);
    if (one === undefined) return;
    if (request.kind === "terminate") {
      one.unwanted = true;
      workerDying(buffer, one.hostThread);
      void one.worker.terminate();
    } else {
      one.held = request.kind === "hold";
      tellHeld();
    }
  }
}

/** End when nobody keeps the warden and nothing is left to be heard of. */
function endIfDone(): void {
  if (!ending) return;
  if (running.size > 0 || untold > 0) return;
  calls.close();
  parentPort?.close();
}

const calls = new BroadcastChannel(channel);
calls.onmessage = (event: unknown) => handle((event as { data: Ask }).data);
parentPort?.on("message", handle);
