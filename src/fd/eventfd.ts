// SPDX-License-Identifier: ISC
/**
 * eventfd: a 64-bit counter (spec: Linux fs/eventfd.c, FreeBSD sys_eventfd.c). The pure part is
 * arithmetic on two words; the rest is locking, waiting and telling the knotes.
 *
 * A counter made for a JavaScript handle starts in the *fast lane*: while nobody watches it, blocks
 * on it, or uses it by descriptor number, its value lives in one word, and each operation is one
 * compare-and-swap on that word. That is only for callers that own a reference, since they cannot
 * meet a recycled slot. The first operation that needs more sets the SLOW bit under the object's
 * lock and moves the value to the two guarded words, for good.
 *
 * The counter goes from 0 to TOP = 2^64 - 2. A write that does not fit whole waits; a read of 0
 * waits. Each accepted operation, a write of 0 too, is an edge for every knote.
 */
import { racyPoint } from "#atomics";
import { EAGAIN, EBADF, EINVAL } from "../abi/errno.js";
import { EVFILT_READ, EVFILT_WRITE } from "../abi/event.js";
import { EFD_SEMAPHORE, O_NONBLOCK } from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  IMMUTABLE,
  line,
  NIL,
  type Ptr,
  racy,
  u64,
  word,
  words,
} from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { OPS_EVENTFD_READ, OPS_EVENTFD_WRITE } from "../event/filterops.js";
import { klistTellLocked } from "../event/klist.js";
import { waitqRepairLocked } from "../event/repair.js";
import { limboHold, published, zabandon, zalloc, zfree } from "../kern/alloc.js";
import {
  File,
  type FileOps,
  type FilePtr,
  FREAD,
  FT_EVENTFD,
  FWRITE,
  fileAlloc,
  fileUnbound,
} from "../kern/file.js";
import {
  O,
  OBJ_LIVE,
  Obj,
  type ObjectPtr,
  objectInit,
  objectLock,
  objectLockFirst,
  objectRetireLocked,
  objectUnlock,
} from "../kern/object.js";
import { VIEW_DATA_MAX } from "../limits.js";
import {
  REASON_CLOSED,
  REASON_WOKEN,
  WAITQ_WORDS,
  Waitq,
  type WaitqPtr,
  waitqInit,
  wakeAllLocked,
  wakeOneLocked,
} from "../sync/wait.js";
import { ioObject, objectDone, objectSleep } from "./io.js";

export type EventfdPtr = Ptr<"eventfd"> & ObjectPtr;

export const Eventfd = defineStruct(
  "eventfd",
  {
    count: line(u64(O, "the counter, unsigned")),
    semaphore: word(IMMUTABLE, "1 if a read takes one"),
    lane: racy(ATOMIC, "LANE_SLOW, or the value while it lives in this word"),
    readers: words(WAITQ_WORDS, O, "threads blocked in read"),
    writers: words(WAITQ_WORDS, O, "threads blocked in write"),
  },
  Obj,
);
export const eventfdZone = defineZone<"eventfd">(Eventfd.struct, Obj.spare.offset, 16);

/** What a read and a write transfer. */
const BYTES = 8;
/** The value lives in `count`, under the lock. Never cleared. */
export const LANE_SLOW = 0x40000000;
/** Largest value of the fast lane. */
const LANE_MAX = 0x3fffffff;

const TOP_LO = -2;
const TOP_HI = -1;
const INT64_MAX_LO = -1;
const INT64_MAX_HI = 0x7fffffff;

function readers(p: EventfdPtr): WaitqPtr {
  return Eventfd.readers.at(p) as number as WaitqPtr;
}

function writers(p: EventfdPtr): WaitqPtr {
  return Eventfd.writers.at(p) as number as WaitqPtr;
}

/** An open eventfd file with one reference, in limbo; NIL when memory is exhausted. */
export function eventfdMake(k: Kthread, initval: number, flags: number, fastLane = false): FilePtr {
  const p = zalloc(k, eventfdZone) as EventfdPtr;
  if (p === 0) return NIL;
  const fp = fileAlloc(k, FT_EVENTFD, p, FREAD | FWRITE | (flags & O_NONBLOCK));
  if (fp === 0) {
    zabandon(k, eventfdZone, p);
    return NIL;
  }
  objectInit(k, p);
  Obj.file.set(k, p, fp);
  const lane = fastLane && initval <= LANE_MAX;
  Eventfd.lane.publish(k, p, lane ? initval : LANE_SLOW);
  Eventfd.count.setWords(k, p, lane ? 0 : initval | 0, 0);
  Eventfd.semaphore.set(k, p, (flags & EFD_SEMAPHORE) !== 0 ? 1 : 0);
  waitqInit(k, readers(p), Obj.lockWord.at(p));
  waitqInit(k, writers(p), Obj.lockWord.at(p));
  publishViews(k, p);
  published(k, p);
  return fp;
}

