// SPDX-License-Identifier: ISC
/** EVFILT_TIMER: adding again, absolute times, deletion, limits. Spec 3.9, 7. */
import type { Case, Change, Expected } from "../case.js";
import type { ErrnoName } from "../numbers.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  change,
  close,
  event,
  failed,
  kevent,
  kqueue,
  poll,
  refuse,
  setWall,
  times,
} from "../steps.js";
import { add, FREEBSD, fired, gone, remove, WALL_MS } from "./timer-steps.js";

const noRoom: ErrnoName = "ENOMEM";
const timer = (ident: number, flags = 0) => change(ident, N.TIMER, N.ADD | flags, { data: 10 });

const readding: Case[] = [
  {
    id: "timer.readd.drops-what-is-pending",
    source: `${FREEBSD}; OpenBSD regress kq-reset-timer, NetBSD t_timer modify`,
    steps: [
      kqueue(),
      apply("$q", add(10)),
      advance(30),
      apply("$q", add(100)),
      poll("$q"),
      advance(99),
      poll("$q"),
      advance(1),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.readd.expired-oneshot",
    source: "OpenBSD regress kq-reset-timer",
    steps: [
      kqueue(),
      apply("$q", add(10, 0, N.ONESHOT)),
      advance(10),
      apply("$q", add(60, N.SECONDS, N.ONESHOT)),
      poll("$q"),
      apply("$q", add(100, 0, N.ONESHOT)),
      advance(99),
      poll("$q"),
      advance(1),
      poll("$q", fired(1, N.ONESHOT)),
    ],
  },
  {
    id: "timer.readd.starts-anew",
    source: FREEBSD,
    steps: [
      kqueue(),
      apply("$q", add(10)),
      advance(9),
      apply("$q", add(10)),
      advance(9),
      poll("$q"),
      advance(1),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.readd.shorter",
    source: `${FREEBSD}; spec 10.1 item 25`,
    steps: [
      kqueue(),
      apply("$q", add(1000)),
      apply("$q", add(10)),
      advance(10),
      poll("$q", fired(1)),
      advance(10),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.readd.kept-flags-stay",
    source: "spec 2.3.9, 10.1 item 5: ONESHOT cannot be added later",
    steps: [
      kqueue(),
      apply("$q", add(10)),
      apply("$q", add(10, 0, N.ONESHOT)),
      advance(10),
      poll("$q", fired(1)),
      advance(10),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "timer.readd.while-disabled",
    source: "spec 2.4: ADD leaves it disabled",
    steps: [
      kqueue(),
      apply("$q", add(10, 0, N.DISABLE)),
      advance(10),
      apply("$q", add(20)),
      advance(40),
      poll("$q"),
      apply("$q", change(1, N.TIMER, N.ENABLE)),
      poll("$q", fired(2)),
    ],
  },
  {
    id: "timer.readd.udata",
    source: "spec 2.3.9",
    steps: [
      kqueue(),
      apply("$q", add(10, 0, 0, { udata: 1 }), add(10, 0, 0, { udata: 2 })),
      advance(10),
      poll("$q", fired(1, 0, 2)),
    ],
  },
  {
    id: "timer.readd.absolute-again",
    source: `${FREEBSD}: ready until deleted or added again`,
    steps: [
      setWall(WALL_MS),
      kqueue(),
      apply("$q", add(WALL_MS + 5, N.ABSTIME)),
      advance(5),
      poll("$q", event(1, N.TIMER, 0, { data: 1 })),
      apply("$q", add(WALL_MS + 50, N.ABSTIME)),
      poll("$q"),
      advance(45),
      poll("$q", event(1, N.TIMER, 0, { data: 1 })),
    ],
  },
  {
    id: "timer.change.without-add",
    source: `${FREEBSD}: nothing but udata and enabling`,
    steps: [
      kqueue(),
      apply("$q", add(10)),
      apply("$q", change(1, N.TIMER, 0, { data: 3, fflags: N.SECONDS, udata: 7 })),
      advance(10),
      poll("$q", fired(1, 0, 7)),
      apply("$q", change(1, N.TIMER, N.ENABLE, { data: 3, udata: 8 })),
      advance(10),
      poll("$q", fired(1, 0, 8)),
    ],
  },
];

const absolute: Case[] = [
  {
    id: "timer.absolute.past",
    source: `${FREEBSD}; OpenBSD regress kq-timer: fires at once`,
    steps: [
      setWall(WALL_MS),
      kqueue(),
      apply("$q", add(WALL_MS - 1, N.ABSTIME)),
      poll("$q", event(1, N.TIMER, 0, { data: 1 })),
      poll("$q", event(1, N.TIMER, 0, { data: 1 })),
    ],
  },
  {
    id: "timer.absolute.now",
    source: `${FREEBSD}: due when the clock shows it`,
    steps: [
      setWall(WALL_MS),
      kqueue(),
      apply("$q", add(WALL_MS, N.ABSTIME)),
      poll("$q", event(1, N.TIMER, 0, { data: 1 })),
    ],
  },
  {
    id: "timer.absolute.never-repeats",
    source: `${FREEBSD}: one expiration`,
    steps: [
      setWall(WALL_MS),
      kqueue(),
      apply("$q", add(WALL_MS + 10, N.ABSTIME)),
      advance(WALL_MS),
      poll("$q", event(1, N.TIMER, 0, { data: 1 })),
    ],
  },
  {
    id: "timer.absolute.oneshot",
    source: `${FREEBSD}; spec 2.5`,
    steps: [
      setWall(WALL_MS),
      kqueue(),
      apply("$q", add(WALL_MS + 10, N.ABSTIME, N.ONESHOT)),
      advance(10),
      poll("$q", event(1, N.TIMER, N.ONESHOT, { data: 1 })),
      gone,
    ],
  },
  {
    id: "timer.absolute.clear",
    source: `${FREEBSD}: EV_CLEAR is not forced but honoured`,
    steps: [
      setWall(WALL_MS),
      kqueue(),
      apply("$q", add(WALL_MS + 10, N.ABSTIME, N.CLEAR)),
      advance(10),
      poll("$q", fired(1)),
      poll("$q"),
      advance(100),
      poll("$q"),
      apply("$q", remove),
    ],
  },
];

const deleting: Case[] = [
  {
    id: "timer.delete.running",
    source: FREEBSD,
    steps: [kqueue(), apply("$q", add(10), remove), advance(20), poll("$q"), gone],
  },
  {
    id: "timer.delete.pending",
    source: FREEBSD,
    steps: [kqueue(), apply("$q", add(10)), advance(10), apply("$q", remove), poll("$q"), gone],
  },
  {
    id: "timer.receipt",
    source: "spec 1.7.3",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [add(10, 0, N.RECEIPT, { udata: 3 }), add(-1)],
        events: [event(1, N.TIMER, N.ERROR, { data: 0, udata: 3 }), failed(1, N.TIMER, "EINVAL")],
      }),
      advance(10),
      poll("$q", fired(1, N.RECEIPT, 3)),
    ],
  },
];

const limits: Case[] = [
  {
    id: "timer.limit.add",
    source: "FreeBSD kern.kq_calloutmax; spec 3.9, 7",
    limits: { timers: 3 },
    steps: [
      kqueue(),
      kqueue("$p"),
      apply("$q", timer(1), timer(2)),
      apply("$p", timer(1)),
      refuse("$p", timer(2), noRoom),
      apply("$q", timer(1)),
      refuse("$q", timer(3), noRoom),
      apply("$q", change(1, N.TIMER, N.DELETE)),
      apply("$p", timer(2)),
      refuse("$q", timer(1), noRoom),
    ],
  },
  {
    id: "timer.limit.released-by-oneshot",
    source: "spec 7: released when the knote goes",
    limits: { timers: 1 },
    steps: [
      kqueue(),
      apply("$q", timer(1, N.ONESHOT)),
      advance(10),
      refuse("$q", timer(2), noRoom),
      poll("$q", fired(1, N.ONESHOT)),
      apply("$q", timer(2)),
    ],
  },
  {
    id: "timer.limit.released-by-close",
    source: "spec 4.9, 7",
    limits: { timers: 2 },
    steps: [
      kqueue(),
      kqueue("$p"),
      apply("$q", timer(1), timer(2)),
      refuse("$p", timer(1), noRoom),
      close("$q"),
      apply("$p", timer(1), timer(2)),
      refuse("$p", timer(3), noRoom),
    ],
  },
  {
    id: "timer.limit.invalid-does-not-count",
    source: "spec 7",
    limits: { timers: 1 },
    steps: [kqueue(), refuse("$q", add(-1), "EINVAL"), apply("$q", timer(2))],
  },
];

/** When timer `ident` of the row below is due: every millisecond of the first hundred, shuffled. */
const shuffled = (ident: number): number => ((ident * 37) % 100) + 1;
const once = (ident: number, ms: number): Change => {
  return change(ident, N.TIMER, N.ADD | N.ONESHOT, { data: ms });
};
const onceFired = (ident: number): Expected => {
  return event(ident, N.TIMER, N.ONESHOT | N.CLEAR, { data: 1 });
};
const isDeleted = (ident: number): boolean => ident % 3 === 0;
const isLater = (ident: number): boolean => ident % 5 === 1 && !isDeleted(ident);

/** What fires up to `to` and was not due at `from`, in order. */
function firedBetween(from: number, to: number): Expected[] {
  const due = (ident: number) => shuffled(ident) + (isLater(ident) ? 100 : 0);
  return times(100, (ident) => ident)
    .filter((ident) => !isDeleted(ident) && due(ident) > from && due(ident) <= to)
    .sort((left, right) => due(left) - due(right))
    .map(onceFired);
}

const many: Case[] = [
  {
    id: "timer.order.a-hundred-shuffled",
    source: "spec 3.9, 4.1: each at its time, whatever was added, deleted and added again",
    steps: [
      kqueue(),
      apply("$q", ...times(100, (ident) => once(ident, shuffled(ident)))),
      ...times(34, (third) => apply("$q", change(third * 3, N.TIMER, N.DELETE))),
      ...times(100, (ident) => ident)
        .filter(isLater)
        .map((ident) => apply("$q", once(ident, 100 + shuffled(ident)))),
      ...times(20, (part) => [
        advance(10),
        kevent("$q", { nevents: 32, events: firedBetween(part * 10, part * 10 + 10) }),
      ]).flat(),
      advance(1000),
      poll("$q"),
    ],
  },
  {
    id: "timer.order.beyond-a-32-bit-count-of-nanoseconds",
    source: "spec 3.9, 4.1",
    steps: [
      kqueue(),
      apply("$q", ...[5000, 3000, 8590, 4000, 4295, 10_000, 8589, 4294].map((ms) => once(ms, ms))),
      ...[3000, 4000, 4294, 4295, 5000, 8589, 8590, 10_000].flatMap((ms, index, all) => {
        const step = ms - (all[index - 1] ?? 0);
        return [advance(step - 1), poll("$q"), advance(1), poll("$q", onceFired(ms))];
      }),
    ],
  },
  {
    id: "timer.order.all-late",
    source: "spec 4.1: due times decide, also when nobody looked in between",
    steps: [
      kqueue(),
      apply("$q", ...[5000, 3000, 8590, 4000, 4295, 10_000, 8589, 4294].map((ms) => once(ms, ms))),
      advance(20_000),
      poll("$q", ...[3000, 4000, 4294, 4295, 5000, 8589, 8590, 10_000].map(onceFired)),
    ],
  },
];

export const timerAgain: Case[] = [...many, ...readding, ...absolute, ...deleting, ...limits];
