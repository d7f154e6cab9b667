// SPDX-License-Identifier: ISC
/** Registration: filters and descriptors that are refused, order of the checks. Spec 2.3. */
import type { Case, Change, Expected } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  close,
  event,
  eventfd,
  failed,
  kevent,
  kqueue,
  pipe,
  poll,
  put,
  refuse,
  size,
  write,
} from "../steps.js";

export const OLD = 1;
export const NEW = 2;

/** READ on an eventfd that always holds 5, so an enabled knote is always ready. */
export function watch(flags: number, udata: number): Change {
  return change("$e", N.READ, flags, { udata });
}
export function ready(udata: number, flags = 0): Expected {
  return event("$e", N.READ, flags, { data: 5, udata });
}

const filters: Case[] = [
  ...[1, -100, 32767, -32768].map(
    (filter): Case => ({
      id: `register.filter.unknown-${filter}`,
      source: "spec 1.2, 2.3.2",
      steps: [kqueue(), refuse("$q", change(1, filter, N.ADD), "EINVAL")],
    }),
  ),
  ...(
    [
      ["aio", N.AIO],
      ["lio", N.LIO],
      ["sendfile", N.SENDFILE],
    ] as const
  ).map(
    ([name, filter]): Case => ({
      id: `register.filter.${name}-is-not-for-programs`,
      source: "spec 2.3.2, 2.6: FreeBSD's null filter",
      steps: [kqueue(), refuse("$q", change(1, filter, N.ADD), "ENXIO")],
    }),
  ),
  {
    id: "register.filter.zero-is-skipped",
    source: "spec 1.2: FreeBSD skips such a change before any look at it",
    steps: [
      kqueue(),
      kevent("$q", {
        changes: [
          change(1, 0, N.ADD),
          change(1, 0, N.ENABLE | N.DISABLE | N.RECEIPT),
          change(2, N.USER, N.ADD, { fflags: N.TRIGGER }),
        ],
        events: [event(2, N.USER, 0)],
      }),
    ],
  },
  {
    id: "register.filter.read-and-write-are-two",
    source: "spec 2.1, 10.1 item 9",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      apply("$q", change("$e", N.READ, N.ADD, { udata: OLD })),
      refuse("$q", change("$e", N.WRITE, N.DELETE), "ENOENT"),
      apply("$q", change("$e", N.WRITE, N.ADD, { udata: NEW })),
      poll("$q", ready(OLD), event("$e", N.WRITE, 0, { data: N.INT64_MAX, udata: NEW })),
      apply("$q", change("$e", N.READ, N.DELETE)),
      poll("$q", event("$e", N.WRITE, 0, { data: N.INT64_MAX, udata: NEW })),
    ],
  },
];

const descriptors: Case[] = [
  ...([N.ADD, N.DELETE, N.ENABLE, N.DISABLE, 0] as const).map(
    (action): Case => ({
      id: `register.descriptor.closed-${action}`,
      source: "spec 2.3.4: also for changes of what exists",
      steps: [
        kqueue(),
        eventfd("$e", 5),
        close("$e"),
        refuse("$q", change("$e", N.READ, action), "EBADF"),
      ],
    }),
  ),
  ...([0x7fffffffn, 0x80000000n, 0x100000000n, N.EFD_MAX] as const).map(
    (ident): Case => ({
      id: `register.descriptor.number-${ident}`,
      source: "spec 2.3.4: beyond INT_MAX, or not open",
      steps: [kqueue(), eventfd("$e", 5), refuse("$q", change(ident, N.READ, N.ADD), "EBADF")],
    }),
  ),
  {
    id: "register.descriptor.high-word-is-looked-at",
    source: "spec 2.3.4: a number beyond INT_MAX is not cut to 32 bits",
    steps: [
      kqueue("$q0"),
      kqueue(),
      refuse("$q", change(0x100000001n, N.READ, N.ADD), "EBADF"),
      refuse("$q", change(0x100000000n, N.WRITE, N.DELETE), "EBADF"),
    ],
  },
  ...([N.ADD | N.KEEPUDATA, N.ENABLE | N.DISABLE] as const).map(
    (bad): Case => ({
      id: `register.order.flags-before-descriptor-${bad}`,
      source: "spec 2.3 steps 1, 3, 4",
      steps: [
        kqueue(),
        eventfd("$e"),
        close("$e"),
        refuse("$q", change("$e", N.READ, bad), "EINVAL"),
      ],
    }),
  ),
  {
    id: "register.order.each-change-sees-the-last",
    source: "spec 1.7 step 4: no transaction",
    steps: [
      kqueue(),
      eventfd("$e", 5),
      kevent("$q", {
        changes: [watch(N.ADD, OLD), watch(N.DELETE, 0), watch(N.ENABLE, NEW), watch(N.ADD, NEW)],
        events: [failed("$e", N.READ, "ENOENT", { udata: NEW })],
      }),
      poll("$q", ready(NEW)),
    ],
  },
  {
    id: "register.creation.not-ready-then-ready",
    source: "spec 2.2, 2.3.11",
    steps: [
      kqueue(),
      eventfd("$e"),
      pipe(),
      apply("$q", watch(N.ADD, OLD), change("$r", N.READ, N.ADD)),
      poll("$q"),
      write("$w", size(3)),
      put("$e", 5),
      poll("$q", event("$r", N.READ, 0, { data: 3 }), ready(OLD)),
    ],
  },
];

export const registerRefusals: Case[] = [...filters, ...descriptors];
