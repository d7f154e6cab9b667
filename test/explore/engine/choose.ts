// SPDX-License-Identifier: ISC
/**
 * Who goes on. At each step of a run something is chosen: what the schedule decides for this step,
 * or in random mode a throw of the dice, or else the default. The default is that the running
 * thread goes on; if it cannot, the next one that can; and if none can, time passes until the
 * first sleep ends.
 */
import {
  BUDGET,
  CHANCE,
  CHOICE_DEATH,
  CHOICE_THREAD,
  CHOICE_TIMEOUT,
  type Control,
  DEADLOCK,
  DEATHS,
  DIED,
  DIVERGED,
  LOCK_NETS,
  MORTAL,
  NETS,
  NEXT_STEP,
  RNG,
  RUNAWAY,
  RUNNABLE,
  SLEEP_ENDLESS,
  SLEEP_LOCK,
  SLEEP_NET,
  SLEEP_TIMED,
  STEP,
  STEPS_MAX,
  SWITCHES,
  THREADS,
} from "./control.js";

/** What a sleep returned. */
export const WOKEN = 0;
export const TIMED_OUT = 1;

/** Safety-net time-outs in one run before it counts as a deadlock. */
const NETS_MAX = 3;
/** And after a death, when sleeps on locks may have to. */
const NETS_MAX_DIED = 30;

/** What may be chosen besides other threads. */
export interface Ways {
  /** The running thread can go on. */
  readonly stay: boolean;
  /** It can die. */
  readonly die: boolean;
  /** Others can go on in its place. */
  readonly others: boolean;
}

/** Nobody can ever go on. */
const NONE = -1;

function random(control: Control, below: number): number {
  let x = control.get(RNG) | 0;
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  control.set(RNG, x);
  return (x >>> 0) % below;
}

/** The n-th of the threads in a mask. */
function pick(mask: number, n: number): number {
  let left = n;
  for (let t = 0; ; t++) if ((mask & (1 << t)) !== 0 && left-- === 0) return t;
}

function count(mask: number): number {
  let n = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) n++;
  return n;
}

/** A death is chosen at random as often as one of this many preemptions. */
const DEATH_ODDS = 3;

/** A choice at random, or NONE to keep to the default. */
function dice(control: Control, me: number, { stay, die, others: switches }: Ways): number {
  if (die && random(control, 65536 * DEATH_ODDS) < control.get(CHANCE)) return me | CHOICE_DEATH;
  if (!switches) return NONE;
  const others = control.get(RUNNABLE) & ~(stay ? 1 << me : 0);
  const mortal = control.get(MORTAL);
  const ways = count(others) + count(mortal);
  const free = !stay && others !== 0;
  if (ways === 0) return NONE;
  if (!free && random(control, 65536) >= control.get(CHANCE)) return NONE;
  const n = free ? random(control, count(others)) : random(control, ways);
  const timeout = n >= count(others);
  if (stay || timeout) {
    if (control.get(BUDGET) === 0) return NONE;
    control.set(BUDGET, control.get(BUDGET) - 1);
  }
  return timeout ? pick(mortal, n - count(others)) | CHOICE_TIMEOUT : pick(others, n);
}

/** The next thread after this one that can go on, or the sleep that ends first, or NONE. */
function next(control: Control, me: number): number {
  const threads = control.get(THREADS);
  const runnable = control.get(RUNNABLE);
  for (let n = 1; n <= threads; n++) {
    const t = (me + n) % threads;
    if ((runnable & (1 << t)) !== 0) return t;
  }
  let first = NONE;
  for (let t = 0; t < threads; t++) {
    if (control.isDone(t) || control.sleepKind(t) === SLEEP_ENDLESS) continue;
    if (first === NONE || control.deadline(t) < control.deadline(first)) first = t;
  }
  if (first === NONE) return NONE;
  const nets = control.get(NETS) + control.get(LOCK_NETS);
  const most = control.get(DIED) === 0 ? NETS_MAX : NETS_MAX_DIED;
  if (control.sleepKind(first) !== SLEEP_TIMED && nets >= most) return NONE;
  return first | CHOICE_TIMEOUT;
}

function possible(control: Control, me: number, choice: number, ways: Ways): boolean {
  if ((choice & CHOICE_DEATH) !== 0) return ways.die && (choice & CHOICE_THREAD) === me;
  if (!ways.others) return false;
  const t = choice & CHOICE_THREAD;
  if (t >= control.get(THREADS) || control.isDone(t)) return false;
  const runnable = (control.get(RUNNABLE) & (1 << t)) !== 0;
  if ((choice & CHOICE_TIMEOUT) === 0) return runnable;
  return !runnable && control.sleepKind(t) !== SLEEP_ENDLESS;
}

/**
 * The choice at this step. Returns -1 when the run is over, and then the control says why.
 */
export function choose(control: Control, me: number, ways: Ways): number {
  const step = control.get(STEP);
  control.set(STEP, step + 1);
  if (step >= control.get(STEPS_MAX)) {
    control.fail(RUNAWAY, me, `more than ${step} steps`);
    return NONE;
  }
  if (step === control.get(NEXT_STEP)) {
    const choice = control.takeDecision();
    if (possible(control, me, choice, ways)) return choice;
    const who = choice & CHOICE_THREAD;
    control.fail(DIVERGED, me, `at step ${step} the schedule names thread ${who}, which cannot`);
    return NONE;
  }
  if (control.get(CHANCE) > 0) {
    const choice = dice(control, me, ways);
    if (choice !== NONE) return choice;
  }
  if (ways.stay) return me;
  const choice = next(control, me);
  if (choice === NONE) control.fail(DEADLOCK, me, "every thread sleeps and nobody will wake one");
  return choice;
}

/** The running thread goes on, unless another one does. */
export const STAY: Ways = { stay: true, die: false, others: true };
/** And it may die. */
export const STAY_OR_DIE: Ways = { stay: true, die: true, others: true };
/** It goes on or dies. */
export const DIE: Ways = { stay: true, die: true, others: false };
/** It cannot go on. */
export const LEAVE: Ways = { stay: false, die: false, others: true };

/** Note that the running thread dies. */
export function died(control: Control, me: number): void {
  control.set(DEATHS, control.get(DEATHS) - 1);
  control.set(DIED, control.get(DIED) | (1 << me));
}

/** Make it so that the chosen thread can go on, and return its number. */
export function apply(control: Control, me: number, choice: number): number {
  const t = choice & CHOICE_THREAD;
  if ((choice & CHOICE_TIMEOUT) !== 0) {
    const kind = control.sleepKind(t);
    if (kind === SLEEP_NET) control.set(NETS, control.get(NETS) + 1);
    if (kind === SLEEP_LOCK) control.set(LOCK_NETS, control.get(LOCK_NETS) + 1);
    control.clockNs = Math.max(control.clockNs, control.deadline(t));
    control.wake(t, TIMED_OUT);
    control.accesses.wakeAll();
  }
  if (t !== me) control.set(SWITCHES, control.get(SWITCHES) + 1);
  return t;
}
