// SPDX-License-Identifier: ISC
/** Registration: what one change does to a knote that is there or not. Spec 2.1 to 2.4. */
import type { Case, Step, Table } from "../case.js";
import type { ErrnoName } from "../numbers.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  change,
  event,
  eventfd,
  failed,
  kevent,
  kqueue,
  pipe,
  poll,
  receipt,
  refuse,
  text,
  userEventCount,
  write,
} from "../steps.js";
import { NEW, OLD, ready, registerRefusals, watch } from "./register-refusals.js";

/** What is there before the change under test. */
const BEFORE = {
  absent: [],
  enabled: [apply("$q", watch(N.ADD, OLD))],
  disabled: [apply("$q", watch(N.ADD | N.DISABLE, OLD))],
} as const satisfies Record<string, readonly Step[]>;
type Before = keyof typeof BEFORE;

/** What is there after it. `udata` tells which change the knote remembers. */
type After =
  | ErrnoName
  | { readonly state: "enabled" | "disabled"; readonly udata: number }
  | { readonly state: "oneshot" | "oneshot-disabled" | "gone" };

function check(after: After, before: Before): Step[] {
  if (typeof after === "string") {
    return before === "absent" ? check({ state: "gone" }, before) : check(kept(before), before);
  }
  const enable = apply("$q", change("$e", N.READ, N.ENABLE | N.KEEPUDATA));
  const gone = refuse("$q", watch(N.ENABLE, 0), "ENOENT");
  switch (after.state) {
    case "gone":
      return [poll("$q"), gone];
    case "enabled":
      return [poll("$q", ready(after.udata)), enable, poll("$q", ready(after.udata))];
    case "disabled":
      return [poll("$q"), enable, poll("$q", ready(after.udata))];
    case "oneshot":
      return [poll("$q", ready(NEW, N.ONESHOT)), poll("$q"), gone];
    case "oneshot-disabled":
      return [poll("$q"), enable, poll("$q", ready(NEW, N.ONESHOT)), gone];
  }
}

/** A refused change leaves what was there. */
const kept = (before: Before): After => {
  return before === "disabled"
    ? { state: "disabled", udata: OLD }
    : { state: "enabled", udata: OLD };
};

const ENABLED: After = { state: "enabled", udata: NEW };
const DISABLED: After = { state: "disabled", udata: NEW };
const GONE: After = { state: "gone" };

/** Spec 2.4, FreeBSD: one line per combination of flags; absent, present, present and disabled. */
const TRUTH: readonly (readonly [string, number, After, After, After])[] = [
  ["none", 0, "ENOENT", ENABLED, DISABLED],
  ["add", N.ADD, ENABLED, ENABLED, DISABLED],
  ["add-enable", N.ADD | N.ENABLE, ENABLED, ENABLED, ENABLED],
  ["add-disable", N.ADD | N.DISABLE, DISABLED, DISABLED, DISABLED],
  ["add-delete", N.ADD | N.DELETE, ENABLED, GONE, GONE],
  ["delete", N.DELETE, "ENOENT", GONE, GONE],
  ["delete-enable", N.DELETE | N.ENABLE, "ENOENT", GONE, GONE],
  ["enable", N.ENABLE, "ENOENT", ENABLED, ENABLED],
  ["disable", N.DISABLE, "ENOENT", DISABLED, DISABLED],
  ["enable-disable", N.ENABLE | N.DISABLE, "EINVAL", "EINVAL", "EINVAL"],
  ["forceoneshot", N.FORCEONESHOT, "ENOENT", { state: "oneshot" }, { state: "oneshot-disabled" }],
  [
    "keepudata",
    N.KEEPUDATA,
    "ENOENT",
    { state: "enabled", udata: OLD },
    { state: "disabled", udata: OLD },
  ],
  ["add-keepudata", N.ADD | N.KEEPUDATA, "EINVAL", "EINVAL", "EINVAL"],
];

const truth: Case[] = TRUTH.flatMap(([name, flags, ...afters]) =>
  (["absent", "enabled", "disabled"] as const).map((before, column): Case => {
    const after = afters[column] ?? GONE;
    const one = watch(flags, NEW);
    return {
      id: `register.truth.${name}.${before}`,
      source: "FreeBSD kern_event.c kqueue_register; spec 2.4",
      steps: [
        kqueue(),
        eventfd("$e", 5),
        ...BEFORE[before],
        typeof after === "string" ? refuse("$q", one, after) : apply("$q", one),
        ...check(after, before),
      ],
    };
  }),
);

