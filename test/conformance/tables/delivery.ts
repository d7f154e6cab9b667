// SPDX-License-Identifier: ISC
/** What a delivery does to a knote, and the order of delivery. Spec 2.5, 4.1, 4.2. */
import type { Case, Change, Expected, Step, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  change,
  event,
  eventfd,
  kevent,
  kqueue,
  poll,
  put,
  read,
  refuse,
  take,
  times,
  u64,
} from "../steps.js";
import { add, fired, trigger } from "./user-steps.js";

/** A filter in the matrix: how to make it ready again and again, and the data it then shows. */
interface Subject {
  readonly name: string;
  readonly setUp: readonly Step[];
  readonly ident: Change["ident"];
  readonly filter: number;
  readonly fields: Pick<Change, "fflags" | "data">;
  /** One more activation. */
  readonly activate: readonly Step[];
  /** data after `deliveries` deliveries and `activations` activations, two of them undelivered. */
  data(activations: number, undelivered: number): number;
  /** Flags that the filter adds by itself. */
  readonly forced: number;
}

const SUBJECTS: readonly Subject[] = [
  {
    name: "user",
    setUp: [],
    ident: 7,
    filter: N.USER,
    fields: {},
    activate: [apply("$q", change(7, N.USER, 0, { fflags: N.TRIGGER }))],
    data: () => 0,
    forced: 0,
  },
  {
    name: "read",
    setUp: [eventfd("$e")],
    ident: "$e",
    filter: N.READ,
    fields: {},
    activate: [put("$e", 1)],
    data: (activations) => activations,
    forced: 0,
  },
  {
    name: "timer",
    setUp: [],
    ident: 7,
    filter: N.TIMER,
    fields: { data: 10 },
    activate: [advance(10)],
    data: (_activations, undelivered) => undelivered,
    forced: N.CLEAR,
  },
];

const KEPT: readonly (readonly [string, number])[] = [
  ["level", 0],
  ["clear", N.CLEAR],
  ["oneshot", N.ONESHOT],
  ["dispatch", N.DISPATCH],
  ["clear-dispatch", N.CLEAR | N.DISPATCH],
  ["clear-oneshot", N.CLEAR | N.ONESHOT],
  ["oneshot-dispatch", N.ONESHOT | N.DISPATCH],
  ["receipt", N.RECEIPT],
];

/** Ready once, delivered, polled again, ready again, and so on, for one filter and kept flags. */
function matrixRow(subject: Subject, name: string, kept: number): Case {
  const { ident, filter, fields, forced } = subject;
  const flags = kept | forced;
  const shown = (activations: number, undelivered: number): Expected => {
    return event(ident, filter, flags, { data: subject.data(activations, undelivered) });
  };
  const enable = apply("$q", change(ident, filter, N.ENABLE));
  const rest: Step[] = [];
  if ((flags & N.ONESHOT) !== 0) {
    rest.push(poll("$q"), ...subject.activate.filter((step) => step.call !== "kevent"));
    rest.push(poll("$q"), refuse("$q", change(ident, filter, N.ENABLE), "ENOENT"));
  } else if ((flags & N.DISPATCH) !== 0) {
    rest.push(poll("$q"), ...subject.activate, poll("$q"), ...subject.activate, poll("$q"));
    rest.push(enable, poll("$q", shown(3, 2)), poll("$q"));
  } else if ((flags & N.CLEAR) !== 0) {
    rest.push(poll("$q"), ...subject.activate, ...subject.activate);
    rest.push(poll("$q", shown(3, 2)), poll("$q"));
  } else {
    rest.push(poll("$q", shown(1, 1)), ...subject.activate);
    rest.push(poll("$q", shown(2, 1)), poll("$q", shown(2, 1)));
  }
  return {
    id: `delivery.matrix.${subject.name}.${name}`,
    source: "FreeBSD kern_event.c kqueue_scan; spec 2.5, profile clear_dispatch=both",
    steps: [
      kqueue(),
      ...subject.setUp,
      apply("$q", change(ident, filter, N.ADD | kept, fields)),
      poll("$q"),
      ...subject.activate,
      poll("$q", shown(1, 1)),
      ...rest,
    ],
  };
}

