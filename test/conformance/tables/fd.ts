// SPDX-License-Identifier: ISC
/** Descriptors: numbers, dup, fcntl, limits, and knotes that follow the number. Spec 1.6, 4.8. */
import type { CallStep, Case, Ref, Ret, Table } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  close,
  dup2,
  event,
  eventfd,
  fcntl,
  kqueue,
  pipe,
  poll,
  put,
  read,
  size,
  take,
  text,
  write,
} from "../steps.js";
import { fdKnotes } from "./fd-knotes.js";

const POSIX = "POSIX dup(), fcntl(), close()";
const BAD: readonly (readonly [string, number])[] = [
  ["minus-one", -1],
  ["never-opened", 1000],
  ["beyond-any-table", 0x7fffffff],
];

function dup3(fd: Ref, to: Ref, flags: number, ret: Ret): CallStep {
  return { call: "dup3", fd, to, flags, ret };
}

const numbers: Case[] = [
  {
    id: "fd.number.lowest-free",
    source: POSIX,
    oracle: "linux",
    steps: [
      eventfd("$a"),
      eventfd("$b"),
      eventfd("$c"),
      close("$b"),
      { call: "dup", fd: "$a", ret: "$b" },
      close("$a"),
      close("$b"),
      { call: "eventfd", initval: 0, flags: 0, ret: "$a" },
      { call: "eventfd", initval: 0, flags: 0, ret: "$b" },
    ],
  },
  {
    id: "fd.number.pipe-takes-two",
    source: POSIX,
    oracle: "linux",
    steps: [
      eventfd("$a"),
      pipe(),
      close("$r"),
      { call: "eventfd", initval: 0, flags: 0, ret: "$r" },
      fcntl("$w", N.F_GETFD, 0, 0),
    ],
  },
  ...BAD.map(
    ([name, fd]): Case => ({
      id: `fd.bad.${name}`,
      source: `${POSIX}: EBADF`,
      oracle: "linux",
      steps: [
        eventfd("$e"),
        close(fd, "EBADF"),
        { call: "dup", fd, ret: "EBADF" },
        dup2(fd, "$e", "EBADF"),
        dup3(fd, "$e", 0, "EBADF"),
        fcntl(fd, N.F_GETFD, 0, "EBADF"),
        fcntl(fd, N.F_GETFL, 0, "EBADF"),
        fcntl(fd, N.F_DUPFD, 0, "EBADF"),
        read(fd, 8, "EBADF"),
        write(fd, size(8), "EBADF"),
        put("$e", 1),
      ],
    }),
  ),
  {
    id: "fd.bad.closed-twice",
    source: POSIX,
    oracle: "linux",
    steps: [eventfd("$e"), close("$e"), close("$e", "EBADF"), read("$e", 8, "EBADF")],
  },
];

