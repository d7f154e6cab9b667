// SPDX-License-Identifier: ISC
/**
 * The turnstile of one thread of a scenario: what stands before each of its operations. The thread
 * that has the baton goes through; when another one is chosen, it hands the baton over and sleeps
 * at its gate. A sleep on a word of the arena is simulated: the thread cannot be chosen until it is
 * notified or its time-out is chosen.
 */
import { KernelPanic, type Kthread } from "#src/arena/kthread.js";
import { LINE_WORDS, LOCK_SLEEP_MS, LOCKS_HELD_MAX, NET_SLEEP_MS } from "#src/limits.js";
import {
  OP_ADD,
  OP_CAS,
  OP_EXCHANGE,
  OP_LOAD,
  OP_NOTIFY,
  OP_PUBLISH,
  OP_RACY,
  OP_STORE,
  OP_WAIT,
  type Turnstile,
  type WaitResult,
} from "#src/sync/atomics-explore.js";
import { LOCK_OWNER_MASK } from "#src/sync/mutex.js";
import {
  apply,
  choose,
  DIE,
  died,
  LEAVE,
  STAY,
  STAY_OR_DIE,
  TIMED_OUT,
  type Ways,
  WOKEN,
} from "./choose.js";
import {
  ABORT,
  Aborted,
  CHOICE_DEATH,
  CHOICE_THREAD,
  type Control,
  CUT,
  DEATHS,
  DECISION_AT,
  Died,
  INSPECT,
  NO_CHOICE,
  RACED,
  ROWS,
  SEEN,
  SLEEP_ENDLESS,
  SLEEP_LOCK,
  SLEEP_NET,
  SLEEP_TIMED,
  TELLING,
  THREADS,
} from "./control.js";
import { checkReleased } from "./invariants.js";
import {
  ACCESS_CHANGE,
  ACCESS_HINT,
  ACCESS_LOAD,
  ACCESS_PUBLISH,
  ACCESS_READ,
  ACCESS_STORE,
  ACCESS_WRITE,
} from "./races.js";
import {
  ROW_DIED,
  ROW_LOCKED,
  ROW_REST,
  ROW_SLEEP,
  ROW_SPIN,
  ROW_SWITCH,
  ROW_UNLOCKING,
  ROW_WOKE,
  ROW_WRITE,
} from "./rows.js";
import type { Mortality } from "./scenario.js";

/** What each operation is to the race check. */
const ACCESS_OF = {
  [OP_LOAD]: ACCESS_LOAD,
  [OP_STORE]: ACCESS_STORE,
  [OP_ADD]: ACCESS_CHANGE,
  [OP_EXCHANGE]: ACCESS_CHANGE,
  [OP_CAS]: ACCESS_CHANGE,
  [OP_WAIT]: ACCESS_CHANGE,
  [OP_NOTIFY]: ACCESS_CHANGE,
  [OP_RACY]: ACCESS_HINT,
  [OP_PUBLISH]: ACCESS_PUBLISH,
} as Readonly<Record<number, number>>;

/** Results of a wait in its row. */
export const WAIT_NOT_EQUAL = 0;
export const WAIT_SLEEPS = 1;
export const WAIT_NO_TIME = 2;
/** waitAsync: the thread is told, and goes on. */
export const WAIT_AWAITS = 3;

/** The kernel's own time-outs are told from a caller's by their length. */
function sleepKind(timeoutMs: number): number {
  if (timeoutMs === Number.POSITIVE_INFINITY) return SLEEP_ENDLESS;
  if (timeoutMs === LOCK_SLEEP_MS) return SLEEP_LOCK;
  return timeoutMs === NET_SLEEP_MS ? SLEEP_NET : SLEEP_TIMED;
}

/** Whether the thread owns any of the locks in its record. */
function ownsLock(k: Kthread): boolean {
  for (let i = 0; i < LOCKS_HELD_MAX; i++) {
    const lock = k.a[k.locksAt + i] as number;
    if (lock !== 0 && ((k.a[lock] as number) & LOCK_OWNER_MASK) === k.owner) return true;
  }
  return false;
}

