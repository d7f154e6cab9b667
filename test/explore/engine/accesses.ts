// SPDX-License-Identifier: ISC
/**
 * What each step of a run touched, and which threads are asleep in the sense of sleep sets.
 *
 * The *log* has every access to a word of the arena, between marks that name the row of the control
 * during which it happened. The *footprint* of a step is what its operation touched and what its
 * thread touched by plain accesses up to its next step.
 *
 * A thread that is preempted by a decision falls *asleep* with the footprint that its next step had
 * in the run from which the decision departs. It wakes as soon as another thread touches a word of
 * that footprint, and one of the two stores. If it is to go on and still is asleep, what follows
 * has been explored, or will be, by preempting it one step later; see search.ts.
 */
import { DECISIONS_MAX, THREADS_MAX } from "./sizes.js";

const COUNT = 0;
const ASLEEP = 1;
/** Decision that each thread fell asleep by. */
const BY = 2;
/** Places of the footprints of the decisions; one more for the end of the last. */
const FOOT_AT = BY + THREADS_MAX;
const FEET = FOOT_AT + DECISIONS_MAX + 1;
const FEET_WORDS = 8192;
const LOG = FEET + FEET_WORDS;
const LOG_WORDS = 1 << 17;

/** Words touched: twice the index, and one more for a store. */
export type Footprint = Int32Array;
export const NO_FOOTPRINT: Footprint = new Int32Array(0);

export class Accesses {
  readonly buffer: SharedArrayBuffer;
  readonly #c: Int32Array;
  /** Two bits per word and thread: it has the word in its footprint; it stores to it. */
  readonly #shadow: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#c = new Int32Array(buffer, 0, LOG + LOG_WORDS);
    this.#shadow = new Uint8Array(buffer, (LOG + LOG_WORDS) * 4);
  }

  static make(arenaWords: number): Accesses {
    return new Accesses(new SharedArrayBuffer((LOG + LOG_WORDS) * 4 + arenaWords));
  }

  /** Forget the last run, and take the footprints that threads fall asleep with. */
  reset(footprints: readonly Footprint[]): void {
    this.wakeAll();
    const c = this.#c;
    c[COUNT] = 0;
    let at = 0;
    for (const [n, footprint] of footprints.entries()) {
      c[FOOT_AT + n] = at;
      if (at + footprint.length > FEET_WORDS) continue;
      c.set(footprint, FEET + at);
      at += footprint.length;
    }
    c[FOOT_AT + footprints.length] = at;
  }

  /** What follows belongs to a row. */
  mark(row: number): void {
    this.#push(-row - 1);
  }

  #push(entry: number): void {
    const n = this.#c[COUNT] as number;
    if (n < LOG_WORDS) this.#c[LOG + n] = entry;
    this.#c[COUNT] = n + 1;
  }

  /** The log was too short. */
  get overflowed(): boolean {
    return (this.#c[COUNT] as number) > LOG_WORDS;
  }

  /** The log: accesses, and marks, which are -1 - row. */
  get log(): Int32Array {
    return this.#c.subarray(LOG, LOG + Math.min(this.#c[COUNT] as number, LOG_WORDS));
  }

  /** A thread touches a word. */
  touch(thread: number, word: number, stores: boolean): void {
    this.#push(2 * word + (stores ? 1 : 0));
    const bits = this.#shadow[word] as number;
    if (bits === 0) return;
    for (let t = 0; t < THREADS_MAX; t++) {
      const its = (bits >>> (2 * t)) & 3;
      if (t !== thread && its !== 0 && (stores || its > 1)) this.wake(t);
    }
  }

  /** A thread is preempted by the n-th decision. */
  fallAsleep(thread: number, n: number): void {
    const c = this.#c;
    const from = FEET + (c[FOOT_AT + n] as number);
    const to = FEET + (c[FOOT_AT + n + 1] as number);
    if (from === to) return;
    for (let at = from; at < to; at++) {
      const entry = c[at] as number;
      const bits = (entry & 1) === 0 ? 1 : 3;
      this.#shadow[entry >> 1] = (this.#shadow[entry >> 1] as number) | (bits << (2 * thread));
    }
    c[BY + thread] = n;
    c[ASLEEP] = (c[ASLEEP] as number) | (1 << thread);
  }

  asleep(thread: number): boolean {
    return ((this.#c[ASLEEP] as number) & (1 << thread)) !== 0;
  }

  wake(thread: number): void {
    if (!this.asleep(thread)) return;
    const c = this.#c;
    const n = c[BY + thread] as number;
    for (let at = c[FOOT_AT + n] as number; at < (c[FOOT_AT + n + 1] as number); at++) {
      const word = (c[FEET + at] as number) >> 1;
      this.#shadow[word] = (this.#shadow[word] as number) & ~(3 << (2 * thread));
    }
    c[ASLEEP] = (c[ASLEEP] as number) & ~(1 << thread);
  }

  /** Something happened that may matter to everybody, such as that time has passed. */
  wakeAll(): void {
    for (let t = 0; t < THREADS_MAX; t++) this.wake(t);
  }
}

/** Each word once, and stored to if it ever is. */
export function footprintOf(entries: Iterable<number>): Footprint {
  const words = new Map<number, number>();
  for (const entry of entries) {
    words.set(entry >> 1, (words.get(entry >> 1) ?? 0) | (entry & 1));
  }
  return Int32Array.from(words, ([word, stores]) => 2 * word + stores);
}

/** Whether two footprints have no word in common, or none that either stores to. */
export function independent(a: Footprint, b: ReadonlyMap<number, number>): boolean {
  return a.every((entry) => {
    const its = b.get(entry >> 1);
    return its === undefined || ((its | entry) & 1) === 0;
  });
}
