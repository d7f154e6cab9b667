// SPDX-License-Identifier: ISC
/**
 * What a run shows to the search: the departures that could follow it, with the footprint of the
 * step that each would put off; and the *window* of its last departure, which is what others did
 * from there until the thread that was preempted went on.
 */
import { type Footprint, footprintOf, NO_FOOTPRINT } from "./accesses.js";
import { CHOICE_THREAD, CHOICE_TIMEOUT, type Control, NO_CHOICE } from "./control.js";
import {
  alternatives,
  couldStay,
  ROW_REST,
  ROW_SPIN,
  ROW_WRITE,
  type Row,
  rowsOf,
} from "./rows.js";

/** One more departure that a run showed to be possible. */
export interface Departure {
  readonly step: number;
  readonly choice: number;
  readonly cost: number;
  readonly footprint: Footprint;
  /** Step before which the preempted thread could be preempted next. */
  readonly nextStep: number;
}

export interface Window {
  /** Words touched, and whether they were stored to. */
  readonly touched: ReadonlyMap<number, number>;
  readonly departures: readonly Departure[];
  /** Something happened that is not told by words, such as that time has passed. */
  readonly opaque: boolean;
}

/** The same window after one step less (or more) of the thread that it follows. */
export function shifted(window: Window, by: number): Window {
  const departures = window.departures.map((departure) => ({
    ...departure,
    step: departure.step + by,
    nextStep: departure.nextStep + by,
  }));
  return { ...window, departures };
}

export class Trace {
  readonly #rows: readonly Row[];
  readonly #log: Int32Array;
  /** Where the accesses of each row begin in the log. */
  readonly #from: Int32Array;
  /** Number of each row's step, or of the next one's. */
  readonly #steps: Int32Array;
  readonly #reduce: boolean;

  constructor(control: Control, reduce: boolean) {
    this.#rows = rowsOf(control);
    this.#log = control.accesses.log;
    this.#reduce = reduce && !control.accesses.overflowed;
    this.#from = new Int32Array(this.#rows.length + 1).fill(this.#log.length);
    for (const [at, entry] of this.#log.entries()) if (entry < 0) this.#from[-1 - entry] = at + 1;
    this.#steps = new Int32Array(this.#rows.length);
    let step = 0;
    for (const [n, row] of this.#rows.entries()) {
      this.#steps[n] = step;
      if (row.choice !== NO_CHOICE) step++;
    }
  }

  /** Accesses of the rows from one up to another. */
  #entries(from: number, to: number): number[] {
    const log = this.#log.subarray(this.#from[from], this.#from[to]);
    return [...log].filter((entry) => entry >= 0);
  }

  /** Row of the next step at which others could be chosen. */
  #next(n: number): number {
    for (let next = n + 1; next < this.#rows.length; next++) {
      const { choice, kind } = this.#rows[next] as Row;
      if (choice !== NO_CHOICE && kind !== ROW_WRITE && kind !== ROW_REST) return next;
    }
    return -1;
  }

  /** Whether the same could be chosen at two rows: nobody was woken between them. */
  #alike(n: number, m: number): boolean {
    const [a, b] = [this.#rows[n] as Row, this.#rows[m] as Row];
    return a.runnable === b.runnable && a.mortal === b.mortal;
  }

  /** Departures possible after a step, those up to a row only if one is given. */
  departures(after: number, last = this.#rows.length - 1): Departure[] {
    const found: Departure[] = [];
    for (let n = 0; n <= last; n++) {
      const row = this.#rows[n] as Row;
      const step = this.#steps[n] as number;
      if (row.choice === NO_CHOICE || step <= after) continue;
      let footprint: Footprint | null = null;
      const next = this.#reduce && couldStay(row) && row.choice === row.thread ? this.#next(n) : -1;
      alternatives(row, (choice, cost) => {
        const preempts = next >= 0 && choice <= CHOICE_THREAD;
        if (preempts) footprint ??= footprintOf(this.#entries(n, next));
        found.push({
          step,
          choice,
          cost,
          footprint: preempts ? (footprint as Footprint) : NO_FOOTPRINT,
          nextStep: preempts && this.#alike(n, next) ? (this.#steps[next] as number) : -1,
        });
      });
    }
    return found;
  }

  /** The window of the preemption at a step. */
  window(step: number): Window {
    const switched = this.#rows.findIndex(({ choice }, n) => {
      return choice !== NO_CHOICE && this.#steps[n] === step;
    });
    const { thread } = this.#rows[switched] as Row;
    let back = switched + 1;
    let opaque = !this.#reduce;
    for (; back < this.#rows.length && (this.#rows[back] as Row).thread !== thread; back++) {
      const { choice, kind } = this.#rows[back] as Row;
      if (kind === ROW_SPIN || (choice !== NO_CHOICE && (choice & CHOICE_TIMEOUT) !== 0)) {
        opaque = true;
      }
    }
    // The thread is back; it may die before it goes on.
    let last = back - 1;
    if ((this.#rows[back] as Row | undefined)?.kind === ROW_REST) last = back;
    const touched = new Map<number, number>();
    for (const entry of this.#entries(switched, back)) {
      touched.set(entry >> 1, (touched.get(entry >> 1) ?? 0) | (entry & 1));
    }
    return { touched, departures: this.departures(step, last), opaque };
  }
}
