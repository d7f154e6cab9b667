// SPDX-License-Identifier: ISC
/** EVFILT_USER: one-shot and disabled events, wide values, limits and counts. Spec 3.13. */
import type { Case, Step } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  close,
  dup,
  kevent,
  kqueue,
  poll,
  receipt,
  refuse,
  times,
  userEventCount,
} from "../steps.js";
import { add, fired, modify, trigger } from "./user-steps.js";

const SEED = "OpenBSD kern_event.c 1.202";
const A = 0x1111;
const B = 0x2222;
const WIDE = 0x500000007n;

const disabling: Case[] = [
  {
    id: "user.oneshot.values",
    source: "spec 3.13 row 15: stored flags and data; profile oneshot.user=values",
    steps: [
      kqueue(),
      apply("$q", add(7, N.ONESHOT, { fflags: 3, data: 5, udata: A })),
      poll("$q"),
      apply("$q", modify(7, 0, { fflags: N.FFOR + N.TRIGGER + 0x40 })),
      poll("$q", fired(7, { fflags: 0x43, data: 5, udata: A }, N.ONESHOT)),
      poll("$q"),
      refuse("$q", trigger(7), "ENOENT"),
    ],
  },
  {
    id: "user.dispatch.rearm",
    source: `${SEED} filt_usermodify; spec 3.13 row 16`,
    steps: [
      kqueue(),
      apply("$q", add(7, N.DISPATCH | N.CLEAR, { fflags: 3 })),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: 3 }, N.DISPATCH | N.CLEAR)),
      poll("$q"),
      kevent("$q", {
        changes: [modify(7, N.ENABLE, { fflags: N.TRIGGER })],
        events: [fired(7, {}, N.DISPATCH | N.CLEAR)],
      }),
      poll("$q"),
    ],
  },
  {
    id: "user.dispatch.untouched-trigger-fires-again",
    source: "spec 2.5: readiness is computed anew at ENABLE",
    steps: [
      kqueue(),
      apply("$q", add(7, N.DISPATCH, { fflags: N.TRIGGER | 3, data: 4 })),
      poll("$q", fired(7, { fflags: 3, data: 4 }, N.DISPATCH)),
      poll("$q"),
      apply("$q", modify(7, N.ENABLE)),
      poll("$q", fired(7, { fflags: 3, data: 4 }, N.DISPATCH)),
    ],
  },
  {
    id: "user.dispatch.trigger-while-disabled",
    source: "spec 3.13: a trigger is remembered and fires on ENABLE",
    steps: [
      kqueue(),
      apply("$q", add(7, N.DISPATCH | N.CLEAR), trigger(7)),
      poll("$q", fired(7, {}, N.DISPATCH | N.CLEAR)),
      apply("$q", trigger(7)),
      poll("$q"),
      apply("$q", modify(7, N.ENABLE)),
      poll("$q", fired(7, {}, N.DISPATCH | N.CLEAR)),
    ],
  },
  {
    id: "user.disable.trigger-in-one",
    source: "spec 3.13: DISABLE is applied after the hook; the trigger fires on ENABLE",
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 3 })),
      kevent("$q", { changes: [modify(7, N.DISABLE, { fflags: N.TRIGGER })] }),
      kevent("$q", { changes: [modify(7, N.ENABLE)], events: [fired(7, { fflags: 3 })] }),
    ],
  },
  {
    id: "user.disable.at-creation",
    source: "spec 2.3.7 and 3.13: created disabled, the trigger fires on ENABLE",
    steps: [
      kqueue(),
      kevent("$q", { changes: [add(7, N.DISABLE, { fflags: N.TRIGGER | 3, data: 8 })] }),
      kevent("$q", {
        changes: [modify(7, N.ENABLE)],
        events: [fired(7, { fflags: 3, data: 8 })],
      }),
    ],
  },
  {
    id: "user.disable.pending-is-kept",
    source: "spec 2.5: what is pending while disabled fires at ENABLE",
    steps: [
      kqueue(),
      apply("$q", add(7, N.CLEAR, { fflags: N.TRIGGER | 3, data: 8 })),
      apply("$q", modify(7, N.DISABLE)),
      poll("$q"),
      apply("$q", modify(7, N.ENABLE)),
      poll("$q", fired(7, { fflags: 3, data: 8 }, N.CLEAR)),
    ],
  },
  {
    id: "user.disable.input-clear-drops-pending",
    source: `${SEED} filt_usermodify; spec 3.13 row 9`,
    steps: [
      kqueue(),
      apply("$q", add(7, N.DISABLE, { fflags: N.TRIGGER, data: 8 })),
      apply("$q", modify(7, N.CLEAR), modify(7, N.ENABLE)),
      poll("$q"),
    ],
  },
];

