// SPDX-License-Identifier: ISC
/** EVFILT_READ and EVFILT_WRITE on pipes. Spec 3.2. */
import type { Case, Expected, Word } from "../case.js";
import * as N from "../numbers.js";
import {
  apply,
  change,
  close,
  dup,
  event,
  fill,
  kqueue,
  pipe,
  poll,
  read,
  refuse,
  size,
  text,
  write,
} from "../steps.js";

const FREEBSD = "FreeBSD sys_pipe.c filt_pipe*; spec 3.2";
const ONE_LIST = "FreeBSD sys_pipe.c: both ends wake one list";

const canRead = (data: Word, flags = 0): Expected => event("$r", N.READ, flags, { data });
const canWrite = (data: Word, flags = 0): Expected => event("$w", N.WRITE, flags, { data });
const watchRead = (flags = 0, lowat = 0) => {
  const fields = lowat > 0 ? { fflags: N.LOWAT, data: lowat } : {};
  return apply("$q", change("$r", N.READ, N.ADD | flags, fields));
};
const watchWrite = (flags = 0, lowat = 0) => {
  const fields = lowat > 0 ? { fflags: N.LOWAT, data: lowat } : {};
  return apply("$q", change("$w", N.WRITE, N.ADD | flags, fields));
};

const readable: Case[] = [
  {
    id: "pipe.read.data-is-what-is-buffered",
    source: FREEBSD,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      watchRead(),
      poll("$q"),
      write("$w", text("hello")),
      poll("$q", canRead(5)),
      poll("$q", canRead(5)),
      read("$r", 2, 2),
      poll("$q", canRead(3)),
      write("$w", size(100)),
      poll("$q", canRead(103)),
      read("$r", 200, 103),
      poll("$q"),
    ],
  },
  {
    id: "pipe.read.ready-before-add",
    source: FREEBSD,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      write("$w", text("hello")),
      watchRead(N.ONESHOT),
      poll("$q", canRead(5, N.ONESHOT)),
      poll("$q"),
    ],
  },
  {
    id: "pipe.read.lowat",
    source: "spec 3.2. Deviation: NOTE_LOWAT is honoured on pipes",
    steps: [
      kqueue(),
      pipe(),
      watchRead(0, 10),
      write("$w", size(9)),
      poll("$q"),
      write("$w", size(1)),
      poll("$q", canRead(10)),
      write("$w", size(1)),
      poll("$q", canRead(11)),
      read("$r", 2, 2),
      poll("$q"),
    ],
  },
  {
    id: "pipe.read.lowat-does-not-hide-the-end",
    source: "spec 3.2: ready at EOF",
    steps: [
      kqueue(),
      pipe(),
      watchRead(0, 10),
      write("$w", size(3)),
      poll("$q"),
      close("$w"),
      poll("$q", canRead(3, N.EOF)),
    ],
  },
  {
    id: "pipe.read.packets",
    source: "design.md 5: a packet-mode pipe is a source like another",
    steps: [
      kqueue(),
      pipe(N.O_DIRECT | N.O_NONBLOCK),
      watchRead(),
      poll("$q"),
      write("$w", text("ab")),
      write("$w", text("c")),
      poll("$q", { ...canRead(0), data: "any" }),
      read("$r", 1, 1, text("a")),
      poll("$q", { ...canRead(0), data: "any" }),
      read("$r", 8, 1, text("c")),
      poll("$q"),
    ],
  },
];

