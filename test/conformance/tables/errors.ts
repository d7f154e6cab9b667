// SPDX-License-Identifier: ISC
/** Where an error goes, receipts, timeouts and arguments. Spec 1.7, 1.7.1, 2.6. */
import type { Case, Change, Ref, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  change,
  close,
  eventfd,
  failed,
  kevent,
  kqueue,
  NOW,
  pipe,
  poll,
  read,
  receipt,
  refuse,
  times,
  write,
} from "../steps.js";
import { add, fired } from "./user-steps.js";

const DECISION = "FreeBSD kern_event.c kqueue_kevent; spec 1.7.1";

const addFired = (ident: number): Change => add(ident, 0, { fflags: N.TRIGGER });
/** A change that fails with ENOENT, and one that fails with EINVAL. */
const absent = (ident: number): Change => change(ident, N.USER, N.ENABLE);
const badFlags = (ident: number): Change => change(ident, N.USER, N.ENABLE | N.DISABLE);
const exists = (ident: number) => apply("$q", change(ident, N.USER, N.ENABLE));
const missing = (ident: number) => refuse("$q", absent(ident), "ENOENT");

const placement: Case[] = [
  {
    id: "errors.place.record-and-go-on",
    source: DECISION,
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [absent(9), addFired(1), badFlags(8), add(2)],
        events: [failed(9, N.USER, "ENOENT"), failed(8, N.USER, "EINVAL")],
      }),
      exists(2),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "errors.place.no-list",
    source: DECISION,
    steps: [
      kqueue(),
      kevent("$q", { changes: [add(1), absent(9), add(2)], nevents: 0, ret: "ENOENT" }),
      exists(1),
      missing(2),
    ],
  },
  {
    id: "errors.place.list-full-of-records",
    source: DECISION,
    steps: [
      kqueue(),
      kevent("$q", { changes: [absent(9), badFlags(8), add(1)], nevents: 1, ret: "EINVAL" }),
      missing(1),
    ],
  },
  {
    id: "errors.place.list-exactly-full",
    source: DECISION,
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [absent(9), badFlags(8), add(1)],
        nevents: 2,
        events: [failed(9, N.USER, "ENOENT"), failed(8, N.USER, "EINVAL")],
      }),
      exists(1),
    ],
  },
  {
    id: "errors.place.record-stops-the-scan",
    source: "spec 1.7 step 7: pending events stay, the timeout is ignored",
    steps: [
      kqueue(),
      apply("$q", addFired(1)),
      kevent("$q", {
        changes: [absent(9)],
        timeout: null,
        events: [failed(9, N.USER, "ENOENT")],
      }),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "errors.place.failing-change-in-a-later-chunk",
    source: "spec 1.7 step 4: earlier chunks stay applied",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [...times(10, (ident) => add(ident)), absent(99), add(50)],
        nevents: 0,
        ret: "ENOENT",
      }),
      exists(0),
      exists(9),
      missing(50),
    ],
  },
  {
    id: "errors.place.many-records",
    source: "spec 1.7 steps 4, 6: one record for each of twenty",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: times(20, absent),
        nevents: 20,
        events: times(20, (ident) => failed(ident, N.USER, "ENOENT")),
      }),
    ],
  },
  {
    id: "errors.record.echoes-the-change",
    source: "spec 1.7 step 6, 1.7.3: flags are exactly EV_ERROR",
    steps: [
      kqueue(),
      eventfd("$e"),
      kevent("$q", {
        changes: [
          change("$e", N.READ, N.ENABLE | N.CLEAR | N.RECEIPT, {
            fflags: N.LOWAT,
            data: 77,
            udata: N.EFD_MAX,
          }),
          change(0xffffffffffn, -100, N.ADD, { fflags: 0x80000001, data: -1, udata: 5 }),
        ],
        events: [
          failed("$e", N.READ, "ENOENT", { fflags: N.LOWAT, udata: N.EFD_MAX }),
          failed(0xffffffffffn, -100, "EINVAL", { fflags: 0x80000001, udata: 5 }),
        ],
      }),
    ],
  },
  {
    id: "errors.alias.one-array",
    source: "spec 1.7 aliasing: records never overtake the changes",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [absent(1), ...times(12, (index) => add(index + 10, N.RECEIPT)), badFlags(2)],
        nevents: 14,
        alias: true,
        events: [
          failed(1, N.USER, "ENOENT"),
          ...times(12, (index) => receipt(index + 10, N.USER)),
          failed(2, N.USER, "EINVAL"),
        ],
      }),
    ],
  },
  {
    id: "errors.alias.events-over-changes",
    source: "spec 1.7 aliasing",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [addFired(1), addFired(2), addFired(3)],
        nevents: 3,
        alias: true,
        events: [fired(1), fired(2), fired(3)],
      }),
    ],
  },
];

