// SPDX-License-Identifier: ISC
/**
 * The turnstile of one thread of a scenario: what stands before each of its operations. The thread
 * that has the baton goes through; when another one is chosen, it hands the baton over and sleeps
 * at its gate. A sleep on a word of the arena is simulated: the thread cannot be chosen until it is
 * notified or its time-out is chosen.
 */
import { KernelPanic } from "#src/arena/kthread.js";
import { LOCK_SLEEP_MS, NET_SLEEP_MS } from "#src/limits.js";
import {
  OP_NOTIFY,
  OP_RACY,
  OP_WAIT,
  type Turnstile,
  type WaitResult,
} from "#src/sync/atomics-explore.js";
import { apply, choose, TIMED_OUT, WOKEN } from "./choose.js";
import {
  ABORT,
  Aborted,
  type Control,
  NO_CHOICE,
  SLEEP_ENDLESS,
  SLEEP_NET,
  SLEEP_TIMED,
  THREADS,
} from "./control.js";
import { ROW_LOCKED, ROW_SLEEP, ROW_SPIN, ROW_SWITCH, ROW_UNLOCKING, ROW_WOKE } from "./rows.js";

/** Results of a wait in its row. */
export const WAIT_NOT_EQUAL = 0;
export const WAIT_SLEEPS = 1;
export const WAIT_NO_TIME = 2;
/** waitAsync: the thread is told, and goes on. */
export const WAIT_AWAITS = 3;

/** The kernel's own time-outs are told from a caller's by their length. */
function sleepKind(timeoutMs: number): number {
  if (timeoutMs === Number.POSITIVE_INFINITY) return SLEEP_ENDLESS;
  return timeoutMs === NET_SLEEP_MS || timeoutMs === LOCK_SLEEP_MS ? SLEEP_NET : SLEEP_TIMED;
}

export class ThreadTurnstile implements Turnstile {
  readonly #control: Control;
  readonly #me: number;
  /** Row of the operation in progress. */
  #row = 0;
  /** A plain access was let through; what it did to its word is noted at the next operation. */
  #racy: Int32Array | null = null;

  constructor(control: Control, me: number) {
    this.#control = control;
    this.#me = me;
  }

  before(op: number, a: Int32Array, i: number, x: number, y: number): void {
    const control = this.#control;
    this.settle();
    if (op === OP_RACY) this.#racy = a;
    if (control.get(ABORT) === 1) throw new Aborted();
    const choice = this.#choose(true);
    if (choice === this.#me) {
      this.#row = control.row(op, this.#me, i, x, y, choice);
    } else {
      control.row(ROW_SWITCH, this.#me, i, op, 0, choice);
      this.#handOver(choice);
      this.#row = control.row(op, this.#me, i, x, y, NO_CHOICE);
    }
  }

  after(result: number): void {
    this.#control.rowResult(this.#row, result);
  }

  /** Note what the last plain access left in its word. */
  settle(): void {
    const a = this.#racy;
    if (a === null) return;
    this.#racy = null;
    this.#control.rowLeft(this.#row, a[this.#control.rowWord(this.#row, 1)] as number);
  }

  wait(a: Int32Array, i: number, expected: number, timeoutMs: number): WaitResult {
    this.before(OP_WAIT, a, i, expected, 0);
    if (a[i] !== expected) {
      this.after(WAIT_NOT_EQUAL);
      return "not-equal";
    }
    if (!(timeoutMs > 0)) {
      this.after(WAIT_NO_TIME);
      return "timed-out";
    }
    this.after(WAIT_SLEEPS);
    return this.#sleep(i, timeoutMs);
  }

  waitAsync(a: Int32Array, i: number, expected: number): boolean {
    this.before(OP_WAIT, a, i, expected, 0);
    const equal = a[i] === expected;
    this.after(equal ? WAIT_AWAITS : WAIT_NOT_EQUAL);
    if (equal) this.#control.setAwaits(this.#me, i);
    return equal;
  }

  /** What an event loop does: sleep until the word that waitAsync named has been notified. */
  park(timeoutMs: number): WaitResult {
    const word = this.#control.awaits(this.#me);
    return word === 0 ? "ok" : this.#sleep(word, timeoutMs);
  }

  #sleep(i: number, timeoutMs: number): WaitResult {
    const control = this.#control;
    const deadline = Math.ceil(control.clockNs + timeoutMs * 1e6);
    control.sleep(this.#me, i, sleepKind(timeoutMs), deadline);
    const choice = choose(control, this.#me, false);
    control.row(ROW_SLEEP, this.#me, i, 0, 0, choice);
    if (choice < 0) throw new Aborted();
    this.#handOver(choice);
    const result = control.sleepResult(this.#me);
    control.rowResult(control.row(ROW_WOKE, this.#me, i, 0, 0, NO_CHOICE), result);
    return result === TIMED_OUT ? "timed-out" : "ok";
  }

  notify(a: Int32Array, i: number, count: number): number {
    const control = this.#control;
    this.before(OP_NOTIFY, a, i, count, 0);
    let woken = 0;
    for (; woken < count; woken++) {
      const first = this.#firstOn(i);
      if (first < 0) break;
      control.setAwaits(first, 0);
      if (control.sleepsOn(first) === i) control.wake(first, WOKEN);
    }
    this.after(woken);
    return woken;
  }

  /** Who waits for the word, asleep or not, and has slept longest, or -1. */
  #firstOn(word: number): number {
    const control = this.#control;
    let first = -1;
    for (let t = 0; t < control.get(THREADS); t++) {
      if (control.sleepsOn(t) !== word && control.awaits(t) !== word) continue;
      if (first < 0 || control.sleepSerial(t) < control.sleepSerial(first)) first = t;
    }
    return first;
  }

  lock(_a: Int32Array, lock: number, taken: boolean): void {
    const kind = taken ? ROW_LOCKED : ROW_UNLOCKING;
    this.#control.row(kind, this.#me, lock, 0, 0, NO_CHOICE);
  }

  spin(): void {
    const control = this.#control;
    if (control.get(ABORT) === 1) throw new Aborted();
    const choice = this.#choose(false);
    control.row(ROW_SPIN, this.#me, 0, 0, 0, choice);
    this.#handOver(choice);
  }

  #choose(stay: boolean): number {
    const choice = choose(this.#control, this.#me, stay);
    if (choice < 0) throw new Aborted();
    return choice;
  }

  /** Let the chosen thread go on, and come back when this one is chosen. */
  #handOver(choice: number): void {
    const control = this.#control;
    const chosen = apply(control, this.#me, choice);
    if (chosen === this.#me) return;
    control.open(chosen);
    control.enter(this.#me);
    if (control.get(ABORT) === 1) throw new Aborted();
  }
}

/** What a thread that threw has to say, with the innermost calls, wherever the package is. */
export function complaintOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const frames = (error.stack ?? "").matchAll(/^ +at (\S+) .*?((?:src|dist|test)\/[^:]+:\d+)/gm);
  const calls = [...frames].slice(0, 6).map(([, call, place]) => `  in ${call}, ${place}`);
  const kind = error instanceof KernelPanic ? "panic: " : `${error.name}: `;
  return [kind + error.message, ...calls].join("\n");
}
