// SPDX-License-Identifier: ISC
/**
 * Numbers and record layout of kqueue and kevent, with FreeBSD's values (sys/event.h).
 *
 * Constants with bit 31 set are written as positive numbers. A JavaScript bit operation gives a
 * signed result, so compare `(fflags & NOTE_EXIT) !== 0`, or put `>>> 0` behind the operation.
 */

// Filters: what is watched.

/** Data can be read, or a connection can be accepted. */
export const EVFILT_READ = -1;
/** There is room to write. */
export const EVFILT_WRITE = -2;
/** An asynchronous input or output request has ended. */
export const EVFILT_AIO = -3;
/** A file or directory was changed. */
export const EVFILT_VNODE = -4;
/** A process exits, forks or runs another program. */
export const EVFILT_PROC = -5;
/** A signal was sent to the process. */
export const EVFILT_SIGNAL = -6;
/** A timer of the queue's own has run out. */
export const EVFILT_TIMER = -7;
/** The process behind a process descriptor changes. */
export const EVFILT_PROCDESC = -8;
/** File systems were mounted or unmounted. */
export const EVFILT_FS = -9;
/** A list of asynchronous requests has ended. */
export const EVFILT_LIO = -10;
/** An event made by the program itself. */
export const EVFILT_USER = -11;
/** Kernel use: a page that sendfile waits for has arrived. */
export const EVFILT_SENDFILE = -12;
/** The write buffer is empty. */
export const EVFILT_EMPTY = -13;
/** A jail changes. */
export const EVFILT_JAIL = -14;
/** The jail behind a jail descriptor changes. */
export const EVFILT_JAILDESC = -15;
/** Number of filters; the lowest filter number is its negation. */
export const EVFILT_SYSCOUNT = 15;

// Flags of a change (in), of a registration (kept), and of an event (out).

/** In: create the registration, or modify the one that exists. */
export const EV_ADD = 0x0001;
/** In: remove the registration. */
export const EV_DELETE = 0x0002;
/** In: allow delivery. */
export const EV_ENABLE = 0x0004;
/** In: suppress delivery; what happens meanwhile is kept. */
export const EV_DISABLE = 0x0008;
/** Kept: remove the registration when it has been delivered once. */
export const EV_ONESHOT = 0x0010;
/** Kept: reset the state after each delivery, so only news is reported. */
export const EV_CLEAR = 0x0020;
/** Kept: answer the change with a record even if it succeeded. */
export const EV_RECEIPT = 0x0040;
/** Kept: disable the registration after each delivery. */
export const EV_DISPATCH = 0x0080;
/** In: make the registration one-shot and activate it now. */
export const EV_FORCEONESHOT = 0x0100;
/** In: leave udata of the existing registration as it is. */
export const EV_KEEPUDATA = 0x0200;
/** Kept, Knell's own: a forked copy of the queue leaves this registration out. */
export const EV_NOFORK = 0x0400;
/** Inside the kernel: forget this registration when the scan meets it. */
export const EV_DROP = 0x1000;
/** Inside the kernel: the registration follows a child process. */
export const EV_FLAG1 = 0x2000;
/** Inside the kernel: the registration tells of a child once. The same bit as EV_ERROR. */
export const EV_FLAG2 = 0x4000;
/** Out: the change failed (data holds the error), or answers EV_RECEIPT (data is 0). */
export const EV_ERROR = 0x4000;
/** Out: end of file, or the source is gone. */
export const EV_EOF = 0x8000;
/** Bits that a program cannot set; every change is masked with their complement. */
export const EV_SYSFLAGS = 0xf000;

// fflags of EVFILT_USER.

/** In: leave the stored flags as they are. */
export const NOTE_FFNOP = 0x00000000;
/** In: stored flags &= given flags. */
export const NOTE_FFAND = 0x40000000;
/** In: stored flags |= given flags. */
export const NOTE_FFOR = 0x80000000;
/** In: stored flags = given flags. */
export const NOTE_FFCOPY = 0xc0000000;
/** The bits that hold one of the four operations above. */
export const NOTE_FFCTRLMASK = 0xc0000000;
/** The bits that belong to the program. */
export const NOTE_FFLAGSMASK = 0x00ffffff;
/** In: activate the event. */
export const NOTE_TRIGGER = 0x01000000;

// fflags of EVFILT_READ and EVFILT_WRITE.

