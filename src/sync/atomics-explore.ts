// SPDX-License-Identifier: ISC
/**
 * The exploring version of the door to `Atomics`, behind `#atomics` under `--conditions=explore`.
 *
 * In a thread that has a turnstile installed, each operation first passes it: there the thread may
 * be held while others go on, and sleeping and waking are the turnstile's affair, so that nobody
 * really sleeps inside an exploration. Without one, everything is as in atomics.ts. The turnstile
 * itself is test code (test/explore/engine).
 */

/** Operations, as a turnstile is told of them. */
export const OP_LOAD = 1;
export const OP_STORE = 2;
export const OP_ADD = 3;
export const OP_EXCHANGE = 4;
export const OP_CAS = 5;
export const OP_WAIT = 6;
export const OP_NOTIFY = 7;
/** A plain load that races: a hint. */
export const OP_RACY = 8;
/** A plain store that races: published by a later operation. */
export const OP_PUBLISH = 9;

export type WaitResult = "ok" | "not-equal" | "timed-out";

/** What decides, in one thread, who goes on at each operation. */
export interface Turnstile {
  /** The thread is about to do an operation on word i; returns when it may. */
  before(op: number, a: Int32Array, i: number, x: number, y: number): void;
  /** It has done it, and this is what it saw. */
  after(result: number): void;
  wait(a: Int32Array, i: number, expected: number, timeoutMs: number): WaitResult;
  notify(a: Int32Array, i: number, count: number): number;
  /** Whether the thread is a waiter of the word from now on, without sleeping. */
  waitAsync(a: Int32Array, i: number, expected: number): boolean;
  /** The thread is about to load a guarded word, as a field or by index. */
  read(a: Int32Array, i: number, byIndex: boolean): void;
  /** The thread is about to store to a guarded word; its end may come first, or may not. */
  write(a: Int32Array, i: number, mayEnd: boolean): void;
  /** The thread may end here. */
  rest(): void;
  /** A mutex was taken, or is about to be released. */
  lock(a: Int32Array, lock: number, taken: boolean): void;
  /** The thread cannot get on until another one does something. */
  spin(): void;
}

let turnstile: Turnstile | null = null;
/** A guard is being looked up. */
let looking = false;

/** Put a turnstile before every operation of this thread, or take it away again (null). */
export function exploreInstall(installed: Turnstile | null): void {
  turnstile = installed;
}

export function atomicLoad(a: Int32Array, i: number): number {
  if (turnstile === null) return Atomics.load(a, i);
  turnstile.before(OP_LOAD, a, i, 0, 0);
  const value = Atomics.load(a, i);
  turnstile.after(value);
  return value;
}

export function atomicStore(a: Int32Array, i: number, value: number): void {
  if (turnstile !== null) turnstile.before(OP_STORE, a, i, value, 0);
  Atomics.store(a, i, value);
}

export function atomicAdd(a: Int32Array, i: number, n: number): number {
  if (turnstile === null) return Atomics.add(a, i, n);
  turnstile.before(OP_ADD, a, i, n, 0);
  const old = Atomics.add(a, i, n);
  turnstile.after(old);
  return old;
}

export function atomicExchange(a: Int32Array, i: number, value: number): number {
  if (turnstile === null) return Atomics.exchange(a, i, value);
  turnstile.before(OP_EXCHANGE, a, i, value, 0);
  const old = Atomics.exchange(a, i, value);
  turnstile.after(old);
  return old;
}

export function atomicCas(a: Int32Array, i: number, expected: number, value: number): number {
  if (turnstile === null) return Atomics.compareExchange(a, i, expected, value);
  turnstile.before(OP_CAS, a, i, expected, value);
  const old = Atomics.compareExchange(a, i, expected, value);
  turnstile.after(old);
  return old;
}

/** Sleep while the word holds `expected`, at most `timeoutMs` (Infinity: no limit). */
export function atomicWait(
  a: Int32Array,
  i: number,
  expected: number,
  timeoutMs: number,
): WaitResult {
  if (turnstile === null) return Atomics.wait(a, i, expected, timeoutMs);
  return turnstile.wait(a, i, expected, timeoutMs);
}

/** Wake at most `count` threads that sleep on the word; returns how many. */
export function atomicNotify(a: Int32Array, i: number, count: number): number {
  if (turnstile === null) return Atomics.notify(a, i, count);
  return turnstile.notify(a, i, count);
}

/** Under a turnstile this is fulfilled by nobody: the turnstile knows when its time has come. */
const PENDING = new Promise<never>(() => {});

/** A promise fulfilled when the word is notified, or null when it does not hold `expected`. */
export function atomicWaitAsync(
  a: Int32Array,
  i: number,
  expected: number,
): Promise<unknown> | null {
  if (turnstile !== null) return turnstile.waitAsync(a, i, expected) ? PENDING : null;
  const result = Atomics.waitAsync(a, i, expected);
  return result.async ? result.value : null;
}

/** Whether the runtime has Atomics.waitAsync. */
export function hasWaitAsync(): boolean {
  return typeof Atomics.waitAsync === "function";
}

/** A plain access that races with other threads; it follows this call. */
export function racyPoint(a: Int32Array, i: number, hint = false): void {
  if (turnstile === null) return;
  turnstile.before(hint ? OP_RACY : OP_PUBLISH, a, i, 0, 0);
  turnstile.after(a[i] as number);
}

/** A guard is looked up, or has been: what is read for that is no access of the kernel's. */
export function guardLook(begins: boolean): void {
  looking = begins;
}

/** A plain load of a guarded word; it follows this call. */
export function readPoint(a: Int32Array, i: number): void {
  if (turnstile !== null) turnstile.read(a, i, false);
}

/** A plain store to a guarded word; it follows this call. */
export function writePoint(a: Int32Array, i: number): void {
  if (turnstile !== null) turnstile.write(a, i, true);
}

/** Told that a mutex was taken, or is about to be released. */
export function lockPoint(a: Int32Array, lock: number, taken: boolean): void {
  if (turnstile !== null) turnstile.lock(a, lock, taken);
}

const pause = (Atomics as { pause?: (n?: number) => void }).pause;

/** One turn of a spin loop; under a turnstile somebody else goes on. */
export function spinHint(): void {
  if (turnstile !== null) turnstile.spin();
  else if (pause !== undefined) pause();
}

/** An indexed word is about to be loaded: put in by test/explore/engine/points.ts. */
export function indexRead(a: Int32Array, i: number): number {
  if (turnstile !== null && !looking) turnstile.read(a, i, true);
  return i;
}

/** An indexed word is about to be stored to. */
export function indexWrite(a: Int32Array, i: number): number {
  if (turnstile !== null) turnstile.write(a, i, false);
  return i;
}

/** A function begins, or a loop goes round: the thread may end here. */
export function endPoint(): void {
  if (turnstile !== null && !looking) turnstile.rest();
}
