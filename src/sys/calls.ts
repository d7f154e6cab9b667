// SPDX-License-Identifier: ISC
/**
 * System calls: check and bound every argument, find the object, call, return a count or -errno.
 * Nothing below this file checks what a program passed in.
 */
import { EAGAIN, EBADF, EFAULT, EINVAL, ENOMEM } from "../abi/errno.js";
import { KEVENT_WORDS } from "../abi/event.js";
import {
  EFD_CLOEXEC,
  EFD_NONBLOCK,
  EFD_SEMAPHORE,
  KQUEUE_CLOEXEC,
  KQUEUE_CPONFORK,
  O_CLOEXEC,
  O_DIRECT,
  O_NONBLOCK,
} from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { deferredRun } from "../event/defer.js";
import { fileKqueue, kqueueCreate } from "../event/kqueue.js";
import { kqueueKevent, WAIT_FOREVER } from "../event/scan.js";
import { Kqueue, type KqueuePtr } from "../event/structs.js";
import { eventfdMake } from "../fd/eventfd.js";
import { pipeMake } from "../fd/pipe.js";
import { memoryReady, published } from "../kern/alloc.js";
import {
  fdClose,
  fdDup,
  fdDup2,
  fdFcntl,
  fdGet,
  fdInstall,
  limitDescriptors,
  tableReady,
} from "../kern/descrip.js";
import { curtable, Fdentry, fdEntry, fdHint } from "../kern/fdtable.js";
import {
  File,
  type FileOps,
  type FilePtr,
  FREAD,
  FWRITE,
  fileDrop,
  fileops,
} from "../kern/file.js";
import { callEnter, callLeave, phaseLeave } from "../kern/thread.js";
import { PACKET_BYTES_DEFAULT, PIPE_BUF_BYTES, PIPE_BYTES_DEFAULT } from "../limits.js";

/** Numbers of the calls, as thread records and traces show them (FreeBSD's where it has one). */
export const SYS = {
  read: 3,
  write: 4,
  close: 6,
  dup: 41,
  dup2: 90,
  fcntl: 92,
  getrlimit: 194,
  setrlimit: 195,
  kqueue: 362,
  pipe2: 542,
  kevent: 560,
  eventfd: 577,
  source: 1000,
  source_set: 1001,
  source_destroy: 1002,
  kfilter: 1003,
  attach: 1004,
  usage: 1005,
} as const;

const INT32_MAX = 0x7fffffff;

/** A timeout of kevent in nanoseconds, or -EINVAL. `sec` beyond 31 bits means for ever. */
export function timeoutNs(sec: number, nsec: number): number {
  if (!Number.isInteger(sec) || !Number.isInteger(nsec)) return -EINVAL;
  if (sec < 0 || nsec < 0 || nsec > 999_999_999) return -EINVAL;
  if (sec > INT32_MAX) return WAIT_FOREVER;
  return sec * 1e9 + nsec;
}

/** kqueue(2), kqueue1(2), kqueuex(2). Returns a descriptor, -EINVAL, -EMFILE, -ENOMEM. */
export function sysKqueue(k: Kthread, flags: number): number {
  if ((flags & ~(KQUEUE_CLOEXEC | KQUEUE_CPONFORK)) !== 0) return -EINVAL;
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.kqueue);
  const fd = kqueueCreate(k, (flags & KQUEUE_CLOEXEC) !== 0, 0, (flags & KQUEUE_CPONFORK) !== 0);
  phaseLeave(k);
  callLeave(k);
  return fd;
}

/** Whether a number is a count: an integer from 0 to 2^31 - 1. */
function isCount(n: number): boolean {
  return typeof n === "number" && (n | 0) === n && n >= 0;
}

const NO_LIST = new Int32Array(0);
// Constants of this module are folded into the code; imported ones are loads.
const ENTRY_FILE = Fdentry.file.offset;
const FILE_GENERATION = File.generation.offset;
const RECORD_WORDS = KEVENT_WORDS;
const KEVENT = SYS.kevent;
const CALL_READ = SYS.read;
const CALL_WRITE = SYS.write;
const FILE_FLAGS = File.flags.offset;
const NONBLOCK = O_NONBLOCK;

/**
 * Find the queue that a number names, and remember it for the next call: looking up takes longer
 * than a call. All is read without a lock, as hints: the generation of the queue is compared under
 * its lock. 0, -EBADF or -EINVAL.
 */
function queueSeek(k: Kthread, fd: number): number {
  k.seenFile = -1;
  const entry = fdEntry(k, curtable(k), fd);
  const fp = entry === 0 ? NIL : Fdentry.file.hint(k, entry);
  if (fp === 0) return -EBADF;
  const fileGeneration = File.generation.load(k, fp);
  const kq = fileKqueue(k, fp);
  // Atomically, so that what is looked at again below is read after it.
  const generation = kq === 0 ? 0 : Kqueue.generation.load(k, kq);
  // If the number still names the file and the file the queue, the generations are theirs; if not,
  // it is being closed or replaced at this moment.
  if (Fdentry.file.hint(k, entry) !== fp || fileKqueue(k, fp) !== kq) return -EBADF;
  if (kq === 0) return -EINVAL;
  k.seenEntry = entry + ENTRY_FILE;
  k.seenFile = fp;
  k.seenFileGeneration = fileGeneration;
  k.seenQueue = kq;
  k.seenGeneration = generation;
  k.seenFd = fd;
  return 0;
}

