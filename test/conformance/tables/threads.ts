// SPDX-License-Identifier: ISC
/** Several threads at one queue: who gets what, who is woken. Spec 4.2, 4.4, 4.5. */
import type { Case, Expected, Step, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  begin,
  blocked,
  change,
  close,
  end,
  endAll,
  endTogether,
  event,
  eventfd,
  fill,
  kqueue,
  pipe,
  poll,
  put,
  race,
  read,
  refuse,
  size,
  start,
  take,
  wait,
  write,
} from "../steps.js";

const add = (ident: number, flags = 0) => change(ident, N.USER, N.ADD | flags);
const trigger = (ident: number) => change(ident, N.USER, 0, { fflags: N.TRIGGER });
const fired = (ident: number, flags = 0): Expected => event(ident, N.USER, flags);
const WAITERS = ["one", "two", "three"] as const;

/** All waiters sleep on the queue for ever; what they get is for the table to say later. */
const allSleep = (nevents = 8): Step[] => {
  return WAITERS.map((thread) => begin(thread, wait("$q", [], undefined, nevents)));
};
const closeAll: Step[] = [close("$q"), endAll(WAITERS, "EBADF")];

const single: Case[] = [
  {
    id: "threads.single.clear",
    source: "spec 4.4; libkqueue single_delivery: each activation to exactly one",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR)),
      ...allSleep(),
      apply("$q", trigger(1)),
      race(WAITERS, 1, fired(1, N.CLEAR)),
      poll("$q"),
      apply("$q", trigger(1)),
      race(WAITERS, 1, fired(1, N.CLEAR)),
      poll("$q"),
      ...closeAll,
    ],
  },
  {
    id: "threads.single.oneshot",
    source: "spec 4.4",
    steps: [
      kqueue(),
      apply("$q", add(1, N.ONESHOT)),
      ...allSleep(),
      apply("$q", trigger(1)),
      race(WAITERS, 1, fired(1, N.ONESHOT)),
      refuse("$q", trigger(1), "ENOENT"),
      ...closeAll,
    ],
  },
  {
    id: "threads.single.dispatch",
    source: "spec 4.4",
    steps: [
      kqueue(),
      apply("$q", add(1, N.DISPATCH)),
      ...allSleep(),
      apply("$q", trigger(1)),
      race(WAITERS, 1, fired(1, N.DISPATCH)),
      poll("$q"),
      apply("$q", change(1, N.USER, N.ENABLE)),
      race(WAITERS, 1, fired(1, N.DISPATCH)),
      poll("$q"),
      ...closeAll,
    ],
  },
  {
    id: "threads.single.read-edge",
    source: "spec 4.4",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", change("$e", N.READ, N.ADD | N.CLEAR)),
      ...allSleep(),
      put("$e", 3),
      race(WAITERS, 1, event("$e", N.READ, N.CLEAR, { data: 3 })),
      put("$e", 1),
      race(WAITERS, 1, event("$e", N.READ, N.CLEAR, { data: 4 })),
      poll("$q"),
      ...closeAll,
    ],
  },
  {
    id: "threads.single.timer",
    source: "spec 4.4, 3.9",
    steps: [
      kqueue(),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 10 })),
      ...allSleep(),
      advance(10),
      race(WAITERS, 1, event(1, N.TIMER, N.CLEAR, { data: 1 })),
      advance(10),
      race(WAITERS, 1, event(1, N.TIMER, N.CLEAR, { data: 1 })),
      poll("$q"),
      ...closeAll,
    ],
  },
];

