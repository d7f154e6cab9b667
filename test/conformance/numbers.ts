// SPDX-License-Identifier: ISC
/**
 * The numbers that the tables use, written down a second time.
 *
 * Expectations must not come from the code under test: a wrong bit in `knell/abi` would then be
 * wrong on both sides and every row would pass. `abiDisagreements` compares the two copies.
 */

export const READ = -1;
export const WRITE = -2;
export const AIO = -3;
export const VNODE = -4;
export const TIMER = -7;
export const LIO = -10;
export const USER = -11;
export const SENDFILE = -12;
export const EMPTY = -13;

export const ADD = 0x0001;
export const DELETE = 0x0002;
export const ENABLE = 0x0004;
export const DISABLE = 0x0008;
export const ONESHOT = 0x0010;
export const CLEAR = 0x0020;
export const RECEIPT = 0x0040;
export const DISPATCH = 0x0080;
export const FORCEONESHOT = 0x0100;
export const KEEPUDATA = 0x0200;
export const SYSFLAGS = 0xf000;
export const ERROR = 0x4000;
export const EOF = 0x8000;

export const FFNOP = 0;
export const FFAND = 0x40000000;
export const FFOR = 0x80000000;
export const FFCOPY = 0xc0000000;
export const FFLAGSMASK = 0x00ffffff;
export const TRIGGER = 0x01000000;
export const LOWAT = 1;
export const SECONDS = 1;
export const MSECONDS = 2;
export const USECONDS = 4;
export const NSECONDS = 8;
export const ABSTIME = 0x10;

export const O_RDONLY = 0;
export const O_WRONLY = 1;
export const O_RDWR = 2;
export const O_NONBLOCK = 0x4;
export const O_DIRECT = 0x10000;
export const O_CLOEXEC = 0x100000;
export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_DUP2FD = 10;
export const F_DUPFD_CLOEXEC = 17;
export const FD_CLOEXEC = 1;
export const KQUEUE_CLOEXEC = 1;
export const KQUEUE_CPONFORK = 2;
export const EFD_SEMAPHORE = 1;
export const EFD_NONBLOCK = O_NONBLOCK;
export const EFD_CLOEXEC = O_CLOEXEC;
export const SRC_READY = 1;
export const SRC_EOF = 2;
export const SOURCE_SILENT = 1;
export const PIPE_BUF = 512;
export const RLIMIT_NOFILE = 8;

/** Largest count of an eventfd that a program can reach, and the value no write may have. */
export const EFD_TOP = 0xfffffffffffffffen;
export const EFD_MAX = 0xffffffffffffffffn;
/** Largest signed 64-bit value: where the data of an eventfd's event saturates. */
export const INT64_MAX = 0x7fffffffffffffffn;

/** The errors that the tables expect, by name; FreeBSD's numbers. */
export const ERRNO = {
  EPERM: 1,
  ENOENT: 2,
  ENXIO: 6,
  EBADF: 9,
  ENOMEM: 12,
  EBUSY: 16,
  EEXIST: 17,
  EFAULT: 14,
  EINVAL: 22,
  EMFILE: 24,
  EPIPE: 32,
  EAGAIN: 35,
  ENAMETOOLONG: 63,
} as const;
export type ErrnoName = keyof typeof ERRNO;

const PREFIXED: Readonly<Record<string, readonly [prefix: string, names: object]>> = {
  sources: ["", { SRC_READY, SRC_EOF, SOURCE_SILENT }],
  filters: ["EVFILT_", { READ, WRITE, AIO, VNODE, TIMER, LIO, USER, SENDFILE, EMPTY }],
  flags: [
    "EV_",
    {
      ADD,
      DELETE,
      ENABLE,
      DISABLE,
      ONESHOT,
      CLEAR,
      RECEIPT,
      DISPATCH,
      FORCEONESHOT,
      KEEPUDATA,
      SYSFLAGS,
      ERROR,
      EOF,
    },
  ],
  notes: [
    "NOTE_",
    {
      FFNOP,
      FFAND,
      FFOR,
      FFCOPY,
      FFLAGSMASK,
      TRIGGER,
      LOWAT,
      SECONDS,
      MSECONDS,
      USECONDS,
      NSECONDS,
      ABSTIME,
    },
  ],
  rest: [
    "",
    {
      O_RDONLY,
      O_WRONLY,
      O_RDWR,
      O_NONBLOCK,
      O_DIRECT,
      O_CLOEXEC,
      F_DUPFD,
      F_GETFD,
      F_SETFD,
      F_GETFL,
      F_SETFL,
      F_DUP2FD,
      F_DUPFD_CLOEXEC,
      FD_CLOEXEC,
      KQUEUE_CLOEXEC,
      KQUEUE_CPONFORK,
      EFD_SEMAPHORE,
      EFD_NONBLOCK,
      EFD_CLOEXEC,
      PIPE_BUF,
      RLIMIT_NOFILE,
      ...ERRNO,
    },
  ],
};

/** Lines such as "EV_CLEAR: 32 here, 64 in knell/abi", one per number that is not the same. */
export function abiDisagreements(abi: Readonly<Record<string, unknown>>): string[] {
  const lines: string[] = [];
  for (const [prefix, names] of Object.values(PREFIXED)) {
    for (const [name, value] of Object.entries(names)) {
      const theirs = abi[prefix + name];
      if (theirs !== value) lines.push(`${prefix}${name}: ${value} here, ${theirs} in knell/abi`);
    }
  }
  return lines;
}

/** The name of an error number that the tables know, else the number itself. */
export function errnoText(number: number): string {
  for (const [name, value] of Object.entries(ERRNO)) if (value === number) return name;
  return `errno ${number}`;
}