const ending: Case[] = [
  {
    id: "pipe.eof.with-data-left",
    source: `${FREEBSD}; 10.1 item 6: EOF is not "no data"`,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      write("$w", text("abc")),
      watchRead(),
      poll("$q", canRead(3)),
      close("$w"),
      poll("$q", canRead(3, N.EOF)),
      poll("$q", canRead(3, N.EOF)),
      read("$r", 2, 2),
      poll("$q", canRead(1, N.EOF)),
      read("$r", 2, 1),
      poll("$q", canRead(0, N.EOF)),
      read("$r", 2, 0),
      poll("$q", canRead(0, N.EOF)),
    ],
  },
  {
    id: "pipe.eof.edge",
    source: FREEBSD,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      watchRead(N.CLEAR),
      poll("$q"),
      close("$w"),
      poll("$q", canRead(0, N.CLEAR | N.EOF)),
      poll("$q"),
    ],
  },
  {
    id: "pipe.eof.add-after-close",
    source: FREEBSD,
    oracle: "linux",
    steps: [kqueue(), pipe(), close("$w"), watchRead(), poll("$q", canRead(0, N.EOF))],
  },
  {
    id: "pipe.eof.kept-at-the-next-add",
    source: "spec 3.2: EOF is sticky, EV_CLEAR in a later change does not clear it",
    steps: [
      kqueue(),
      pipe(),
      watchRead(),
      close("$w"),
      poll("$q", canRead(0, N.EOF)),
      watchRead(N.CLEAR),
      poll("$q", canRead(0, N.EOF)),
      poll("$q", canRead(0, N.EOF)),
    ],
  },
  {
    id: "pipe.eof.last-writer-only",
    source: "spec 4.8",
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      dup("$w", "$w2"),
      watchRead(),
      close("$w"),
      poll("$q"),
      write("$w2", text("x")),
      poll("$q", canRead(1)),
      close("$w2"),
      poll("$q", canRead(1, N.EOF)),
    ],
  },
  {
    id: "pipe.eof.writer-hears-of-the-reader",
    source: FREEBSD,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      watchWrite(),
      poll("$q"),
      close("$r"),
      poll("$q", canWrite(0, N.EOF)),
      poll("$q", canWrite(0, N.EOF)),
    ],
  },
  {
    id: "pipe.eof.writer-with-room",
    source: FREEBSD,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      watchWrite(N.CLEAR),
      fill("$w", "$cap"),
      poll("$q"),
      close("$r"),
      poll("$q", canWrite(0, N.CLEAR | N.EOF)),
      poll("$q"),
    ],
  },
  {
    id: "pipe.eof.add-write-without-reader",
    source: "FreeBSD sys_pipe.c pipe_kqfilter; spec 2.6, profile pipe.write_eof=epipe",
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      close("$r"),
      refuse("$q", change("$w", N.WRITE, N.ADD), "EPIPE"),
      refuse("$q", change("$w", N.WRITE, N.DELETE), "ENOENT"),
    ],
  },
  {
    id: "pipe.eof.modify-write-without-reader",
    source: "spec 2.3.9: a modify does not attach",
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      watchWrite(N.CLEAR),
      close("$r"),
      poll("$q", canWrite(0, N.CLEAR | N.EOF)),
      watchWrite(N.CLEAR),
      poll("$q", canWrite(0, N.CLEAR | N.EOF)),
    ],
  },
];

const writable: Case[] = [
  {
    id: "pipe.write.data-is-the-room",
    source: FREEBSD,
    oracle: "linux",
    steps: [
      pipe(0, ["$r2", "$w2"]),
      fill("$w2", "$cap"),
      kqueue(),
      pipe(),
      watchWrite(),
      poll("$q", canWrite("$cap")),
      write("$w", size(10)),
      poll("$q", canWrite("$cap-10")),
      read("$r", 10, 10),
      poll("$q", canWrite("$cap")),
    ],
  },
  {
    id: "pipe.write.full-then-drained",
    source: "OpenBSD regress kq-pipe; NetBSD write/t_pipe pipe2",
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      watchWrite(),
      poll("$q"),
      read("$r", 8000, 8000),
      poll("$q", canWrite(8000)),
    ],
  },
  {
    id: "pipe.write.ready-from-pipe-buf-on",
    source: `${FREEBSD}; NetBSD write/t_fifo`,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(N.O_NONBLOCK),
      fill("$w", "$cap"),
      watchWrite(),
      read("$r", 511, 511),
      poll("$q"),
      read("$r", 1, 1),
      poll("$q", canWrite(512)),
    ],
  },
  {
    id: "pipe.write.not-ready-below-pipe-buf-again",
    source: FREEBSD,
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      watchWrite(),
      read("$r", 512, 512),
      poll("$q", canWrite(512)),
      write("$w", size(1)),
      poll("$q"),
      read("$r", 2, 2),
      poll("$q", canWrite(513)),
    ],
  },
  {
    id: "pipe.write.lowat",
    source: "spec 3.2. Deviation: NOTE_LOWAT is honoured on pipes",
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      watchWrite(0, 1024),
      read("$r", 1023, 1023),
      poll("$q"),
      read("$r", 1, 1),
      poll("$q", canWrite(1024)),
    ],
  },
];