// Constants of this module are folded into the code; imported ones are loads.
const FILE = Obj.file.offset;
const KLIST = Obj.klist.offset;
const READ_VIEW = Obj.readView.offset;
const WRITE_VIEW = Obj.writeView.offset;
const EDGE = Obj.edge.offset;
const EXACT_READ = Obj.exactRead.offset;
const EXACT_WRITE = Obj.exactWrite.offset;
const FILE_GENERATION = File.generation.offset;
const COUNT = Eventfd.count.offset;
const LANE = Eventfd.lane.offset;
const SEMAPHORE = Eventfd.semaphore.offset;
const READERS = Eventfd.readers.offset + Waitq.head.offset;
const WRITERS = Eventfd.writers.offset + Waitq.head.offset;
const VIEW_MAX = VIEW_DATA_MAX;
const SLOW = LANE_SLOW;

/**
 * State as the knotes see it; object lock held (or the object not yet published). READ tells
 * min(count, 2^63 - 1), WRITE min(TOP - count, 2^63 - 1).
 */
function publishViews(k: Kthread, p: EventfdPtr): void {
  const a = k.a;
  const lo = a[p + COUNT] as number;
  const hi = a[p + COUNT + 1] as number;
  const small = hi === 0 && lo >= 0 && lo < VIEW_MAX;
  racyPoint(a, p + READ_VIEW);
  a[p + READ_VIEW] = small ? lo : VIEW_MAX;
  a[p + EXACT_READ] = hi < 0 ? INT64_MAX_LO : lo;
  a[p + EXACT_READ + 1] = hi < 0 ? INT64_MAX_HI : hi;
  const restLo = (TOP_LO - lo) | 0;
  const restHi = (TOP_HI - hi - (TOP_LO >>> 0 < lo >>> 0 ? 1 : 0)) | 0;
  const little = restHi === 0 && restLo >= 0 && restLo < VIEW_MAX;
  racyPoint(a, p + WRITE_VIEW);
  a[p + WRITE_VIEW] = little ? restLo : VIEW_MAX;
  a[p + EXACT_WRITE] = restHi < 0 ? INT64_MAX_LO : restLo;
  a[p + EXACT_WRITE + 1] = restHi < 0 ? INT64_MAX_HI : restHi;
}

/** Leave the fast lane for good; object lock held. The views are right afterwards. */
function slowLocked(k: Kthread, p: EventfdPtr): void {
  let value = Eventfd.lane.hint(k, p);
  if (value === LANE_SLOW) return;
  for (;;) {
    const seen = Eventfd.lane.cas(k, p, value, LANE_SLOW);
    if (seen === value) break;
    value = seen;
  }
  // One run with the exchange, or the value could be lost with its thread.
  k.a[p + COUNT] = value;
  k.a[p + COUNT + 1] = 0;
  publishViews(k, p);
}

/**
 * Add to a counter that the caller owns a reference on. One compare-and-swap in the fast lane,
 * otherwise as eventfdWrite.
 */
export function counterWrite(
  k: Kthread,
  p: EventfdPtr,
  fp: FilePtr,
  nonblock: boolean,
  lo: number,
  hi: number,
): number {
  if (hi === 0 && lo >= 0) {
    let value = Eventfd.lane.hint(k, p);
    // The guess is checked by the compare-and-swap itself.
    while (value !== LANE_SLOW && value + lo <= LANE_MAX) {
      const seen = Eventfd.lane.cas(k, p, value, value + lo);
      if (seen === value) return BYTES;
      value = seen;
    }
  }
  return eventfdWrite(k, p, fp, File.generation.hint(k, fp), nonblock, lo, hi);
}

