// SPDX-License-Identifier: ISC
/** Reaping, for those who hear that a worker has ended: later once more, if it cannot be done. */
import { RecoveryStuck, type ThreadHost } from "../arena/kthread.js";
import { type Ending, workerEnded, workerRelease } from "../sys/exits.js";

/**
 * As workerEnded, and false also when a lock or a claim is held by somebody who may have ended too.
 * Who hears of ends must not wait for that, because it may be the one to hear of it. With `silent`
 * nobody is told yet.
 */
export function workerReap(
  buffer: SharedArrayBuffer,
  host: ThreadHost,
  ending: Ending,
  silent = false,
): boolean {
  try {
    return silent ? workerRelease(buffer, host, ending) : workerEnded(buffer, host, ending);
  } catch (error) {
    if (error instanceof RecoveryStuck) return false;
    throw error;
  }
}
