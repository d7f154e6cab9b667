// SPDX-License-Identifier: ISC
/** EVFILT_USER as OpenBSD had it first: kern_event.c 1.202, spec 3.13 column "O seed". */
import type { Case, Step, Table } from "../case.js";
import * as N from "../numbers.js";
import { apply, kevent, kqueue, poll, refuse, times } from "../steps.js";
import { userLimits } from "./user-limits.js";
import { add, fired, modify, trigger } from "./user-steps.js";

const SEED = "OpenBSD kern_event.c 1.202";
const A = 0x1111;
const B = 0x2222;
/** Every bit but NOTE_TRIGGER. */
const ALL_BUT_TRIGGER = 0xfeffffff;

/** The ten steps of the regression test that came with the patch (kq-user version 1). */
const seedSteps: Step[] = [
  kqueue(),
  kevent("$q", { changes: [add(1, 0, { fflags: ALL_BUT_TRIGGER })] }),
  kevent("$q", {
    changes: [modify(1, 0, { fflags: N.TRIGGER | N.FFNOP, data: 123, udata: A })],
    events: [fired(1, { fflags: 0xffffff, data: 0, udata: 0 })],
  }),
  kevent("$q", {
    changes: [add(1, 0, { fflags: N.TRIGGER | N.FFNOP, data: 123, udata: A })],
    events: [fired(1, { fflags: 0xffffff, data: 123, udata: A })],
  }),
  kevent("$q", {
    changes: [add(2, 0, { fflags: N.TRIGGER, data: 654, udata: B })],
    events: [
      fired(1, { fflags: 0xffffff, data: 123, udata: A }),
      fired(2, { fflags: 0, data: 654, udata: B }),
    ],
  }),
  kevent("$q", {
    changes: [modify(1, N.CLEAR)],
    events: [fired(2, { data: 654, udata: B })],
  }),
  kevent("$q", { changes: [modify(2, N.DELETE)] }),
  kevent("$q", { changes: [add(2, N.CLEAR, { fflags: 0x11, data: 42, udata: A })] }),
  kevent("$q", {
    changes: [trigger(2, { fflags: 3, data: 24, udata: B })],
    events: [fired(2, { fflags: 0x11, data: 42, udata: A }, N.CLEAR)],
  }),
  poll("$q"),
  kevent("$q", {
    changes: [trigger(2, { fflags: 3, data: 9, udata: B })],
    events: [fired(2, { fflags: 0, data: 0, udata: A }, N.CLEAR)],
  }),
  poll("$q"),
  apply("$q", modify(2, N.DELETE)),
  apply("$q", modify(1, 0, { fflags: N.FFCOPY | 0x00aa00 })),
  apply("$q", modify(1, 0, { fflags: N.FFOR | 0xff00ff })),
  kevent("$q", {
    changes: [modify(1, 0, { fflags: N.TRIGGER | N.FFAND | 0x0ffff0 })],
    events: [fired(1, { fflags: 0x0faaf0, data: 0, udata: A })],
  }),
  apply("$q", ...times(1024, (ident) => add(ident))),
  refuse("$q", add(1024), "ENOMEM"),
  apply("$q", modify(0, N.DELETE)),
  apply("$q", add(0)),
  refuse("$q", add(1024), "ENOMEM"),
];

const seed: Case[] = [
  { id: "user.seed", source: `${SEED}, regress kq-user 1.1; spec 3.13`, steps: seedSteps },
];

