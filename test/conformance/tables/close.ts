// SPDX-License-Identifier: ISC
/** Closing a queue, and closing what a sleeper watches. Spec 4.8, 4.9. */
import type { Case, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  begin,
  blocked,
  change,
  close,
  dup,
  end,
  endAll,
  event,
  eventfd,
  kevent,
  kqueue,
  pipe,
  poll,
  put,
  refuse,
  take,
  times,
  userEventCount,
  wait,
} from "../steps.js";
import { add, fired, trigger } from "./user-steps.js";

/** A kevent call that sleeps until its queue is closed. */
const untilClosed = () => kevent("$q", { timeout: null, ret: "EBADF" });

const sleepers: Case[] = [
  {
    id: "close.queue.wakes-its-sleeper",
    source: "OpenBSD, NetBSD, XNU; spec 4.9, profile close.wake=yes",
    steps: [kqueue(), begin("waiter", untilClosed()), close("$q"), end("waiter")],
  },
  {
    id: "close.queue.wakes-every-sleeper",
    source: "spec 4.9, profile close.wake=yes",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      begin("one", untilClosed()),
      begin("two", untilClosed()),
      begin("three", untilClosed()),
      close("$q"),
      endAll(["one", "two", "three"], "EBADF"),
    ],
  },
  {
    id: "close.queue.wakes-a-sleeper-with-a-timeout",
    source: "spec 4.9, profile close.wake=yes",
    steps: [
      kqueue(),
      begin("waiter", kevent("$q", { timeout: { sec: 5, nsec: 0 }, ret: "EBADF" })),
      close("$q"),
      end("waiter"),
      advance(10_000),
    ],
  },
  {
    id: "close.queue.other-queues-sleep-on",
    source: "spec 4.9",
    steps: [
      kqueue(),
      kqueue("$p"),
      apply("$p", add(1)),
      begin("waiter", wait("$p", [fired(1)])),
      close("$q"),
      blocked("waiter"),
      apply("$p", trigger(1)),
      end("waiter"),
    ],
  },
  {
    id: "close.queue.dup2-over-it",
    source: "spec 4.8: counts as a close",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      begin("waiter", untilClosed()),
      { call: "dup2", fd: "$e", to: "$q", ret: "$q" },
      end("waiter"),
      take("$q", 3),
    ],
  },
  {
    id: "close.queue.not-the-last-number",
    source: "spec 4.8, 4.9: the queue lives while a number names it",
    steps: [
      kqueue(),
      dup("$q", "$d"),
      apply("$q", add(1)),
      begin("waiter", wait("$q", [fired(1)])),
      close("$q"),
      apply("$d", trigger(1)),
      end("waiter"),
    ],
  },
  {
    id: "close.queue.sleeper-in-the-parent-stays",
    source: "spec 4.7: the parent's knote goes silently",
    steps: [
      kqueue("$p"),
      kqueue(),
      apply("$p", change("$q", N.READ, N.ADD), add(1)),
      begin("waiter", wait("$p", [fired(1)])),
      close("$q"),
      blocked("waiter"),
      apply("$p", trigger(1)),
      end("waiter"),
    ],
  },
];

const after: Case[] = [
  {
    id: "close.queue.second-call",
    source: "spec 4.9: EBADF everywhere",
    steps: [kqueue(), close("$q"), kevent("$q", { ret: "EBADF" }), close("$q", "EBADF")],
  },
  {
    id: "close.queue.knotes-go",
    source: "spec 4.9",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      pipe(),
      apply(
        "$q",
        add(1),
        add(2),
        trigger(1),
        change("$e", N.READ, N.ADD),
        change("$e", N.WRITE, N.ADD | N.CLEAR),
        change("$r", N.READ, N.ADD | N.DISABLE),
        change("$w", N.WRITE, N.ADD | N.DISPATCH),
        change(1, N.TIMER, N.ADD, { data: 10 }),
      ),
      advance(10),
      close("$q"),
      userEventCount(0),
      put("$e", 1),
      take("$e", 4),
      advance(10),
      { call: "kqueue", ret: "$q" },
      poll("$q"),
      refuse("$q", change(1, N.USER, N.ENABLE), "ENOENT"),
      refuse("$q", change("$e", N.READ, N.ENABLE), "ENOENT"),
      close("$e"),
      close("$r"),
      close("$w"),
    ],
  },
  {
    id: "close.queue.many-times",
    source: "spec 4.9: nothing is left behind",
    limits: { userEvents: 4, timers: 2 },
    steps: times(50, () => [
      kqueue(),
      apply("$q", ...times(4, (ident) => add(ident))),
      apply("$q", ...times(2, (id) => change(id, N.TIMER, N.ADD, { data: 5 }))),
      apply("$q", trigger(1)),
      close("$q"),
    ]).flat(),
  },
];

const watched: Case[] = [
  {
    id: "close.watched.sleeper-stays",
    source: "spec 4.8: the knote goes, the sleeper is not told",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", change("$e", N.READ, N.ADD), add(1)),
      begin("waiter", wait("$q", [fired(1)])),
      close("$e"),
      blocked("waiter"),
      apply("$q", trigger(1)),
      end("waiter"),
    ],
  },
  {
    id: "close.watched.number-used-again-while-asleep",
    source: "spec 4.8",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", change("$e", N.READ, N.ADD), add(1)),
      begin("waiter", wait("$q", [fired(1)])),
      close("$e"),
      { call: "eventfd", initval: 9, flags: 0, ret: "$e" },
      put("$e", 1),
      blocked("waiter"),
      apply("$q", trigger(1)),
      end("waiter"),
    ],
  },
  {
    id: "close.watched.other-end-of-the-pipe",
    source: "spec 3.2: EOF wakes",
    steps: [
      kqueue(),
      pipe(),
      apply("$q", change("$r", N.READ, N.ADD)),
      begin("waiter", wait("$q", [event("$r", N.READ, N.EOF)])),
      close("$w"),
      end("waiter"),
    ],
  },
  {
    id: "close.watched.last-knote-deleted-while-asleep",
    source: "spec 4.4",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      begin("waiter", wait("$q", [fired(2, {}, N.ONESHOT)])),
      apply("$q", change(1, N.USER, N.DELETE)),
      blocked("waiter"),
      apply("$q", add(2, N.ONESHOT), trigger(2)),
      end("waiter"),
    ],
  },
];

export const closing: Table = {
  name: "close",
  about: "closing a queue with sleepers, and what a queue watches",
  cases: [...sleepers, ...after, ...watched],
};
