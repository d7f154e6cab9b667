// SPDX-License-Identifier: ISC
/** The host under Node (and Bun and Deno, which have its modules): clocks and processors. */
import { availableParallelism } from "node:os";
import type { ThreadHost } from "../arena/kthread.js";

/**
 * Nanoseconds to add to performance.now() to get to the clock that all threads of the process
 * share. The pair of readings that lie closest together is the most exact.
 */
function calibrate(): number {
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
  return offset;
}

const monotonicOffset = calibrate();

/** What this thread offers the kernel. */
export const threadHost: ThreadHost = {
  monotonicNs: () => performance.now() * 1e6 + monotonicOffset,
  wallNs: () => (performance.timeOrigin + performance.now()) * 1e6,
  processors: availableParallelism(),
  canBlock: true,
};