export class ThreadTurnstile implements Turnstile {
  readonly #control: Control;
  readonly #me: number;
  /** Row of the operation in progress. */
  #row = 0;
  /** A plain access was let through; what it did to its word is noted at the next operation. */
  #racy: Int32Array | null = null;
  /** Where the thread may die. */
  #mortality: Mortality = "nowhere";
  readonly #k: Kthread;
  /** Something that others can see has changed since a death was possible last. */
  #changed = true;
  /** It has just come back from a sleep. */
  #woke = false;
  /** It is in no call. */
  #outside = false;
  /** It has died, and is reaped. */
  #reaps = false;
  /** The explorer looks at the arena, not the thread. */
  #inspects = false;

  constructor(control: Control, me: number, k: Kthread) {
    this.#control = control;
    this.#me = me;
    this.#k = k;
  }

  /** From now on the thread may die, as a choice of the search. */
  expose(mortality: Mortality): void {
    this.#mortality = mortality;
    this.#changed = true;
  }

  before(op: number, a: Int32Array, i: number, x: number, y: number): void {
    if (this.#inspects) return;
    const control = this.#control;
    this.settle();
    if (control.get(ABORT) === 1) throw new Aborted();
    const die = this.#mayDie(op);
    const decisions = control.get(DECISION_AT);
    const choice = this.#choose(die ? STAY_OR_DIE : STAY);
    if (choice === this.#me) {
      this.#row = control.row(op, this.#me, i, x, y, choice, die);
    } else if (choice === (this.#me | CHOICE_DEATH)) {
      this.#die(choice);
    } else {
      control.row(ROW_SWITCH, this.#me, i, op, 0, choice, die);
      const decided = control.get(DECISION_AT) > decisions;
      if (decided && choice <= CHOICE_THREAD) control.accesses.fallAsleep(this.#me, decisions);
      this.#handOver(choice);
      this.#changed = true;
      this.rest();
      if (control.accesses.asleep(this.#me)) this.#cut();
      this.#row = control.row(op, this.#me, i, x, y, NO_CHOICE);
    }
    this.#woke = false;
    if (op === OP_RACY || op === OP_PUBLISH) this.#racy = a;
    const stores = op !== OP_RACY && op !== OP_LOAD;
    if (stores) this.#changed = true;
    this.#touch(i, ACCESS_OF[op] as number);
  }

  /** Every access to a word of the arena comes by here, before it is made. */
  #touch(i: number, access: number): void {
    // The first line is nobody's: null pointers lead there. Beyond the arena there is nothing.
    if (!(i >= LINE_WORDS && i < this.#k.a.length)) return;
    const { accesses, races } = this.#control;
    const stores = access !== ACCESS_READ && access !== ACCESS_HINT && access !== ACCESS_LOAD;
    accesses.touch(this.#me, i, stores);
    const row = this.#control.get(ROWS) - 1;
    if (races.watched(i, access, row)) this.#stop(SEEN, callsOf(new Error()));
    if (!races.touch(this.#me, i, access, row)) this.#stop(RACED, callsOf(new Error()));
  }

  #stop(verdict: number, text: string): never {
    this.#control.fail(verdict, this.#me, text);
    throw new Aborted();
  }

  /** What the thread has published, others must have been told of. */
  told(): void {
    const word = this.#control.races.untold(this.#me);
    if (word !== 0) throw new Error(`it published word ${word}, and no atomic store tells of it`);
  }

  /** What would follow has been explored by preempting the thread one step later, or will be. */
  #cut(): never {
    this.#control.fail(CUT, this.#me, "");
    throw new Aborted();
  }

  /**
   * Whether the thread may die here, before its next operation. Where nothing has changed since it
   * could have died before, that would be the same death.
   */
  #mayDie(op: number): boolean {
    if (this.#mortality === "nowhere" || !this.#changed) return false;
    if (this.#control.get(DEATHS) === 0) return false;
    const k = this.#k;
    if (this.#mortality === "parked") {
      const parked = op === OP_WAIT || this.#woke || this.#outside;
      if (!parked || ownsLock(k)) return false;
    }
    this.#changed = false;
    return true;
  }

  #die(choice: number): never {
    const control = this.#control;
    control.row(ROW_REST, this.#me, 0, 0, 0, choice, true);
    died(control, this.#me);
    this.#mortality = "nowhere";
    throw new Died();
  }

  /** A place outside of all calls, where the thread may die. */
  outside(): void {
    this.#outside = true;
    this.rest();
    this.#outside = false;
  }

  /** A place where the thread does nothing, and may die. */
  rest(): void {
    const control = this.#control;
    this.settle();
    if (!this.#mayDie(0)) return;
    if (control.get(ABORT) === 1) throw new Aborted();
    const choice = this.#choose(DIE);
    if (choice !== this.#me) this.#die(choice);
    control.row(ROW_REST, this.#me, 0, 0, 0, choice, true);
  }

  /** After its death, the thread's place is taken by whoever reaps it, who comes any time now. */
  reaper(): void {
    const control = this.#control;
    this.#reaps = true;
    const choice = this.#choose(STAY);
    control.row(ROW_DIED, this.#me, 0, 0, 0, choice);
    this.#handOver(choice);
  }

  read(a: Int32Array, i: number, byIndex: boolean): void {
    if (a.buffer !== this.#k.a.buffer || this.#inspects) return;
    // Recovery glances at every slot of a zone, by index, for those that are its thread's affair.
    this.#touch(i, byIndex && this.#reaps ? ACCESS_HINT : ACCESS_READ);
  }

  write(a: Int32Array, i: number, mayEnd: boolean): void {
    if (a.buffer !== this.#k.a.buffer) return;
    const control = this.#control;
    const die = mayEnd && this.#mayDie(0);
    this.#changed = true;
    if (!die && control.get(TELLING) === 0) {
      this.#touch(i, ACCESS_WRITE);
      return;
    }
    this.settle();
    if (control.get(ABORT) === 1) throw new Aborted();
    let choice = NO_CHOICE;
    if (die) {
      choice = this.#choose(DIE);
      if (choice !== this.#me) this.#die(choice);
    }
    const left = a[i] as number;
    this.#row = control.row(ROW_WRITE, this.#me, i, left, 0, choice, die);
    this.#touch(i, ACCESS_WRITE);
    this.after(left);
    this.#racy = a;
  }

  after(result: number): void {
    if (this.#inspects) return;
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
    this.told();
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
    if (word === 0) return "ok";
    this.#touch(word, ACCESS_CHANGE);
    return this.#sleep(word, timeoutMs);
  }

  #sleep(i: number, timeoutMs: number): WaitResult {
    const control = this.#control;
    const deadline = Math.ceil(control.clockNs + timeoutMs * 1e6);
    control.sleep(this.#me, i, sleepKind(timeoutMs), deadline);
    const choice = choose(control, this.#me, LEAVE);
    control.row(ROW_SLEEP, this.#me, i, 0, 0, choice);
    if (choice < 0) throw new Aborted();
    this.#handOver(choice);
    this.#changed = true;
    this.#woke = true;
    const result = control.sleepResult(this.#me);
    control.rowResult(control.row(ROW_WOKE, this.#me, i, 0, 0, NO_CHOICE), result);
    this.#touch(i, ACCESS_CHANGE);
    this.rest();
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
    if (!taken) this.#inspect(lock);
  }

  /** What the lock guards is as it should be when it is released. Looking is no step. */
  #inspect(lock: number): void {
    if (this.#control.get(INSPECT) === 0) return;
    this.#inspects = true;
    checkReleased(this.#k, lock);
    this.#inspects = false;
  }

  spin(): void {
    const control = this.#control;
    if (control.get(ABORT) === 1) throw new Aborted();
    const choice = this.#choose(LEAVE);
    control.row(ROW_SPIN, this.#me, 0, 0, 0, choice);
    control.accesses.wakeAll();
    this.#handOver(choice);
    this.#changed = true;
    this.rest();
  }

  #choose(ways: Ways): number {
    const choice = choose(this.#control, this.#me, ways);
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

/** The innermost calls of an error, wherever the package is; the explorer's own are left out. */
function callsOf(error: Error): string {
  const frames = (error.stack ?? "").matchAll(/^ +at (\S+) .*?((?:src|dist|test)\/[^:]+:\d+)/gm);
  const told = [...frames].filter(([, , place]) => !/explore\/engine|#?atomics-/.test(place ?? ""));
  return told
    .slice(0, 6)
    .map(([, call, place]) => `  in ${call}, ${place}`)
    .join("\n");
}

/** What a thread that threw has to say, with the innermost calls. */
export function complaintOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const kind = error instanceof KernelPanic ? "panic: " : `${error.name}: `;
  return `${kind}${error.message}\n${callsOf(error)}`.trimEnd();
}