/** data of the change is the low-water mark. */
export const NOTE_LOWAT = 0x0001;
/** Report a regular file as poll does: always ready. */
export const NOTE_FILE_POLL = 0x0002;

// fflags of EVFILT_VNODE.

/** The file was removed. */
export const NOTE_DELETE = 0x0001;
/** Data was written. */
export const NOTE_WRITE = 0x0002;
/** The file grew. */
export const NOTE_EXTEND = 0x0004;
/** Attributes changed. */
export const NOTE_ATTRIB = 0x0008;
/** The number of links changed. */
export const NOTE_LINK = 0x0010;
/** The file got another name. */
export const NOTE_RENAME = 0x0020;
/** Access was revoked, or the file system was unmounted. */
export const NOTE_REVOKE = 0x0040;
/** The file was opened. */
export const NOTE_OPEN = 0x0080;
/** A descriptor that could not write was closed. */
export const NOTE_CLOSE = 0x0100;
/** A descriptor that could write was closed. */
export const NOTE_CLOSE_WRITE = 0x0200;
/** Data was read. */
export const NOTE_READ = 0x0400;

// fflags of EVFILT_PROC and EVFILT_PROCDESC.

/** The process exited; data holds the status. */
export const NOTE_EXIT = 0x80000000;
/** The process forked. */
export const NOTE_FORK = 0x40000000;
/** The process runs another program. */
export const NOTE_EXEC = 0x20000000;
/** The bits of the event kinds. */
export const NOTE_PCTRLMASK = 0xf0000000;
/** The bits that hold a process number in a hint. */
export const NOTE_PDATAMASK = 0x000fffff;
/** In: watch the children too. */
export const NOTE_TRACK = 0x00000001;
/** Out: a child could not be watched. */
export const NOTE_TRACKERR = 0x00000002;
/** Out: the first event of a child; data holds its parent. */
export const NOTE_CHILD = 0x00000004;

// fflags of EVFILT_TIMER; without a unit the period is in milliseconds.

/** data is in seconds. */
export const NOTE_SECONDS = 0x0001;
/** data is in milliseconds. */
export const NOTE_MSECONDS = 0x0002;
/** data is in microseconds. */
export const NOTE_USECONDS = 0x0004;
/** data is in nanoseconds. */
export const NOTE_NSECONDS = 0x0008;
/** data is a point of the wall clock, and the timer fires once. */
export const NOTE_ABSTIME = 0x0010;
/** With NOTE_ABSTIME, Knell's own: data is a point of the monotonic clock instead. */
export const NOTE_MONOTONIC = 0x0020;

// fflags of EVFILT_JAIL and EVFILT_JAILDESC.

/** A child jail was made. */
export const NOTE_JAIL_CHILD = 0x80000000;
/** Parameters of the jail were set. */
export const NOTE_JAIL_SET = 0x40000000;
/** A process entered the jail. */
export const NOTE_JAIL_ATTACH = 0x20000000;
/** The jail was removed. */
export const NOTE_JAIL_REMOVE = 0x10000000;
/** Out: more than one such event happened. */
export const NOTE_JAIL_MULTI = 0x08000000;
/** The bits of the event kinds. */
export const NOTE_JAIL_CTRLMASK = 0xf0000000;

// Hints inside the kernel, never seen by a program.

/** In the hint of a process list: the rest is a signal number. */
export const NOTE_SIGNAL = 0x08000000;
/** In a hint: the notifier already holds the lock of the object. */
export const NOTE_SUBMIT = 0x01000000;

// The event record: FreeBSD's struct kevent as 16 little-endian 32-bit words.
//
//   word  0  1  2             3       4  5  6  7   8 .. 15
//         ident filter,flags  fflags  data  udata  ext[0..3], two words each
//
// Two-word values have their low word first. The filter is the signed low half of its word, the
// flags are the high half.

/** Words of one event record. */
export const KEVENT_WORDS = 16;
/** Bytes of one event record. */
export const KEVENT_BYTES = 64;
export const KE_IDENT = 0;
export const KE_IDENT_HI = 1;
export const KE_FILTER_FLAGS = 2;
export const KE_FFLAGS = 3;
export const KE_DATA = 4;
export const KE_DATA_HI = 5;
export const KE_UDATA = 6;
export const KE_UDATA_HI = 7;
/** ext[j] has its low word at `KE_EXT + 2 * j`. */
export const KE_EXT = 8;