const flags: Case[] = [
  ...(
    [
      ["clear", N.CLEAR],
      ["oneshot", N.ONESHOT],
      ["dispatch", N.DISPATCH],
    ] as const
  ).map(
    ([name, flag]): Case => ({
      id: `register.modify.${name}-is-not-stored`,
      source: "spec 2.3.9 and 10.1 item 5: stored flags are those of the creation",
      steps: [
        kqueue(),
        eventfd("$e", 5),
        apply("$q", watch(N.ADD, OLD), watch(N.ADD | flag, NEW)),
        poll("$q", ready(NEW)),
        poll("$q", ready(NEW)),
      ],
    }),
  ),
  {
    id: "register.modify.receipt-is-not-stored",
    source: "spec 1.7 step 6, 2.3.9",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", watch(N.ADD, OLD)),
      kevent("$q", {
        changes: [watch(N.RECEIPT, NEW)],
        events: [receipt("$e", N.READ, { udata: NEW })],
      }),
      poll("$q", ready(NEW)),
    ],
  },
  {
    id: "register.flags.system-bits-are-masked",
    source: "spec 1.3 EV_SYSFLAGS",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", watch(N.ADD | N.SYSFLAGS, OLD)),
      poll("$q", ready(OLD)),
      apply("$q", watch(N.SYSFLAGS, NEW)),
      poll("$q", ready(NEW)),
    ],
  },
  {
    id: "register.flags.actions-are-stripped",
    source: "spec 1.7.3, profile flags.strip=freebsd",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", watch(N.ADD | N.ENABLE | N.DELETE | N.RECEIPT | N.DISPATCH, OLD)),
      poll("$q", ready(OLD, N.RECEIPT | N.DISPATCH)),
    ],
  },
  {
    id: "register.modify.retests-and-reports-again",
    source: "spec 2.3.10; notify.md B.7: EV_ADD of an existing knote re-reports",
    oracle: "linux",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", watch(N.ADD | N.CLEAR, OLD)),
      poll("$q", ready(OLD, N.CLEAR)),
      poll("$q"),
      apply("$q", watch(N.ADD | N.CLEAR, NEW)),
      poll("$q", ready(NEW, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "register.modify.without-add-retests",
    source: "spec 2.3.10: every modify evaluates",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", watch(N.ADD | N.CLEAR, OLD)),
      poll("$q", ready(OLD, N.CLEAR)),
      apply("$q", watch(0, NEW)),
      poll("$q", ready(NEW, N.CLEAR)),
      poll("$q"),
    ],
  },
];

const lowat = (flags: number, fflags: number, data = 0) => {
  return change("$r", N.READ, flags, { fflags, data });
};
const fiveBytes = event("$r", N.READ, 0, { data: 5 });

const overwriting: Case[] = [
  ...(
    [
      ["plain-change", 0],
      ["enable", N.ENABLE],
      ["add", N.ADD],
    ] as const
  ).map(
    ([name, action]): Case => ({
      id: `register.modify.${name}-erases-lowat`,
      source: "spec 2.3.9: fflags and data are overwritten with or without ADD",
      steps: [
        kqueue(),
        pipe(),
        write("$w", text("hello")),
        apply("$q", lowat(N.ADD, N.LOWAT, 10)),
        poll("$q"),
        apply("$q", lowat(action, 0)),
        poll("$q", fiveBytes),
      ],
    }),
  ),
  {
    id: "register.modify.disable-erases-lowat",
    source: "spec 2.3.9, 10.1 item 4",
    steps: [
      kqueue(),
      pipe(),
      write("$w", text("hello")),
      apply("$q", lowat(N.ADD, N.LOWAT, 10)),
      apply("$q", lowat(N.DISABLE, 0)),
      poll("$q"),
      apply("$q", lowat(N.ENABLE, 0)),
      poll("$q", fiveBytes),
    ],
  },
  {
    id: "register.modify.new-lowat",
    source: "spec 2.3.9",
    steps: [
      kqueue(),
      pipe(),
      write("$w", text("hello")),
      apply("$q", lowat(N.ADD, N.LOWAT, 10)),
      apply("$q", lowat(0, N.LOWAT, 5)),
      poll("$q", fiveBytes),
      apply("$q", lowat(0, N.LOWAT, 6)),
      poll("$q"),
    ],
  },
  {
    id: "register.modify.wide-words-on-a-narrow-knote",
    source: "spec 1.1, 2.3.9: udata and data have 64 bits from the first change to the last",
    steps: [
      kqueue(),
      pipe(),
      write("$w", text("hello")),
      apply("$q", change("$r", N.READ, N.ADD, { udata: OLD })),
      apply("$q", change("$r", N.READ, 0, { udata: 0x100000000n })),
      poll("$q", event("$r", N.READ, 0, { data: 5, udata: 0x100000000n })),
      apply("$q", change("$r", N.READ, 0, { udata: OLD })),
      poll("$q", event("$r", N.READ, 0, { data: 5, udata: OLD })),
      apply("$q", lowat(0, N.LOWAT, 0x100000001)),
      poll("$q"),
      apply("$q", lowat(0, N.LOWAT, 1)),
      poll("$q", fiveBytes),
    ],
  },
  {
    id: "register.keepudata.other-fields-change",
    source: "spec 1.3, 2.3.9",
    steps: [
      kqueue(),
      pipe(),
      write("$w", text("hello")),
      apply("$q", change("$r", N.READ, N.ADD, { fflags: N.LOWAT, data: 10, udata: OLD })),
      apply("$q", change("$r", N.READ, N.KEEPUDATA, { udata: NEW })),
      poll("$q", event("$r", N.READ, 0, { data: 5, udata: OLD })),
    ],
  },
  {
    id: "register.keepudata.timer",
    source: "spec 2.3.9, 3.9: a timer changed without ADD keeps all but udata",
    steps: [
      kqueue(),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 10, udata: OLD })),
      apply("$q", change(1, N.TIMER, N.KEEPUDATA, { udata: NEW })),
      advance(10),
      poll("$q", event(1, N.TIMER, N.CLEAR, { data: 1, udata: OLD })),
      apply("$q", change(1, N.TIMER, 0, { udata: NEW })),
      advance(10),
      poll("$q", event(1, N.TIMER, N.CLEAR, { data: 1, udata: NEW })),
    ],
  },
];

