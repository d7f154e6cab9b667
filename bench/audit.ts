// SPDX-License-Identifier: ISC

/**
 * What does not depend on time: Atomics calls per operation, counted in a child process of its
 * own in which `Atomics` is wrapped, and bytes of the heap per operation, found in the process
 * that measured, when its loops are as optimised as they get.
 */

import { spawnSync } from "node:child_process";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import type { AtomicsCounter } from "./count-atomics.js";
import {
  closeAll,
  type Loop,
  type Measured,
  optionsFor,
  prepareAll,
  type Question,
  variantsOf,
} from "./harness.js";

/** Calls per operation by the name of the function, for each variant that has a loop. */
export type AtomicsCounts = Record<string, Record<string, number>>;

const marker = "atomics-counts ";
const counted = 4096; // operations

/** In the counted child: prints what each loop of ours and each floor calls. */
export async function printAtomicsCounts(question: Question): Promise<void> {
  const counter = Reflect.get(globalThis, Symbol.for("knell.bench.atomics")) as AtomicsCounter;
  const rows = question.rows?.(optionsFor(true)) ?? [];
  const all = [...variantsOf(rows).values()].filter(
    ({ variant }) => variant.kind === "knell" || variant.kind === "floor",
  );
  const counts: AtomicsCounts = {};
  await prepareAll(all);
  for (const { variant, prepared } of all) {
    const loop = prepared?.loop ?? prepared?.stream;
    if (loop === undefined) continue;
    loop(counted);
    counter.reset();
    loop(counted);
    const calls = Object.entries(counter.read()).map(([name, n]) => [name, n / counted] as const);
    const kept = prepared?.loop ? calls : calls.filter(([name]) => name === "notify");
    counts[variant.id] = Object.fromEntries(kept);
  }
  await closeAll(all);
  console.log(marker + JSON.stringify(counts));
}

/** Starts the counted child for the bench file `file`; says why there are no counts. */
export function countAtomics(file: string): AtomicsCounts | string {
  const shim = new URL("count-atomics.js", import.meta.url).href;
  const child = spawnSync(process.execPath, ["--import", shim, file, "--count-atomics"], {
    encoding: "utf8",
    timeout: 60_000,
  });
  const line = child.stdout.split("\n").find((text) => text.startsWith(marker));
  if (line === undefined) return child.stderr.trim() || `exit status ${child.status}`;
  return JSON.parse(line.slice(marker.length)) as AtomicsCounts;
}

/** Bytes per operation; undefined where the runtime cannot say. */
export function bytesPerOperation(loop: Loop): number | undefined {
  const collect = garbageCollector();
  if (collect === undefined) return undefined;
  const count = 2048; // at 200 bytes each this stays far below a young generation
  const windows: number[] = [];
  for (let i = 0; i < 9; i++) {
    collect();
    loop(64);
    const before = getHeapStatistics().used_heap_size;
    const empty = getHeapStatistics().used_heap_size - before; // the look itself allocates
    loop(count);
    windows.push(getHeapStatistics().used_heap_size - before - 2 * empty);
  }
  windows.sort((a, b) => a - b);
  return Math.max(0, windows[4]! / count);
}

let gc: (() => void) | undefined;

function garbageCollector(): (() => void) | undefined {
  if (gc === undefined && process.versions["bun"] === undefined) {
    setFlagsFromString("--expose-gc");
    gc = runInNewContext("gc") as () => void;
  }
  return gc;
}

/** Bytes per operation of every variant of ours that ran. */
export function measureBytes(all: Iterable<Measured>): Record<string, number> {
  const bytes: Record<string, number> = {};
  for (const { variant, prepared, failure } of all) {
    if (variant.kind !== "knell" || failure !== undefined || !prepared?.loop) continue;
    const perOperation = bytesPerOperation(prepared.loop);
    if (perOperation !== undefined) bytes[variant.id] = perOperation;
  }
  return bytes;
}
