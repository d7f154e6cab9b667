// SPDX-License-Identifier: ISC
/**
 * Pipes and channels. A pipe is a ring of bytes with a read end and a write end; in packet mode
 * (Linux's O_DIRECT) each write is one record and each read takes one, by exactly one reader. A
 * channel is a packet pipe whose one file is both ends, and which can be ended while it is open.
 *
 * A record is a length word and its bytes, padded to words, so records never straddle oddly and
 * an empty record is a record of a channel. In packet mode capacity includes the records' lengths
 * and padding.
 *
 * Everything is guarded by the object's lock; the buffer belongs to the object and is touched
 * under that lock only.
 */
import { EAGAIN, EBADF, EINVAL, EMSGSIZE, EPIPE } from "../abi/errno.js";
import { EVFILT_READ, EVFILT_WRITE } from "../abi/event.js";
import { O_NONBLOCK } from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import {
  defineStruct,
  guardedBy,
  IMMUTABLE,
  line,
  NIL,
  type Ptr,
  ptr,
  word,
  words,
} from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { defineZone } from "../arena/zone.js";
import { OPS_PIPE_READ, OPS_PIPE_WRITE, OPS_SILENT } from "../event/filterops.js";
import { deferredRun } from "../event/defer.js";
import { klistNotifyLocked } from "../event/klist.js";
import { heapAlloc, heapFree, published, zabandon, zalloc, zfree } from "../kern/alloc.js";
import {
  File,
  type FileOps,
  type FilePtr,
  FREAD,
  FT_CHANNEL,
  FT_PIPE,
  FWRITE,
  fileAbandon,
  fileAlloc,
} from "../kern/file.js";
import {
  O,
  Obj,
  type ObjectPtr,
  objectInit,
  objectLock,
  objectRetireLocked,
  objectUnlock,
  viewOf,
} from "../kern/object.js";
import { PIPE_BUF_BYTES } from "../limits.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_THREADS } from "../sync/order.js";
import {
  REASON_WOKEN,
  WAITQ_WORDS,
  type WaitqPtr,
  waitqInit,
  wakeAllLocked,
  wakeOneLocked,
} from "../sync/wait.js";
import { ioNonblock, ioObject, objectDone, objectSleep } from "./io.js";

export type PipePtr = Ptr<"pipe"> & ObjectPtr;

const EXITS = guardedBy("t", "threads lock", () => Super.threadsLock.at(SUPER));

export const Pipe = defineStruct(
  "pipe",
  {
    buffer: line(word(IMMUTABLE, "ring of bytes; a byte buffer")),
    size: word(IMMUTABLE, "its size in bytes, a multiple of 4"),
    packet: word(IMMUTABLE, "1 if writes are records"),
    recordMax: word(IMMUTABLE, "longest record in bytes"),
    head: word(O, "byte offset of the oldest byte"),
    count: word(O, "bytes in the ring, headers and padding included"),
    payload: word(O, "bytes in the ring without headers and padding"),
    records: word(O, "records in the ring, in packet mode"),
    closed: word(O, "PIPE_* bits: which ends are gone"),
    readers: words(WAITQ_WORDS, O, "threads blocked in read"),
    writers: line(words(WAITQ_WORDS, O, "threads blocked in write")),
    sent: word(O, "records or bytes accepted, for the inspector"),
    taken: word(O, "records or bytes taken, for the inspector"),
    exitNext: ptr<"pipe">(EXITS, "next channel that hears of ended threads"),
    hearsExits: word(EXITS, "1 while it is on that list"),
  },
  Obj,
);
export const pipeZone = defineZone<"pipe">(Pipe.struct, Obj.spare.offset, 8);

/** The read end is gone: writes fail with EPIPE. */
export const PIPE_NO_READER = 1;
/** The write end is gone, or the channel was ended: reads see EOF once the ring is empty. */
export const PIPE_NO_WRITER = 2;

const HEADER_BYTES = 4;

