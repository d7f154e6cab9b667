// SPDX-License-Identifier: ISC
/**
 * Looks for data races with vector clocks. A schedule is sequentially consistent, and real memory
 * is not: what a thread stores plainly is seen by another one for sure only if something orders the
 * two, that is, a chain of atomic operations on the same word, of wait and notify, and of steps of
 * one thread. Locks are made of those. So this finds what no order of steps could show.
 *
 *  - An ordinary word: two accesses by different threads, one of them a store, that nothing orders.
 *  - A *racy* word (a RacyField, or one that atomic operations are used on): hints and loads are
 *    exempt. But plain stores that race with any other store may be lost.
 *  - Pointers to open files and to their objects (Fdentry.file, File.object) are followed after a
 *    hint, for a lock and a generation to compare. Whoever glances at one knows what its publisher
 *    did before its last atomic store. That is more than the language promises, and what processors
 *    do: a load through a pointer does not come before the load of the pointer.
 *  - A plain store to a racy word (`publish`) must be followed by an atomic store of the thread
 *    before it sleeps or has made its last call: others are told by that.
 *
 * Everything that was done before the run begins is ordered before it. Clocks and the history of
 * each word are in memory that the threads share, and belong to the run whose number they bear.
 */
import { THREADS_MAX } from "./sizes.js";

export const ACCESS_READ = 1;
export const ACCESS_WRITE = 2;
export const ACCESS_HINT = 3;
export const ACCESS_PUBLISH = 4;
export const ACCESS_LOAD = 5;
export const ACCESS_STORE = 6;
/** Load and store in one; also wait and notify, which are ordered by the word's list of waiters. */
export const ACCESS_CHANGE = 7;

const NAMES = [
  "",
  "reads",
  "stores to",
  "glances at",
  "publishes",
  "loads",
  "stores atomically to",
  "changes",
];

const WORD_ORDINARY = 0;
export const WORD_RACY = 1;
/** Racy, and what it points to is looked at by whoever glanced at it. */
export const WORD_POINTER = 2;

/** Head: number of the run, clocks of the threads, their publishes not followed by a store. */
const RUN = 0;
const ON = 1;
const WATCH_WORD = 2;
const WATCH_ROW = 3;
const WATCH_ACCESS = 4;
const RACE = 5; // word, access, row and thread of the first, then access of the second
const CLOCKS = 16;
const PENDING = CLOCKS + THREADS_MAX * THREADS_MAX;
const HEAD = 64;
/** History of a word: its run, who stored last; clock and row of each thread's last read. */
const H_RUN = 0;
const H_WRITER = 1; // thread + 1, plus 8 * access
const H_WRITE_CLOCK = 2;
const H_WRITE_ROW = 3;
const H_READ_CLOCKS = 4;
const H_READ_ROWS = H_READ_CLOCKS + THREADS_MAX;
/** What an atomic load of the word learns. */
const H_RELEASED = H_READ_ROWS + THREADS_MAX;
const HISTORY = H_RELEASED + THREADS_MAX;

/** Two accesses that nothing orders; the second one was about to be made. */
export interface Race {
  readonly word: number;
  readonly first: number;
  readonly firstThread: number;
  readonly firstRow: number;
  readonly second: number;
}

/** What an access is called in a complaint. */
export function accessName(access: number): string {
  return NAMES[access] ?? "?";
}