const matrix = SUBJECTS.flatMap((subject) =>
  KEPT.map(([name, kept]) => matrixRow(subject, name, kept)),
);

const readEvent = (data: number, flags: number): Expected => {
  return event("$e", N.READ, flags, { data });
};
const watch = (flags: number): Step => apply("$q", change("$e", N.READ, N.ADD | flags));

const recheck: Case[] = [
  {
    id: "delivery.recheck.level",
    source: "spec 2.5, 4.2 step 8",
    oracle: "linux",
    steps: [
      kqueue(),
      eventfd("$e", 0, N.EFD_NONBLOCK),
      watch(0),
      put("$e", 1),
      poll("$q", readEvent(1, 0)),
      take("$e", 1),
      poll("$q"),
      put("$e", 2),
      poll("$q", readEvent(2, 0)),
    ],
  },
  {
    id: "delivery.recheck.clear",
    source: "spec 2.5: an edge whose condition has gone is not delivered",
    oracle: "linux",
    steps: [
      kqueue(),
      eventfd("$e"),
      watch(N.CLEAR),
      put("$e", 1),
      take("$e", 1),
      poll("$q"),
      put("$e", 2),
      poll("$q", readEvent(2, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "delivery.recheck.dispatch",
    source: "spec 2.5: what was not delivered is not disabled",
    oracle: "linux",
    steps: [
      kqueue(),
      eventfd("$e"),
      watch(N.DISPATCH),
      put("$e", 1),
      take("$e", 1),
      poll("$q"),
      put("$e", 2),
      poll("$q", readEvent(2, N.DISPATCH)),
      poll("$q"),
      put("$e", 1),
      poll("$q"),
    ],
  },
  {
    id: "delivery.recheck.oneshot-is-not-rechecked",
    source: "spec 2.5: the last recorded fields are delivered",
    steps: [
      kqueue(),
      eventfd("$e"),
      watch(N.ONESHOT),
      put("$e", 1),
      take("$e", 1),
      poll("$q", readEvent(0, N.ONESHOT)),
      refuse("$q", change("$e", N.READ, N.ENABLE), "ENOENT"),
    ],
  },
  {
    id: "delivery.dispatch.enable-of-drained",
    source: "spec 2.5: readiness is computed anew at ENABLE",
    oracle: "linux",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      watch(N.DISPATCH),
      poll("$q", readEvent(3, N.DISPATCH)),
      take("$e", 3),
      apply("$q", change("$e", N.READ, N.ENABLE)),
      poll("$q"),
      put("$e", 4),
      poll("$q", readEvent(4, N.DISPATCH)),
    ],
  },
];

const clear = (ident: number): Expected => fired(ident, {}, N.CLEAR);
const level = (ident: number): Expected => fired(ident);
/** `count` user events, numbered from 1. */
const users = (count: number, flags: number): Step => {
  return apply("$q", ...times(count, (index) => add(index + 1, flags)));
};
const collect = (nevents: number, ...events: Expected[]): Step => {
  return kevent("$q", { nevents, events });
};

const order: Case[] = [
  {
    id: "delivery.order.of-activation",
    source: "spec 4.1",
    steps: [
      kqueue(),
      users(3, N.CLEAR),
      apply("$q", trigger(3), trigger(1), trigger(2)),
      poll("$q", clear(3), clear(1), clear(2)),
      apply("$q", trigger(2), trigger(3)),
      poll("$q", clear(2), clear(3)),
    ],
  },
  {
    id: "delivery.order.second-activation-keeps-the-place",
    source: "spec 4.1: enqueued on inactive to active only",
    steps: [
      kqueue(),
      users(2, N.CLEAR),
      apply("$q", trigger(1), trigger(2), trigger(1)),
      poll("$q", clear(1), clear(2)),
    ],
  },
  {
    id: "delivery.order.across-filters",
    source: "spec 4.1",
    steps: [
      kqueue(),
      eventfd("$e"),
      users(1, N.CLEAR),
      watch(N.CLEAR),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 10 })),
      put("$e", 1),
      apply("$q", trigger(1)),
      poll("$q", readEvent(1, N.CLEAR), clear(1)),
      apply("$q", trigger(1)),
      put("$e", 1),
      poll("$q", clear(1), readEvent(2, N.CLEAR)),
      advance(10),
      poll("$q", event(1, N.TIMER, N.CLEAR, { data: 1 })),
    ],
  },
  {
    id: "delivery.order.level-goes-to-the-tail",
    source: "spec 4.1: successive calls rotate fairly",
    steps: [
      kqueue(),
      users(3, 0),
      apply("$q", trigger(1), trigger(2), trigger(3)),
      collect(1, level(1)),
      collect(1, level(2)),
      collect(1, level(3)),
      collect(1, level(1)),
      collect(2, level(2), level(3)),
      collect(2, level(1), level(2)),
      poll("$q", level(3), level(1), level(2)),
    ],
  },
  {
    id: "delivery.order.new-activation-behind-level",
    source: "spec 4.1, 3.13 step 4 of the regression list",
    steps: [
      kqueue(),
      users(3, 0),
      apply("$q", trigger(1), trigger(2)),
      collect(1, level(1)),
      apply("$q", trigger(3)),
      poll("$q", level(2), level(1), level(3)),
    ],
  },
  {
    id: "delivery.order.enable-goes-to-the-tail",
    source: "spec 2.2. Deviation: a disabled knote leaves the queue at once",
    steps: [
      kqueue(),
      users(2, N.CLEAR),
      apply("$q", trigger(1), trigger(2)),
      apply("$q", change(1, N.USER, N.DISABLE), change(1, N.USER, N.ENABLE)),
      poll("$q", clear(2), clear(1)),
    ],
  },
  {
    id: "delivery.once-per-call",
    source: "spec 4.1",
    steps: [kqueue(), users(1, 0), apply("$q", trigger(1)), poll("$q", level(1))],
  },
  {
    id: "delivery.rest-stays",
    source: "spec 4.2: what does not fit is delivered by the next call",
    steps: [
      kqueue(),
      users(5, N.CLEAR),
      apply("$q", ...times(5, (index) => trigger(index + 1))),
      collect(2, clear(1), clear(2)),
      apply("$q", trigger(1)),
      collect(2, clear(3), clear(4)),
      collect(2, clear(5), clear(1)),
      collect(2),
    ],
  },
  {
    id: "delivery.more-than-a-chunk",
    source: "spec 4.2 step 9, 1.7 step 4: eight records are copied at a time",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: times(20, (index) => {
          return add(index, N.CLEAR, { fflags: N.TRIGGER });
        }),
        nevents: 32,
        events: times(20, clear),
      }),
      collect(32),
    ],
  },
  {
    id: "delivery.no-room-consumes-nothing",
    source: "spec 1.7 step 9",
    steps: [
      kqueue(),
      users(1, N.ONESHOT),
      apply("$q", trigger(1)),
      kevent("$q", { nevents: 0 }),
      kevent("$q", { nevents: 0, timeout: null }),
      poll("$q", event(1, N.USER, N.ONESHOT)),
    ],
  },
  {
    id: "delivery.deleted-is-not-delivered",
    source: "spec 2.3.8, 4.4",
    steps: [
      kqueue(),
      users(3, N.CLEAR),
      apply("$q", trigger(1), trigger(2), trigger(3)),
      apply("$q", change(2, N.USER, N.DELETE)),
      poll("$q", clear(1), clear(3)),
    ],
  },
  {
    id: "delivery.two-queues-one-source",
    source: "spec 4.4: independent knotes",
    oracle: "linux",
    steps: [
      kqueue("$q"),
      kqueue("$p"),
      eventfd("$e"),
      watch(N.CLEAR),
      apply("$p", change("$e", N.READ, N.ADD | N.ONESHOT)),
      put("$e", 4),
      poll("$q", readEvent(4, N.CLEAR)),
      poll("$p", readEvent(4, N.ONESHOT)),
      poll("$q"),
      poll("$p"),
      read("$e", 8, 8, u64(4)),
    ],
  },
];

export const delivery: Table = {
  name: "delivery",
  about: "level, CLEAR, ONESHOT and DISPATCH; order and fairness",
  cases: [...matrix, ...recheck, ...order],
};