const idents: Case[] = [
  {
    id: "user.ident.any-word",
    source: "spec 2.1: ident is an opaque word; 1.1: 64 bits",
    steps: [
      kqueue(),
      ...[0n, 0xffffffffn, 0x100000000n, 0x8000000000000000n, N.EFD_MAX].flatMap(
        (ident): Step[] => [
          apply("$q", change(ident, N.USER, N.ADD | N.CLEAR, { fflags: N.TRIGGER })),
          poll("$q", { ident, filter: N.USER, flags: N.CLEAR }),
        ],
      ),
      userEventCount(5),
    ],
  },
  {
    id: "user.data.signed-64",
    source: "spec 1.1: data is a signed 64-bit value, udata a pointer",
    steps: [
      kqueue(),
      ...[-1n, N.INT64_MAX, -N.INT64_MAX - 1n, 0xffffffffn, -0x100000000n].flatMap(
        (data): Step[] => [
          apply("$q", change(7, N.USER, N.ADD, { fflags: N.TRIGGER, data, udata: N.EFD_MAX })),
          poll("$q", fired(7, { data, udata: N.EFD_MAX })),
        ],
      ),
    ],
  },
  {
    id: "user.wide.one-word-at-creation",
    source: "spec 1.1: each of ident, data and udata has 64 bits of its own",
    steps: [
      kqueue(),
      apply("$q", add(1, N.CLEAR, { fflags: N.TRIGGER, udata: WIDE })),
      apply("$q", add(2, N.CLEAR, { fflags: N.TRIGGER, data: WIDE })),
      apply("$q", change(WIDE, N.USER, N.ADD | N.CLEAR, { fflags: N.TRIGGER })),
      poll("$q", fired(1, { udata: WIDE }, N.CLEAR), fired(2, { data: WIDE }, N.CLEAR), {
        ident: WIDE,
        filter: N.USER,
        flags: N.CLEAR,
      }),
    ],
  },
  {
    id: "user.wide.one-word-later",
    source: "spec 1.1, 3.13 rows 7, 8",
    steps: [
      kqueue(),
      apply("$q", add(1), add(2)),
      apply("$q", add(1, 0, { fflags: N.TRIGGER, udata: WIDE })),
      apply("$q", add(2, 0, { fflags: N.TRIGGER, data: WIDE })),
      poll("$q", fired(1, { udata: WIDE }), fired(2, { data: WIDE })),
      apply("$q", add(1, 0, { udata: 1 }), add(2, 0, { data: 1 })),
      poll("$q", fired(1, { udata: 1 }), fired(2, { data: 1 })),
    ],
  },
  {
    id: "user.ident.per-queue",
    source: "spec 2.1: the key is queue, ident and filter",
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      apply("$a", add(7, 0, { udata: A })),
      apply("$b", add(7, 0, { udata: B })),
      apply("$a", trigger(7)),
      poll("$b"),
      poll("$a", fired(7, { udata: A })),
      userEventCount(2),
    ],
  },
];

const limits: Case[] = [
  {
    id: "user.limit.default-1024",
    source: `${SEED} kq_usereventsmax; spec 3.13 row 17`,
    steps: [
      kqueue(),
      apply("$q", ...times(1024, (ident) => add(ident))),
      userEventCount(1024),
      refuse("$q", add(1024), "ENOMEM"),
      kevent("$q", {
        changes: [add(1024, 0, { udata: A })],
        events: [{ ident: 1024, filter: N.USER, flags: N.ERROR, data: 12, udata: A }],
      }),
      userEventCount(1024),
      apply("$q", add(0, 0, { fflags: N.TRIGGER })),
      poll("$q", fired(0)),
    ],
  },
  {
    id: "user.limit.is-per-process",
    source: `${SEED} fd_nuserevents; spec 3.13 row 17`,
    limits: { userEvents: 3 },
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      apply("$a", add(1), add(2)),
      apply("$b", add(1)),
      refuse("$b", add(2), "ENOMEM"),
      refuse("$a", add(3), "ENOMEM"),
      userEventCount(3),
      apply("$a", modify(1, N.DELETE)),
      apply("$b", add(2)),
      refuse("$b", add(3), "ENOMEM"),
    ],
  },
  {
    id: "user.limit.released-by-oneshot",
    source: "spec 7: limits are released when the knote goes, ONESHOT included",
    limits: { userEvents: 1 },
    steps: [
      kqueue(),
      apply("$q", add(1, N.ONESHOT, { fflags: N.TRIGGER })),
      refuse("$q", add(2), "ENOMEM"),
      poll("$q", fired(1, {}, N.ONESHOT)),
      userEventCount(0),
      apply("$q", add(2)),
    ],
  },
  {
    id: "user.limit.released-by-close",
    source: "spec 4.9: closing the queue drops every knote",
    limits: { userEvents: 2 },
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      apply("$a", add(1), add(2)),
      userEventCount(2),
      close("$a"),
      userEventCount(0),
      apply("$b", add(1), add(2)),
      refuse("$b", add(3), "ENOMEM"),
    ],
  },
  {
    id: "user.limit.kept-by-dup-of-queue",
    source: "spec 4.8, 4.9: the queue lives as long as one descriptor names it",
    steps: [
      kqueue(),
      apply("$q", add(1), add(2)),
      dup("$q", "$d"),
      close("$q"),
      userEventCount(2),
      apply("$d", trigger(2)),
      poll("$d", fired(2)),
      close("$d"),
      userEventCount(0),
    ],
  },
  {
    id: "user.count.modify-does-not-count",
    source: `${SEED} filt_userattach; spec 3.13 row 17`,
    steps: [
      kqueue(),
      apply("$q", add(1), add(1), trigger(1), add(1)),
      userEventCount(1),
      refuse("$q", modify(2, 0), "ENOENT"),
      userEventCount(1),
    ],
  },
  {
    id: "user.receipt",
    source: "spec 1.7 step 6: a receipt for a new knote shows fflags 0",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [add(7, N.RECEIPT, { fflags: 3, data: 4, udata: A })],
        events: [receipt(7, N.USER, { udata: A })],
      }),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: 3, data: 4, udata: A }, N.RECEIPT)),
    ],
  },
];

export const userLimits: Case[] = [...disabling, ...idents, ...limits];
