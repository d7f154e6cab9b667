// SPDX-License-Identifier: ISC
/**
 * Operations on descriptor numbers: install, close, dup, dup2, fcntl, limits.
 *
 * Close goes in three steps. Under the table lock the entry becomes CLOSING: the number resolves
 * to nothing, but is not free. Then, with no lock held, every knote for the number is dropped from
 * every queue of the table. Then the number is vacated and the file reference dropped. EV_ADD does
 * the mirror image: it links the knote, and then looks at the entry again and undoes itself if the
 * number no longer names the file it meant. One of the two always sees the other.
 */
import { EBADF, EBUSY, EINVAL, ENOMEM } from "../abi/errno.js";
import {
  F_DUP2FD,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_NONBLOCK,
  RLIMIT_NOFILE,
} from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import { DESCRIPTORS_MAX } from "../limits.js";
import { mutexLock, mutexReady, mutexUnlock } from "../sync/mutex.js";
import { RANK_TABLE } from "../sync/order.js";
import { LIMBO_FILE, limboNext } from "./alloc.js";
import {
  curtable,
  FD_CLOSING,
  FDF_CLOEXEC,
  FDF_WATCHED,
  Fdentry,
  type FdPtr,
  Fdtable,
  fdChunkPrepare,
  fdEntry,
  fdFileLocked,
  fdInstallLocked,
  fdLowestLocked,
  fdRemoveLocked,
  fdSwapLocked,
  fdVacateLocked,
  type TablePtr,
} from "./fdtable.js";
import {
  File,
  type FilePtr,
  FREAD,
  FWRITE,
  fileDrop,
  fileGiven,
  fileHold,
  upperLayers,
} from "./file.js";
import {
  handleAt,
  PHASE_CLOSE,
  PHASE_CREATE,
  PHASE_NONE,
  PHASE_REPLACE,
  phaseAt,
  phaseEnter,
  phaseLeave,
} from "./thread.js";

function lockTable(k: Kthread, table: TablePtr): void {
  mutexLock(k, Fdtable.lock.at(table), RANK_TABLE);
}

/** Whether a call may begin that looks at the table first; see mutexReady. */
export function tableReady(k: Kthread): boolean {
  return mutexReady(k, Fdtable.lock.at(curtable(k)), RANK_TABLE);
}

function unlockTable(k: Kthread, table: TablePtr): void {
  mutexUnlock(k, Fdtable.lock.at(table));
}

/**
 * Give a file the lowest free number at or above `from`. The number takes over the caller's
 * reference. Returns the number, or -EMFILE / -ENOMEM, and then the reference stays the caller's.
 */
export function fdInstall(k: Kthread, fp: FilePtr, cloexec: boolean, from = 0, owner = 0): number {
  const table = curtable(k);
  lockTable(k, table);
  const fd = fdLowestLocked(k, table, from);
  if (fd < 0 || !fdChunkPrepare(k, table, fd)) {
    unlockTable(k, table);
    return fd < 0 ? fd : -ENOMEM;
  }
  // The first number of a call that makes something, or the second.
  const second = k.a[phaseAt(k)] === PHASE_CREATE;
  phaseEnter(
    k,
    PHASE_CREATE,
    second ? (k.a[handleAt(k, 0)] as number) : fd + 1,
    second ? fd + 1 : 0,
  );
  fdInstallLocked(k, table, fd, fp, cloexec, owner);
  unlockTable(k, table);
  return fd;
}

/** The file of a number with a reference of the caller's own, or NIL. */
export function fdGet(k: Kthread, fd: number): FilePtr {
  return fdGetMarked(k, fd, 0);
}

/** As fdGet, and from now on closing the number looks for knotes. For EV_ADD. */
export function fdGetWatched(k: Kthread, fd: number): FilePtr {
  return fdGetMarked(k, fd, FDF_WATCHED);
}

function fdGetMarked(k: Kthread, fd: number, flags: number): FilePtr {
  const table = curtable(k);
  lockTable(k, table);
  const fp = fdFileLocked(k, table, fd);
  if (fp !== 0) {
    fileHold(k, fp);
    const entry = fdEntry(k, table, fd);
    Fdentry.flags.set(k, entry, Fdentry.flags.get(k, entry) | flags);
  }
  unlockTable(k, table);
  return fp;
}

