// SPDX-License-Identifier: ISC
/**
 * The only door to `Atomics`. Everything else imports `#atomics`, which a build condition
 * (`--conditions=explore`) turns into the exploring version, where each of these operations is a
 * scheduling point. All operations are sequentially consistent, as JavaScript's are.
 */

export function atomicLoad(a: Int32Array, i: number): number {
  return Atomics.load(a, i);
}

export function atomicStore(a: Int32Array, i: number, value: number): void {
  Atomics.store(a, i, value);
}

export function atomicAdd(a: Int32Array, i: number, n: number): number {
  return Atomics.add(a, i, n);
}

export function atomicExchange(a: Int32Array, i: number, value: number): number {
  return Atomics.exchange(a, i, value);
}

export function atomicCas(a: Int32Array, i: number, expected: number, value: number): number {
  return Atomics.compareExchange(a, i, expected, value);
}

/** Sleep while the word holds `expected`, at most `timeoutMs` (Infinity: no limit). */
export function atomicWait(
  a: Int32Array,
  i: number,
  expected: number,
  timeoutMs: number,
): "ok" | "not-equal" | "timed-out" {
  return Atomics.wait(a, i, expected, timeoutMs);
}

/** Wake at most `count` threads that sleep on the word; returns how many. */
export function atomicNotify(a: Int32Array, i: number, count: number): number {
  return Atomics.notify(a, i, count);
}

/** A promise fulfilled when the word is notified, or null when it does not hold `expected`. */
export function atomicWaitAsync(
  a: Int32Array,
  i: number,
  expected: number,
): Promise<unknown> | null {
  const result = Atomics.waitAsync(a, i, expected);
  return result.async ? result.value : null;
}

/** Whether the runtime has Atomics.waitAsync. */
export function hasWaitAsync(): boolean {
  return typeof Atomics.waitAsync === "function";
}

/**
 * A plain access that races with other threads: a scheduling point of the exploring version. It
 * stores, unless it is a hint.
 */
export function racyPoint(_a: Int32Array, _i: number, _hint = false): void {}

/** The checked build looks up a guard, or has done so. */
export function guardLook(_begins: boolean): void {}

/** A guarded word is about to be read by a plain load: the exploring version looks for races. */
export function readPoint(_a: Int32Array, _i: number): void {}

/** A guarded word is about to be stored to: the exploring version may end the thread before it. */
export function writePoint(_a: Int32Array, _i: number): void {}

/** Told that a mutex was taken or released: the exploring and checked versions use it. */
export function lockPoint(_a: Int32Array, _lock: number, _taken: boolean): void {}

const pause = (Atomics as { pause?: (n?: number) => void }).pause;

/** One turn of a spin loop; lets the sibling hardware thread run where the runtime can say so. */
export function spinHint(): void {
  if (pause !== undefined) pause();
}
