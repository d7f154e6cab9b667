// SPDX-License-Identifier: ISC
/** EVFILT_TIMER as in spec/kqueue.md 3.9, column F, without drift (design.md 5 and 8). */
import type { Knote, Surroundings } from "./kqueue.js";
import * as N from "./numbers.js";
import type { Kev } from "./system.js";

export interface TimerState {
  /** When it fires next, in nanoseconds since boot; null when it will not fire again. */
  due: bigint | null;
  /** Nanoseconds; 0 for a timer that fires once. */
  period: bigint;
  /** The step that made it due, if it is due. */
  dueSince: number | null;
  /** What `due` was when it last fired: the order among timers that fire together. */
  firedDue: bigint | null;
}

const UNITS = new Map<number, bigint>([
  [0, 1_000_000n],
  [N.NOTE_SECONDS, 1_000_000_000n],
  [N.NOTE_MSECONDS, 1_000_000n],
  [N.NOTE_USECONDS, 1_000n],
  [N.NOTE_NSECONDS, 1n],
]);

/** The value of a registration in nanoseconds, or null when it is refused. */
export function validTimer(change: Pick<Kev, "fflags" | "data">, flags: number): bigint | null {
  const unit = UNITS.get(change.fflags & ~N.NOTE_ABSTIME);
  if (unit === undefined || change.data < 0n) return null;
  const zero = change.data === 0n && (flags & N.EV_ONESHOT) === 0;
  return (zero ? 1n : change.data) * unit;
}

export function isDue(kn: Knote, now: bigint): boolean {
  const due = kn.timer?.due ?? null;
  return due !== null && due <= now;
}

export function attachTimer(kn: Knote, env: Surroundings): number {
  if (validTimer({ fflags: kn.sfflags, data: kn.sdata }, kn.flags) === null) return N.EINVAL;
  if (env.usage.timers >= env.rules.timers) return N.ENOMEM;
  env.usage.timers++;
  const absolute = (kn.sfflags & N.NOTE_ABSTIME) !== 0;
  if (!absolute || env.rules.mutants.has("absolute timer is cleared")) kn.flags |= N.EV_CLEAR;
  start(kn, env);
  return 0;
}

/** EV_ADD on a timer: what has happened is forgotten, the new values count from now. */
export function armTimer(kn: Knote, change: Kev, env: Surroundings): void {
  kn.sfflags = change.fflags;
  kn.sdata = change.data;
  if (!env.rules.mutants.has("timer keeps its count over add")) {
    kn.queue.dequeue(kn);
    kn.active = false;
    kn.data = 0n;
  }
  const relative = (kn.sfflags & N.NOTE_ABSTIME) === 0;
  const cleared = env.rules.mutants.has("relative timer is cleared from its re-add on");
  if (relative && cleared) kn.flags |= N.EV_CLEAR;
  start(kn, env);
}

function start(kn: Knote, env: Surroundings): void {
  const value = validTimer({ fflags: kn.sfflags, data: kn.sdata }, kn.flags) ?? 0n;
  const absolute = (kn.sfflags & N.NOTE_ABSTIME) !== 0;
  const fromWall = value - BigInt(env.rules.wallMs) * 1_000_000n;
  const due = absolute ? (fromWall < 0n ? 0n : fromWall) : env.now + value;
  const oneshot = (kn.flags & N.EV_ONESHOT) !== 0;
  const period = absolute || oneshot ? 0n : value;
  kn.timer = { due, period, dueSince: null, firedDue: null };
  if (due <= env.now) kn.timer.dueSince = env.step();
}

/** Count what has elapsed and set the next due time. The caller activates the knote. */
export function fireTimer(kn: Knote, env: Surroundings): void {
  const timer = kn.timer;
  if (timer === null || timer.due === null) return;
  if (!kn.queued) timer.firedDue = timer.due;
  timer.dueSince = null;
  const { mutants } = env.rules;
  const oneshot = (kn.flags & N.EV_ONESHOT) !== 0;
  const goesOn = mutants.has("forced one-shot timer goes on counting");
  if (timer.period === 0n || (oneshot && !goesOn)) {
    kn.data += 1n;
    timer.due = null;
    return;
  }
  const count = (env.now - timer.due) / timer.period + 1n;
  timer.due += count * timer.period;
  if (mutants.has("timer counts one for all periods")) kn.data += 1n;
  else if (!kn.disabled || !mutants.has("disabled timer does not count")) kn.data += count;
  if (mutants.has("timer drifts")) timer.due = env.now + timer.period;
}