const rows: Case[] = [
  {
    id: "user.add.stores-low-bits",
    source: `${SEED} filt_userattach; spec 3.13 row 1`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: ALL_BUT_TRIGGER, data: 5, udata: A })),
      poll("$q"),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: N.FFLAGSMASK, data: 5, udata: A })),
    ],
  },
  ...[N.FFAND, N.FFOR, N.FFCOPY].map(
    (control): Case => ({
      id: `user.add.control-${(control >>> 30).toString()}-is-no-operation`,
      source: `${SEED} filt_userattach; spec 3.13 row 1`,
      steps: [
        kqueue(),
        apply("$q", add(7, 0, { fflags: control + 0x12 })),
        apply("$q", trigger(7)),
        poll("$q", fired(7, { fflags: 0x12 })),
      ],
    }),
  ),
  {
    id: "user.add.trigger-on-new",
    source: `${SEED} filt_userattach; spec 3.13 row 2`,
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [add(7, 0, { fflags: N.TRIGGER | 5, data: -1, udata: A })],
        events: [fired(7, { fflags: 5, data: -1, udata: A })],
      }),
    ],
  },
  {
    id: "user.add.clear-trigger-on-new",
    source: `${SEED} filt_userattach: EV_CLEAR resets on modify only; spec 3.13 rows 2, 9`,
    steps: [
      kqueue(),
      apply("$q", add(7, N.CLEAR, { fflags: N.TRIGGER | 5, data: 6 })),
      poll("$q", fired(7, { fflags: 5, data: 6 }, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "user.add.trigger-on-existing",
    source: `${SEED} filt_usermodify; spec 3.13 row 3`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 1, data: 2, udata: A })),
      apply("$q", add(7, 0, { fflags: N.TRIGGER, data: 3, udata: B })),
      poll("$q", fired(7, { fflags: 1, data: 3, udata: B })),
    ],
  },
  {
    id: "user.modify.trigger-without-add",
    source: `${SEED} filt_usermodify; spec 3.13 rows 4, 7, 8`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 1, data: 2, udata: A })),
      apply("$q", trigger(7, { data: 3, udata: B })),
      poll("$q", fired(7, { fflags: 1, data: 2, udata: A })),
    ],
  },
  {
    id: "user.trigger.coalesces",
    source: "spec 2.5: two activations before a delivery are one event",
    steps: [
      kqueue(),
      apply("$q", add(7, N.CLEAR)),
      apply("$q", trigger(7), trigger(7), trigger(7)),
      poll("$q", fired(7, {}, N.CLEAR)),
      poll("$q"),
    ],
  },
  ...(
    [
      ["nop", N.FFNOP, 0x0f, 0x3c],
      ["and", N.FFAND, 0x0f, 0x0c],
      ["or", N.FFOR, 0x0f, 0x3f],
      ["copy", N.FFCOPY, 0x0f, 0x0f],
      ["and-zero", N.FFAND, 0, 0],
      ["copy-top-bit", N.FFCOPY, 0x800000, 0x800000],
      ["or-undefined-bits", N.FFOR, 0x3e000001, 0x3d],
    ] as const
  ).map(
    ([name, control, operand, result]): Case => ({
      id: `user.modify.ff-${name}`,
      source: `${SEED} filt_usermodify; spec 3.13 rows 5, 11, 18`,
      steps: [
        kqueue(),
        apply("$q", add(7, 0, { fflags: 0x3c })),
        apply("$q", modify(7, 0, { fflags: control + operand })),
        poll("$q"),
        apply("$q", trigger(7)),
        poll("$q", fired(7, { fflags: result })),
      ],
    }),
  ),
  {
    id: "user.modify.ff-and-trigger-in-one",
    source: `${SEED} filt_usermodify: trigger, flags, data, clear; spec 3.13 row 6`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 0xf0 })),
      apply("$q", modify(7, 0, { fflags: N.FFOR + N.TRIGGER + 0x0f })),
      poll("$q", fired(7, { fflags: 0xff })),
    ],
  },
  {
    id: "user.modify.add-applies-ff-and-data",
    source: `${SEED} filt_usermodify; spec 3.13 rows 5 to 8`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 0xf0, data: 1, udata: A })),
      apply("$q", add(7, 0, { fflags: N.FFAND + N.TRIGGER + 0x3c, data: 2, udata: B })),
      poll("$q", fired(7, { fflags: 0x30, data: 2, udata: B })),
    ],
  },
  {
    id: "user.modify.add-without-trigger",
    source: `${SEED} filt_usermodify; spec 3.13 rows 5 to 8`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 0xf0, data: 1, udata: A })),
      apply("$q", add(7, 0, { fflags: 0x0f, data: 2, udata: B })),
      poll("$q"),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: 0xf0, data: 2, udata: B })),
    ],
  },
];

const clearing: Case[] = [
  {
    id: "user.clear.input-resets-trigger-and-data",
    source: `${SEED} filt_usermodify; spec 3.13 row 9`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: N.TRIGGER | 3, data: 5, udata: A })),
      apply("$q", modify(7, N.CLEAR)),
      poll("$q"),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: 3, data: 0, udata: A })),
    ],
  },
  {
    id: "user.clear.input-with-add",
    source: `${SEED} filt_usermodify: data is stored, then cleared; spec 3.13 rows 6, 9`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { data: 5 })),
      apply("$q", add(7, N.CLEAR, { data: 9, udata: B })),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { data: 0, udata: B })),
    ],
  },
  {
    id: "user.clear.input-with-trigger",
    source: `${SEED} filt_usermodify: CLEAR is last; spec 3.13 row 10`,
    steps: [
      kqueue(),
      apply("$q", add(7)),
      kevent("$q", { changes: [modify(7, N.CLEAR, { fflags: N.TRIGGER })] }),
      apply("$q", trigger(7)),
      poll("$q", fired(7)),
    ],
  },
  {
    id: "user.clear.input-applies-ff",
    source: `${SEED} filt_usermodify; spec 3.13 rows 5, 6, 9`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: 0x0f })),
      apply("$q", modify(7, N.CLEAR, { fflags: N.FFCOPY + N.TRIGGER + 0x30 })),
      poll("$q"),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: 0x30 })),
    ],
  },
  {
    id: "user.clear.input-is-not-stored",
    source: "spec 2.3.9: a modify leaves the stored flags as they are",
    steps: [
      kqueue(),
      apply("$q", add(7), modify(7, N.CLEAR), trigger(7)),
      poll("$q", fired(7)),
      poll("$q", fired(7)),
    ],
  },
  {
    id: "user.clear.stored-resets-all",
    source: `${SEED} filt_userprocess; spec 3.13 row 13`,
    steps: [
      kqueue(),
      apply("$q", add(7, N.CLEAR, { fflags: N.TRIGGER | 3, data: 5, udata: A })),
      poll("$q", fired(7, { fflags: 3, data: 5, udata: A }, N.CLEAR)),
      poll("$q"),
      apply("$q", trigger(7)),
      poll("$q", fired(7, { fflags: 0, data: 0, udata: A }, N.CLEAR)),
    ],
  },
  {
    id: "user.level.redelivered",
    source: `${SEED} filt_userprocess; spec 3.13 row 14`,
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: N.TRIGGER | 3, data: 5 })),
      ...times(3, () => poll("$q", fired(7, { fflags: 3, data: 5 }))),
      apply("$q", modify(7, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "user.level.until-delete",
    source: "spec 3.13 row 14",
    steps: [
      kqueue(),
      apply("$q", add(7, 0, { fflags: N.TRIGGER })),
      poll("$q", fired(7)),
      apply("$q", modify(7, N.DELETE)),
      poll("$q"),
    ],
  },
];

export const user: Table = {
  name: "user",
  about: "EVFILT_USER: triggers, flag operations, limits and counts",
  cases: [...seed, ...rows, ...clearing, ...userLimits],
};
