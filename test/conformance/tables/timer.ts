// SPDX-License-Identifier: ISC
/** EVFILT_TIMER on the manual clock, as FreeBSD's with our mends. Spec 3.9. */
import type { Case, Step, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  change,
  event,
  kevent,
  kqueue,
  poll,
  refuse,
  setWall,
  times,
} from "../steps.js";
import { timerAgain } from "./timer-again.js";
import { add, FREEBSD, fired, gone, remove, WALL_MS } from "./timer-steps.js";

/** unit, its flag, a period in it and the same in milliseconds. */
const UNITS: readonly (readonly [string, number, number, number])[] = [
  ["default", 0, 7, 7],
  ["milliseconds", N.MSECONDS, 7, 7],
  ["seconds", N.SECONDS, 2, 2000],
  ["microseconds", N.USECONDS, 3000, 3],
  ["nanoseconds", N.NSECONDS, 4_000_000, 4],
];

const units: Case[] = [
  ...UNITS.flatMap(([name, unit, period, ms]): Case[] => [
    {
      id: `timer.unit.${name}`,
      source: `${FREEBSD}; NetBSD t_timer timer_units`,
      steps: [
        kqueue(),
        apply("$q", add(period, unit)),
        poll("$q"),
        advance(ms - 1),
        poll("$q"),
        advance(1),
        poll("$q", fired(1)),
        poll("$q"),
        advance(2 * ms),
        poll("$q", fired(2)),
      ],
    },
    {
      id: `timer.unit.${name}-oneshot`,
      source: `${FREEBSD}; OpenBSD regress kq-timer, NetBSD t_timer basic_timer`,
      steps: [
        kqueue(),
        apply("$q", add(period, unit, N.ONESHOT)),
        advance(ms - 1),
        poll("$q"),
        advance(1),
        poll("$q", fired(1, N.ONESHOT)),
        advance(5 * ms),
        poll("$q"),
        gone,
      ],
    },
    {
      id: `timer.unit.${name}-absolute`,
      source: `${FREEBSD}; OpenBSD regress kq-timer, NetBSD t_timer abstime`,
      steps: [
        setWall(WALL_MS),
        kqueue(),
        apply("$q", add((WALL_MS / ms) * period + period, unit | N.ABSTIME)),
        poll("$q"),
        advance(ms - 1),
        poll("$q"),
        advance(1),
        poll("$q", event(1, N.TIMER, 0, { data: 1 })),
        poll("$q", event(1, N.TIMER, 0, { data: 1 })),
        apply("$q", remove),
        poll("$q"),
      ],
    },
  ]),
  {
    id: "timer.unit.part-of-a-millisecond",
    source: `${FREEBSD}: never early`,
    steps: [
      kqueue(),
      apply("$q", add(1500, N.USECONDS)),
      advance(1),
      poll("$q"),
      advance(1),
      poll("$q", fired(1)),
      advance(1),
      poll("$q", fired(1)),
      advance(1),
      poll("$q"),
      advance(1),
      poll("$q", fired(1)),
    ],
  },
];

const invalid: Case[] = (
  [
    ["negative", -1, 0],
    ["most-negative", -N.INT64_MAX - 1n, 0],
    ["negative-absolute", -1, N.ABSTIME],
    ["two-units", 5, N.SECONDS | N.MSECONDS],
    ["other-two-units", 5, N.USECONDS | N.NSECONDS],
    ["all-units", 5, 0xf],
    ["undefined-bit", 5, 0x20],
    ["undefined-high-bit", 5, 0x80000000],
  ] as const
).flatMap(([name, data, fflags]): Case[] => [
  {
    id: `timer.invalid.${name}`,
    source: `${FREEBSD}; OpenBSD regress kq-invalid-timer`,
    steps: [
      kqueue(),
      refuse("$q", add(data, fflags), "EINVAL"),
      refuse("$q", add(data, fflags, N.ONESHOT), "EINVAL"),
      gone,
    ],
  },
  {
    id: `timer.invalid.${name}-on-a-running-timer`,
    source: "spec 3.9 re-add. Deviation: EINVAL at once, and the old timer runs on",
    steps: [
      kqueue(),
      apply("$q", add(10, 0, 0, { udata: 5 })),
      advance(4),
      refuse("$q", add(data, fflags, 0, { udata: 6 }), "EINVAL"),
      advance(6),
      poll("$q", fired(1, 0, 5)),
      advance(10),
      poll("$q", fired(1, 0, 5)),
    ],
  },
]);

