// SPDX-License-Identifier: ISC

/** What the questions share about the library itself: registrations, triggers, variants. */

import { boot, type Kernel } from "knell";
import { EV_ADD, EV_CLEAR, EV_DELETE, EVFILT_USER, NOTE_TRIGGER } from "knell/abi";
import { KeventList, type Sys, type Timespec } from "knell/sys";
import { type GoalName, goals } from "./goals.js";
import { type Loop, loopVariant, type Variant } from "./harness.js";

/** A variant of ours, named after its goal. */
export function ours(goal: GoalName, make: () => Loop | Promise<Loop>): Variant {
  return loopVariant("knell", `knell/${goal}`, goals[goal].operation, make);
}

let shared: Kernel | undefined;

/**
 * The kernel of this process. One thread's questions share it: what several kernels in one process
 * cost is a question of its own (scale.ts).
 */
export function kernel(): Kernel {
  shared ??= boot({
    arenaBytes: 512 * 1024 * 1024, // pages that are not touched cost nothing
    limits: { userEvents: 2 ** 21, timers: 2 ** 18 },
  });
  return shared;
}

/** The time-out of a poll. */
export const poll: Timespec = { sec: 0, nsec: 0 };

export function userTrigger(ident: number): KeventList {
  return new KeventList(1).set(0, ident, EVFILT_USER, 0, NOTE_TRIGGER);
}

export function userAdd(ident: number): KeventList {
  return new KeventList(1).set(0, ident, EVFILT_USER, EV_ADD | EV_CLEAR);
}

export function userDelete(ident: number): KeventList {
  return new KeventList(1).set(0, ident, EVFILT_USER, EV_DELETE);
}

/** The results of calls are checked outside the loop, by what they add up to. */
export function expect(what: string, found: number, wanted: number): void {
  if (found !== wanted) throw new Error(`${what}: ${found} instead of ${wanted}`);
}

/** Registers user events first..last, in batches. */
export function addUserEvents(sys: Sys, kq: number, first: number, last: number): void {
  for (let at = first; at <= last; at += 64) {
    const count = Math.min(64, last - at + 1);
    const changes = new KeventList(count);
    for (let i = 0; i < count; i++) changes.set(i, at + i, EVFILT_USER, EV_ADD | EV_CLEAR);
    expect("kevent", sys.kevent(kq, changes, count, null, 0, null), 0);
  }
}

/** A queue with one user event, number 1. */
export function queueWithOne(sys: Sys): number {
  const kq = sys.kqueue();
  addUserEvents(sys, kq, 1, 1);
  return kq;
}