const receipts: Case[] = [
  {
    id: "errors.receipt.new-and-modified",
    source: "spec 1.7 step 6: fflags are 0 for a new knote, echoed for a modified one",
    steps: [
      kqueue(),
      pipe(),
      kevent("$q", {
        changes: [
          change("$r", N.READ, N.ADD | N.RECEIPT, { fflags: N.LOWAT, data: 9, udata: 1 }),
          change("$r", N.READ, N.RECEIPT, { fflags: N.LOWAT, data: 8, udata: 2 }),
        ],
        events: [
          receipt("$r", N.READ, { fflags: 0, udata: 1 }),
          receipt("$r", N.READ, { fflags: N.LOWAT, udata: 2 }),
        ],
      }),
    ],
  },
  {
    id: "errors.receipt.delete-gives-one-too",
    source: "spec 1.7 step 6",
    steps: [
      kqueue(),
      apply("$q", add(1)),
      kevent("$q", {
        changes: [change(1, N.USER, N.DELETE | N.RECEIPT)],
        events: [receipt(1, N.USER)],
      }),
      missing(1),
    ],
  },
  {
    id: "errors.receipt.stops-the-scan",
    source: "spec 1.7 step 7",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [add(1, N.RECEIPT, { fflags: N.TRIGGER })],
        timeout: null,
        events: [receipt(1, N.USER)],
      }),
      poll("$q", fired(1, {}, N.RECEIPT)),
    ],
  },
  {
    id: "errors.receipt.no-list",
    source: "spec 1.7.1; profile receipt0=continue. Deviation: FreeBSD stops here",
    steps: [kqueue(), apply("$q", add(1, N.RECEIPT), add(2, N.RECEIPT)), exists(1), exists(2)],
  },
  {
    id: "errors.receipt.list-full",
    source: "spec 1.7.1; profile receipt0=continue",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [add(1, N.RECEIPT), add(2, N.RECEIPT), add(3)],
        nevents: 1,
        events: [receipt(1, N.USER)],
      }),
      exists(2),
      exists(3),
    ],
  },
  {
    id: "errors.receipt.then-an-error-without-room",
    source: "spec 1.7.1; profile receipt0=continue",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [add(1, N.RECEIPT), absent(9), add(2)],
        nevents: 0,
        ret: "ENOENT",
      }),
      exists(1),
      missing(2),
    ],
  },
  {
    id: "errors.receipt.failing-change-gives-its-error",
    source: "spec 1.7 step 6",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [change(9, N.USER, N.DELETE | N.RECEIPT)],
        events: [failed(9, N.USER, "ENOENT")],
      }),
    ],
  },
];

const BAD_TIMEOUTS = [
  ["negative-seconds", { sec: -1, nsec: 0 }],
  ["negative-nanoseconds", { sec: 0, nsec: -1 }],
  ["a-whole-second-of-nanoseconds", { sec: 0, nsec: 1_000_000_000 }],
  ["half-a-second", { sec: 0.5, nsec: 0 }],
  ["no-number-of-nanoseconds", { sec: 0, nsec: Number.NaN }],
] as const;

const timeouts: Case[] = [
  ...BAD_TIMEOUTS.flatMap(([name, timeout]): Case[] => [
    {
      id: `errors.timeout.${name}`,
      source: "OpenBSD regress kq-invalid-timer; spec 1.7.2, profile timeout=early",
      steps: [
        kqueue(),
        apply("$q", addFired(1)),
        kevent("$q", { changes: [add(2)], timeout, ret: "EINVAL" }),
        missing(2),
        poll("$q", fired(1)),
      ],
    },
    {
      id: `errors.timeout.${name}-no-list`,
      source: "spec 1.7.2, profile timeout=early: validated before anything else",
      steps: [
        kqueue(),
        kevent("$q", { changes: [add(2)], nevents: 0, timeout, ret: "EINVAL" }),
        missing(2),
      ],
    },
  ]),
  {
    id: "errors.timeout.zero-polls",
    source: "spec 1.7; NetBSD t_kevent kevent_zerotimer",
    steps: [
      kqueue(),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 10 })),
      kevent("$q", { timeout: NOW }),
      advance(9),
      kevent("$q", { timeout: NOW }),
    ],
  },
  ...(
    [
      ["null", null],
      ["largest-nanoseconds", { sec: 0, nsec: 999_999_999 }],
      ["beyond-int32-seconds", { sec: 0x80000000, nsec: 0 }],
      ["far-future", { sec: Number.MAX_SAFE_INTEGER, nsec: 999_999_999 }],
    ] as const
  ).map(
    ([name, timeout]): Case => ({
      id: `errors.timeout.${name}-with-a-pending-event`,
      source: "spec 1.7, 1.7.2: nothing to wait for",
      steps: [kqueue(), apply("$q", addFired(1)), kevent("$q", { timeout, events: [fired(1)] })],
    }),
  ),
  {
    id: "errors.timeout.no-list-never-waits",
    source: "spec 1.7 step 9",
    steps: [
      kqueue(),
      kevent("$q", { nevents: 0, timeout: null }),
      kevent("$q", { nevents: 0, timeout: { sec: 5, nsec: 0 } }),
      kevent("$q", { changes: [add(1)], nevents: 0, timeout: null }),
      exists(1),
    ],
  },
];

