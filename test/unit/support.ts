// SPDX-License-Identifier: ISC
/** What the unit tests share: kernels without the JavaScript face, and a source of numbers. */
import assert from "node:assert/strict";
import { KernelPanic, type Kthread } from "#src/arena/kthread.js";
import type { FieldInfo } from "#src/arena/layout.js";
import { threadHost } from "#src/host/node.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import type { BootShape } from "#src/kern/attach.js";
import { ARENA_BYTES_MIN } from "#src/limits.js";
import { kernelAttach, kernelBoot } from "#src/sys/kernel.js";

const SHAPE: BootShape = {
  arenaBytes: 1 << 20,
  threads: 8,
  descriptors: 256,
  userEvents: 1024,
  timers: 4096,
  profile: 0,
  manualClock: true,
  spin: false,
  wallNs: 0,
  id: 1,
};

/** A kernel with a manual clock in a small arena; its first thread. */
export function bootThread(shape: Partial<BootShape> = {}, host = threadHost): Kthread {
  const k = kernelBoot({ ...SHAPE, ...shape }, host);
  if (typeof k === "number") assert.fail(`boot: ${k}`);
  return k;
}

/** As bootThread, in the smallest arena. */
export function bootSmallest(shape: Partial<BootShape> = {}): Kthread {
  return bootThread({ arenaBytes: ARENA_BYTES_MIN, ...shape });
}

/** Another thread of the kernel, run by the same JavaScript thread: it must not block. */
export function attachThread(k: Kthread): Kthread {
  const other = kernelAttach(k.a.buffer as SharedArrayBuffer, threadHost);
  if (typeof other === "number") assert.fail(`attach: ${other}`);
  return other;
}

/** The arena is as it should be. */
export function assertSound(k: Kthread, when = ""): void {
  assert.deepEqual(checkInvariants(k), [], when);
}

/** What must end in a panic, and what the panic says. */
export function assertPanics(body: () => void, text: RegExp): void {
  assert.throws(body, (error) => error instanceof KernelPanic && text.test(error.message));
}

/** Words of the thread in lock-holder.ts: what to hold (0 nothing, -1 end), what it holds. */
export const WANTED = 0;
export const HELD = 1;
/** Rank of the lock that is wanted. */
export const RANK = 2;
export const CONTROL_WORDS = 3;

/** Change one word, look, and put it back. */
export function notices(k: Kthread, at: number, value: number, what: string): void {
  const before = k.a[at] as number;
  assert.notEqual(before, value, `${what}: no change`);
  k.a[at] = value;
  const problems = checkInvariants(k);
  k.a[at] = before;
  assert.ok(problems.length > 0, `${what} was not noticed`);
  assert.deepEqual(checkInvariants(k), [], `${what}: put back`);
}

/** Where a field is, and what stands there. */
export const word = (k: Kthread, field: FieldInfo, p: number): [number, number] => {
  const at = p + field.offset;
  return [at, k.a[at] as number];
};

/** Numbers that look random and are the same for the same seed: mulberry32. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed | 0;
  }
  /** A whole number from 0 to n - 1. */
  below(n: number): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 4_294_967_296) * n);
  }
  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

/** The seed of this run; KNELL_SEED repeats one. */
export const SEED = Number(process.env["KNELL_SEED"] ?? Date.now() % 1_000_000);
