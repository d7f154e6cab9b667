// SPDX-License-Identifier: ISC
/** eventfd: creation, read, write, sleeping, and the two filters. notify.md B. */
import type { CallStep, Case, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  begin,
  blocked,
  close,
  dup,
  end,
  endAll,
  eventfd,
  fcntl,
  put,
  race,
  read,
  take,
  takeNothing,
  times,
  u64,
  write,
} from "../steps.js";
import { eventfdEvents } from "./eventfd-events.js";

const NONBLOCK = N.EFD_NONBLOCK;
const SEMAPHORE = N.EFD_SEMAPHORE;
/** A counter that never makes its caller sleep. */
const counter = (initval = 0, flags = 0): CallStep => eventfd("$e", initval, NONBLOCK | flags);

const creation: Case[] = [
  ...[0, 1, 5, 0x7fffffff, 0x80000000, 0xffffffff].map(
    (initval): Case => ({
      id: `eventfd.create.initval-${initval}`,
      source: "notify.md B.1: a 32-bit unsigned start; Miri libc-eventfd initval",
      oracle: "linux",
      steps: [
        counter(initval),
        initval === 0 ? takeNothing("$e") : take("$e", initval),
        takeNothing("$e"),
      ],
    }),
  ),
  ...(
    [
      ["none", 0, 0, 0],
      ["semaphore", SEMAPHORE, 0, 0],
      ["nonblock", NONBLOCK, N.O_NONBLOCK, 0],
      ["cloexec", N.EFD_CLOEXEC, 0, N.FD_CLOEXEC],
      ["all", SEMAPHORE | NONBLOCK | N.EFD_CLOEXEC, N.O_NONBLOCK, N.FD_CLOEXEC],
      ["open-flags", N.O_NONBLOCK | N.O_CLOEXEC, N.O_NONBLOCK, N.FD_CLOEXEC],
    ] as const
  ).map(
    ([name, flags, status, descriptor]): Case => ({
      id: `eventfd.create.flags-${name}`,
      source: "notify.md B.1; LTP eventfd2_01, _02",
      oracle: "linux",
      steps: [
        eventfd("$e", 0, flags),
        fcntl("$e", N.F_GETFL, 0, N.O_RDWR | status),
        fcntl("$e", N.F_GETFD, 0, descriptor),
      ],
    }),
  ),
  ...(
    [
      ["unknown-bit", 0x40000000],
      ["unknown-and-known", 0x40000000 | SEMAPHORE],
    ] as const
  ).map(
    ([name, flags]): Case => ({
      id: `eventfd.create.flags-${name}`,
      source: "notify.md B.1: EINVAL",
      oracle: "linux",
      steps: [{ call: "eventfd", initval: 0, flags, ret: "EINVAL" }],
    }),
  ),
  ...[2, 8, N.O_DIRECT, -1].map(
    (flags): Case => ({
      id: `eventfd.create.bits-${flags}`,
      source: "notify.md B.1: EINVAL",
      steps: [{ call: "eventfd", initval: 0, flags, ret: "EINVAL" }],
    }),
  ),
];

const reading: Case[] = [
  {
    id: "eventfd.read.takes-all",
    source: "notify.md B.2 step 3; LTP eventfd01, eventfd02",
    oracle: "linux",
    steps: [
      counter(),
      put("$e", 1),
      put("$e", 2),
      put("$e", 4),
      put("$e", 7),
      put("$e", 14),
      take("$e", 28),
      takeNothing("$e"),
    ],
  },
  {
    id: "eventfd.read.semaphore-takes-one",
    source: "notify.md B.2 step 3; LTP eventfd2_03",
    oracle: "linux",
    steps: [
      counter(2, SEMAPHORE),
      take("$e", 1),
      put("$e", 2),
      take("$e", 1),
      take("$e", 1),
      take("$e", 1),
      takeNothing("$e"),
    ],
  },
  ...[0, 1, 4, 7].map(
    (length): Case => ({
      id: `eventfd.read.length-${length}`,
      source: "notify.md B.2 step 1: EINVAL before anything else; LTP eventfd01",
      oracle: "linux",
      steps: [
        counter(),
        read("$e", length, "EINVAL"),
        put("$e", 9),
        read("$e", length, "EINVAL"),
        take("$e", 9),
      ],
    }),
  ),
  {
    id: "eventfd.read.longer-buffer",
    source: "notify.md B.2 step 5: eight bytes, the rest is not touched",
    oracle: "linux",
    steps: [
      counter(9),
      read("$e", 9, 8, u64(9)),
      put("$e", 3),
      read("$e", 4096, 8, u64(3)),
      read("$e", 4096, "EAGAIN"),
    ],
  },
  {
    id: "eventfd.read.of-zero-never-subtracts",
    source: "notify.md B.4: a defect Linux once had",
    oracle: "linux",
    steps: [
      counter(0, SEMAPHORE),
      takeNothing("$e"),
      takeNothing("$e"),
      put("$e", 1),
      take("$e", 1),
      takeNothing("$e"),
    ],
  },
];

