// SPDX-License-Identifier: ISC
/**
 * `knell/sys`: the calls under the names of their manual pages, numbers in and numbers out. Every
 * method returns a value >= 0, or -errno with FreeBSD's numbers; `errno` keeps the last error.
 * The exceptions are eventfd_read and eventfd_write, which return 0 or -1 as the C library does.
 *
 * Descriptor numbers belong to the process, so they are good in every thread attached to it. A Sys
 * belongs to the thread that made it.
 */
import { EAGAIN, EFAULT, EINVAL } from "../abi/errno.js";
import { KQUEUE_CLOEXEC, O_CLOEXEC, O_NONBLOCK } from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import { tableReady } from "../kern/descrip.js";
import { curproc, Proc, procUid } from "../kern/process.js";
import { callEnter, callLeave } from "../kern/thread.js";
import {
  sysClose,
  sysDup,
  sysDup2,
  sysEventfd,
  sysFcntl,
  sysKevent,
  sysKqueue,
  sysLimit,
  sysPipe2,
  sysRead,
  sysWrite,
  timeoutNs,
} from "./calls.js";
import { KeventList } from "./list.js";
import {
  sysKfilterByfilter,
  sysKfilterByname,
  sysKfilterRegister,
  sysKfilterUnregister,
  sysSource,
  sysSourceDestroy,
  sysSourceSet,
} from "./source.js";

/** Number of getuid in the table of calls. */
const SYS_GETUID = 24;

export { KeventList };

/** A time span in seconds and nanoseconds (0 to 999999999). */
export interface Timespec {
  sec: number;
  nsec: number;
}

/** Anything that has a thread of a kernel: the Kernel of `knell`. */
export interface KernelThread {
  readonly thread: Kthread;
}

const WAIT_FOREVER_NS = -1;
const UINT64_MAX = 2n ** 64n - 1n;
const TWO_32 = 4_294_967_296;

// Arguments are looked at before anything is locked: no conversion may run a program's code there.

/** A descriptor number; what is no whole number names no descriptor. */
function fdOf(fd: number): number {
  return typeof fd === "number" && (fd | 0) === fd ? fd : -1;
}

/** Flags; what is no whole number becomes all bits, which every call refuses. */
function flagsOf(flags: number): number {
  return typeof flags === "number" && Number.isInteger(flags) ? flags : -1;
}

/** 0 if the bytes can be transferred, otherwise -EFAULT or -EINVAL. */
function bufferCheck(buffer: Uint8Array, length: number): number {
  if (!(buffer instanceof Uint8Array)) return -EFAULT;
  return typeof length === "number" && Number.isInteger(length) ? 0 : -EINVAL;
}

/**
 * The system calls of one thread. Make it with `sys(kernel)`. Once the kernel was closed in this
 * thread, every method throws an Error: the thread is nobody's any more.
 */
export class Sys {
  /** errno of the last call that failed. */
  errno = 0;
  readonly #k: Kthread;
  readonly #word = new Uint8Array(8);
  readonly #value = new BigUint64Array(this.#word.buffer);
  readonly #halves = new Int32Array(this.#word.buffer);

  constructor(thread: Kthread) {
    this.#k = thread;
  }

