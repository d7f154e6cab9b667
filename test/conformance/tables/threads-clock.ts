// SPDX-License-Identifier: ISC
/** Sleeping until a time on the real clock. Spec 1.7, 3.9; design.md 8. */
import type { Case, Expected } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  endTogether,
  event,
  kevent,
  kqueue,
  poll,
  race,
  start,
  wait,
} from "../steps.js";
import { allSleep, closeAll, WAITERS } from "./threads-steps.js";
import { add, fired, trigger } from "./user-steps.js";

/** Fires once after `ms`. */
const oneTimer = (ms: number, ident = 1) => {
  return change(ident, N.TIMER, N.ADD | N.ONESHOT, { data: ms });
};
const timerFired = (ident = 1): Expected => {
  return event(ident, N.TIMER, N.CLEAR | N.ONESHOT, { data: 1 });
};
const MS = 1_000_000;

export const threadClock: Case[] = [
  {
    id: "threads.clock.timeout",
    source: "spec 1.7; design.md 8: never early",
    clock: "real",
    steps: [
      kqueue(),
      kevent("$q", { timeout: { sec: 0, nsec: 5 * MS }, atLeastMs: 5 }),
      kevent("$q", { timeout: { sec: 0, nsec: 1 } }),
      apply("$q", add(1)),
      kevent("$q", { timeout: { sec: 0, nsec: 20 * MS }, atLeastMs: 20 }),
    ],
  },
  {
    id: "threads.clock.timer-ends-the-sleep",
    source: "spec 3.9; design.md 8: never early",
    clock: "real",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [oneTimer(10)],
        timeout: null,
        events: [timerFired()],
        atLeastMs: 10,
      }),
      kevent("$q", {
        changes: [oneTimer(1000), oneTimer(5, 2)],
        timeout: { sec: 10, nsec: 0 },
        events: [timerFired(2)],
        atLeastMs: 5,
      }),
    ],
  },
  {
    id: "threads.clock.timeout-before-the-timer",
    source: "spec 1.7, 3.9",
    clock: "real",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [oneTimer(100_000)],
        timeout: { sec: 0, nsec: 5 * MS },
        atLeastMs: 5,
      }),
    ],
  },
  {
    id: "threads.clock.timer-of-a-nested-queue",
    source: "design.md 8: nested queues pass their next due time up",
    clock: "real",
    steps: [
      kqueue(),
      kqueue("$c"),
      apply("$c", oneTimer(10)),
      kevent("$q", {
        changes: [change("$c", N.READ, N.ADD)],
        timeout: null,
        events: [event("$c", N.READ, 0, { data: 1 })],
      }),
      poll("$c", timerFired()),
    ],
  },
  {
    id: "threads.clock.several-sleepers-and-one-timer",
    source: "spec 4.4; design.md 8: some sleeper wakes when it is due",
    clock: "real",
    steps: [
      kqueue(),
      ...allSleep(),
      apply("$q", oneTimer(10)),
      race(WAITERS, 1, timerFired()),
      apply("$q", oneTimer(10)),
      race(WAITERS, 1, timerFired()),
      ...closeAll,
    ],
  },
  {
    id: "threads.clock.sleeper-with-the-nearest-time-leaves",
    source: "design.md 8: whoever leaves repairs the others",
    clock: "real",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR), oneTimer(30, 2)),
      start("one", wait("$q", [fired(1, {}, N.CLEAR)])),
      start("two", wait("$q", [timerFired(2)])),
      apply("$q", trigger(1)),
      endTogether(["one", "two"], 1, fired(1, {}, N.CLEAR), timerFired(2)),
    ],
  },
];
