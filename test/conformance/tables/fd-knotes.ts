// SPDX-License-Identifier: ISC
/** What becomes of knotes when their number is closed or replaced; limits. Spec 1.6, 4.8. */
import type { CallStep, Case, Expected, Ref, Ret, Variable } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  close,
  dup,
  dup2,
  event,
  eventfd,
  fcntl,
  kevent,
  kqueue,
  pipe,
  poll,
  put,
  refuse,
  take,
  text,
  userEventCount,
  write,
} from "../steps.js";

const watch = (fd: Variable, flags = 0) => apply("$q", change(fd, N.READ, N.ADD | flags));
const ready = (fd: Variable, data: number, flags = 0): Expected => {
  return event(fd, N.READ, flags, { data });
};

const setLimit = (value: Ref, ret: Ret): CallStep => {
  return { call: "setrlimit", resource: N.RLIMIT_NOFILE, value, ret };
};

const knotes: Case[] = [
  {
    id: "fd.close.drops-knotes",
    source: "spec 4.8: pending events vanish silently",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      watch("$e"),
      poll("$q", ready("$e", 3)),
      close("$e"),
      poll("$q"),
    ],
  },
  {
    id: "fd.close.number-used-again",
    source: "spec 4.8: dropped before the number can be reused; FreeBSD PR 293382",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      watch("$e"),
      apply("$q", change("$e", N.WRITE, N.ADD)),
      close("$e"),
      { call: "eventfd", initval: 9, flags: 0, ret: "$e" },
      poll("$q"),
      refuse("$q", change("$e", N.READ, N.ENABLE), "ENOENT"),
      refuse("$q", change("$e", N.WRITE, N.DELETE), "ENOENT"),
      watch("$e"),
      poll("$q", ready("$e", 9)),
    ],
  },
  {
    id: "fd.close.in-every-queue",
    source: "spec 4.8: in all queues of the table",
    steps: [
      kqueue("$p"),
      kqueue(),
      eventfd("$e", 3),
      watch("$e"),
      apply("$p", change("$e", N.READ, N.ADD | N.DISABLE)),
      close("$e"),
      { call: "eventfd", initval: 9, flags: 0, ret: "$e" },
      poll("$q"),
      refuse("$p", change("$e", N.READ, N.ENABLE), "ENOENT"),
    ],
  },
  {
    id: "fd.close.other-filters-stay",
    source: "spec 4.8: only knotes of that number, not of that ident",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      watch("$e"),
      apply("$q", change("$e", N.USER, N.ADD, { fflags: N.TRIGGER })),
      poll("$q", ready("$e", 3), event("$e", N.USER, 0)),
      close("$e"),
      poll("$q", event("$e", N.USER, 0)),
      userEventCount(1),
    ],
  },
  {
    id: "fd.dup.two-identities",
    source: "spec 2.1, 4.8",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      dup("$e", "$d"),
      watch("$e"),
      refuse("$q", change("$d", N.READ, N.DELETE), "ENOENT"),
      watch("$d", N.ONESHOT),
      poll("$q", ready("$e", 3), ready("$d", 3, N.ONESHOT)),
      poll("$q", ready("$e", 3)),
    ],
  },
  {
    id: "fd.dup.closing-one-leaves-the-other",
    source: "spec 4.8",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      dup("$e", "$d"),
      watch("$e"),
      watch("$d"),
      close("$e"),
      poll("$q", ready("$d", 3)),
      take("$d", 3),
      poll("$q"),
      put("$d", 4),
      poll("$q", ready("$d", 4)),
    ],
  },
  {
    id: "fd.dup.watched-number-goes-though-the-file-stays",
    source: "spec 4.8: the knote follows the number, not the file",
    steps: [
      kqueue(),
      pipe(),
      dup("$r", "$d"),
      watch("$r"),
      close("$r"),
      write("$w", text("x")),
      poll("$q"),
      watch("$d"),
      poll("$q", ready("$d", 1)),
    ],
  },
  {
    id: "fd.dup2.over-a-watched-number",
    source: "spec 4.8; NetBSD t_file2 file2",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      eventfd("$f", 4),
      watch("$e"),
      poll("$q", ready("$e", 3)),
      dup2("$f", "$e", "$e"),
      poll("$q"),
      refuse("$q", change("$e", N.READ, N.ENABLE), "ENOENT"),
      watch("$e"),
      poll("$q", ready("$e", 4)),
    ],
  },
  {
    id: "fd.dup2.onto-itself-keeps-the-knote",
    source: "POSIX dup2(): nothing happens",
    steps: [
      kqueue(),
      eventfd("$e", 3),
      watch("$e"),
      dup2("$e", "$e", "$e"),
      poll("$q", ready("$e", 3)),
    ],
  },
  {
    id: "fd.dup.of-a-queue",
    source: "spec 4.8, 4.9: one queue by two numbers",
    steps: [
      kqueue(),
      dup("$q", "$d"),
      apply("$q", change(1, N.USER, N.ADD | N.CLEAR, { fflags: N.TRIGGER })),
      poll("$d", event(1, N.USER, N.CLEAR)),
      poll("$q"),
      close("$q"),
      kevent("$q", { ret: "EBADF" }),
      apply("$d", change(1, N.USER, 0, { fflags: N.TRIGGER })),
      poll("$d", event(1, N.USER, N.CLEAR)),
    ],
  },
];