/**
 * kevent(2). Lists are flat records of KEVENT_WORDS words. `timeout` is in nanoseconds, WAIT_POLL
 * or WAIT_FOREVER. Returns the number of records written or -errno. May sleep.
 */
export function sysKevent(
  k: Kthread,
  fd: number,
  changes: Int32Array | null,
  nchanges: number,
  events: Int32Array | null,
  nevents: number,
  timeout: number,
): number {
  const a = k.a;
  // The number names the file that it named, and the file is the same one if it was not freed.
  const known =
    fd === k.seenFd &&
    a[k.seenEntry] === k.seenFile &&
    a[k.seenFile + FILE_GENERATION] === k.seenFileGeneration;
  if (!known) {
    const bad = queueSeek(k, fd);
    if (bad !== 0) return bad;
  }
  if (!isCount(nchanges) || !isCount(nevents)) return -EINVAL;
  const ch = nchanges === 0 || changes === null ? NO_LIST : changes;
  const ev = nevents === 0 || events === null ? NO_LIST : events;
  if (nchanges * RECORD_WORDS > ch.length || nevents * RECORD_WORDS > ev.length) return -EFAULT;
  callEnter(k, KEVENT);
  const kq = k.seenQueue as KqueuePtr;
  const result = kqueueKevent(k, kq, k.seenGeneration, ch, nchanges, ev, nevents, timeout);
  callLeave(k);
  return result;
}

/** Give a new file its number, or undo it. */
function install(k: Kthread, fp: FilePtr, cloexec: boolean): number {
  if (fp === 0) return -ENOMEM;
  const fd = fdInstall(k, fp, cloexec);
  if (fd < 0) fileDrop(k, fp);
  else published(k, fp);
  return fd;
}

/** eventfd(2). Returns a descriptor, -EINVAL, -EMFILE, -ENOMEM. */
export function sysEventfd(k: Kthread, initval: number, flags: number): number {
  if ((flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC)) !== 0) return -EINVAL;
  if (initval >>> 0 !== initval) return -EINVAL;
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.eventfd);
  const fd = install(k, eventfdMake(k, initval, flags), (flags & EFD_CLOEXEC) !== 0);
  phaseLeave(k);
  callLeave(k);
  return fd;
}

/** pipe2(2): fds[0] is the read end. Returns 0, -EINVAL, -EMFILE, -ENOMEM. */
export function sysPipe2(k: Kthread, fds: Int32Array, flags: number): number {
  if ((flags & ~(O_NONBLOCK | O_CLOEXEC | O_DIRECT)) !== 0) return -EINVAL;
  if (fds.length < 2) return -EFAULT;
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.pipe2);
  const result = pipeInstall(k, fds, flags);
  phaseLeave(k);
  callLeave(k);
  return result;
}

function pipeInstall(k: Kthread, fds: Int32Array, flags: number): number {
  const packet = (flags & O_DIRECT) !== 0;
  const shape = { bytes: PIPE_BYTES_DEFAULT, packet, recordMax: PACKET_BYTES_DEFAULT };
  const ends = pipeMake(k, shape, flags);
  if (ends === null) return -ENOMEM;
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const readFd = fdInstall(k, ends.read, cloexec);
  if (readFd >= 0) published(k, ends.read);
  const writeFd = readFd < 0 ? readFd : fdInstall(k, ends.write, cloexec);
  if (writeFd < 0) {
    fileDrop(k, ends.write);
    if (readFd >= 0) fdClose(k, readFd);
    else fileDrop(k, ends.read);
    deferredRun(k);
    return writeFd;
  }
  published(k, ends.write);
  fds[0] = readFd;
  fds[1] = writeFd;
  return 0;
}

/** Bytes that are transferred whole or not at all: those may be tried before the file is held. */
const WHOLE_BYTES = PIPE_BUF_BYTES;

/**
 * Find the file that a number names, and remember it with its generation for the next transfer.
 * False if it names none at this moment.
 */
function fileSeek(k: Kthread, fd: number): boolean {
  k.ioFile = -1;
  const entry = fdEntry(k, curtable(k), fd);
  const fp = entry === 0 ? NIL : Fdentry.file.hint(k, entry);
  if (fp === 0) return false;
  // Atomically, so that it is read before the entry is again, also where loads may change places.
  const generation = File.generation.load(k, fp);
  if (Fdentry.file.hint(k, entry) !== fp) return false;
  k.ioOps = fileops(k, fp);
  k.ioEntry = entry + ENTRY_FILE;
  k.ioGeneration = generation;
  k.ioFd = fd;
  k.ioFile = fp;
  return true;
}