/** The error of kevent on an open descriptor that is no queue: profile switch notkq. */
const NOT_A_QUEUE: N.ErrnoName = "EINVAL";

function refused(id: string, kq: Ref, steps: Case["steps"], ret: N.ErrnoName = "EBADF"): Case {
  return {
    id: `errors.queue.${id}`,
    source: "spec 1.7 step 2, 2.6",
    steps: [
      ...steps,
      kevent(kq, { ret }),
      kevent(kq, { nevents: 0, ret }),
      kevent(kq, { changes: [add(1)], nevents: 0, ret }),
      kevent(kq, { timeout: null, ret }),
    ],
  };
}

const queues: Case[] = [
  refused("minus-one", -1, []),
  refused("never-opened", 1000, [kqueue()]),
  refused("beyond-any-table", 0x7fffffff, [kqueue()]),
  refused("closed", "$q", [kqueue(), close("$q")]),
  refused("eventfd", "$e", [eventfd("$e", 5)], NOT_A_QUEUE),
  refused("pipe-read-end", "$r", [pipe()], NOT_A_QUEUE),
  refused("pipe-write-end", "$w", [pipe()], NOT_A_QUEUE),
  {
    id: "errors.counts.negative-changes",
    source: "spec 1.7 step 3",
    steps: [
      kqueue(),
      apply("$q", addFired(1)),
      kevent("$q", { changes: [add(2)], nchanges: -1, ret: "EINVAL" }),
      missing(2),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "errors.counts.negative-events",
    source: "spec 1.7 step 9; FreeBSD D30480",
    steps: [
      kqueue(),
      apply("$q", addFired(1)),
      kevent("$q", { nevents: -1, ret: "EINVAL" }),
      kevent("$q", { nevents: -1, timeout: null, ret: "EINVAL" }),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "errors.counts.more-changes-than-the-list",
    source: "spec 1.7, 2.6: EFAULT. Deviation: found out before anything is applied",
    steps: [
      kqueue(),
      kevent("$q", { changes: [add(1), add(2)], nchanges: 3, nevents: 0, ret: "EFAULT" }),
      missing(1),
    ],
  },
  {
    id: "errors.counts.more-events-than-the-list",
    source: "spec 1.7, 2.6: EFAULT. Deviation: found out before anything is applied or consumed",
    steps: [
      kqueue(),
      apply("$q", add(1, N.ONESHOT, { fflags: N.TRIGGER })),
      kevent("$q", { changes: [add(2)], nevents: 3, capacity: 2, ret: "EFAULT" }),
      missing(2),
      poll("$q", fired(1, {}, N.ONESHOT)),
    ],
  },
  {
    id: "errors.counts.more-bytes-than-the-buffer",
    source: "spec 2.6; notify.md B.2, B.3: EFAULT. Deviation: nothing is consumed",
    steps: [
      pipe(),
      eventfd("$e", 5),
      { call: "write", fd: "$w", bytes: { text: "abc" }, claim: 4, ret: "EFAULT" },
      { call: "write", fd: "$e", bytes: { u64: 1 }, claim: 9, ret: "EFAULT" },
      write("$w", { text: "abc" }),
      { call: "read", fd: "$r", length: 2, claim: 3, ret: "EFAULT" },
      { call: "read", fd: "$e", length: 7, claim: 8, ret: "EFAULT" },
      read("$r", 8, 3, { text: "abc" }),
      read("$e", 8, 8, { u64: 5 }),
    ],
  },
  {
    id: "errors.counts.fewer-changes-than-the-list",
    source: "spec 1.7 step 4",
    steps: [
      kqueue(),
      kevent("$q", { changes: [add(1), add(2)], nchanges: 1, nevents: 0 }),
      exists(1),
      missing(2),
    ],
  },
];

export const errors: Table = {
  name: "errors",
  about: "error records, receipts, timeouts and bad arguments of kevent",
  cases: [...placement, ...receipts, ...timeouts, ...queues],
};