const writing: Case[] = [
  ...[0, 1, 4, 7].map(
    (length): Case => ({
      id: `eventfd.write.length-${length}`,
      source: "notify.md B.3 step 1; LTP eventfd02",
      oracle: "linux",
      steps: [counter(3), write("$e", u64(1, length), "EINVAL"), take("$e", 3)],
    }),
  ),
  {
    id: "eventfd.write.longer-buffer",
    source: "notify.md B.3 step 1: FreeBSD accepts it and returns 8",
    oracle: "linux",
    steps: [counter(), write("$e", u64(4, 16), 8)],
  },
  {
    id: "eventfd.write.longer-buffer-adds-its-first-eight",
    source: "notify.md B.3 step 1: FreeBSD takes the first eight bytes",
    steps: [
      counter(3),
      write("$e", u64(4, 16), 8),
      take("$e", 7),
      write("$e", u64(5, 9), 8),
      take("$e", 5),
    ],
  },
  {
    id: "eventfd.write.largest-is-refused",
    source: "notify.md B.3 step 3; LTP eventfd02",
    oracle: "linux",
    steps: [counter(3), put("$e", N.EFD_MAX, "EINVAL"), take("$e", 3)],
  },
  {
    id: "eventfd.write.up-to-the-top",
    source: "notify.md B.3 step 4",
    oracle: "linux",
    steps: [
      counter(),
      put("$e", N.EFD_TOP),
      put("$e", 1, "EAGAIN"),
      put("$e", N.EFD_TOP, "EAGAIN"),
      take("$e", N.EFD_TOP),
      put("$e", N.EFD_TOP),
      take("$e", N.EFD_TOP),
    ],
  },
  {
    id: "eventfd.write.never-in-part",
    source: "notify.md B.3 step 4: the whole value or nothing",
    oracle: "linux",
    steps: [
      counter(10),
      put("$e", N.EFD_TOP - 10n),
      take("$e", N.EFD_TOP),
      put("$e", 11),
      put("$e", N.EFD_TOP - 10n, "EAGAIN"),
      take("$e", 11),
    ],
  },
  {
    id: "eventfd.write.zero",
    source: "notify.md B.3: legal, changes nothing, fits even at the top; F.10 item 4",
    oracle: "linux",
    steps: [
      counter(),
      put("$e", 0),
      takeNothing("$e"),
      put("$e", N.EFD_TOP),
      put("$e", 0),
      take("$e", N.EFD_TOP),
    ],
  },
  ...[
    0xffffffffn,
    0x100000000n,
    0x1ffffffffn,
    0x20000000000000n,
    0x20000000000001n,
    0x7fffffffffffffffn,
    0x8000000000000000n,
    0xfffffffffffffffdn,
  ].map(
    (value): Case => ({
      id: `eventfd.exact.${value.toString(16)}`,
      source: "notify.md B.1: an exact 64-bit count",
      oracle: "linux",
      steps: [
        counter(),
        put("$e", value),
        take("$e", value),
        put("$e", value - 1n),
        put("$e", 1),
        take("$e", value),
      ],
    }),
  ),
  {
    id: "eventfd.exact.semaphore-borrows-from-the-high-word",
    source: "notify.md B.2 step 3",
    oracle: "linux",
    steps: [
      counter(0, SEMAPHORE),
      put("$e", 0x100000000n),
      take("$e", 1),
      put("$e", N.EFD_TOP - 0xffffffffn),
      put("$e", 1, "EAGAIN"),
      take("$e", 1),
      put("$e", 1),
    ],
  },
];

const wrappers: Case[] = [
  {
    id: "eventfd.libc.read-and-write",
    source: "notify.md B.10: 0 or -1",
    oracle: "linux",
    steps: [
      counter(),
      { call: "eventfd_read", fd: "$e", ret: "EAGAIN" },
      { call: "eventfd_write", fd: "$e", value: 0x123456789abcdefn, ret: 0 },
      { call: "eventfd_read", fd: "$e", ret: 0, value: 0x123456789abcdefn },
      { call: "eventfd_write", fd: "$e", value: N.EFD_MAX, ret: "EINVAL" },
      { call: "eventfd_write", fd: "$e", value: N.EFD_TOP, ret: 0 },
      { call: "eventfd_write", fd: "$e", value: 1, ret: "EAGAIN" },
      close("$e"),
      { call: "eventfd_read", fd: "$e", ret: "EBADF" },
      { call: "eventfd_write", fd: "$e", value: 1, ret: "EBADF" },
    ],
  },
];