const handOver: Case[] = [
  {
    id: "threads.handover.three-events-three-waiters",
    source: "spec 4.5; design.md 7: a wake is passed on when events are left",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR), add(2, N.CLEAR), add(3, N.CLEAR)),
      ...allSleep(1),
      apply("$q", trigger(1), trigger(2), trigger(3)),
      endTogether(WAITERS, 1, fired(1, N.CLEAR), fired(2, N.CLEAR), fired(3, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "threads.handover.three-events-one-after-the-other",
    source: "spec 4.5",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", add(1, N.CLEAR), add(2, N.ONESHOT), change("$e", N.READ, N.ADD | N.CLEAR)),
      ...allSleep(1),
      apply("$q", trigger(1)),
      put("$e", 7),
      apply("$q", trigger(2)),
      endTogether(
        WAITERS,
        1,
        fired(1, N.CLEAR),
        event("$e", N.READ, N.CLEAR, { data: 7 }),
        fired(2, N.ONESHOT),
      ),
      poll("$q"),
    ],
  },
  {
    id: "threads.handover.next-event-when-the-waiter-has-left",
    source: "spec 4.2, 4.4",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR), add(2, N.CLEAR)),
      begin("one", wait("$q", [fired(1, N.CLEAR)])),
      apply("$q", trigger(1)),
      end("one"),
      apply("$q", trigger(2)),
      poll("$q", fired(2, N.CLEAR)),
    ],
  },
  {
    id: "threads.handover.level-reaches-a-sleeper-and-a-poll",
    source: "spec 4.4: every scanning thread may receive it, until it is cleared",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      begin("one", wait("$q", [fired(1)])),
      apply("$q", trigger(1)),
      end("one"),
      poll("$q", fired(1)),
      start("two", wait("$q", [fired(1)])),
      end("two"),
      apply("$q", change(1, N.USER, N.CLEAR)),
      poll("$q"),
    ],
  },
];

const pollers: Case[] = [
  {
    id: "threads.scan.two-pollers-of-a-level-event",
    source: "NetBSD t_scan scan1, PR 50094; spec 4.2: exactly one event on every call",
    steps: [
      kqueue(),
      apply("$q", add(1), trigger(1)),
      start("one", { call: "pollLoop", kq: "$q", times: 20_000, each: 1, ret: 20_000 }),
      start("two", { call: "pollLoop", kq: "$q", times: 20_000, each: 1, ret: 20_000 }),
      end("one"),
      end("two"),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "threads.scan.two-pollers-of-three-level-events",
    source: "NetBSD t_scan scan1, PR 50094; spec 4.1, 4.2",
    steps: [
      kqueue(),
      eventfd("$e", 1),
      apply("$q", add(1), add(2), trigger(1), trigger(2), change("$e", N.READ, N.ADD)),
      start("one", { call: "pollLoop", kq: "$q", times: 10_000, each: 3, ret: 10_000 }),
      start("two", { call: "pollLoop", kq: "$q", times: 10_000, each: 3, ret: 10_000 }),
      end("one"),
      end("two"),
    ],
  },
];

const waking: Case[] = [
  {
    id: "threads.wake.user",
    source: "spec 4.5",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      begin("one", wait("$q", [event(1, N.USER, 0, { fflags: 5 })])),
      apply("$q", change(1, N.USER, 0, { fflags: N.FFOR + N.TRIGGER + 5 })),
      end("one"),
    ],
  },
  {
    id: "threads.wake.added-while-asleep",
    source: "spec 2.3.11: an add that is ready wakes waiters",
    steps: [
      kqueue(),
      eventfd("$e", 4),
      begin("one", wait("$q", [event("$e", N.READ, 0, { data: 4 })])),
      apply("$q", change("$e", N.READ, N.ADD)),
      end("one"),
    ],
  },
  {
    id: "threads.wake.enabled-while-asleep",
    source: "spec 2.3.10",
    steps: [
      kqueue(),
      apply("$q", add(1, N.DISABLE), trigger(1)),
      begin("one", wait("$q", [fired(1)])),
      apply("$q", change(1, N.USER, N.ENABLE)),
      end("one"),
    ],
  },
  {
    id: "threads.wake.forceoneshot-while-asleep",
    source: "spec 2.3.9",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", change("$e", N.READ, N.ADD)),
      begin("one", wait("$q", [event("$e", N.READ, N.ONESHOT)])),
      apply("$q", change("$e", N.READ, N.FORCEONESHOT)),
      end("one"),
    ],
  },
  {
    id: "threads.wake.eventfd-write",
    source: "spec 4.5; notify.md B.6",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", change("$e", N.READ, N.ADD)),
      begin("one", wait("$q", [event("$e", N.READ, 0, { data: 6 })])),
      put("$e", 6),
      end("one"),
    ],
  },
  {
    id: "threads.wake.eventfd-read-makes-room",
    source: "spec 4.5; notify.md B.6",
    steps: [
      kqueue(),
      eventfd("$e"),
      put("$e", N.EFD_TOP),
      apply("$q", change("$e", N.WRITE, N.ADD)),
      begin("one", wait("$q", [event("$e", N.WRITE, 0, { data: N.INT64_MAX })])),
      take("$e", N.EFD_TOP),
      end("one"),
    ],
  },
  {
    id: "threads.wake.pipe-write",
    source: "spec 3.2",
    steps: [
      kqueue(),
      pipe(),
      apply("$q", change("$r", N.READ, N.ADD)),
      begin("one", wait("$q", [event("$r", N.READ, 0, { data: 3 })])),
      write("$w", size(3)),
      end("one"),
    ],
  },
  {
    id: "threads.wake.pipe-lowat",
    source: "spec 3.2. Deviation: NOTE_LOWAT is honoured on pipes",
    steps: [
      kqueue(),
      pipe(),
      apply("$q", change("$r", N.READ, N.ADD, { fflags: N.LOWAT, data: 4 })),
      begin("one", wait("$q", [event("$r", N.READ, 0, { data: 5 })])),
      write("$w", size(3)),
      blocked("one"),
      write("$w", size(2)),
      end("one"),
    ],
  },
  {
    id: "threads.wake.pipe-room",
    source: "spec 3.2",
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      apply("$q", change("$w", N.WRITE, N.ADD)),
      begin("one", wait("$q", [event("$w", N.WRITE, 0, { data: 600 })])),
      read("$r", 600, 600),
      end("one"),
    ],
  },
];

