// SPDX-License-Identifier: ISC

/**
 * Puts a thread on one processor, where `taskset` is there to do it. Two threads that talk are
 * fast or slow by an order of magnitude depending on whether they share one, so the benchmarks with
 * two threads choose, and so do the native peers.
 */

import { spawnSync } from "node:child_process";
import { readFileSync, readlinkSync } from "node:fs";
import { availableParallelism } from "node:os";

/** The processors that the process was given when it started; empty where that is unknown. */
export const allowedCpus: readonly number[] = readAllowedCpus();

export const cpuCount = allowedCpus.length || availableParallelism();

function readAllowedCpus(): number[] {
  try {
    const status = readFileSync("/proc/thread-self/status", "utf8");
    const list = /^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1] ?? "";
    return list.split(",").flatMap((range) => {
      const [first = Number.NaN, last = first] = range.split("-").map(Number);
      return Array.from({ length: last - first + 1 }, (_, i) => first + i);
    });
  } catch {
    return [];
  }
}

/** Binds the calling thread to these processors; does nothing where that cannot be done. */
export function pinThread(cpus: readonly number[]): void {
  if (cpus.length === 0) return;
  try {
    const thread = readlinkSync("/proc/thread-self").split("/").pop()!;
    spawnSync("taskset", ["-p", "-c", cpus.join(","), thread]);
  } catch {
    // not Linux
  }
}

/** The nth processor of this process as a set for pinThread. */
export function nthCpu(n: number): readonly number[] {
  return allowedCpus.length === 0 ? [] : [allowedCpus[n % allowedCpus.length]!];
}
