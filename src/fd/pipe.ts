// SPDX-License-Identifier: ISC
/**
 * Pipes: two files on one ring (pipe-ring.ts), with the rules of pipe(2): a write of up to PIPE_BUF
 * bytes is never split, EOF when the last writer is gone, EPIPE when the last reader is.
 */
import { EAGAIN, EBADF, EINVAL, EPIPE } from "../abi/errno.js";
import { EVFILT_READ, EVFILT_WRITE } from "../abi/event.js";
import { O_NONBLOCK } from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { OPS_PIPE_READ, OPS_PIPE_WRITE, OPS_SILENT } from "../event/filterops.js";
import { heapFree, limboHold, limboHoldBuffer, zfree } from "../kern/alloc.js";
import {
  File,
  type FileOps,
  type FilePtr,
  FREAD,
  FT_PIPE,
  FWRITE,
  fileAbandon,
  fileAlloc,
  fileUnbound,
} from "../kern/file.js";
import {
  OBJ_LIVE,
  Obj,
  objectLock,
  objectLockFirst,
  objectRetireLocked,
  objectUnlock,
} from "../kern/object.js";
import { ioObject, objectDone, objectSleep } from "./io.js";
import {
  changedLocked,
  consumeLocked,
  PIPE_NO_READER,
  PIPE_NO_WRITER,
  Pipe,
  type PipePtr,
  type PipeShape,
  peekLocked,
  pipeAbandon,
  pipeObject,
  pipePublished,
  pipeZone,
  readers,
  recordTakeLocked,
  writers,
  writeSomeLocked,
} from "./pipe-ring.js";

/** The two ends of a pipe, both in limbo; null when memory is exhausted. */
export function pipeMake(
  k: Kthread,
  shape: PipeShape,
  flags: number,
): { read: FilePtr; write: FilePtr } | null {
  const p = pipeObject(k, shape);
  if (p === 0) return null;
  const read = fileAlloc(k, FT_PIPE, p, FREAD | (flags & O_NONBLOCK));
  const write = read === 0 ? NIL : fileAlloc(k, FT_PIPE, p, FWRITE | (flags & O_NONBLOCK));
  if (write === 0) {
    if (read !== 0) fileAbandon(k, read);
    pipeAbandon(k, p);
    return null;
  }
  Obj.file.set(k, p, read);
  Obj.file2.set(k, p, write);
  pipePublished(k, p);
  return { read, write };
}

/** write(2) on a pipe. Returns bytes written, -EAGAIN, -EPIPE, -EBADF. May sleep. */
export function pipeWrite(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  generation: number,
  nonblock: boolean,
  bytes: Uint8Array,
  length: number,
): number {
  if (!objectLockFirst(k, p)) return -EAGAIN;
  let written = 0;
  for (;;) {
    if (File.generation.hint(k, fp) !== generation || Obj.file2.get(k, p) !== fp) {
      return objectDone(k, p, written > 0 ? written : -EBADF);
    }
    const closed = Pipe.closed.get(k, p);
    if (closed !== 0) return objectDone(k, p, written > 0 ? written : -EPIPE);
    if (length === 0) return objectDone(k, p, 0);
    const n = writeSomeLocked(k, p, bytes, written, length - written);
    written += n;
    if (n > 0) changedLocked(k, p);
    if (written === length) {
      Pipe.sent.add(k, p, 1);
      return objectDone(k, p, written);
    }
    if (n > 0) continue;
    if (nonblock) return objectDone(k, p, written > 0 ? written : -EAGAIN);
    objectSleep(k, p, writers(p));
  }
}

/** read(2) on a pipe. Returns bytes read, 0 at the end, -EAGAIN, -EBADF. May sleep. */
export function pipeRead(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  generation: number,
  nonblock: boolean,
  into: Uint8Array,
  room: number,
): number {
  if (room === 0) return 0;
  if (!objectLockFirst(k, p)) return -EAGAIN;
  for (;;) {
    if (File.generation.hint(k, fp) !== generation || Obj.file.get(k, p) !== fp) {
      return objectDone(k, p, -EBADF);
    }
    if (Pipe.count.get(k, p) > 0) {
      let n: number;
      if (Pipe.packet.get(k, p) === 1) {
        n = recordTakeLocked(k, p, into, room, null);
      } else {
        n = Math.min(room, Pipe.count.get(k, p));
        peekLocked(k, p, 0, into, 0, n);
        consumeLocked(k, p, n);
      }
      Pipe.taken.add(k, p, 1);
      changedLocked(k, p);
      return objectDone(k, p, n);
    }
    if ((Pipe.closed.get(k, p) & PIPE_NO_WRITER) !== 0) return objectDone(k, p, 0);
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, readers(p));
  }
}
/** The last reference to an end is gone; with both ends gone the pipe is freed. */
export function pipeCloseEnd(k: Kthread, fp: FilePtr): void {
  const p = ioObject(k, fp) as PipePtr;
  objectLock(k, p);
  let closed = Pipe.closed.get(k, p);
  if (Obj.file.get(k, p) === fp) {
    closed |= PIPE_NO_READER;
    Obj.file.set(k, p, NIL);
  }
  if (Obj.file2.get(k, p) === fp) {
    closed |= PIPE_NO_WRITER;
    Obj.file2.set(k, p, NIL);
  }
  Pipe.closed.set(k, p, closed);
  const both = Obj.file.get(k, p) === 0 && Obj.file2.get(k, p) === 0;
  changedLocked(k, p);
  // Once: whoever has retired it has it in limbo, and gives it back.
  const last = both && Obj.state.get(k, p) === OBJ_LIVE;
  const buffer = Pipe.buffer.get(k, p);
  const words = Pipe.size.get(k, p) >> 2;
  if (last) {
    limboHold(k, pipeZone.index, p);
    limboHoldBuffer(k, buffer, words);
    objectRetireLocked(k, p);
  }
  objectDone(k, p, 0);
  fileUnbound(k, fp);
  if (!last) return;
  heapFree(k, buffer, words);
  zfree(k, pipeZone, p);
}

/** Operations for a filter on an end: its own direction, EPIPE without a reader, or silence. */
function pipeFilter(k: Kthread, fp: FilePtr, filter: number): number {
  const flags = File.flags.hint(k, fp);
  if (filter === EVFILT_READ) return (flags & FREAD) !== 0 ? OPS_PIPE_READ : OPS_SILENT;
  if (filter !== EVFILT_WRITE) return -EINVAL;
  if ((flags & FWRITE) === 0) return OPS_SILENT;
  const p = ioObject(k, fp) as PipePtr;
  objectLock(k, p);
  const closed = Pipe.closed.get(k, p);
  objectUnlock(k, p);
  return (closed & PIPE_NO_READER) !== 0 ? -EPIPE : OPS_PIPE_WRITE;
}

export const pipeFileOps: FileOps = {
  name: "pipe",
  read(k, fp, generation, nonblock, bytes, length) {
    const p = ioObject(k, fp) as PipePtr;
    if (p === 0) return -EBADF;
    return pipeRead(k, p, fp, generation, nonblock, bytes, length);
  },
  write(k, fp, generation, nonblock, bytes, length) {
    const p = ioObject(k, fp) as PipePtr;
    if (p === 0) return -EBADF;
    return pipeWrite(k, p, fp, generation, nonblock, bytes, length);
  },
  kqfilter: pipeFilter,
  close: pipeCloseEnd,
};
