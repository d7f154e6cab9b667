// SPDX-License-Identifier: ISC
/**
 * The words that the threads of an exploration and its controller share, beside the arena.
 *
 * Exactly one of them has the baton, and only it touches these words; the others sleep at their
 * gates. So nothing here needs Atomics but the gates themselves.
 *
 *   head      state of the run: step number, who can run, the decisions to follow
 *   gates     one line each: 1 lets its owner in
 *   threads   one block each: what it sleeps on, what it returned
 *   decisions pairs of step and choice: where the run departs from the default
 *   text      why the run failed
 *   rows      what happened, in order; see rows.ts
 */

import { Accesses } from "./accesses.js";
import { Races } from "./races.js";
import { DECISIONS_MAX, THREADS_MAX } from "./sizes.js";

export { DECISIONS_MAX, THREADS_MAX };

const TEXT_MAX = 2000;
export const RETURNS_MAX = 24;

/** Words of the head. */
export const ABORT = 0;
export const STEP = 1;
export const ROWS = 2;
export const VERDICT = 3;
export const CULPRIT = 4;
export const DECISIONS = 5;
export const DECISION_AT = 6;
export const NEXT_STEP = 7;
export const RUNNABLE = 8;
/** Sleeping threads whose time-out may be chosen. */
export const MORTAL = 9;
export const STEPS_MAX = 10;
export const RNG = 11;
/** Random mode: chance of a preemption at a step, of 65536; 0 is off. */
export const CHANCE = 12;
export const BUDGET = 13;
export const SLEEP_SERIAL = 14;
/** Safety-net time-outs that had to fire because nothing else could go on. */
export const NETS = 15;
export const STOP = 18;
export const THREADS = 19;
export const FREE_TIMEOUTS = 20;
export const SWITCHES = 21;
/** Threads that may still die in this run. */
export const DEATHS = 22;
/** Threads that have died, a mask. */
export const DIED = 23;
/** The run is to be told: plain stores have rows, too. */
export const TELLING = 24;
/** Sleeps on a lock that had to time out because nothing else could go on. */
export const LOCK_NETS = 25;
/** What a lock guards is checked when it is released. */
export const INSPECT = 26;
const CLOCK = 8; // of the Float64 view: words 16 and 17

const GATES = 64;
const GATE_WORDS = 16;
const BLOCKS = GATES + GATE_WORDS * (THREADS_MAX + 1);
const BLOCK_WORDS = 64;
/** Words of a thread's block. */
const B_SLEEPS_ON = 0;
const B_SERIAL = 1;
const B_RESULT = 2;
const B_KIND = 3;
const B_DEADLINE = 4; // two words
const B_DONE = 6;
const B_AWAITS = 7;
const B_RETURNED = 8;
const B_RETURNS = 9;

const DECISION_AREA = BLOCKS + BLOCK_WORDS * THREADS_MAX;
const TEXT_LENGTH = DECISION_AREA + 2 * DECISIONS_MAX;
const TEXT_AREA = TEXT_LENGTH + 1;
const ROW_AREA = TEXT_AREA + TEXT_MAX;
export const ROW_WORDS = 6;

/** How a run ended. */
export const RAN = 0;
export const DEADLOCK = 1;
/** More steps than the limit. */
export const RUNAWAY = 2;
/** A thread threw. */
export const THREW = 3;
/** A decision named a thread that could not go on: the schedule is of another program. */
export const DIVERGED = 4;
/** Two accesses race. */
export const RACED = 6;
/** An access that a run was to find was found. */
export const SEEN = 7;
/** The rest of the run is explored elsewhere: see accesses.ts. */
export const CUT = 5;

/** Choices: a thread to go on with, or that thread after its sleep timed out. */
export const CHOICE_THREAD = 0xff;
export const CHOICE_TIMEOUT = 0x100;
/** The running thread dies. */
export const CHOICE_DEATH = 0x200;
/** What a row has where nothing was chosen. */
export const NO_CHOICE = -1;

/** What a thread's sleep may end by, besides a wake. */
export const SLEEP_ENDLESS = 0;
/** A time-out of the kernel's own that only matters after a death. */
export const SLEEP_NET = 1;
/** The caller's time-out, or a timer. */
export const SLEEP_TIMED = 2;
/** The time-out of a sleep on a lock, which only matters after a death, too. */
export const SLEEP_LOCK = 3;

/** Thrown out of kernel code to end a run; nothing but the worker's loop catches it. */
export class Aborted extends Error {}