  /** The thread, which must not have left its kernel. */
  #live(): Kthread {
    const k = this.#k;
    if (k.left) throw new Error("The kernel of this Sys was closed in this thread");
    return k;
  }

  /** Whether a call that looks at the descriptor table first may begin; if not, it is EAGAIN. */
  get #ready(): boolean {
    return tableReady(this.#live());
  }

  #ret(result: number): number {
    if (result < 0) this.errno = -result;
    return result;
  }

  /** A new queue. @returns a descriptor, -EMFILE, -ENOMEM */
  kqueue(): number {
    return this.#ret(sysKqueue(this.#live(), 0));
  }

  /** As kqueue, with O_CLOEXEC and O_NONBLOCK (which means nothing to a queue). */
  kqueue1(given: number): number {
    const flags = flagsOf(given);
    if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return this.#ret(-EINVAL);
    return this.#ret(sysKqueue(this.#live(), (flags & O_CLOEXEC) !== 0 ? KQUEUE_CLOEXEC : 0));
  }

  /** As kqueue, with KQUEUE_CLOEXEC and KQUEUE_CPONFORK. @returns a descriptor, -EINVAL, -EMFILE */
  kqueuex(flags: number): number {
    return this.#ret(sysKqueue(this.#live(), flagsOf(flags)));
  }

  /**
   * Apply changes, then collect events, waiting at most `timeout` (null: for ever).
   * @returns the number of records in `events`, -EBADF, -EINVAL, -EFAULT, or a change's error
   */
  kevent(
    kq: number,
    changes: KeventList | null,
    nchanges: number,
    events: KeventList | null,
    nevents: number,
    timeout: Timespec | null,
  ): number {
    const ns = timeout === null ? WAIT_FOREVER_NS : timeoutNs(timeout?.sec, timeout?.nsec);
    if (ns === -EINVAL) return this.#ret(-EINVAL);
    const ch = changes === null ? null : changes?.words;
    const ev = events === null ? null : events?.words;
    if (ch === undefined || ev === undefined) return this.#ret(-EFAULT);
    const result = sysKevent(this.#live(), fdOf(kq), ch, nchanges, ev, nevents, ns);
    if (result < 0) this.errno = -result;
    return result;
  }

  /** A 64-bit counter. @param initval 0 to 2^32 - 1 @param flags EFD_* */
  eventfd(initval: number, flags: number): number {
    return this.#ret(sysEventfd(this.#live(), flagsOf(initval), flagsOf(flags)));
  }

  /** Read an eventfd into value[0]. @returns 0, or -1 with `errno` set. May sleep. */
  eventfd_read(fd: number, value: BigUint64Array): 0 | -1 {
    if (!(value instanceof BigUint64Array) || value.length === 0) {
      this.errno = EFAULT;
      return -1;
    }
    const n = sysRead(this.#live(), fdOf(fd), this.#word, 8);
    if (n !== 8) {
      if (n < 0) this.errno = -n;
      return -1;
    }
    value[0] = this.#value[0] as bigint;
    return 0;
  }

  /** Add to an eventfd. @returns 0, or -1 with `errno` set. May sleep. */
  eventfd_write(fd: number, value: bigint | number): 0 | -1 {
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) {
      this.#halves[0] = value | 0;
      this.#halves[1] = Math.floor(value / TWO_32);
    } else if (typeof value === "bigint" && value >= 0n && value <= UINT64_MAX) {
      this.#value[0] = value;
    } else {
      this.errno = EINVAL;
      return -1;
    }
    const n = sysWrite(this.#live(), fdOf(fd), this.#word, 8);
    if (n === 8) return 0;
    if (n < 0) this.errno = -n;
    return -1;
  }

  /** A pipe: fds[0] to read, fds[1] to write. @returns 0, -EMFILE, -ENOMEM, -EFAULT */
  pipe(fds: Int32Array): number {
    return this.pipe2(fds, 0);
  }

  /** As pipe, with O_NONBLOCK, O_CLOEXEC, and O_DIRECT for packet mode. */
  pipe2(fds: Int32Array, flags: number): number {
    if (!(fds instanceof Int32Array)) return this.#ret(-EFAULT);
    return this.#ret(sysPipe2(this.#live(), fds, flagsOf(flags)));
  }

  /** @returns bytes read, 0 at the end, or -errno. May sleep. */
  read(fd: number, buffer: Uint8Array, length: number = buffer?.length): number {
    const bad = bufferCheck(buffer, length);
    return this.#ret(bad === 0 ? sysRead(this.#live(), fdOf(fd), buffer, length) : bad);
  }

  /** @returns bytes written or -errno. May sleep. */
  write(fd: number, buffer: Uint8Array, length: number = buffer?.length): number {
    const bad = bufferCheck(buffer, length);
    return this.#ret(bad === 0 ? sysWrite(this.#live(), fdOf(fd), buffer, length) : bad);
  }

  /** @returns 0 or -EBADF */
  close(fd: number): number {
    return this.#ret(this.#ready ? sysClose(this.#live(), fdOf(fd)) : -EAGAIN);
  }

  /** @returns the lowest free number, now a second name of the file, -EBADF, -EMFILE */
  dup(fd: number): number {
    return this.#ret(this.#ready ? sysDup(this.#live(), fdOf(fd)) : -EAGAIN);
  }

  /** Make `to` name the file of `from`. @returns `to`, -EBADF, -EBUSY */
  dup2(from: number, to: number): number {
    return this.#ret(this.#ready ? sysDup2(this.#live(), fdOf(from), fdOf(to), false) : -EAGAIN);
  }

  /** As dup2, with O_CLOEXEC; equal numbers are -EINVAL. */
  dup3(from: number, to: number, given: number): number {
    const flags = flagsOf(given);
    if ((flags & ~O_CLOEXEC) !== 0 || from === to) return this.#ret(-EINVAL);
    const cloexec = (flags & O_CLOEXEC) !== 0;
    return this.#ret(this.#ready ? sysDup2(this.#live(), fdOf(from), fdOf(to), cloexec) : -EAGAIN);
  }

  /** F_DUPFD, F_DUPFD_CLOEXEC, F_DUP2FD, F_GETFD, F_SETFD, F_GETFL, F_SETFL. */
  fcntl(fd: number, cmd: number, arg = 0): number {
    if (typeof arg !== "number" || !Number.isInteger(arg)) return this.#ret(-EINVAL);
    return this.#ret(this.#ready ? sysFcntl(this.#live(), fdOf(fd), flagsOf(cmd), arg) : -EAGAIN);
  }

  /** RLIMIT_NOFILE: numbers at or above it are not handed out. */
  getrlimit(resource: number): number {
    return this.#ret(this.#ready ? sysLimit(this.#live(), flagsOf(resource), -1) : -EAGAIN);
  }

  /** Change RLIMIT_NOFILE; open numbers beyond it stay open. */
  setrlimit(resource: number, value: number): number {
    if (!Number.isInteger(value) || value < 0) return this.#ret(-EINVAL);
    return this.#ret(this.#ready ? sysLimit(this.#live(), flagsOf(resource), value) : -EAGAIN);
  }

  /**
   * A source of the program's own, which this thread owns; with a named filter's number, also its
   * source for `ident`. @param flags SOURCE_NOFORK, SOURCE_CLOEXEC
   * @returns a descriptor, -EINVAL, -EMFILE, -ENOMEM; -ENOENT, -EPERM, -EEXIST for the filter
   */
  source(flags: number, filter = 0, ident: number | bigint = 0): number {
    return this.#ret(sysSource(this.#live(), flagsOf(flags), filter, ident));
  }

  /**
   * Set what EVFILT_READ or EVFILT_WRITE find: SRC_* flags, fflags, and data from 0 to 2^63 - 1.
   * Nobody is told before source_notify. @returns 0, -EBADF, -EINVAL, -ENXIO, -EPERM
   */
  source_set(
    fd: number,
    filter: number,
    flags: number,
    fflags = 0,
    data: number | bigint = 0,
  ): number {
    const k = this.#live();
    return this.#ret(sysSourceSet(k, fdOf(fd), filter, flagsOf(flags), fflags, data));
  }

  /** Tell those who watch. @returns 0, -EBADF, -EINVAL, -ENXIO, -EPERM */
  source_notify(fd: number): number {
    return this.#ret(sysSourceSet(this.#live(), fdOf(fd), 0, 0, 0, 0));
  }

  /**
   * Destroy a source: those who watch get EV_EOF once, with `fflags`. @param flags SOURCE_SILENT
   * @returns 0, -EBADF, -EINVAL, -ENXIO, -EPERM. May sleep.
   */
  source_destroy(fd: number, flags = 0, fflags = 0): number {
    return this.#ret(sysSourceDestroy(this.#live(), fdOf(fd), flagsOf(flags), fflags));
  }

  /**
   * Register a filter under a name of 1 to 64 bytes.
   * @returns its number, -EEXIST, -EINVAL, -ENAMETOOLONG, -ENOMEM
   */
  kfilter_register(name: string): number {
    return this.#ret(sysKfilterRegister(this.#live(), name));
  }

  /** Unregister a filter. @returns 0, -ENOENT, -EBUSY, -EPERM, -EINVAL */
  kfilter_unregister(filter: number): number {
    return this.#ret(sysKfilterUnregister(this.#live(), filter));
  }

  /** The number of a filter's name, in filter[0]. @returns 0, -ENOENT, -EINVAL, -EFAULT */
  kfilter_byname(name: string, filter: Int32Array): number {
    return this.#ret(sysKfilterByname(this.#live(), name, filter));
  }

  /** The name of a filter's number, in UTF-8. @returns its length, -ENOENT, -EINVAL, -EFAULT */
  kfilter_byfilter(filter: number, name: Uint8Array): number {
    return this.#ret(sysKfilterByfilter(this.#live(), filter, name));
  }

  /** Number of this process. */
  getpid(): number {
    return Proc.pid.get(this.#live(), curproc(this.#live()));
  }

  /** Real user id of this process. */
  getuid(): number {
    const k = this.#live();
    // It takes a lock, so it has to be known for a call if it is cut off.
    callEnter(k, SYS_GETUID);
    const uid = procUid(k, curproc(k));
    callLeave(k);
    return uid;
  }

  /** EVFILT_USER registrations of this process now. */
  userEventCount(): number {
    return Proc.userEvents.load(this.#live(), curproc(this.#live()));
  }
}

const faces = new WeakMap<Kthread, Sys>();

/**
 * The system calls of the calling thread's kernel.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * import { EFD_NONBLOCK } from "knell/abi";
 * import { sys } from "knell/sys";
 * const kernel = boot();
 * const s = sys(kernel);
 * const fd = s.eventfd(3, EFD_NONBLOCK);
 * const value = new BigUint64Array(1);
 * s.eventfd_read(fd, value);
 * console.log(value[0]);
 * kernel.close();
 * ```
 */
export function sys(kernel: KernelThread): Sys {
  let face = faces.get(kernel.thread);
  if (face === undefined) {
    face = new Sys(kernel.thread);
    faces.set(kernel.thread, face);
  }
  return face;
}
