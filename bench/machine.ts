// SPDX-License-Identifier: ISC

/**
 * What the figures depend on besides the program: the processor, the runtime, and the costs that
 * differ most between machines. A system call that costs twice as much makes everything that
 * avoids it look twice as good, so these stand beside every table.
 */

import { arch, cpus, platform, release } from "node:os";
import { nowNs } from "./clock.js";
import { type Loop, spreadOf } from "./harness.js";
import { nativeNs, startNative } from "./native.js";
import { waitWake } from "./peers/atomics.js";
import { allowedCpus, cpuCount, nthCpu, pinThread } from "./pin.js";

export interface Machine {
  readonly cpu: string;
  readonly cpus: number;
  readonly system: string;
  readonly runtime: string;
  readonly date: string;
  /** Nanoseconds; undefined where it could not be measured. */
  readonly systemCallNs: number | undefined;
  readonly wakeNs: number;
  readonly atomicsNs: number;
  readonly clockNs: number;
}

function timeLoop(loop: Loop): number {
  const samples: number[] = [];
  for (let i = 0; i < 60; i++) {
    const start = nowNs();
    loop(2000);
    samples.push((nowNs() - start) / 2000);
  }
  return spreadOf(samples.slice(20)).median;
}

function runtimeName(): string {
  const { versions } = process;
  if (versions["bun"] !== undefined) return `Bun ${versions["bun"]}`;
  if (versions["deno"] !== undefined) return `Deno ${versions["deno"]}`;
  return `Node ${versions.node} (V8 ${versions.v8})`;
}

async function measureWake(): Promise<number> {
  pinThread(nthCpu(0)); // the partner is on the other
  const prepared = await waitWake.prepare();
  await prepared.round(10e6);
  const ns = await prepared.round(20e6);
  await prepared.close?.();
  pinThread(allowedCpus);
  return ns;
}

/** Measures; or reads what the program that started this one has measured. */
export async function machineFacts(): Promise<Machine> {
  const known = process.env["BENCH_MACHINE"];
  if (known !== undefined) return JSON.parse(known) as Machine;
  await startNative();
  const words = new Int32Array(new SharedArrayBuffer(64));
  let last = 0;
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown processor",
    cpus: cpuCount,
    system: `${platform()} ${release()} ${arch()}`,
    runtime: runtimeName(),
    date: new Date().toISOString(),
    systemCallNs: await nativeNs("getpid", 200_000),
    wakeNs: await measureWake(),
    atomicsNs: timeLoop((count) => {
      for (let i = 0; i < count; i++) Atomics.compareExchange(words, 0, 0, 0);
    }),
    clockNs: timeLoop((count) => {
      for (let i = 0; i < count; i++) last = performance.now();
      if (last < 0) throw new Error("the clock is before its origin");
    }),
  };
}

export function machineLines(machine: Machine): string {
  const call =
    machine.systemCallNs === undefined
      ? "system call not measured (no C compiler)"
      : `system call ${machine.systemCallNs.toFixed(0)} ns`;
  return [
    `${machine.cpu}, ${machine.cpus} CPU${machine.cpus === 1 ? "" : "s"}, ${machine.system}`,
    `${machine.runtime}, ${machine.date}`,
    `${call}, wake of a sleeping thread ${(machine.wakeNs / 1e3).toFixed(1)} us, ` +
      `Atomics.compareExchange ${machine.atomicsNs.toFixed(1)} ns, ` +
      `clock read ${machine.clockNs.toFixed(0)} ns`,
  ].join("\n");
}