const forced: Case[] = [
  {
    id: "register.forceoneshot.read-not-ready",
    source: "spec 2.3.9: activated though the filter is not ready",
    steps: [
      kqueue(),
      eventfd("$e"),
      apply("$q", watch(N.ADD, OLD)),
      poll("$q"),
      apply("$q", watch(N.FORCEONESHOT | N.KEEPUDATA, NEW)),
      poll("$q", event("$e", N.READ, N.ONESHOT, { data: 0, udata: OLD })),
      refuse("$q", watch(N.DELETE, 0), "ENOENT"),
    ],
  },
  {
    id: "register.forceoneshot.user-not-triggered",
    source: "spec 2.3.9; values as profile oneshot.user=values",
    steps: [
      kqueue(),
      apply("$q", change(1, N.USER, N.ADD, { fflags: 3, data: 4, udata: OLD })),
      apply("$q", change(1, N.USER, N.FORCEONESHOT)),
      poll("$q", event(1, N.USER, N.ONESHOT, { fflags: 3, data: 4, udata: OLD })),
      userEventCount(0),
    ],
  },
  {
    id: "register.forceoneshot.timer-not-due",
    source: "spec 2.3.9",
    steps: [
      kqueue(),
      apply("$q", change(1, N.TIMER, N.ADD, { data: 10 })),
      apply("$q", change(1, N.TIMER, N.FORCEONESHOT)),
      poll("$q", event(1, N.TIMER, N.ONESHOT | N.CLEAR, { data: 0 })),
      advance(10),
      poll("$q"),
      refuse("$q", change(1, N.TIMER, N.DELETE), "ENOENT"),
    ],
  },
];

const extWords = [1n, 0xffffffffffffffffn, 0x8000000000000000n, 4n];

const ext: Case[] = (
  [
    ["user", change(1, N.USER, N.ADD, { fflags: N.TRIGGER, ext: extWords }), 0, 0],
    ["read", change("$e", N.READ, N.ADD, { ext: extWords }), 0, 5],
    ["timer", change(1, N.TIMER, N.ADD, { data: 10, ext: extWords }), N.CLEAR, 1],
  ] as const
).map(
  ([name, one, kept, data]): Case => ({
    id: `register.ext.${name}-carried-not-refreshed`,
    source: "spec 1.1: set when the knote is created and not refreshed",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", one),
      advance(10),
      poll("$q", { ident: one.ident, filter: one.filter, flags: kept, data, ext: extWords }),
      apply("$q", { ...one, ext: [9, 9, 9, 9] }),
      advance(10),
      poll("$q", { ident: one.ident, filter: one.filter, flags: kept, data, ext: extWords }),
    ],
  }),
);

const extReceipt: Case = {
  id: "register.ext.record-echoes-the-change",
  source: "spec 1.7 step 6",
  steps: [
    kqueue(),
    kevent("$q", {
      changes: [
        change(1, N.USER, N.ADD | N.RECEIPT, { ext: extWords }),
        change(2, N.USER, N.DELETE, { ext: extWords }),
      ],
      events: [
        receipt(1, N.USER, { ext: extWords }),
        failed(2, N.USER, "ENOENT", { ext: extWords }),
      ],
    }),
  ],
};

export const register: Table = {
  name: "register",
  about: "one change: creation, modification, deletion and every refusal",
  cases: [...truth, ...flags, ...overwriting, ...forced, ...ext, extReceipt, ...registerRefusals],
};