const sharing: Case[] = [
  {
    id: "eventfd.dup.one-counter-one-flag",
    source: "notify.md B.9: O_NONBLOCK is shared, close-on-exec is not",
    oracle: "linux",
    steps: [
      eventfd("$e", 3, N.EFD_CLOEXEC),
      dup("$e", "$d"),
      fcntl("$d", N.F_GETFD, 0, 0),
      put("$d", 4),
      take("$e", 7),
      fcntl("$d", N.F_SETFL, N.O_NONBLOCK, 0),
      takeNothing("$e"),
      fcntl("$e", N.F_SETFD, 0, 0),
      fcntl("$d", N.F_SETFD, N.FD_CLOEXEC, 0),
      fcntl("$e", N.F_GETFD, 0, 0),
      close("$e"),
      put("$d", 5),
      take("$d", 5),
    ],
  },
  {
    id: "eventfd.flags.nonblock-on-and-off",
    source: "notify.md B.8: takes effect on the next call",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      fcntl("$e", N.F_SETFL, N.O_NONBLOCK, 0),
      takeNothing("$e"),
      fcntl("$e", N.F_SETFL, 0, 0),
      fcntl("$e", N.F_GETFL, 0, N.O_RDWR),
      begin("reader", take("$e", 6)),
      put("$e", 6),
      end("reader"),
    ],
  },
];

const sleeping: Case[] = [
  {
    id: "eventfd.sleep.reader",
    source: "notify.md B.2 step 2; Miri blocking read",
    oracle: "linux",
    steps: [eventfd("$e"), begin("reader", take("$e", 5)), put("$e", 5), end("reader")],
  },
  {
    id: "eventfd.sleep.zero-wakes-nobody-for-good",
    source: "notify.md B.3: a write of 0 wakes, and the reader sleeps again",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      begin("reader", take("$e", 5)),
      put("$e", 0),
      blocked("reader"),
      put("$e", 5),
      end("reader"),
    ],
  },
  {
    id: "eventfd.sleep.writer",
    source: "notify.md B.3 step 4; Miri blocking write",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      put("$e", N.EFD_TOP),
      begin("writer", put("$e", 2)),
      take("$e", N.EFD_TOP),
      end("writer"),
      take("$e", 2),
    ],
  },
  {
    id: "eventfd.sleep.writer-until-all-of-it-fits",
    source: "notify.md B.3 step 4",
    oracle: "linux",
    steps: [
      eventfd("$e", 0, SEMAPHORE),
      put("$e", N.EFD_TOP - 1n),
      begin("writer", put("$e", 3)),
      take("$e", 1),
      blocked("writer"),
      take("$e", 1),
      end("writer"),
    ],
  },
  {
    id: "eventfd.sleep.two-writers",
    source: "Miri libc-eventfd: two writers blocked and both released",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      put("$e", N.EFD_TOP),
      begin("one", put("$e", 2)),
      begin("two", put("$e", 2)),
      take("$e", N.EFD_TOP),
      endAll(["one", "two"], 8),
      take("$e", 4),
    ],
  },
  {
    id: "eventfd.sleep.small-writer-passes-a-large-one",
    source: "notify.md B.3: a blocked write reserves nothing",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      put("$e", N.EFD_TOP - 5n),
      begin("large", put("$e", 10)),
      put("$e", 5),
      blocked("large"),
      take("$e", N.EFD_TOP),
      end("large"),
      take("$e", 10),
    ],
  },
  {
    id: "eventfd.sleep.small-writer-behind-a-large-one",
    source: "notify.md B.2 step 4, B.3: all writers look again; who fits goes on",
    oracle: "linux",
    steps: [
      eventfd("$e", 0, SEMAPHORE),
      put("$e", N.EFD_TOP),
      begin("large", put("$e", 10)),
      begin("small", put("$e", 1)),
      take("$e", 1),
      end("small"),
      blocked("large"),
      ...times(10, () => take("$e", 1)),
      end("large"),
    ],
  },
  {
    id: "eventfd.sleep.one-reader-gets-the-count",
    source: "notify.md B.3: losers sleep again",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      begin("one", take("$e", 4)),
      begin("two", take("$e", 4)),
      put("$e", 4),
      race(["one", "two"], 8),
      put("$e", 4),
      endAll(["one", "two"], 8),
    ],
  },
  {
    id: "eventfd.sleep.semaphore-lets-n-through",
    source: "notify.md B.3",
    oracle: "linux",
    steps: [
      eventfd("$e", 0, SEMAPHORE),
      begin("one", take("$e", 1)),
      begin("two", take("$e", 1)),
      begin("three", take("$e", 1)),
      put("$e", 2),
      race(["one", "two", "three"], 8),
      race(["one", "two", "three"], 8),
      put("$e", 1),
      endAll(["one", "two", "three"], 8),
    ],
  },
  {
    id: "eventfd.sleep.closed-number-keeps-the-description",
    source: "notify.md B.9: Linux, FreeBSD; Miri close while blocked",
    oracle: "linux",
    steps: [
      eventfd("$e"),
      dup("$e", "$d"),
      begin("reader", take("$e", 5)),
      close("$e"),
      put("$d", 5),
      end("reader"),
    ],
  },
];

export const eventfds: Table = {
  name: "eventfd",
  about: "eventfd: exact counts, semaphores, sleeping calls, both filters",
  cases: [
    ...creation,
    ...reading,
    ...writing,
    ...wrappers,
    ...sharing,
    ...sleeping,
    ...eventfdEvents,
  ],
};
