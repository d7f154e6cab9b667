// SPDX-License-Identifier: ISC
/**
 * Channels: packet rings with one file that is both ends. A record goes to exactly one receiver;
 * ending a channel lets what is in it be received and refuses more. Channels also carry the news
 * of ended threads to whoever asked for it.
 */
import { EAGAIN, EBADF, EMSGSIZE, EPIPE } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { deferredRun } from "../event/defer.js";
import { type FileOps, type FilePtr, FREAD, FT_CHANNEL, FWRITE, fileAlloc } from "../kern/file.js";
import { Obj, objectLockFirst, objectUnlock } from "../kern/object.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_THREADS } from "../sync/order.js";
import { ioObject, objectDone, objectSleep } from "./io.js";
import { pipeCloseEnd, pipeFileOps } from "./pipe.js";
import {
  changedLocked,
  PIPE_NO_WRITER,
  Pipe,
  type PipePtr,
  type PipeShape,
  passOnLocked,
  pipeAbandon,
  pipeObject,
  pipePublished,
  readers,
  recordBytes,
  recordLengthLocked,
  recordPutLocked,
  recordTakeLocked,
  writers,
} from "./pipe-ring.js";

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
  pipePublished(k, p);
  return fp;
}

/** The channel was ended and everything was taken. */
export const CHANNEL_END = -0x30000;
/** The record does not fit the buffer; nothing was taken. `channelNeed` tells its length. */
export const CHANNEL_SHORT = -0x30001;

// Constants of this module are folded into the code; imported ones are loads.
const FILE = Obj.file.offset;
const FILE2 = Obj.file2.offset;
const CLOSED = Pipe.closed.offset;
const SIZE = Pipe.size.offset;
const COUNT = Pipe.count.offset;
const RECORDS = Pipe.records.offset;
const SENT = Pipe.sent.offset;
const TAKEN = Pipe.taken.offset;

/**
 * Send one record; `fp` 0 stands for the channel itself. `words` is the memory of `bytes` as words,
 * if the caller has it so, or null. Returns 0, -EMSGSIZE, -EAGAIN, -EPIPE
 * after the end, -EBADF. May sleep.
 */
export function channelSend(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  nonblock: boolean,
  bytes: Uint8Array,
  length: number,
  words: Int32Array | null,
): number {
  const need = recordBytes(length);
  if (!objectLockFirst(k, p)) return -EAGAIN;
  const a = k.a;
  for (;;) {
    if (fp !== 0 && a[p + FILE2] !== fp) return objectDone(k, p, -EBADF);
    if (a[p + CLOSED] !== 0) return objectDone(k, p, -EPIPE);
    const size = a[p + SIZE] as number;
    if (need > size) return objectDone(k, p, -EMSGSIZE);
    if (need <= size - (a[p + COUNT] as number)) {
      recordPutLocked(k, p, bytes, 0, length, words);
      a[p + SENT] = ((a[p + SENT] as number) + 1) | 0;
      changedLocked(k, p);
      return objectDone(k, p, 0);
    }
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, writers(p));
  }
}

/**
 * Take one record; `words` as for channelSend. Returns its length, CHANNEL_END, CHANNEL_SHORT when
 * it is longer than the buffer, -EAGAIN, -EBADF. May sleep.
 */
export function channelReceive(
  k: Kthread,
  p: PipePtr,
  fp: FilePtr,
  nonblock: boolean,
  into: Uint8Array,
  words: Int32Array | null,
): number {
  if (!objectLockFirst(k, p)) return -EAGAIN;
  const a = k.a;
  for (;;) {
    if (a[p + FILE] !== fp) return objectDone(k, p, -EBADF);
    if ((a[p + RECORDS] as number) > 0) {
      if (recordLengthLocked(k, p) > into.length) {
        // The wake that brought us here was for the record, which stays.
        passOnLocked(k, p);
        return objectDone(k, p, CHANNEL_SHORT);
      }
      const n = recordTakeLocked(k, p, into, into.length, words);
      a[p + TAKEN] = ((a[p + TAKEN] as number) + 1) | 0;
      changedLocked(k, p);
      return objectDone(k, p, n);
    }
    if ((Pipe.closed.get(k, p) & PIPE_NO_WRITER) !== 0) return objectDone(k, p, CHANNEL_END);
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, readers(p));
  }
}

/** Length of the next record, 0 if there is none (any more), or the thread may not wait for it. */
export function channelNeed(k: Kthread, p: PipePtr): number {
  if (!objectLockFirst(k, p)) return 0;
  const length = Pipe.records.get(k, p) > 0 ? recordLengthLocked(k, p) : 0;
  objectUnlock(k, p);
  return length;
}

/** Nothing more will be sent; what is there can be received. 0, -EBADF, -EAGAIN. */
export function channelEnd(k: Kthread, p: PipePtr, fp: FilePtr): number {
  if (!objectLockFirst(k, p)) return -EAGAIN;
  if (Obj.file.get(k, p) !== fp) return objectDone(k, p, -EBADF);
  Pipe.closed.set(k, p, Pipe.closed.get(k, p) | PIPE_NO_WRITER);
  changedLocked(k, p);
  return objectDone(k, p, 0);
}
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
    channelSend(k, p, NIL, true, bytes, length, null);
    p = Pipe.exitNext.get(k, p) as PipePtr;
  }
  mutexUnlock(k, lock);
  if (k.deferred !== 0) deferredRun(k);
}