const duplicating: Case[] = [
  {
    id: "fd.dup2.onto-an-open-number",
    source: `${POSIX}: the old file is closed`,
    oracle: "linux",
    steps: [eventfd("$e", 3), pipe(), dup2("$e", "$w", "$w"), take("$w", 3), read("$r", 1, 0)],
  },
  {
    id: "fd.dup2.onto-a-free-number",
    source: POSIX,
    oracle: "linux",
    steps: [
      eventfd("$e", 3),
      dup2("$e", 60, 60),
      take(60, 3),
      { call: "dup", fd: "$e", as: "$d", ret: "fd" },
      close(60),
    ],
  },
  {
    id: "fd.dup2.is-not-close-on-exec",
    source: POSIX,
    oracle: "linux",
    steps: [
      eventfd("$e", 3, N.EFD_CLOEXEC),
      dup2("$e", 60, 60),
      fcntl(60, N.F_GETFD, 0, 0),
      fcntl("$e", N.F_GETFD, 0, N.FD_CLOEXEC),
      fcntl(60, N.F_SETFD, N.FD_CLOEXEC, 0),
      dup2("$e", 60, 60),
      fcntl(60, N.F_GETFD, 0, 0),
    ],
  },
  {
    id: "fd.dup2.onto-itself",
    source: `${POSIX}: nothing happens, close-on-exec stays`,
    oracle: "linux",
    steps: [
      eventfd("$e", 3, N.EFD_CLOEXEC),
      dup2("$e", "$e", "$e"),
      fcntl("$e", N.F_GETFD, 0, N.FD_CLOEXEC),
      take("$e", 3),
    ],
  },
  ...(
    [
      ["negative", -1],
      ["beyond-the-limit", 0x7fffffff],
    ] as const
  ).map(
    ([name, to]): Case => ({
      id: `fd.dup2.${name}`,
      source: `${POSIX}: EBADF`,
      oracle: "linux",
      steps: [eventfd("$e", 3), dup2("$e", to, "EBADF"), take("$e", 3)],
    }),
  ),
  {
    id: "fd.dup3.cloexec",
    source: "dup3(2)",
    oracle: "linux",
    steps: [
      eventfd("$e", 3),
      dup3("$e", 60, N.O_CLOEXEC, 60),
      fcntl(60, N.F_GETFD, 0, N.FD_CLOEXEC),
      fcntl("$e", N.F_GETFD, 0, 0),
      dup3("$e", 60, 0, 60),
      fcntl(60, N.F_GETFD, 0, 0),
    ],
  },
  {
    id: "fd.dup3.refused",
    source: "dup3(2): EINVAL for the same number and for other flags",
    oracle: "linux",
    steps: [
      eventfd("$e", 3),
      dup3("$e", "$e", 0, "EINVAL"),
      dup3("$e", 60, 0x40000000, "EINVAL"),
      dup3("$e", 60, N.O_NONBLOCK, "EINVAL"),
      fcntl(60, N.F_GETFD, 0, "EBADF"),
    ],
  },
];

const controlling: Case[] = [
  {
    id: "fd.fcntl.dupfd",
    source: `${POSIX}: the lowest free number from the argument on`,
    oracle: "linux",
    steps: [
      eventfd("$e", 3, N.EFD_CLOEXEC),
      fcntl("$e", N.F_DUPFD, 70, 70),
      fcntl("$e", N.F_DUPFD, 70, 71),
      fcntl(70, N.F_GETFD, 0, 0),
      fcntl("$e", N.F_DUPFD_CLOEXEC, 70, 72),
      fcntl(72, N.F_GETFD, 0, N.FD_CLOEXEC),
      take(71, 3),
    ],
  },
  ...(
    [
      ["negative", -1],
      ["beyond-the-limit", 0x7fffffff],
    ] as const
  ).map(
    ([name, from]): Case => ({
      id: `fd.fcntl.dupfd-${name}`,
      source: `${POSIX}: EINVAL`,
      oracle: "linux",
      steps: [
        eventfd("$e"),
        fcntl("$e", N.F_DUPFD, from, "EINVAL"),
        fcntl("$e", N.F_DUPFD_CLOEXEC, from, "EINVAL"),
      ],
    }),
  ),
  {
    id: "fd.fcntl.dup2fd",
    source: "FreeBSD fcntl(2) F_DUP2FD",
    steps: [
      eventfd("$e", 3, N.EFD_CLOEXEC),
      eventfd("$f", 5),
      fcntl("$e", N.F_DUP2FD, "$f", "$f"),
      take("$f", 3),
      fcntl("$e", N.F_DUP2FD, 60, 60),
      fcntl(60, N.F_GETFD, 0, 0),
      fcntl("$e", N.F_DUP2FD, -1, "EBADF"),
    ],
  },
  {
    id: "fd.fcntl.descriptor-flags",
    source: POSIX,
    oracle: "linux",
    steps: [
      eventfd("$e"),
      fcntl("$e", N.F_SETFD, N.FD_CLOEXEC, 0),
      fcntl("$e", N.F_GETFD, 0, N.FD_CLOEXEC),
      fcntl("$e", N.F_SETFD, 0, 0),
      fcntl("$e", N.F_GETFD, 0, 0),
    ],
  },
  {
    id: "fd.fcntl.access-mode-cannot-be-set",
    source: `${POSIX}: F_SETFL leaves the access mode alone`,
    oracle: "linux",
    steps: [
      pipe(),
      fcntl("$r", N.F_SETFL, N.O_RDWR | N.O_NONBLOCK, 0),
      fcntl("$r", N.F_GETFL, 0, N.O_RDONLY | N.O_NONBLOCK),
      write("$r", text("x"), "EBADF"),
    ],
  },
  {
    id: "fd.fcntl.unknown-command",
    source: `${POSIX}: EINVAL`,
    oracle: "linux",
    steps: [eventfd("$e"), fcntl("$e", 9999, 0, "EINVAL")],
  },
];