const edges: Case[] = [
  {
    id: "pipe.edge.one-event-per-write",
    source: "notify.md B.7; LTP epoll_wait06; spec 2.5",
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      watchRead(N.CLEAR),
      write("$w", size(4)),
      poll("$q", canRead(4, N.CLEAR)),
      poll("$q"),
      write("$w", size(4)),
      poll("$q", canRead(8, N.CLEAR)),
      poll("$q"),
      write("$w", size(1)),
      write("$w", size(1)),
      poll("$q", canRead(10, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "pipe.edge.partial-read-is-one-too",
    source: ONE_LIST,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      write("$w", size(10)),
      watchRead(N.CLEAR),
      poll("$q", canRead(10, N.CLEAR)),
      read("$r", 4, 4),
      poll("$q", canRead(6, N.CLEAR)),
      poll("$q"),
      read("$r", 6, 6),
      poll("$q"),
    ],
  },
  {
    id: "pipe.edge.writer-hears-reads-and-writes",
    source: ONE_LIST,
    oracle: "linux",
    steps: [
      pipe(0, ["$r2", "$w2"]),
      fill("$w2", "$cap"),
      kqueue(),
      pipe(),
      watchWrite(N.CLEAR),
      poll("$q", canWrite("$cap", N.CLEAR)),
      poll("$q"),
      write("$w", size(10)),
      poll("$q", canWrite("$cap-10", N.CLEAR)),
      poll("$q"),
      read("$r", 10, 10),
      poll("$q", canWrite("$cap", N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "pipe.edge.full-then-drained",
    source: `${FREEBSD}; LTP epoll_wait06`,
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      watchWrite(N.CLEAR),
      poll("$q"),
      read("$r", 8192, 8192),
      poll("$q", canWrite(8192, N.CLEAR)),
      poll("$q"),
    ],
  },
  {
    id: "pipe.edge.drained-and-filled-again",
    source: "spec 2.5: the condition is looked at when the event is collected",
    oracle: "linux",
    steps: [
      kqueue(),
      pipe(),
      fill("$w", "$cap"),
      watchWrite(N.CLEAR),
      read("$r", 8192, 8192),
      fill("$w", "$more"),
      poll("$q"),
    ],
  },
];

const ends: Case[] = [
  {
    id: "pipe.wrongend.never-fires",
    source: "NetBSD t_pipe pipe_wrong_end; spec 3.2, profile wrongend=silent",
    steps: [
      kqueue(),
      pipe(),
      apply("$q", change("$w", N.READ, N.ADD), change("$r", N.WRITE, N.ADD)),
      poll("$q"),
      write("$w", size(5)),
      poll("$q"),
      read("$r", 5, 5),
      poll("$q"),
      close("$w"),
      poll("$q"),
      apply("$q", change("$r", N.WRITE, N.DELETE)),
    ],
  },
  {
    id: "pipe.wrongend.reader-closes",
    source: "spec 3.2, profile wrongend=silent",
    steps: [
      kqueue(),
      pipe(),
      apply("$q", change("$w", N.READ, N.ADD)),
      close("$r"),
      poll("$q"),
      apply("$q", change("$w", N.READ, N.DELETE)),
    ],
  },
  {
    id: "pipe.close.watched-on-all-sides",
    source: "OpenBSD regress kq-regress-2",
    steps: [
      kqueue(),
      pipe(),
      watchRead(),
      watchWrite(),
      apply("$q", change("$w", N.READ, N.ADD), change("$r", N.WRITE, N.ADD)),
      write("$w", size(5)),
      close("$w"),
      poll("$q", canRead(5, N.EOF)),
      close("$r"),
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
      id: `pipe.filter.${name}`,
      source: "spec 2.6, 3.2: not for pipes",
      steps: [
        kqueue(),
        pipe(),
        refuse("$q", change("$r", filter, N.ADD | N.CLEAR, { fflags: 1 }), "EINVAL"),
        refuse("$q", change("$w", filter, N.ADD | N.CLEAR, { fflags: 1 }), "EINVAL"),
      ],
    }),
  ),
];

export const pipeEvents: Case[] = [...readable, ...ending, ...writable, ...edges, ...ends];
