// SPDX-License-Identifier: ISC
/**
 * The host under Node (and Bun and Deno, which have its modules): clocks and processors, timers
 * that do or do not keep the process alive, warnings, and starting and watching workers.
 */
import { errorMonitor } from "node:events";
import { availableParallelism } from "node:os";
// The global of this name is a getter, which costs as much again as the clock.
import { performance } from "node:perf_hooks";
import { pathToFileURL } from "node:url";
import { BroadcastChannel, SHARE_ENV, threadId, Worker } from "node:worker_threads";
import type { ThreadHost } from "../arena/kthread.js";
import type { Ask, Warden, WardenNews, WardenStart } from "./warden.js";

export { workerReap } from "./reap.js";
export {
  ASKED,
  CLAIM_CODE,
  CLAIM_ENDED,
  CLAIM_STATE,
  CLAIM_WORDS,
  WITHDRAWN,
  wardenChannel,
} from "./warden.js";
export type { Warden };

/**
 * Nanoseconds to add to performance.now() to get to the clock that all threads of the process
 * share. The pair of readings that lie closest together is the most exact.
 */
function calibrate(): { offset: number; error: number } {
  let best = Number.POSITIVE_INFINITY;
  let offset = 0;
  for (let i = 0; i < 8; i++) {
    const before = performance.now() * 1e6;
    const shared = Number(process.hrtime.bigint());
    const after = performance.now() * 1e6;
    if (after - before < best) {
      best = after - before;
      offset = shared - (before + after) / 2;
    }
  }
  // The reading in the middle was made at some time between the two around it.
  return { offset, error: best / 2 };
}

const { offset: monotonicOffset, error: clockErrorNs } = calibrate();

/** What this thread offers the kernel. */
export const threadHost: ThreadHost = {
  monotonicNs: () => performance.now() * 1e6 + monotonicOffset,
  clockErrorNs,
  wallNs: () => (performance.timeOrigin + performance.now()) * 1e6,
  processors: availableParallelism(),
  canBlock: true,
  hostThread: threadId,
};

/** Number that the runtime knows this thread by; 0 is the main thread. */
export const hostThread: number = threadId;

/** Why workers cannot be started here, or null. */
export const noWorkers: string | null = null;

/** Longest delay of a timer. */
const DELAY_MAX = 2 ** 31 - 1;

/** Something that keeps the process alive while it is held. */
export interface KeepAlive {
  hold(): void;
  release(): void;
  end(): void;
}

export function keepAlive(): KeepAlive {
  const timer = setInterval(() => {}, DELAY_MAX).unref();
  return {
    hold: () => void timer.ref(),
    release: () => void timer.unref(),
    end: () => clearInterval(timer),
  };
}

/** Call `fn` after some milliseconds, without keeping the process alive; returns how to cancel. */
export function later(ms: number, fn: () => void): () => void {
  const timer = setTimeout(fn, Math.min(Math.ceil(ms), DELAY_MAX)).unref();
  return () => clearTimeout(timer);
}

/** Lets everything else that is ready in the event loop run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** Tell the developer of a mistake that is no error. */
export function warn(code: string, message: string): void {
  process.emitWarning(message, { code, type: "KnellWarning" });
}

/** Options that make no sense for a module that is not the program's. */
const NOT_INHERITED = /^(?:-[pe]|--(?:eval|print|input-type|test|watch|check|import-source)\b)/;

/**
 * Options for the warden. A worker inherits all when it is told nothing, V8's own among them; told
 * which, it refuses V8's. So it is told only if there is something that it must not inherit.
 */
function inheritedOptions(): { execArgv?: string[] } {
  if (!process.execArgv.some((option) => NOT_INHERITED.test(option))) return {};
  const conditions = /^(?:-C|--conditions|--enable-source-maps|--no-warnings)/;
  return { execArgv: process.execArgv.filter((option) => conditions.test(option)) };
}

/** Start the warden as a child of this thread. */
export function wardenStart(start: WardenStart, hear: (news: WardenNews) => void): Warden {
  const file = new URL("./node-warden.js", import.meta.url);
  const worker = new Worker(file, {
    name: "knell warden",
    workerData: start,
    ...inheritedOptions(),
    env: SHARE_ENV,
  });
  worker.unref();
  worker.on("message", hear);
  return {
    ask: (request) => worker.postMessage(request),
    hold: () => worker.ref(),
    release: () => worker.unref(),
  };
}

/** Send a request to a warden that another thread keeps, if it listens already. */
export function wardenCall(channel: string, request: Ask): void {
  const broadcast = new BroadcastChannel(channel);
  try {
    broadcast.postMessage(request);
  } finally {
    broadcast.close();
  }
}

/** The address of a worker's module as text, or null: a URL, or the path of a file. */
export function workerUrl(url: unknown): string | null {
  if (url instanceof URL) return url.href;
  if (typeof url !== "string" || url === "") return null;
  if (!/^(?:file|data|blob|https?):/.test(url)) return pathToFileURL(url).href;
  return URL.canParse(url) ? url : null;
}

/** What `watchWorker` needs of a worker: Node's Worker, or what is like it. */
interface WorkerLike {
  readonly threadId: number;
  on(event: string | symbol, listener: (value: unknown) => void): unknown;
  terminate(): unknown;
}

/** A worker of the program's that this thread watches. */
export interface Watched {
  readonly hostThread: number;
  terminate(): void;
}

/** What was thrown, as text. */
export function errorText(error: unknown): string {
  if (error instanceof Error) return error.stack ?? `${error.name}: ${error.message}`;
  return String(error);
}

/** Number of a worker's thread while it runs, -1 once it has ended; null if it is no worker. */
export function workerThread(worker: unknown): number | null {
  const candidate = worker as Partial<WorkerLike> | null;
  if (typeof candidate?.on !== "function" || typeof candidate.terminate !== "function") return null;
  const { threadId: id } = candidate;
  return typeof id === "number" && Number.isInteger(id) && id !== 0 ? id : null;
}

/** Hear of a worker's end. Null if it is no worker of this runtime, or has ended already. */
export function watchWorker(
  worker: unknown,
  ended: (code: number, error: string) => void,
): Watched | null {
  const id = workerThread(worker);
  if (id === null || id < 0) return null;
  const candidate = worker as WorkerLike;
  let error = "";
  // Looks on only: what the program does about errors stays its own affair.
  candidate.on(errorMonitor, (thrown) => {
    error = errorText(thrown);
  });
  candidate.on("exit", (code) => ended(Number(code), error));
  return { hostThread: id, terminate: () => void candidate.terminate() };
}