const extremes: Case[] = [
  {
    id: "timer.zero.periodic",
    source: `${FREEBSD}: taken as one unit; profile timer.zero=one`,
    steps: [kqueue(), apply("$q", add(0)), poll("$q"), advance(3), poll("$q", fired(3))],
  },
  {
    id: "timer.zero.periodic-seconds",
    source: `${FREEBSD}: taken as one unit`,
    steps: [
      kqueue(),
      apply("$q", add(0, N.SECONDS)),
      advance(999),
      poll("$q"),
      advance(1),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.zero.oneshot",
    source: `${FREEBSD}: fires at once`,
    steps: [kqueue(), apply("$q", add(0, 0, N.ONESHOT)), poll("$q", fired(1, N.ONESHOT)), gone],
  },
  ...(
    [
      ["seconds", N.SECONDS],
      ["milliseconds", 0],
      ["nanoseconds", N.NSECONDS],
    ] as const
  ).map(
    ([name, unit]): Case => ({
      id: `timer.overflow.${name}`,
      source: `${FREEBSD}: clamped to the largest time`,
      steps: [
        kqueue(),
        apply("$q", add(N.INT64_MAX, unit)),
        advance(1_000_000_000),
        poll("$q"),
        apply("$q", add(5)),
        advance(5),
        poll("$q", fired(1)),
      ],
    }),
  ),
  {
    id: "timer.overflow.absolute",
    source: `${FREEBSD}: clamped to the largest time`,
    steps: [
      kqueue(),
      apply("$q", add(N.INT64_MAX, N.SECONDS | N.ABSTIME)),
      advance(1_000_000_000),
      poll("$q"),
      apply("$q", remove),
    ],
  },
  {
    id: "timer.ident.any-word",
    source: "spec 3.9: ident is an arbitrary word",
    steps: [
      kqueue(),
      ...[0n, 0x100000000n, N.EFD_MAX].flatMap((ident): Step[] => [
        apply("$q", change(ident, N.TIMER, N.ADD | N.ONESHOT, { data: 5, udata: 8 })),
        advance(5),
        poll("$q", event(ident, N.TIMER, N.CLEAR | N.ONESHOT, { data: 1, udata: 8 })),
      ]),
    ],
  },
];

const counting: Case[] = [
  {
    id: "timer.count.periods-not-read",
    source: `${FREEBSD}; NetBSD t_timer count_expirations`,
    steps: [
      kqueue(),
      apply("$q", add(10)),
      advance(10),
      advance(10),
      advance(10),
      poll("$q", fired(3)),
      poll("$q"),
    ],
  },
  {
    id: "timer.count.no-drift",
    source: "spec 3.9, profile timer.drift=none; design.md 8: counted, free of drift",
    steps: [
      kqueue(),
      apply("$q", add(10)),
      advance(35),
      poll("$q", fired(3)),
      advance(4),
      poll("$q"),
      advance(1),
      poll("$q", fired(1)),
      advance(10),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.count.late-look-does-not-move-the-period",
    source: "spec 3.9, profile timer.drift=none",
    steps: [
      kqueue(),
      apply("$q", add(10)),
      advance(17),
      poll("$q", fired(1)),
      advance(3),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.count.a-million-periods",
    source: "spec 3.9: data is the number of expirations",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      advance(1_000_000),
      poll("$q", fired(1_000_000)),
      advance(1),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.disable.accumulates",
    source: `${FREEBSD}; spec 2.5: data 2 after two periods`,
    steps: [
      kqueue(),
      apply("$q", add(10)),
      apply("$q", change(1, N.TIMER, N.DISABLE)),
      advance(20),
      poll("$q"),
      apply("$q", change(1, N.TIMER, N.ENABLE)),
      poll("$q", fired(2)),
      poll("$q"),
    ],
  },
  {
    id: "timer.disable.pending-is-kept",
    source: "spec 2.5",
    steps: [
      kqueue(),
      apply("$q", add(10)),
      advance(10),
      apply("$q", change(1, N.TIMER, N.DISABLE)),
      poll("$q"),
      advance(10),
      apply("$q", change(1, N.TIMER, N.ENABLE)),
      poll("$q", fired(2)),
    ],
  },
  {
    id: "timer.disable.at-creation-runs",
    source: "spec 2.3.7, 3.9: the timer runs while it is disabled",
    steps: [
      kqueue(),
      apply("$q", add(10, 0, N.DISABLE)),
      advance(30),
      poll("$q"),
      apply("$q", change(1, N.TIMER, N.ENABLE)),
      poll("$q", fired(3)),
    ],
  },
  {
    id: "timer.dispatch",
    source: "spec 2.5, 10.1 item 26: effective on timers",
    steps: [
      kqueue(),
      apply("$q", add(10, 0, N.DISPATCH)),
      advance(10),
      poll("$q", fired(1, N.DISPATCH)),
      advance(20),
      poll("$q"),
      apply("$q", change(1, N.TIMER, N.ENABLE)),
      poll("$q", fired(2, N.DISPATCH)),
    ],
  },
  {
    id: "timer.order.of-due-times",
    source: "spec 4.1; NetBSD t_timer timer_units",
    steps: [
      kqueue(),
      apply(
        "$q",
        ...[30, 10, 20].map((ms) => change(ms, N.TIMER, N.ADD | N.ONESHOT, { data: ms })),
      ),
      advance(30),
      poll("$q", ...[10, 20, 30].map((ms) => event(ms, N.TIMER, N.ONESHOT | N.CLEAR, { data: 1 }))),
    ],
  },
  {
    id: "timer.many.more-than-one-call-runs",
    source: "design.md 8: a call runs a bounded number of due timers, then carries on",
    steps: [
      kqueue(),
      apply("$q", ...times(200, (i) => change(i, N.TIMER, N.ADD | N.ONESHOT, { data: i + 1 }))),
      advance(200),
      ...times(4, (part) =>
        kevent("$q", {
          nevents: 50,
          events: times(50, (i) => {
            return event(part * 50 + i, N.TIMER, N.ONESHOT | N.CLEAR, { data: 1 });
          }),
        }),
      ),
      poll("$q"),
    ],
  },
];

export const timerTable: Table = {
  name: "timer",
  about: "EVFILT_TIMER: units, counts, absolute times, adding again, limits",
  cases: [...units, ...invalid, ...extremes, ...counting, ...timerAgain],
};
