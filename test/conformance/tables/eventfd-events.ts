// SPDX-License-Identifier: ISC
/** EVFILT_READ and EVFILT_WRITE on eventfds. notify.md B.5 to B.7. */
import type { CallStep, Case, Expected, Variable, Word } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  dup,
  event,
  eventfd,
  kevent,
  kqueue,
  poll,
  put,
  refuse,
  size,
  take,
  write,
} from "../steps.js";

const SEMAPHORE = N.EFD_SEMAPHORE;
/** A counter that never makes its caller sleep. */
const counter = (initval = 0, flags = 0): CallStep => {
  return eventfd("$e", initval, N.EFD_NONBLOCK | flags);
};
const canRead = (data: Word, flags = 0, fd: Variable = "$e"): Expected => {
  return event(fd, N.READ, flags, { data });
};
const canWrite = (data: Word, flags = 0): Expected => event("$e", N.WRITE, flags, { data });
const watch = (filter: number, flags = 0, fd: Variable = "$e") => {
  return apply("$q", change(fd, filter, N.ADD | flags));
};

const filters: Case[] = [
  {
    id: "eventfd.event.read-level",
    source: "notify.md B.6; LTP eventfd03",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      watch(N.READ),
      poll("$q"),
      put("$e", 3),
      poll("$q", canRead(3)),
      put("$e", 2),
      poll("$q", canRead(5)),
      take("$e", 5),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.event.read-semaphore-level",
    source: "notify.md B.6",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(2, SEMAPHORE),
      watch(N.READ),
      poll("$q", canRead(2)),
      take("$e", 1),
      poll("$q", canRead(1)),
      take("$e", 1),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.event.write-level",
    source: "notify.md B.6: TOP - count, at most 2^63-1; LTP eventfd04",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      watch(N.WRITE),
      poll("$q", canWrite(N.INT64_MAX)),
      put("$e", N.EFD_TOP - 10n),
      poll("$q", canWrite(10)),
      put("$e", 9),
      poll("$q", canWrite(1)),
      put("$e", 1),
      poll("$q"),
      take("$e", N.EFD_TOP),
      poll("$q", canWrite(N.INT64_MAX)),
    ],
  },
  {
    id: "eventfd.event.read-saturates",
    source: "notify.md B.6 decision: min(count, 2^63-1)",
    steps: [
      kqueue(),
      counter(),
      watch(N.READ),
      put("$e", N.INT64_MAX),
      poll("$q", canRead(N.INT64_MAX)),
      put("$e", 1),
      poll("$q", canRead(N.INT64_MAX)),
      put("$e", N.INT64_MAX - 1n),
      poll("$q", canRead(N.INT64_MAX)),
      take("$e", N.EFD_TOP),
      put("$e", 0x3fffffffn),
      poll("$q", canRead(0x3fffffff)),
      put("$e", 1),
      poll("$q", canRead(0x40000000)),
      put("$e", 0xffffffffffn),
      poll("$q", canRead(0x1003fffffffn)),
    ],
  },
  {
    id: "eventfd.event.write-data-is-exact",
    source: "notify.md B.6 decision: min(TOP - count, 2^63-1)",
    steps: [
      kqueue(),
      counter(),
      watch(N.WRITE),
      put("$e", N.INT64_MAX),
      poll("$q", canWrite(N.INT64_MAX)),
      put("$e", 1),
      poll("$q", canWrite(N.INT64_MAX - 1n)),
      put("$e", 0x7fffffff00000000n),
      poll("$q", canWrite(0xfffffffe)),
    ],
  },
  {
    id: "eventfd.edge.one-event-per-write",
    source: "notify.md B.7; FreeBSD and NetBSD EV_CLEAR",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      watch(N.READ, N.CLEAR),
      poll("$q"),
      put("$e", 3),
      poll("$q", canRead(3, N.CLEAR)),
      poll("$q"),
      put("$e", 1),
      poll("$q", canRead(4, N.CLEAR)),
      put("$e", 1),
      put("$e", 1),
      poll("$q", canRead(6, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.edge.write-of-zero",
    source: "notify.md B.3, B.7: an edge if the count is not 0",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      watch(N.READ, N.CLEAR),
      put("$e", 0),
      poll("$q"),
      put("$e", 3),
      poll("$q", canRead(3, N.CLEAR)),
      put("$e", 0),
      poll("$q", canRead(3, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.edge.refused-write-is-none",
    source: "notify.md B.7: every accepted write",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      put("$e", N.EFD_TOP),
      watch(N.READ, N.CLEAR),
      poll("$q", canRead(N.INT64_MAX, N.CLEAR)),
      put("$e", 1, "EAGAIN"),
      put("$e", N.EFD_MAX, "EINVAL"),
      write("$e", size(7), "EINVAL"),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.edge.semaphore-read-is-one-too",
    source: "notify.md B.6: FreeBSD's one list, each accepted read or write",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(3, SEMAPHORE),
      watch(N.READ, N.CLEAR),
      poll("$q", canRead(3, N.CLEAR)),
      take("$e", 1),
      poll("$q", canRead(2, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.edge.writer-hears-writes-and-reads",
    source: "notify.md B.6: FreeBSD's one list; F.10 item 1",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      put("$e", N.EFD_TOP - 10n),
      watch(N.WRITE, N.CLEAR),
      poll("$q", canWrite(10, N.CLEAR)),
      poll("$q"),
      put("$e", 1),
      poll("$q", canWrite(9, N.CLEAR)),
      poll("$q"),
      take("$e", N.EFD_TOP - 9n),
      poll("$q", canWrite(N.INT64_MAX, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "eventfd.event.through-a-dup",
    source: "spec 4.8: two numbers are two identities",
    oracle: "linux",
    steps: [
      kqueue(),
      counter(),
      dup("$e", "$d"),
      watch(N.READ, N.CLEAR),
      watch(N.READ, N.CLEAR, "$d"),
      put("$e", 2),
      kevent("$q", {
        unordered: true,
        events: [canRead(2, N.CLEAR), canRead(2, N.CLEAR, "$d")],
      }),
      poll("$q"),
    ],
  },
  ...(
    [
      ["vnode", N.VNODE],
      ["empty", N.EMPTY],
    ] as const
  ).map(
    ([name, filter]): Case => ({
      id: `eventfd.filter.${name}`,
      source: "notify.md B.6: EINVAL",
      steps: [
        kqueue(),
        counter(),
        refuse("$q", change("$e", filter, N.ADD | N.CLEAR, { fflags: 1 }), "EINVAL"),
      ],
    }),
  ),
];

export const eventfdEvents: Case[] = [...filters];