/**
 * One attempt that does not wait, on the file found last. It holds no reference on it, so the slot
 * may become another file's at any time; the generation, compared under the object's lock, tells.
 * -EAGAIN on a blocking file means: hold it, and wait.
 */
function attempt(k: Kthread, mode: number, bytes: Uint8Array, length: number): number {
  const fp = k.ioFile as FilePtr;
  const ops = k.ioOps as FileOps | null;
  if (ops === null || (File.flags.hint(k, fp) & mode) === 0) return -EBADF;
  if (mode === FREAD) return ops.read(k, fp, k.ioGeneration, true, bytes, length);
  return ops.write(k, fp, k.ioGeneration, true, bytes, length);
}

/** The same, waiting: the file is held, so that a close elsewhere leaves it open meanwhile. */
function wait(k: Kthread, fd: number, mode: number, bytes: Uint8Array, length: number): number {
  if (!tableReady(k)) return -EAGAIN;
  const fp = fdGet(k, fd);
  if (fp === 0) return -EBADF;
  const ops = fileops(k, fp);
  const flags = File.flags.hint(k, fp);
  const nonblock = (flags & O_NONBLOCK) !== 0;
  const generation = File.generation.hint(k, fp);
  let result = -EBADF;
  if (ops !== null && (flags & mode) !== 0) {
    if (mode === FREAD) result = ops.read(k, fp, generation, nonblock, bytes, length);
    else result = ops.write(k, fp, generation, nonblock, bytes, length);
  }
  fileDrop(k, fp);
  return result;
}

/** read(2) and write(2), as `mode` says. */
function transfer(k: Kthread, fd: number, mode: number, bytes: Uint8Array, length: number): number {
  const a = k.a;
  const known =
    fd === k.ioFd && a[k.ioEntry] === k.ioFile && a[k.ioFile + FILE_GENERATION] === k.ioGeneration;
  if (!known && !fileSeek(k, fd) && fdHint(k, fd) === 0) return -EBADF;
  callEnter(k, mode === FREAD ? CALL_READ : CALL_WRITE);
  let result = -EBADF;
  let nonblock = false;
  if (k.ioFile > 0) {
    nonblock = ((a[k.ioFile + FILE_FLAGS] as number) & NONBLOCK) !== 0;
    result = -EAGAIN;
    if (nonblock || mode === FREAD || length <= WHOLE_BYTES) {
      result = attempt(k, mode, bytes, length);
    }
  }
  // Also when the number was given to another file at this moment: the table lock tells whose.
  if (result === -EBADF || (result === -EAGAIN && !nonblock)) {
    result = wait(k, fd, mode, bytes, length);
  }
  callLeave(k);
  return result;
}

/** close(2). Returns 0 or -EBADF. */
export function sysClose(k: Kthread, fd: number): number {
  callEnter(k, SYS.close);
  const result = fdClose(k, fd);
  if (k.deferred !== 0) deferredRun(k);
  callLeave(k);
  return result;
}

/** dup(2). Returns a descriptor, -EBADF, -EMFILE. */
export function sysDup(k: Kthread, fd: number): number {
  callEnter(k, SYS.dup);
  const result = fdDup(k, fd, 0, false);
  callLeave(k);
  return result;
}

/** dup2(2), dup3(2). Returns `to`, -EBADF, -EBUSY, -ENOMEM. */
export function sysDup2(k: Kthread, from: number, to: number, cloexec: boolean): number {
  callEnter(k, SYS.dup2);
  const result = fdDup2(k, from, to, cloexec);
  if (k.deferred !== 0) deferredRun(k);
  callLeave(k);
  return result;
}

/** fcntl(2). Returns as its command says, -EBADF, -EINVAL, -EMFILE. */
export function sysFcntl(k: Kthread, fd: number, cmd: number, arg: number): number {
  callEnter(k, SYS.fcntl);
  const result = fdFcntl(k, fd, cmd, arg);
  if (k.deferred !== 0) deferredRun(k);
  callLeave(k);
  return result;
}

/** getrlimit(2), setrlimit(2); as limitDescriptors. */
export function sysLimit(k: Kthread, resource: number, value: number): number {
  callEnter(k, value < 0 ? SYS.getrlimit : SYS.setrlimit);
  const result = limitDescriptors(k, resource, value);
  callLeave(k);
  return result;
}

/** read(2). Returns bytes, 0 at the end, -errno. May sleep unless the file is O_NONBLOCK. */
export function sysRead(k: Kthread, fd: number, buffer: Uint8Array, length: number): number {
  if (!(length >= 0 && length <= buffer.length)) return -EFAULT;
  return transfer(k, fd, FREAD, buffer, length);
}

/** write(2). Returns bytes, -errno. May sleep unless the file is O_NONBLOCK. */
export function sysWrite(k: Kthread, fd: number, buffer: Uint8Array, length: number): number {
  if (!(length >= 0 && length <= buffer.length)) return -EFAULT;
  return transfer(k, fd, FWRITE, buffer, length);
}