/** close(2). Returns 0 or -EBADF. */
export function fdClose(k: Kthread, fd: number): number {
  const table = curtable(k);
  lockTable(k, table);
  const fp = fdFileLocked(k, table, fd);
  if (fp === 0) {
    unlockTable(k, table);
    return -EBADF;
  }
  closeBeginLocked(k, table, fd, fp, PHASE_CLOSE, fp);
  const watched = (Fdentry.flags.get(k, fdEntry(k, table, fd)) & FDF_WATCHED) !== 0;
  if (!watched) fdVacateLocked(k, table, fd);
  unlockTable(k, table);
  if (watched) fdCloseFinish(k, fd);
  fileDrop(k, fp);
  return 0;
}

/** Take an open number out of use: its reference is in limbo from now on. Table lock held. */
function closeBeginLocked(
  k: Kthread,
  table: TablePtr,
  fd: number,
  fp: FilePtr,
  phase: number,
  file: FilePtr,
): void {
  phaseEnter(k, PHASE_NONE, fd, file);
  const step = phaseAt(k);
  const note = limboNext(k, LIMBO_FILE);
  fdRemoveLocked(k, table, fd);
  // The end of its run: once the number is CLOSING, who closes it is known.
  k.a[note] = fp;
  k.a[step] = phase;
  k.limboCount++;
}

/** Drop the knotes of a CLOSING number and vacate it. No lock held. */
export function fdCloseFinish(k: Kthread, fd: number): void {
  const table = curtable(k);
  upperLayers(k).fdClosed(k, fd);
  lockTable(k, table);
  fdVacateLocked(k, table, fd);
  unlockTable(k, table);
}

/** dup(2) and fcntl(F_DUPFD): the lowest free number at or above `from`. */
export function fdDup(k: Kthread, fd: number, from: number, cloexec: boolean): number {
  const fp = fdGet(k, fd);
  if (fp === 0) return -EBADF;
  const made = fdInstall(k, fp, cloexec, from);
  if (made < 0) fileDrop(k, fp);
  else fileGiven(k, fp);
  phaseLeave(k);
  return made;
}

/** Limit of the table: no number at or above it is handed out. */
function tableLimit(k: Kthread): number {
  const table = curtable(k);
  lockTable(k, table);
  const limit = Fdtable.limit.get(k, table);
  unlockTable(k, table);
  return limit;
}

/**
 * dup2(2), dup3(2): `to` names the file of `from`, and nobody else gets the number in between; what
 * it named before is closed, its knotes included. `same` is what to return when both are equal.
 */
export function fdDup2(k: Kthread, from: number, to: number, cloexec: boolean): number {
  const table = curtable(k);
  const fp = fdGet(k, from);
  if (fp === 0) return -EBADF;
  if (!Number.isInteger(to) || to < 0 || to >= tableLimit(k)) {
    fileDrop(k, fp);
    return -EBADF;
  }
  if (from === to) {
    fileDrop(k, fp);
    return to;
  }
  const result = fdReplace(k, table, to, fp, cloexec);
  if (result < 0) fileDrop(k, fp);
  return result;
}

/**
 * Make `fd` name `fp`, closing what it named without the number becoming free in between. A
 * number that another thread is closing at this moment is EBUSY, as in Linux's dup2.
 */
function fdReplace(k: Kthread, table: TablePtr, fd: number, fp: FilePtr, cloexec: boolean): number {
  lockTable(k, table);
  if (!fdChunkPrepare(k, table, fd)) {
    unlockTable(k, table);
    return -ENOMEM;
  }
  const state = Fdentry.state.get(k, fdEntry(k, table, fd));
  if (state === FD_CLOSING) {
    unlockTable(k, table);
    return -EBUSY;
  }
  const old = fdFileLocked(k, table, fd);
  if (old === 0) {
    phaseEnter(k, PHASE_REPLACE, fd, fp);
    fdInstallLocked(k, table, fd, fp, cloexec, 0);
    unlockTable(k, table);
    fileGiven(k, fp);
    phaseLeave(k);
    return fd;
  }
  closeBeginLocked(k, table, fd, old, PHASE_REPLACE, fp);
  if (cloexec) k.a[handleAt(k, 0)] = fd | REPLACE_CLOEXEC;
  unlockTable(k, table);
  fdReplaceFinish(k, fd, fp, cloexec);
  fileDrop(k, old);
  return fd;
}