/** Take from a counter that the caller owns a reference on; as counterWrite. */
export function counterRead(
  k: Kthread,
  p: EventfdPtr,
  fp: FilePtr,
  nonblock: boolean,
  into: Taken,
): number {
  const one = Eventfd.semaphore.get(k, p) === 1;
  let value = Eventfd.lane.hint(k, p);
  while (value !== LANE_SLOW && value !== 0) {
    const seen = Eventfd.lane.cas(k, p, value, one ? value - 1 : 0);
    if (seen === value) {
      into.lo = one ? 1 : value;
      into.hi = 0;
      return BYTES;
    }
    value = seen;
  }
  if (value === 0 && nonblock) {
    // Nothing to take; a value of 0 seen by a plain load may be stale.
    if (Eventfd.lane.load(k, p) === 0) return -EAGAIN;
  }
  return eventfdRead(k, p, fp, File.generation.hint(k, fp), nonblock, into);
}

/** After an accepted operation: views, knotes, and one waiter of each side that can go on. */
function changedLocked(k: Kthread, p: EventfdPtr): void {
  const a = k.a;
  // The edge comes before the views: views that are not right show that it may be missing.
  racyPoint(a, p + EDGE);
  a[p + EDGE] = ((a[p + EDGE] as number) + 1) | 0;
  publishViews(k, p);
  if (a[p + KLIST] !== 0) klistTellLocked(k, p);
  if (a[p + READERS] !== 0 || a[p + WRITERS] !== 0) passOnLocked(k, p);
}

/**
 * Wake the next reader if there is something to read, and if there is room every writer, because
 * they want room of different sizes.
 */
function passOnLocked(k: Kthread, p: EventfdPtr): void {
  const lo = Eventfd.count.lo(k, p);
  const hi = Eventfd.count.hi(k, p);
  if ((lo | hi) !== 0) wakeOneLocked(k, readers(p));
  if (hi !== TOP_HI || lo !== TOP_LO) wakeAllLocked(k, writers(p), REASON_WOKEN);
}

/**
 * Bring views, knotes and waiters in line with the counter, after a death with the object locked;
 * object lock held, and the klist is whole. Views that are not right show an operation that was
 * accepted, and whose edge may be missing.
 */
export function eventfdRepairLocked(k: Kthread, p: EventfdPtr): void {
  waitqRepairLocked(k, readers(p));
  waitqRepairLocked(k, writers(p));
  if (Obj.state.get(k, p) !== OBJ_LIVE) {
    wakeAllLocked(k, readers(p), REASON_CLOSED);
    wakeAllLocked(k, writers(p), REASON_CLOSED);
    return;
  }
  if (Eventfd.lane.load(k, p) !== LANE_SLOW) return;
  const before = viewsKey(k, p);
  publishViews(k, p);
  if (viewsKey(k, p) !== before) Obj.edge.publish(k, p, (Obj.edge.hint(k, p) + 1) | 0);
  klistTellLocked(k, p);
  passOnLocked(k, p);
}

function viewsKey(k: Kthread, p: EventfdPtr): string {
  const exact = [Obj.exactRead, Obj.exactWrite].map((f) => `${f.lo(k, p)},${f.hi(k, p)}`);
  return `${Obj.readView.hint(k, p)} ${Obj.writeView.hint(k, p)} ${exact.join(" ")}`;
}

/** The value a read took, in two words. */
export interface Taken {
  lo: number;
  hi: number;
}

/** Whether a value fits on top of the counter, unsigned; object lock held. */
function fitsLocked(a: Int32Array, p: number, lo: number, hi: number): boolean {
  const countLo = a[p + COUNT] as number;
  const restLo = (TOP_LO - countLo) >>> 0;
  const borrow = TOP_LO >>> 0 < countLo >>> 0 ? 1 : 0;
  const restHi = (TOP_HI - (a[p + COUNT + 1] as number) - borrow) >>> 0;
  return hi >>> 0 < restHi || (hi >>> 0 === restHi && lo >>> 0 <= restLo);
}

/** Whether the object is that of this file, and the file the one that was named. */
function isOf(a: Int32Array, p: number, fp: number, generation: number): boolean {
  return a[fp + FILE_GENERATION] === generation && a[p + FILE] === fp;
}