/** Thrown out of kernel code where its thread dies; nothing but the worker's loop catches it. */
export class Died extends Error {}

export class Control {
  readonly buffer: SharedArrayBuffer;
  readonly accesses: Accesses;
  readonly races: Races;
  readonly c: Int32Array;
  readonly #f: Float64Array;
  readonly rowsMax: number;

  constructor(buffer: SharedArrayBuffer, accesses: Accesses, races: Races) {
    this.buffer = buffer;
    this.accesses = accesses;
    this.races = races;
    this.c = new Int32Array(buffer);
    this.#f = new Float64Array(buffer);
    this.rowsMax = Math.floor((this.c.length - ROW_AREA) / ROW_WORDS);
  }

  static make(stepsMax: number, arenaWords: number): Control {
    const words = ROW_AREA + ROW_WORDS * (5 * stepsMax + 64);
    const buffer = new SharedArrayBuffer(Math.ceil(words / 2) * 8);
    return new Control(buffer, Accesses.make(arenaWords), Races.make(arenaWords));
  }

  get(word: number): number {
    return this.c[word] as number;
  }
  set(word: number, value: number): void {
    this.c[word] = value;
  }

  get clockNs(): number {
    return this.#f[CLOCK] as number;
  }
  set clockNs(ns: number) {
    this.#f[CLOCK] = ns;
  }

  /** Let the owner of a gate in. From here on the caller touches nothing. */
  open(gate: number): void {
    const at = GATES + GATE_WORDS * gate;
    Atomics.store(this.c, at, 1);
    Atomics.notify(this.c, at, 1);
  }

  /** Sleep at one's gate until let in; false when that took longer than `timeoutMs`. */
  enter(gate: number, timeoutMs = Number.POSITIVE_INFINITY): boolean {
    const at = GATES + GATE_WORDS * gate;
    while (Atomics.compareExchange(this.c, at, 1, 0) !== 1) {
      if (Atomics.wait(this.c, at, 0, timeoutMs) === "timed-out") return false;
    }
    return true;
  }

  /** Forget the last run. */
  reset(threads: number, clockNs: number): void {
    this.c.fill(0, 0, GATES);
    this.c.fill(0, BLOCKS, DECISION_AREA);
    this.set(TEXT_LENGTH, 0);
    this.set(THREADS, threads);
    this.set(RUNNABLE, (1 << threads) - 1);
    this.set(NEXT_STEP, -1);
    this.clockNs = clockNs;
  }

  decide(steps: readonly number[], choices: readonly number[]): void {
    if (steps.length > DECISIONS_MAX) throw new RangeError("too many decisions in a schedule");
    for (let i = 0; i < steps.length; i++) {
      this.set(DECISION_AREA + 2 * i, steps[i] as number);
      this.set(DECISION_AREA + 2 * i + 1, choices[i] as number);
    }
    this.set(DECISIONS, steps.length);
    this.set(NEXT_STEP, steps[0] ?? -1);
  }

  /** The decision for this step; the one after it becomes the next. */
  takeDecision(): number {
    const at = this.get(DECISION_AT);
    const choice = this.get(DECISION_AREA + 2 * at + 1);
    this.set(DECISION_AT, at + 1);
    const more = at + 1 < this.get(DECISIONS);
    this.set(NEXT_STEP, more ? this.get(DECISION_AREA + 2 * at + 2) : -1);
    return choice;
  }

  /** Note that a thread sleeps on a word. */
  sleep(thread: number, word: number, kind: number, deadlineNs: number): void {
    const b = BLOCKS + BLOCK_WORDS * thread;
    this.c[b + B_SLEEPS_ON] = word;
    this.c[b + B_SERIAL] = this.get(SLEEP_SERIAL);
    this.c[b + B_KIND] = kind;
    this.#f[(b + B_DEADLINE) / 2] = deadlineNs;
    this.set(SLEEP_SERIAL, this.get(SLEEP_SERIAL) + 1);
    this.set(RUNNABLE, this.get(RUNNABLE) & ~(1 << thread));
    if (kind === SLEEP_TIMED && this.get(FREE_TIMEOUTS) === 1) {
      this.set(MORTAL, this.get(MORTAL) | (1 << thread));
    }
  }