function readers(p: PipePtr): WaitqPtr {
  return Pipe.readers.at(p) as number as WaitqPtr;
}

function writers(p: PipePtr): WaitqPtr {
  return Pipe.writers.at(p) as number as WaitqPtr;
}

/** What to make: capacity in bytes (a multiple of 4), packet mode, longest record. */
export interface PipeShape {
  readonly bytes: number;
  readonly packet: boolean;
  readonly recordMax: number;
}

/** The object of a pipe without its files, in limbo; NIL when memory is exhausted. */
function pipeObject(k: Kthread, shape: PipeShape): PipePtr {
  const p = zalloc(k, pipeZone) as PipePtr;
  if (p === 0) return NIL;
  const buffer = heapAlloc(k, shape.bytes >> 2);
  if (buffer === 0) {
    zabandon(k, pipeZone, p);
    return NIL;
  }
  objectInit(k, p);
  Pipe.buffer.set(k, p, buffer);
  Pipe.size.set(k, p, shape.bytes);
  Pipe.packet.set(k, p, shape.packet ? 1 : 0);
  Pipe.recordMax.set(k, p, shape.recordMax);
  Pipe.head.set(k, p, 0);
  Pipe.count.set(k, p, 0);
  Pipe.payload.set(k, p, 0);
  Pipe.records.set(k, p, 0);
  Pipe.closed.set(k, p, 0);
  Pipe.sent.set(k, p, 0);
  Pipe.taken.set(k, p, 0);
  Pipe.exitNext.set(k, p, NIL);
  Pipe.hearsExits.set(k, p, 0);
  waitqInit(k, readers(p), Obj.lockWord.at(p));
  waitqInit(k, writers(p), Obj.lockWord.at(p));
  publishViews(k, p);
  return p;
}

function pipeAbandon(k: Kthread, p: PipePtr): void {
  heapFree(k, Pipe.buffer.get(k, p), Pipe.size.get(k, p) >> 2);
  zabandon(k, pipeZone, p);
}

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
  published(k, p);
  return { read, write };
}

/** A channel: one file, in limbo, that is both ends; NIL when memory is exhausted. */
export function channelMake(k: Kthread, shape: PipeShape): FilePtr {
  const p = pipeObject(k, shape);
  if (p === 0) return NIL;
  const fp = fileAlloc(k, FT_CHANNEL, p, FREAD | FWRITE);
  if (fp === 0) {
    pipeAbandon(k, p);
    return NIL;
  }
  Obj.file.set(k, p, fp);
  Obj.file2.set(k, p, fp);
  published(k, p);
  return fp;
}

/** Payload bytes that can be read; an empty record counts as one byte, so that it is seen. */
function readableLocked(k: Kthread, p: PipePtr): number {
  const payload = Pipe.payload.get(k, p);
  return payload === 0 && Pipe.records.get(k, p) > 0 ? 1 : payload;
}

/** Bytes that a writer could write now. */
function freeLocked(k: Kthread, p: PipePtr): number {
  const free = Pipe.size.get(k, p) - Pipe.count.get(k, p);
  return Pipe.packet.get(k, p) === 0 ? free : Math.max(0, free - HEADER_BYTES);
}

/** State as the knotes see it. Without a reader, data to write is 0 and EOF is set. */
function publishViews(k: Kthread, p: PipePtr): void {
  const closed = Pipe.closed.get(k, p);
  const noReader = (closed & PIPE_NO_READER) !== 0;
  const noWriter = (closed & PIPE_NO_WRITER) !== 0;
  Obj.readView.publish(k, p, viewOf(readableLocked(k, p), noWriter));
  Obj.writeView.publish(k, p, viewOf(noReader ? 0 : freeLocked(k, p), noReader));
}

