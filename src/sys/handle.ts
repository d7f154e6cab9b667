// SPDX-License-Identifier: ISC
/**
 * What a JavaScript object holds: one open file, by a descriptor number that is marked as owned by
 * the thread. The number's reference is the handle's, so an operation needs no look-up; it only
 * looks whether the number still names the file, because a program may close it by number. When
 * the thread ends, the marks say what to close.
 */
import { EAGAIN, EINVAL, ENOMEM, ESTALE } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import { deferredRun } from "../event/defer.js";
import { kqueueCreate } from "../event/kqueue.js";
import { bellMake } from "../fd/bell.js";
import { channelMake } from "../fd/channel.js";
import { eventfdMake } from "../fd/eventfd.js";
import { pipeMake } from "../fd/pipe.js";
import { type SourceShape, sourceMake } from "../fd/source.js";
import { memoryReady, published } from "../kern/alloc.js";
import { fdClose, fdInstall, tableReady } from "../kern/descrip.js";
import { fdHint } from "../kern/fdtable.js";
import {
  File,
  type FilePtr,
  fileDrop,
  fileGiven,
  fileHoldStale,
  fileNumbered,
} from "../kern/file.js";
import type { ObjectPtr } from "../kern/object.js";
import { callEnter, callLeave, phaseLeave } from "../kern/thread.js";
import { OWNER_SLOT_BITS } from "../limits.js";
import { SYS } from "./calls.js";

export interface Handle {
  readonly fd: number;
  readonly fp: FilePtr;
  readonly obj: ObjectPtr;
  /** Generation of the file's slot: it tells the file from a later one in its place. */
  readonly generation: number;
}

/** Number of the calling thread's slot. */
export function slotNumber(k: Kthread): number {
  return k.owner & ((1 << OWNER_SLOT_BITS) - 1);
}

function handleOf(k: Kthread, fd: number, fp: FilePtr): Handle {
  return { fd, fp, obj: File.object.hint(k, fp), generation: File.generation.hint(k, fp) };
}

/** Give a new file, in limbo, its number; -ENOMEM, -EMFILE. The file is dropped on failure. */
function install(k: Kthread, fp: FilePtr): Handle | number {
  if (fp === 0) return -ENOMEM;
  const fd = fdInstall(k, fp, true, 0, slotNumber(k));
  if (fd >= 0) {
    published(k, fp);
    return handleOf(k, fd, fp);
  }
  fileDrop(k, fp);
  if (k.deferred !== 0) deferredRun(k);
  return fd;
}

/** A channel whose ring has `bytes` bytes. */
export function handleChannel(k: Kthread, bytes: number): Handle | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.pipe2);
  const made = install(k, channelMake(k, { bytes, packet: true, recordMax: bytes - 4 }));
  phaseLeave(k);
  callLeave(k);
  return made;
}

export function handleBell(k: Kthread): Handle | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.eventfd);
  const made = install(k, bellMake(k));
  phaseLeave(k);
  callLeave(k);
  return made;
}

/** A source that the calling thread owns, also under a named filter; -ENOENT, -EPERM, -EEXIST. */
export function handleSource(k: Kthread, shape: SourceShape): Handle | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.source);
  const fp = sourceMake(k, shape);
  const made = fp < 0 ? fp : install(k, fp as FilePtr);
  callLeave(k);
  return made;
}

/** A counter in the fast lane. */
export function handleCounter(k: Kthread, initial: number, flags: number): Handle | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.eventfd);
  const made = install(k, eventfdMake(k, initial, flags, true));
  phaseLeave(k);
  callLeave(k);
  return made;
}

/** Both ends of a pipe. */
export function handlePipe(k: Kthread, bytes: number): { read: Handle; write: Handle } | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.pipe2);
  const made = pipeInstall(k, bytes);
  phaseLeave(k);
  callLeave(k);
  return made;
}

function pipeInstall(k: Kthread, bytes: number): { read: Handle; write: Handle } | number {
  const ends = pipeMake(k, { bytes, packet: false, recordMax: bytes }, 0);
  if (ends === null) return -ENOMEM;
  const read = install(k, ends.read);
  if (typeof read === "number") {
    fileDrop(k, ends.write);
    if (k.deferred !== 0) deferredRun(k);
    return read;
  }
  const write = install(k, ends.write);
  if (typeof write === "number") {
    fdClose(k, read.fd);
    if (k.deferred !== 0) deferredRun(k);
    return write;
  }
  return { read, write };
}

export function handleQueue(k: Kthread): Handle | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.kqueue);
  const fd = kqueueCreate(k, true, slotNumber(k));
  phaseLeave(k);
  callLeave(k);
  return fd < 0 ? fd : handleOf(k, fd, fdHint(k, fd));
}

/** What a handle from another thread says of an open file. */
export interface FileName {
  readonly file: number;
  readonly generation: number;
}

/**
 * Open the file that another thread's handle names. `mode` is FREAD, FWRITE or both: what the file
 * must be open for. -EINVAL if the number is no file's, or the file is of another type or mode;
 * -ESTALE if the file is gone; -EMFILE, -ENOMEM, -EAGAIN.
 */
export function handleAttach(
  k: Kthread,
  type: number,
  mode: number,
  name: FileName,
): Handle | number {
  if (!memoryReady(k)) return -EAGAIN;
  callEnter(k, SYS.dup);
  const opened = openStale(k, type, mode, name);
  if (k.deferred !== 0) deferredRun(k);
  phaseLeave(k);
  callLeave(k);
  return opened;
}

function openStale(k: Kthread, type: number, mode: number, name: FileName): Handle | number {
  const fp = name.file;
  if (!fileNumbered(k, fp)) return -EINVAL;
  if (!fileHoldStale(k, fp, name.generation)) return -ESTALE;
  const fits = File.type.load(k, fp) === type && (File.flags.load(k, fp) & mode) === mode;
  const fd = fits ? fdInstall(k, fp, true, 0, slotNumber(k)) : -EINVAL;
  if (fd >= 0) {
    fileGiven(k, fp);
    return handleOf(k, fd, fp);
  }
  fileDrop(k, fp);
  return fd;
}

/**
 * Whether the handle's number still names its file: a glance before each call, for the message.
 * What is closed meanwhile, or was unseen, the call finds out by itself.
 */
export function handleLive(k: Kthread, h: Handle): boolean {
  return fdHint(k, h.fd) === h.fp && File.generation.hint(k, h.fp) === h.generation;
}

/** Close the number, and with its last reference the object. 0, -EBADF, -EAGAIN. */
export function handleClose(k: Kthread, h: Handle): number {
  if (!handleLive(k, h)) return 0;
  if (!tableReady(k)) return -EAGAIN;
  callEnter(k, SYS.close);
  const result = fdClose(k, h.fd);
  if (k.deferred !== 0) deferredRun(k);
  callLeave(k);
  return result;
}