  /** A sleeper can go on; `result` is what its sleep returns. */
  wake(thread: number, result: number): void {
    const b = BLOCKS + BLOCK_WORDS * thread;
    this.c[b + B_SLEEPS_ON] = 0;
    this.c[b + B_RESULT] = result;
    this.set(RUNNABLE, this.get(RUNNABLE) | (1 << thread));
    this.set(MORTAL, this.get(MORTAL) & ~(1 << thread));
  }

  sleepsOn(thread: number): number {
    return this.c[BLOCKS + BLOCK_WORDS * thread + B_SLEEPS_ON] as number;
  }
  sleepSerial(thread: number): number {
    return this.c[BLOCKS + BLOCK_WORDS * thread + B_SERIAL] as number;
  }
  sleepResult(thread: number): number {
    return this.c[BLOCKS + BLOCK_WORDS * thread + B_RESULT] as number;
  }
  sleepKind(thread: number): number {
    return this.c[BLOCKS + BLOCK_WORDS * thread + B_KIND] as number;
  }
  deadline(thread: number): number {
    return this.#f[(BLOCKS + BLOCK_WORDS * thread + B_DEADLINE) / 2] as number;
  }

  /** The word whose notification the thread awaits without sleeping; 0 for none. */
  awaits(thread: number): number {
    return this.c[BLOCKS + BLOCK_WORDS * thread + B_AWAITS] as number;
  }
  setAwaits(thread: number, word: number): void {
    this.c[BLOCKS + BLOCK_WORDS * thread + B_AWAITS] = word;
  }

  /** The thread's function has ended, and returned these numbers. */
  finish(thread: number, returned: readonly number[]): void {
    const b = BLOCKS + BLOCK_WORDS * thread;
    this.c[b + B_DONE] = 1;
    this.c[b + B_RETURNED] = returned.length;
    for (let i = 0; i < returned.length; i++) this.c[b + B_RETURNS + i] = returned[i] as number;
    this.set(RUNNABLE, this.get(RUNNABLE) & ~(1 << thread));
  }
  isDone(thread: number): boolean {
    return this.c[BLOCKS + BLOCK_WORDS * thread + B_DONE] === 1;
  }
  /** Some thread that has not ended, or -1. */
  undone(): number {
    for (let t = 0; t < this.get(THREADS); t++) if (!this.isDone(t)) return t;
    return -1;
  }
  returned(thread: number): number[] {
    const b = BLOCKS + BLOCK_WORDS * thread;
    const count = this.c[b + B_RETURNED] as number;
    return [...this.c.subarray(b + B_RETURNS, b + B_RETURNS + count)];
  }

  /** End the run: every thread that has not ended throws at its next step. */
  fail(verdict: number, thread: number, text: string): void {
    this.set(ABORT, 1);
    if (this.get(VERDICT) !== RAN) return;
    this.set(VERDICT, verdict);
    this.set(CULPRIT, thread);
    const length = Math.min(text.length, TEXT_MAX);
    this.set(TEXT_LENGTH, length);
    for (let i = 0; i < length; i++) this.set(TEXT_AREA + i, text.charCodeAt(i));
  }
  get text(): string {
    const from = TEXT_AREA;
    return String.fromCharCode(...this.c.subarray(from, from + this.get(TEXT_LENGTH)));
  }

  /** Append a row; see rows.ts for what it means. Returns its number. */
  row(
    kind: number,
    thread: number,
    word: number,
    x: number,
    y: number,
    choice: number,
    mayDie = false,
  ): number {
    const n = this.get(ROWS);
    if (n >= this.rowsMax) throw new RangeError("the run has more rows than there is room for");
    const masks = (this.get(RUNNABLE) << 16) | (this.get(MORTAL) << 20) | (mayDie ? 1 << 24 : 0);
    const at = ROW_AREA + ROW_WORDS * n;
    this.c[at] = kind | (thread << 8) | masks;
    this.c[at + 1] = word;
    this.c[at + 2] = x;
    this.c[at + 3] = y;
    this.c[at + 4] = 0;
    this.c[at + 5] = choice;
    this.set(ROWS, n + 1);
    this.accesses.mark(n);
    return n;
  }
  /** Complete a row with what its operation returned. */
  rowResult(n: number, result: number): void {
    this.c[ROW_AREA + ROW_WORDS * n + 4] = result;
  }
  /** Complete the row of a plain access with what it left behind. */
  rowLeft(n: number, value: number): void {
    this.c[ROW_AREA + ROW_WORDS * n + 2] = value;
  }
  rowWord(n: number, word: number): number {
    return this.c[ROW_AREA + ROW_WORDS * n + word] as number;
  }
}