function changedLocked(k: Kthread, p: PipePtr): void {
  publishViews(k, p);
  if (Obj.klist.get(k, p) !== 0) klistNotifyLocked(k, p);
  else Obj.edge.publish(k, p, (Obj.edge.hint(k, p) + 1) | 0);
  if (Pipe.closed.get(k, p) !== 0) {
    wakeAllLocked(k, readers(p), REASON_WOKEN);
    wakeAllLocked(k, writers(p), REASON_WOKEN);
    return;
  }
  if (Pipe.count.get(k, p) > 0) wakeOneLocked(k, readers(p));
  if (freeLocked(k, p) > 0) wakeOneLocked(k, writers(p));
}

/** Copy into the ring at its end; object lock held, and the bytes fit. */
function putLocked(k: Kthread, p: PipePtr, bytes: Uint8Array, from: number, length: number): void {
  const size = Pipe.size.get(k, p);
  const count = Pipe.count.get(k, p);
  const base = Pipe.buffer.get(k, p) * 4;
  const at = (Pipe.head.get(k, p) + count) % size;
  const first = Math.min(length, size - at);
  copyBytes(k.bytes, base + at, bytes, from, first);
  copyBytes(k.bytes, base, bytes, from + first, length - first);
  Pipe.count.set(k, p, count + length);
}

/** Copy out of the ring's start, without consuming, `skip` bytes in; object lock held. */
function peekLocked(
  k: Kthread,
  p: PipePtr,
  skip: number,
  into: Uint8Array,
  to: number,
  length: number,
): void {
  const size = Pipe.size.get(k, p);
  const base = Pipe.buffer.get(k, p) * 4;
  const at = (Pipe.head.get(k, p) + skip) % size;
  const first = Math.min(length, size - at);
  copyBytes(into, to, k.bytes, base + at, first);
  copyBytes(into, to + first, k.bytes, base, length - first);
}

/** Below this many bytes a loop beats the set-up of a bulk copy. */
const LOOP_BYTES = 48;

function copyBytes(
  to: Uint8Array,
  toAt: number,
  from: Uint8Array,
  fromAt: number,
  length: number,
): void {
  if (length > LOOP_BYTES) {
    to.set(from.subarray(fromAt, fromAt + length), toAt);
    return;
  }
  for (let i = 0; i < length; i++) to[toAt + i] = from[fromAt + i] as number;
}

function consumeLocked(k: Kthread, p: PipePtr, length: number): void {
  const size = Pipe.size.get(k, p);
  Pipe.head.set(k, p, (Pipe.head.get(k, p) + length) % size);
  Pipe.count.add(k, p, -length);
}

/** Bytes that a record of `length` takes in the ring. */
function recordBytes(length: number): number {
  return HEADER_BYTES + ((length + 3) & ~3);
}

/** Length of the oldest record; object lock held, and there is one. */
function recordLengthLocked(k: Kthread, p: PipePtr): number {
  return k.a[Pipe.buffer.get(k, p) + (Pipe.head.get(k, p) >> 2)] as number;
}

function recordPutLocked(
  k: Kthread,
  p: PipePtr,
  bytes: Uint8Array,
  from: number,
  length: number,
): void {
  const size = Pipe.size.get(k, p);
  const at = (Pipe.head.get(k, p) + Pipe.count.get(k, p)) % size;
  k.a[Pipe.buffer.get(k, p) + (at >> 2)] = length;
  Pipe.count.add(k, p, HEADER_BYTES);
  putLocked(k, p, bytes, from, length);
  Pipe.count.add(k, p, recordBytes(length) - HEADER_BYTES - length);
  Pipe.records.add(k, p, 1);
  Pipe.payload.add(k, p, length);
}

/** Take the oldest record, as much of it as fits; returns the bytes copied. */
function recordTakeLocked(k: Kthread, p: PipePtr, into: Uint8Array, room: number): number {
  const length = recordLengthLocked(k, p);
  const n = Math.min(length, room);
  peekLocked(k, p, HEADER_BYTES, into, 0, n);
  consumeLocked(k, p, recordBytes(length));
  Pipe.records.add(k, p, -1);
  Pipe.payload.add(k, p, -length);
  return n;
}