const timed: Case[] = [
  {
    id: "threads.timeout.never-early",
    source: "spec 1.7: at most so long; design.md 8: never early",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      begin("one", wait("$q", [], 100)),
      advance(99),
      blocked("one"),
      advance(1),
      end("one"),
    ],
  },
  {
    id: "threads.timeout.each-its-own",
    source: "spec 1.7",
    steps: [
      kqueue(),
      begin("one", wait("$q", [], 300)),
      begin("two", wait("$q", [], 100)),
      begin("three", wait("$q", [], 200)),
      advance(100),
      end("two"),
      blocked("one"),
      blocked("three"),
      advance(100),
      end("three"),
      blocked("one"),
      advance(100),
      end("one"),
    ],
  },
  {
    id: "threads.timeout.event-first",
    source: "spec 1.7",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR)),
      begin("one", wait("$q", [fired(1, N.CLEAR)], 100)),
      advance(50),
      apply("$q", trigger(1)),
      end("one"),
      advance(100),
      poll("$q"),
    ],
  },
  {
    id: "threads.timeout.leaves-the-event-to-others",
    source: "spec 4.5: a waiter that times out does not swallow a wake",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR)),
      begin("one", wait("$q", [], 100)),
      begin("two", wait("$q", [fired(1, N.CLEAR)])),
      advance(100),
      end("one"),
      apply("$q", trigger(1)),
      end("two"),
    ],
  },
  {
    id: "threads.timeout.timer-of-the-queue",
    source: "spec 3.9; design.md 8",
    steps: [
      kqueue(),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 30 })),
      begin("one", wait("$q", [event(1, N.TIMER, N.CLEAR, { data: 1 })], 1000)),
      advance(29),
      blocked("one"),
      advance(1),
      end("one"),
    ],
  },
  {
    id: "threads.timeout.timer-armed-while-asleep",
    source: "design.md 8: whoever arms an earlier timer repairs the sleepers",
    steps: [
      kqueue(),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 1000 })),
      begin("one", wait("$q", [event(2, N.TIMER, N.CLEAR, { data: 1 })])),
      apply("$q", change(2, N.TIMER, N.ADD, { data: 10 })),
      advance(10),
      end("one"),
    ],
  },
  {
    id: "threads.timeout.remaining-time-after-an-empty-wake",
    source: "spec 4.2 step 5: sleeps again with the time that is left",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", change("$e", N.READ, N.ADD | N.CLEAR)),
      begin("one", wait("$q", [], 100)),
      advance(60),
      put("$e", 0),
      blocked("one"),
      advance(39),
      blocked("one"),
      advance(1),
      end("one"),
    ],
  },
];

export const threads: Table = {
  name: "threads",
  about: "several threads at one queue: single delivery, wakes, timeouts",
  cases: [...single, ...handOver, ...pollers, ...waking, ...timed],
};