export class Races {
  readonly buffer: SharedArrayBuffer;
  readonly #h: Int32Array;
  /** For each word: WORD_ORDINARY, WORD_RACY or WORD_POINTER. */
  readonly #racy: Uint8Array;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    const words = (buffer.byteLength - HEAD * 4) / (HISTORY * 4 + 1);
    this.#h = new Int32Array(buffer, 0, HEAD + HISTORY * words);
    this.#racy = new Uint8Array(buffer, (HEAD + HISTORY * words) * 4);
  }

  static make(arenaWords: number): Races {
    return new Races(new SharedArrayBuffer(HEAD * 4 + arenaWords * (HISTORY * 4 + 1)));
  }

  #get(at: number): number {
    return this.#h[at] as number;
  }

  /** Forget the last run. */
  reset(on: boolean): void {
    const h = this.#h;
    h[RUN] = this.#get(RUN) + 1;
    h[ON] = on ? 1 : 0;
    h.fill(0, RACE, HEAD);
    for (let t = 0; t < THREADS_MAX; t++) h[CLOCKS + t * THREADS_MAX + t] = 1;
  }

  /** Tell what kind of word it is; true if that was not known. */
  mark(word: number, kind: number): boolean {
    if ((this.#racy[word] as number) >= kind) return false;
    this.#racy[word] = kind;
    return true;
  }

  /** Have the next run find out where an access is made. */
  watch({ word, firstRow, first }: Race): void {
    this.#h[WATCH_WORD] = word;
    this.#h[WATCH_ROW] = firstRow;
    this.#h[WATCH_ACCESS] = first;
  }

  unwatch(): void {
    this.#h[WATCH_WORD] = 0;
  }

  /** Whether this access is the one to be found. */
  watched(word: number, access: number, row: number): boolean {
    if (this.#get(WATCH_WORD) !== word || word === 0 || this.#get(WATCH_ROW) !== row) return false;
    return this.#get(WATCH_ACCESS) === this.#kindOf(word, access);
  }

  /** Plain accesses to racy words are hints and publishes, whatever made them. */
  #kindOf(word: number, access: number): number {
    if (this.#racy[word] === WORD_ORDINARY || access > ACCESS_WRITE) return access;
    return access === ACCESS_READ ? ACCESS_HINT : ACCESS_PUBLISH;
  }

  get race(): Race {
    return {
      word: this.#get(RACE),
      first: this.#get(RACE + 1),
      firstRow: this.#get(RACE + 2),
      firstThread: this.#get(RACE + 3),
      second: this.#get(RACE + 4),
    };
  }

  /** A thread touches a word during a row. False if that is a race; see `race`. */
  touch(thread: number, word: number, access: number, row: number): boolean {
    if (this.#get(ON) === 0) return true;
    const at = HEAD + HISTORY * word;
    if (this.#get(at + H_RUN) !== this.#get(RUN)) {
      this.#h.fill(0, at, at + HISTORY);
      this.#h[at + H_RUN] = this.#get(RUN);
    }
    if (access > ACCESS_HINT) this.mark(word, WORD_RACY);
    const kind = this.#kindOf(word, access);
    if (kind === ACCESS_HINT) {
      if (this.#racy[word] === WORD_POINTER) this.#acquire(thread, at);
      return true;
    }
    if (kind >= ACCESS_LOAD) this.#acquire(thread, at);
    const right = this.#ordered(thread, at, word, kind);
    if (access === ACCESS_PUBLISH) this.#h[PENDING + thread] = word;
    this.#note(thread, at, kind, row);
    return right;
  }

  #clockOf(thread: number, of: number): number {
    return this.#get(CLOCKS + thread * THREADS_MAX + of);
  }

  /** What the last atomic stores of the word tell is known to the thread now. */
  #acquire(thread: number, at: number): void {
    const mine = CLOCKS + thread * THREADS_MAX;
    for (let t = 0; t < THREADS_MAX; t++) {
      const told = this.#get(at + H_RELEASED + t);
      if (told > this.#get(mine + t)) this.#h[mine + t] = told;
    }
  }

  /** Whether every access that this one must not race with is known to the thread. */
  #ordered(thread: number, at: number, word: number, access: number): boolean {
    const last = this.#get(at + H_WRITER);
    if (last !== 0) {
      const [writer, its] = [(last & 7) - 1, last >> 3];
      // Two atomic operations never race; and what is published may be looked at by a load.
      const looks = access === ACCESS_LOAD && its === ACCESS_PUBLISH;
      const plain = !looks && (access <= ACCESS_PUBLISH || its <= ACCESS_PUBLISH);
      if (plain && writer !== thread) {
        if (this.#get(at + H_WRITE_CLOCK) > this.#clockOf(thread, writer)) {
          return this.#complain(word, its, this.#get(at + H_WRITE_ROW), writer, access);
        }
      }
    }
    if (access !== ACCESS_WRITE) return true;
    for (let t = 0; t < THREADS_MAX; t++) {
      if (t !== thread && this.#get(at + H_READ_CLOCKS + t) > this.#clockOf(thread, t)) {
        return this.#complain(word, ACCESS_READ, this.#get(at + H_READ_ROWS + t), t, access);
      }
    }
    return true;
  }

  #complain(word: number, first: number, row: number, thread: number, second: number): boolean {
    this.#h.set([word, first, row, thread, second], RACE);
    return false;
  }

  #note(thread: number, at: number, access: number, row: number): void {
    const h = this.#h;
    const clock = this.#clockOf(thread, thread);
    if (access === ACCESS_READ) {
      h[at + H_READ_CLOCKS + thread] = clock;
      h[at + H_READ_ROWS + thread] = row;
    }
    if (access === ACCESS_READ || access === ACCESS_LOAD) return;
    h[at + H_WRITER] = thread + 1 + 8 * access;
    h[at + H_WRITE_CLOCK] = clock;
    h[at + H_WRITE_ROW] = row;
    const mine = CLOCKS + thread * THREADS_MAX;
    if (access === ACCESS_PUBLISH) {
      // What the thread did before its last atomic store comes before this store everywhere.
      h.copyWithin(at + H_RELEASED, mine, mine + THREADS_MAX);
      h[at + H_RELEASED + thread] = clock - 1;
    }
    if (access < ACCESS_STORE) return;
    h[PENDING + thread] = 0;
    h.copyWithin(at + H_RELEASED, mine, mine + THREADS_MAX);
    h[mine + thread] = clock + 1;
  }

  /** A word that the thread published with nothing to tell of it since, or 0. */
  untold(thread: number): number {
    return this.#get(ON) === 0 ? 0 : this.#get(PENDING + thread);
  }
}