/** Write what goes in now, object lock held. Returns how much; 0 if it has to wait. */
function writeSomeLocked(
  k: Kthread,
  p: PipePtr,
  bytes: Uint8Array,
  from: number,
  length: number,
): number {
  const free = Pipe.size.get(k, p) - Pipe.count.get(k, p);
  if (Pipe.packet.get(k, p) === 1) {
    const n = Math.min(length, Pipe.recordMax.get(k, p));
    if (recordBytes(n) > free) return 0;
    recordPutLocked(k, p, bytes, from, n);
    return n;
  }
  // A short write goes in whole, and so does the rest of a long one that has become short.
  if (free === 0 || (from === 0 && length <= PIPE_BUF_BYTES && length > free)) return 0;
  const n = Math.min(length, free);
  putLocked(k, p, bytes, from, n);
  Pipe.payload.add(k, p, n);
  return n;
}

/** write(2) on a pipe. Returns bytes written, -EAGAIN, -EPIPE, -EBADF. May sleep. */
export function pipeWrite(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  nonblock: boolean,
  bytes: Uint8Array,
  length: number,
): number {
  objectLock(k, p);
  let written = 0;
  for (;;) {
    if (Obj.file2.get(k, p) !== fp) return objectDone(k, p, written > 0 ? written : -EBADF);
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
  nonblock: boolean,
  into: Uint8Array,
  room: number,
): number {
  if (room === 0) return 0;
  objectLock(k, p);
  for (;;) {
    if (Obj.file.get(k, p) !== fp) return objectDone(k, p, -EBADF);
    if (Pipe.count.get(k, p) > 0) {
      let n: number;
      if (Pipe.packet.get(k, p) === 1) {
        n = recordTakeLocked(k, p, into, room);
      } else {
        n = Math.min(room, Pipe.count.get(k, p));
        peekLocked(k, p, 0, into, 0, n);
        consumeLocked(k, p, n);
        Pipe.payload.add(k, p, -n);
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

/** The channel was ended and everything was taken. */
export const CHANNEL_END = -0x30000;
/** The record does not fit the buffer; nothing was taken. `channelNeed` tells its length. */
export const CHANNEL_SHORT = -0x30001;

/** Send one record; `fp` 0 stands for the channel's own file. Returns 0, -EMSGSIZE, -EAGAIN, -EPIPE after the end, -EBADF. May sleep. */
export function channelSend(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  nonblock: boolean,
  bytes: Uint8Array,
  length: number,
): number {
  objectLock(k, p);
  for (;;) {
    if (fp !== 0 && Obj.file2.get(k, p) !== fp) return objectDone(k, p, -EBADF);
    if (Pipe.closed.get(k, p) !== 0) return objectDone(k, p, -EPIPE);
    if (recordBytes(length) > Pipe.size.get(k, p)) return objectDone(k, p, -EMSGSIZE);
    if (recordBytes(length) <= Pipe.size.get(k, p) - Pipe.count.get(k, p)) {
      recordPutLocked(k, p, bytes, 0, length);
      Pipe.sent.add(k, p, 1);
      changedLocked(k, p);
      return objectDone(k, p, 0);
    }
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, writers(p));
  }
}

/**
 * Take one record. Returns its length, CHANNEL_END, CHANNEL_SHORT when it is longer than the
 * buffer, -EAGAIN, -EBADF. May sleep.
 */
export function channelReceive(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  nonblock: boolean,
  into: Uint8Array,
): number {
  objectLock(k, p);
  for (;;) {
    if (Obj.file.get(k, p) !== fp) return objectDone(k, p, -EBADF);
    if (Pipe.records.get(k, p) > 0) {
      if (recordLengthLocked(k, p) > into.length) return objectDone(k, p, CHANNEL_SHORT);
      const n = recordTakeLocked(k, p, into, into.length);
      Pipe.taken.add(k, p, 1);
      changedLocked(k, p);
      return objectDone(k, p, n);
    }
    if ((Pipe.closed.get(k, p) & PIPE_NO_WRITER) !== 0) return objectDone(k, p, CHANNEL_END);
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, readers(p));
  }
}

/** Length of the next record, 0 if there is none (any more). */
export function channelNeed(k: Kthread, p: PipePtr): number {
  objectLock(k, p);
  const length = Pipe.records.get(k, p) > 0 ? recordLengthLocked(k, p) : 0;
  objectUnlock(k, p);
  return length;
}

/** Nothing more will be sent; what is in the ring can still be received. Returns 0 or -EBADF. */
export function channelEnd(k: Kthread, p: PipePtr, fp: FilePtr): number {
  objectLock(k, p);
  if (Obj.file.get(k, p) !== fp) return objectDone(k, p, -EBADF);
  Pipe.closed.set(k, p, Pipe.closed.get(k, p) | PIPE_NO_WRITER);
  changedLocked(k, p);
  return objectDone(k, p, 0);
}

/** The last reference to an end is gone; with both ends gone the pipe is freed. */
function pipeCloseEnd(k: Kthread, fp: FilePtr): void {
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
  if (both) objectRetireLocked(k, p);
  objectDone(k, p, 0);
  if (!both) return;
  heapFree(k, Pipe.buffer.get(k, p), Pipe.size.get(k, p) >> 2);
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
  read(k, fp, bytes, length) {
    return pipeRead(k, ioObject(k, fp) as PipePtr, fp, ioNonblock(k, fp), bytes, length);
  },
  write(k, fp, bytes, length) {
    return pipeWrite(k, ioObject(k, fp) as PipePtr, fp, ioNonblock(k, fp), bytes, length);
  },
  kqfilter: pipeFilter,
  close: pipeCloseEnd,
};

export const channelFileOps: FileOps = {
  ...pipeFileOps,
  name: "channel",
  close(k, fp) {
    exitsUnwatch(k, ioObject(k, fp) as PipePtr);
    pipeCloseEnd(k, fp);
  },
};

/** From now on a record for every thread that ends is sent to the channel. */
export function exitsWatch(k: Kthread, p: PipePtr): void {
  const lock = Super.threadsLock.at(SUPER);
  mutexLock(k, lock, RANK_THREADS);
  Pipe.exitNext.set(k, p, Super.exitWatchers.get(k, SUPER) as PipePtr);
  Pipe.hearsExits.set(k, p, 1);
  Super.exitWatchers.set(k, SUPER, p);
  mutexUnlock(k, lock);
}

function exitsUnwatch(k: Kthread, p: PipePtr): void {
  const lock = Super.threadsLock.at(SUPER);
  mutexLock(k, lock, RANK_THREADS);
  if (Pipe.hearsExits.get(k, p) === 1) {
    const next = Pipe.exitNext.get(k, p);
    let other = Super.exitWatchers.get(k, SUPER) as PipePtr;
    if (other === p) Super.exitWatchers.set(k, SUPER, next);
    else {
      while (Pipe.exitNext.get(k, other) !== p) other = Pipe.exitNext.get(k, other) as PipePtr;
      Pipe.exitNext.set(k, other, next);
    }
    Pipe.hearsExits.set(k, p, 0);
  }
  mutexUnlock(k, lock);
}

/** Send a record to everybody who hears of ended threads; one without room misses it. */
export function exitsPost(k: Kthread, bytes: Uint8Array, length: number): void {
  const lock = Super.threadsLock.at(SUPER);
  mutexLock(k, lock, RANK_THREADS);
  let p = Super.exitWatchers.get(k, SUPER) as PipePtr;
  while (p !== 0) {
    channelSend(k, p, NIL, true, bytes, length);
    p = Pipe.exitNext.get(k, p) as PipePtr;
  }
  mutexUnlock(k, lock);
  if (k.deferred !== 0) deferredRun(k);
}