/** read(2) in words. Returns 8, -EAGAIN, -EBADF. May sleep if `nonblock` is false. */
export function eventfdRead(
  k: Kthread,
  p: EventfdPtr,
  fp: FilePtr,
  generation: number,
  nonblock: boolean,
  into: Taken,
): number {
  if (!objectLockFirst(k, p)) return -EAGAIN;
  const a = k.a;
  for (;;) {
    if (!isOf(a, p, fp, generation)) return objectDone(k, p, -EBADF);
    if (a[p + LANE] !== SLOW) slowLocked(k, p);
    const lo = a[p + COUNT] as number;
    const hi = a[p + COUNT + 1] as number;
    if ((lo | hi) !== 0) {
      const one = a[p + SEMAPHORE] === 1;
      into.lo = one ? 1 : lo;
      into.hi = one ? 0 : hi;
      a[p + COUNT] = one ? (lo - 1) | 0 : 0;
      a[p + COUNT + 1] = one ? (hi - (lo === 0 ? 1 : 0)) | 0 : 0;
      changedLocked(k, p);
      return objectDone(k, p, BYTES);
    }
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, readers(p));
  }
}

/** write(2) in words. Returns 8, -EINVAL for 2^64 - 1, -EAGAIN, -EBADF. May sleep. */
export function eventfdWrite(
  k: Kthread,
  p: EventfdPtr,
  fp: FilePtr,
  generation: number,
  nonblock: boolean,
  lo: number,
  hi: number,
): number {
  if ((lo & hi) === -1) return -EINVAL;
  if (!objectLockFirst(k, p)) return -EAGAIN;
  const a = k.a;
  for (;;) {
    if (!isOf(a, p, fp, generation)) return objectDone(k, p, -EBADF);
    if (a[p + LANE] !== SLOW) slowLocked(k, p);
    if (fitsLocked(a, p, lo, hi)) {
      const sum = ((a[p + COUNT] as number) >>> 0) + (lo >>> 0);
      a[p + COUNT] = sum | 0;
      a[p + COUNT + 1] = ((a[p + COUNT + 1] as number) + hi + (sum > 0xffffffff ? 1 : 0)) | 0;
      changedLocked(k, p);
      return objectDone(k, p, BYTES);
    }
    if (nonblock) return objectDone(k, p, -EAGAIN);
    objectSleep(k, p, writers(p));
  }
}

const taken: Taken = { lo: 0, hi: 0 };

/** Four bytes of a buffer as a little-endian word. */
function wordAt(bytes: Uint8Array, at: number): number {
  const b0 = bytes[at] as number;
  const b1 = bytes[at + 1] as number;
  const b2 = bytes[at + 2] as number;
  const b3 = bytes[at + 3] as number;
  return b0 | (b1 << 8) | (b2 << 16) | (b3 << 24);
}

function wordPut(bytes: Uint8Array, at: number, value: number): void {
  for (let i = 0; i < 4; i++) bytes[at + i] = value >>> (8 * i);
}

export const eventfdFileOps: FileOps = {
  name: "eventfd",
  read(k, fp, generation, nonblock, bytes, length) {
    if (length < BYTES) return -EINVAL;
    const p = ioObject(k, fp) as EventfdPtr;
    if (p === 0) return -EBADF;
    const n = eventfdRead(k, p, fp, generation, nonblock, taken);
    if (n > 0) {
      wordPut(bytes, 0, taken.lo);
      wordPut(bytes, 4, taken.hi);
    }
    return n;
  },
  write(k, fp, generation, nonblock, bytes, length) {
    if (length < BYTES) return -EINVAL;
    const p = ioObject(k, fp) as EventfdPtr;
    if (p === 0) return -EBADF;
    return eventfdWrite(k, p, fp, generation, nonblock, wordAt(bytes, 0), wordAt(bytes, 4));
  },
  kqfilter(k, fp, filter) {
    if (filter !== EVFILT_READ && filter !== EVFILT_WRITE) return -EINVAL;
    // A watcher is about to join, and the caller holds the file: notifications from now on.
    const p = ioObject(k, fp) as EventfdPtr;
    objectLock(k, p);
    slowLocked(k, p);
    objectUnlock(k, p);
    return filter === EVFILT_READ ? OPS_EVENTFD_READ : OPS_EVENTFD_WRITE;
  },
  close(k, fp) {
    const p = File.object.hint(k, fp) as EventfdPtr;
    limboHold(k, eventfdZone.index, p);
    objectLock(k, p);
    objectRetireLocked(k, p);
    // Who sleeps on a handle that another thread closed by number must be off before the slot goes.
    wakeAllLocked(k, readers(p), REASON_CLOSED);
    wakeAllLocked(k, writers(p), REASON_CLOSED);
    objectDone(k, p, 0);
    fileUnbound(k, fp);
    zfree(k, eventfdZone, p);
  },
};