const limits: Case[] = [
  {
    id: "fd.limit.emfile",
    source: "spec 1.6, 2.6; notify.md B.1: EMFILE",
    limits: { descriptors: 3 },
    steps: [
      kqueue("$a"),
      eventfd("$b"),
      eventfd("$c"),
      { call: "eventfd", initval: 0, flags: 0, ret: "EMFILE" },
      { call: "kqueue", ret: "EMFILE" },
      { call: "kqueuex", flags: 0, ret: "EMFILE" },
      { call: "kqueue1", flags: 0, ret: "EMFILE" },
      pipe(0, ["$r", "$w"], "EMFILE"),
      { call: "dup", fd: "$a", ret: "EMFILE" },
      fcntl("$a", N.F_DUPFD, 0, "EMFILE"),
      close("$b"),
      pipe(0, ["$r", "$w"], "EMFILE"),
      { call: "dup", fd: "$a", ret: "$b" },
      close("$b"),
      close("$c"),
      pipe(),
      poll("$a"),
    ],
  },
  {
    id: "fd.limit.is-the-process-s",
    source: "getrlimit(2) RLIMIT_NOFILE",
    limits: { descriptors: 3 },
    steps: [
      { call: "getrlimit", resource: N.RLIMIT_NOFILE, ret: 3 },
      eventfd("$a"),
      dup2("$a", 3, "EBADF"),
      fcntl("$a", N.F_DUPFD, 3, "EINVAL"),
      setLimit(2, 0),
      { call: "getrlimit", resource: N.RLIMIT_NOFILE, ret: 2 },
      eventfd("$b", 7),
      { call: "eventfd", initval: 0, flags: 0, ret: "EMFILE" },
      setLimit(0, 0),
      { call: "getrlimit", resource: N.RLIMIT_NOFILE, ret: 0 },
      { call: "eventfd", initval: 0, flags: 0, ret: "EMFILE" },
      take("$b", 7),
    ],
  },
  {
    id: "fd.limit.refused",
    source: "getrlimit(2), setrlimit(2): EINVAL",
    steps: [
      { call: "getrlimit", resource: 999, ret: "EINVAL" },
      { call: "setrlimit", resource: 999, value: 1, ret: "EINVAL" },
      { call: "getrlimit", resource: -1, ret: "EINVAL" },
    ],
  },
];

export const fdKnotes: Case[] = [...knotes, ...limits];