/** Bit of a PHASE_REPLACE's number: the new one is closed on exec. */
export const REPLACE_CLOEXEC = 0x100000;

/** Drop the knotes of a CLOSING number, and make it name a file. No lock held. */
export function fdReplaceFinish(k: Kthread, fd: number, fp: FilePtr, cloexec: boolean): void {
  const table = curtable(k);
  upperLayers(k).fdClosed(k, fd);
  lockTable(k, table);
  fdSwapLocked(k, table, fd, fp, cloexec);
  unlockTable(k, table);
  fileGiven(k, fp);
  phaseLeave(k);
}

/** fcntl(2): F_DUPFD, F_DUPFD_CLOEXEC, F_DUP2FD, F_GETFD, F_SETFD, F_GETFL, F_SETFL. */
export function fdFcntl(k: Kthread, fd: number, cmd: number, arg: number): number {
  if (cmd === F_DUPFD || cmd === F_DUPFD_CLOEXEC) {
    if (!Number.isInteger(arg) || arg < 0 || arg >= tableLimit(k)) return -EINVAL;
    return fdDup(k, fd, arg, cmd === F_DUPFD_CLOEXEC);
  }
  if (cmd === F_DUP2FD) return fdDup2(k, fd, arg, false);
  const table = curtable(k);
  lockTable(k, table);
  const fp = fdFileLocked(k, table, fd);
  const result = fp === 0 ? -EBADF : fcntlLocked(k, fdEntry(k, table, fd), fp, cmd, arg);
  unlockTable(k, table);
  return result;
}

function fcntlLocked(k: Kthread, entry: FdPtr, fp: FilePtr, cmd: number, arg: number): number {
  switch (cmd) {
    case F_GETFD:
      return (Fdentry.flags.get(k, entry) & FDF_CLOEXEC) !== 0 ? FD_CLOEXEC : 0;
    case F_SETFD: {
      const rest = Fdentry.flags.get(k, entry) & ~FDF_CLOEXEC;
      Fdentry.flags.set(k, entry, (arg & FD_CLOEXEC) !== 0 ? rest | FDF_CLOEXEC : rest);
      return 0;
    }
    case F_GETFL:
      return accessMode(File.flags.load(k, fp)) | (File.flags.load(k, fp) & O_NONBLOCK);
    case F_SETFL: {
      const rest = File.flags.load(k, fp) & ~O_NONBLOCK;
      File.flags.store(k, fp, (arg & O_NONBLOCK) !== 0 ? rest | O_NONBLOCK : rest);
      return 0;
    }
    default:
      return -EINVAL;
  }
}

/** O_RDONLY, O_WRONLY or O_RDWR of FREAD and FWRITE. */
function accessMode(flags: number): number {
  if ((flags & (FREAD | FWRITE)) === (FREAD | FWRITE)) return 2;
  return (flags & FWRITE) !== 0 ? 1 : 0;
}

/** getrlimit(2) and setrlimit(2) for RLIMIT_NOFILE. `value` < 0 asks only. */
export function limitDescriptors(k: Kthread, resource: number, value: number): number {
  if (resource !== RLIMIT_NOFILE) return -EINVAL;
  if (value > DESCRIPTORS_MAX) return -EINVAL;
  const table = curtable(k);
  lockTable(k, table);
  if (value >= 0) Fdtable.limit.set(k, table, value);
  const limit = Fdtable.limit.get(k, table);
  unlockTable(k, table);
  return value >= 0 ? 0 : limit;
}

/** Whether O_CLOEXEC is among a call's flags. */
export function wantsCloexec(flags: number): boolean {
  return (flags & O_CLOEXEC) !== 0;
}
