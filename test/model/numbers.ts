// SPDX-License-Identifier: ISC
/**
 * The numbers of the interface, written down a second time from the specification, so that the
 * model does not inherit a wrong constant from the library it checks. FreeBSD's values throughout.
 */

export const ENOENT = 2;
export const ENXIO = 6;
export const EBADF = 9;
export const ENOMEM = 12;
export const EINVAL = 22;
export const EMFILE = 24;
export const EPIPE = 32;
export const EAGAIN = 35;

export const EVFILT_READ = -1;
export const EVFILT_WRITE = -2;
export const EVFILT_VNODE = -4;
export const EVFILT_TIMER = -7;
export const EVFILT_USER = -11;
export const EVFILT_EMPTY = -13;

export const EV_ADD = 0x0001;
export const EV_DELETE = 0x0002;
export const EV_ENABLE = 0x0004;
export const EV_DISABLE = 0x0008;
export const EV_ONESHOT = 0x0010;
export const EV_CLEAR = 0x0020;
export const EV_RECEIPT = 0x0040;
export const EV_DISPATCH = 0x0080;
export const EV_FORCEONESHOT = 0x0100;
export const EV_KEEPUDATA = 0x0200;
export const EV_ERROR = 0x4000;
export const EV_EOF = 0x8000;
/** Bits that a caller cannot set: dropped from every change. */
export const EV_SYSFLAGS = 0xf000;
/** Bits that say what to do now: never stored, so never in an event. */
export const EV_ACTIONS = EV_ADD | EV_DELETE | EV_ENABLE | EV_DISABLE | EV_FORCEONESHOT;

export const NOTE_FFNOP = 0;
export const NOTE_FFAND = 0x40000000;
export const NOTE_FFOR = 0x80000000;
export const NOTE_FFCOPY = 0xc0000000;
export const NOTE_FFCTRLMASK = 0xc0000000;
export const NOTE_FFLAGSMASK = 0x00ffffff;
export const NOTE_TRIGGER = 0x01000000;
export const NOTE_LOWAT = 1;
export const NOTE_SECONDS = 1;
export const NOTE_MSECONDS = 2;
export const NOTE_USECONDS = 4;
export const NOTE_NSECONDS = 8;
export const NOTE_ABSTIME = 0x10;

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

export const PIPE_BUF = 512;
/** The largest count that a program can give an eventfd. */
export const EVENTFD_TOP = 2n ** 64n - 2n;
export const U64_MAX = 2n ** 64n - 1n;
export const I64_MAX = 2n ** 63n - 1n;
export const INT_MAX = 2n ** 31n - 1n;