/** The error of read and write on a queue. */
const NO_TRANSFER: N.ErrnoName = "ENXIO";

const queueFlags: Case[] = [
  {
    id: "fd.kqueue.plain",
    source: "spec 1.6: read and write, kept over exec",
    steps: [kqueue(), fcntl("$q", N.F_GETFD, 0, 0), fcntl("$q", N.F_GETFL, 0, N.O_RDWR)],
  },
  ...(
    [
      ["none", 0, 0],
      ["cloexec", N.KQUEUE_CLOEXEC, N.FD_CLOEXEC],
      ["cponfork", N.KQUEUE_CPONFORK, 0],
      ["both", N.KQUEUE_CLOEXEC | N.KQUEUE_CPONFORK, N.FD_CLOEXEC],
    ] as const
  ).map(
    ([name, flags, descriptor]): Case => ({
      id: `fd.kqueuex.${name}`,
      source: "FreeBSD kqueuex(2); spec 1.6",
      steps: [
        { call: "kqueuex", flags, as: "$q", ret: "fd" },
        fcntl("$q", N.F_GETFD, 0, descriptor),
        poll("$q"),
      ],
    }),
  ),
  ...[4, N.O_CLOEXEC, -1].map(
    (flags): Case => ({
      id: `fd.kqueuex.bits-${flags}`,
      source: "spec 1.6: EINVAL",
      steps: [{ call: "kqueuex", flags, ret: "EINVAL" }],
    }),
  ),
  {
    id: "fd.kqueue1.cloexec",
    source: "spec 1.6",
    steps: [
      { call: "kqueue1", flags: N.O_CLOEXEC, as: "$q", ret: "fd" },
      fcntl("$q", N.F_GETFD, 0, N.FD_CLOEXEC),
      { call: "kqueue1", flags: 0, as: "$p", ret: "fd" },
      fcntl("$p", N.F_GETFD, 0, 0),
    ],
  },
  ...[0x40000000, -1].map(
    (flags): Case => ({
      id: `fd.kqueue1.bits-${flags}`,
      source: "spec 1.6: EINVAL",
      steps: [{ call: "kqueue1", flags, ret: "EINVAL" }],
    }),
  ),
  {
    id: "fd.kqueue.read-and-write",
    source: "spec 1.6, 2.6",
    steps: [
      kqueue(),
      read("$q", 64, NO_TRANSFER),
      write("$q", size(64), NO_TRANSFER),
      apply("$q", change(1, N.USER, N.ADD, { fflags: N.TRIGGER })),
      read("$q", 64, NO_TRANSFER),
      poll("$q", event(1, N.USER, 0)),
    ],
  },
];

export const descriptors: Table = {
  name: "fd",
  about: "descriptor numbers, dup, fcntl, limits; knotes go with the number",
  cases: [...numbers, ...duplicating, ...controlling, ...queueFlags, ...fdKnotes],
};
