// SPDX-License-Identifier: ISC
/**
 * The host in browsers: clocks, timers and warnings, with the same exports as node.ts. Workers
 * cannot be started or watched by the kernel there yet: start them yourself, pass them
 * `kernel.share()`, and have them close their kernel when they end.
 */
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

/** A page's own thread may not block. */
const isPage = "document" in globalThis;

function processorCount(): number {
  const { navigator } = globalThis as { navigator?: { hardwareConcurrency?: number } };
  return navigator?.hardwareConcurrency ?? 1;
}

/**
 * The largest of a few steps of the clock, which browsers make coarse on purpose: where a thread's
 * scale starts is known no better than that.
 */
function clockStepNs(): number {
  let step = 0;
  for (let i = 0; i < 4; i++) {
    const before = performance.now();
    let after = before;
    while (after === before) after = performance.now();
    step = Math.max(step, after - before);
  }
  return step * 1e6;
}

/** What this thread offers the kernel. All threads share the scale that starts in 1970. */
export const threadHost: ThreadHost = {
  monotonicNs: () => (performance.timeOrigin + performance.now()) * 1e6,
  clockErrorNs: clockStepNs(),
  wallNs: () => (performance.timeOrigin + performance.now()) * 1e6,
  processors: processorCount(),
  canBlock: !isPage,
};

/** Browsers have no numbers for threads. */
export const hostThread = 0;

/** Why workers cannot be started here, or null. */
export const noWorkers: string | null =
  "a browser's workers are started by the program, and given kernel.share()";

const DELAY_MAX = 2 ** 31 - 1;

/** Something that keeps the process alive while it is held. A page lives as long as it is open. */
export interface KeepAlive {
  hold(): void;
  release(): void;
  end(): void;
}

export function keepAlive(): KeepAlive {
  return { hold() {}, release() {}, end() {} };
}

/** Call `fn` after some milliseconds; returns how to cancel. */
export function later(ms: number, fn: () => void): () => void {
  const timer = setTimeout(fn, Math.min(Math.ceil(ms), DELAY_MAX));
  return () => clearTimeout(timer);
}

/** Lets everything else that is ready in the event loop run. */
export function turn(): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, 0);
  });
}

/** Tell the developer of a mistake that is no error. */
export function warn(code: string, message: string): void {
  console.warn(`${code}: ${message}`);
}

/** The address of a worker's module as text, or null. */
export function workerUrl(url: unknown): string | null {
  return url instanceof URL ? url.href : null;
}

export function wardenStart(_start: WardenStart, _hear: (news: WardenNews) => void): Warden {
  return { ask() {}, hold() {}, release() {} };
}

export function wardenCall(_channel: string, _request: Ask): void {}

/** A worker of the program's that this thread watches. */
export interface Watched {
  readonly hostThread: number;
  terminate(): void;
}

/** A browser's workers have no numbers. */
export function workerThread(_worker: unknown): number | null {
  return null;
}

/** A browser does not tell of a worker's end. */
export function watchWorker(
  _worker: unknown,
  _ended: (code: number, error: string) => void,
): Watched | null {
  return null;
}
