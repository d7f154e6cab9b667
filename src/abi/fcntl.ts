// SPDX-License-Identifier: ISC
/** Numbers of the calls on descriptors, limits and clocks, with FreeBSD's values. */

// Flags of open files.

export const O_RDONLY = 0x0000;
export const O_WRONLY = 0x0001;
export const O_RDWR = 0x0002;
/** The bits that hold one of the three access modes above. */
export const O_ACCMODE = 0x0003;
/** Calls that would wait fail with EAGAIN. */
export const O_NONBLOCK = 0x0004;
/** Every write goes to the end. */
export const O_APPEND = 0x0008;
/** On a pipe: each write is one packet, and each read takes one. */
export const O_DIRECT = 0x10000;
/** The descriptor is closed when the process runs another program. */
export const O_CLOEXEC = 0x100000;

// Commands of fcntl.

export const F_DUPFD = 0;
export const F_GETFD = 1;
export const F_SETFD = 2;
export const F_GETFL = 3;
export const F_SETFL = 4;
export const F_DUP2FD = 10;
export const F_DUPFD_CLOEXEC = 17;
export const F_DUP2FD_CLOEXEC = 18;
/** The one flag of F_GETFD and F_SETFD. */
export const FD_CLOEXEC = 1;

// Flags of kqueuex.

export const KQUEUE_CLOEXEC = 0x1;
/** fork copies the queue into the child. */
export const KQUEUE_CPONFORK = 0x2;

// Flags of eventfd.

/** Each read takes one from the counter instead of all of it. */
export const EFD_SEMAPHORE = 0x1;
export const EFD_NONBLOCK = O_NONBLOCK;
export const EFD_CLOEXEC = O_CLOEXEC;

/** A write of at most this many bytes to a pipe is never split. */
export const PIPE_BUF = 512;

// Resources of getrlimit and setrlimit.

/** Descriptors of the process. */
export const RLIMIT_NOFILE = 8;
/** Kernel event queues of the user. */
export const RLIMIT_KQUEUES = 13;

// Clocks.

/** Time of day; it can be set. */
export const CLOCK_REALTIME = 0;
/** Time since the kernel was booted; it never goes back. */
export const CLOCK_MONOTONIC = 4;
export const CLOCK_UPTIME = 5;
export const CLOCK_BOOTTIME = CLOCK_UPTIME;
