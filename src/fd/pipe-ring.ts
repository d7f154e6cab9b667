// SPDX-License-Identifier: ISC
/**
 * The ring under pipes and channels: bytes, or in packet mode records. A record is a length word
 * and its bytes, padded to words. In packet mode capacity includes lengths and padding; an empty
 * record is a record of a channel.
 *
 * Everything is guarded by the object's lock; the buffer belongs to the object and is touched
 * under that lock only. pipe.ts and channel.ts have the operations.
 */
import { racyPoint } from "#atomics";
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
import { klistTellLocked } from "../event/klist.js";
import { waitqRepairLocked } from "../event/repair.js";
import { heapAlloc, heapFree, published, zabandon, zalloc } from "../kern/alloc.js";
import { O, OBJ_LIVE, Obj, type ObjectPtr, objectInit, viewOf } from "../kern/object.js";
import { PIPE_BUF_BYTES } from "../limits.js";
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

/** Threads blocked in read. */
export function readers(p: PipePtr): WaitqPtr {
  return Pipe.readers.at(p) as number as WaitqPtr;
}

/** Threads blocked in write. */
export function writers(p: PipePtr): WaitqPtr {
  return Pipe.writers.at(p) as number as WaitqPtr;
}

/** What to make: capacity in bytes (a multiple of 4), packet mode, longest record. */
export interface PipeShape {
  readonly bytes: number;
  readonly packet: boolean;
  readonly recordMax: number;
}

/** The object of a pipe without its files, in limbo; NIL when memory is exhausted. */
export function pipeObject(k: Kthread, shape: PipeShape): PipePtr {
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

/** Undo pipeObject. */
export function pipeAbandon(k: Kthread, p: PipePtr): void {
  heapFree(k, Pipe.buffer.get(k, p), Pipe.size.get(k, p) >> 2);
  zabandon(k, pipeZone, p);
}

/**
 * The pipe belongs to its files from now on, and the buffer to the pipe. In this order: closing the
 * files gives back a buffer that is in limbo too.
 */
export function pipePublished(k: Kthread, p: PipePtr): void {
  published(k, p);
  published(k, Pipe.buffer.get(k, p));
}

// Constants of this module are folded into the code; imported ones are loads.
const KLIST = Obj.klist.offset;
const READ_VIEW = Obj.readView.offset;
const WRITE_VIEW = Obj.writeView.offset;
const EDGE = Obj.edge.offset;
const BUFFER = Pipe.buffer.offset;
const SIZE = Pipe.size.offset;
const HEAD = Pipe.head.offset;
const COUNT = Pipe.count.offset;
const PAYLOAD = Pipe.payload.offset;
const RECORDS = Pipe.records.offset;
const PACKET = Pipe.packet.offset;
const CLOSED = Pipe.closed.offset;
const READERS = Pipe.readers.offset + Waitq.head.offset;
const WRITERS = Pipe.writers.offset + Waitq.head.offset;

/** State as the knotes see it. Without a reader, data to write is 0 and EOF is set. */
function publishViews(k: Kthread, p: PipePtr): void {
  const a = k.a;
  const closed = a[p + CLOSED] as number;
  const payload = a[p + PAYLOAD] as number;
  // An empty record counts as one byte, so that it is seen.
  const readable = payload === 0 && (a[p + RECORDS] as number) > 0 ? 1 : payload;
  let free = (a[p + SIZE] as number) - (a[p + COUNT] as number);
  if (a[p + PACKET] !== 0) free = Math.max(0, free - HEADER_BYTES);
  const noReader = (closed & PIPE_NO_READER) !== 0;
  racyPoint(a, p + READ_VIEW);
  a[p + READ_VIEW] = viewOf(readable, (closed & PIPE_NO_WRITER) !== 0);
  racyPoint(a, p + WRITE_VIEW);
  a[p + WRITE_VIEW] = viewOf(noReader ? 0 : free, noReader);
}

/**
 * Wake who can go on. Whatever is there satisfies any reader, so one is woken, and passes it on.
 * Writers want room of different sizes: the one that a single wake reaches may not be the one that
 * fits, so all look.
 */
export function passOnLocked(k: Kthread, p: PipePtr): void {
  const count = Pipe.count.get(k, p);
  if (count > 0) wakeOneLocked(k, readers(p));
  if (count < Pipe.size.get(k, p)) wakeAllLocked(k, writers(p), REASON_WOKEN);
}

/** After an accepted operation or a change of the ends: views, knotes, and who can go on. */
export function changedLocked(k: Kthread, p: PipePtr): void {
  const a = k.a;
  // The edge comes before the views: views that are not right show that it may be missing.
  racyPoint(a, p + EDGE);
  a[p + EDGE] = ((a[p + EDGE] as number) + 1) | 0;
  publishViews(k, p);
  if (a[p + KLIST] !== 0) klistTellLocked(k, p);
  if (a[p + READERS] === 0 && a[p + WRITERS] === 0) return;
  if (a[p + CLOSED] !== 0) {
    wakeAllLocked(k, readers(p), REASON_WOKEN);
    wakeAllLocked(k, writers(p), REASON_WOKEN);
    return;
  }
  passOnLocked(k, p);
}

/**
 * Bring counts, views, knotes and waiters in line with the ring, after a death with the object
 * locked; object lock held, and the klist is whole. The number of records says which are complete:
 * one that was half written was never sent. Without records, the number of bytes does.
 */
export function pipeRepairLocked(k: Kthread, p: PipePtr): void {
  waitqRepairLocked(k, readers(p));
  waitqRepairLocked(k, writers(p));
  if (Obj.state.get(k, p) !== OBJ_LIVE) {
    wakeAllLocked(k, readers(p), REASON_CLOSED);
    wakeAllLocked(k, writers(p), REASON_CLOSED);
    return;
  }
  // No file refers to it yet: somebody is making it, who was not the one that died.
  if (Obj.file.get(k, p) === 0 && Obj.file2.get(k, p) === 0) return;
  if (Pipe.packet.get(k, p) === 1) recordsCountLocked(k, p);
  else Pipe.payload.set(k, p, Pipe.count.get(k, p));
  let closed = Pipe.closed.get(k, p);
  if (Obj.file.get(k, p) === 0) closed |= PIPE_NO_READER;
  if (Obj.file2.get(k, p) === 0) closed |= PIPE_NO_WRITER;
  Pipe.closed.set(k, p, closed);
  const read = Obj.readView.hint(k, p);
  const write = Obj.writeView.hint(k, p);
  publishViews(k, p);
  if (read !== Obj.readView.hint(k, p) || write !== Obj.writeView.hint(k, p)) {
    Obj.edge.publish(k, p, (Obj.edge.hint(k, p) + 1) | 0);
  }
  klistTellLocked(k, p);
  if (closed !== 0) {
    wakeAllLocked(k, readers(p), REASON_WOKEN);
    wakeAllLocked(k, writers(p), REASON_WOKEN);
  } else {
    passOnLocked(k, p);
  }
}

function recordsCountLocked(k: Kthread, p: PipePtr): void {
  const size = Pipe.size.get(k, p);
  const buffer = Pipe.buffer.get(k, p);
  let at = Pipe.head.get(k, p);
  let bytes = 0;
  let payload = 0;
  for (let left = Pipe.records.get(k, p); left > 0; left--) {
    const length = k.a[buffer + (at >> 2)] as number;
    bytes += recordBytes(length);
    payload += length;
    at = (at + recordBytes(length)) % size;
  }
  Pipe.count.set(k, p, bytes);
  Pipe.payload.set(k, p, payload);
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
export function peekLocked(
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

/** Up to this many bytes a loop over words beats the set-up of a bulk copy. */
const WORDS_BYTES = 192;
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

/** Drop bytes at the start of a ring without records; object lock held. */
export function consumeLocked(k: Kthread, p: PipePtr, length: number): void {
  ringDropLocked(k, p, length, length, 0);
}

/** Drop bytes at the start of the ring, of which some are payload, and records; in one run. */
function ringDropLocked(
  k: Kthread,
  p: PipePtr,
  bytes: number,
  payload: number,
  records: number,
): void {
  const a = k.a;
  const head = ((a[p + HEAD] as number) + bytes) % Pipe.size.get(k, p);
  a[p + HEAD] = head;
  a[p + COUNT] = (a[p + COUNT] as number) - bytes;
  a[p + PAYLOAD] = (a[p + PAYLOAD] as number) - payload;
  a[p + RECORDS] = (a[p + RECORDS] as number) - records;
}

/** Bytes that a record of `length` takes in the ring. */
export function recordBytes(length: number): number {
  return HEADER_BYTES + ((length + 3) & ~3);
}

/** Length of the oldest record; object lock held, and there is one. */
export function recordLengthLocked(k: Kthread, p: PipePtr): number {
  return k.a[Pipe.buffer.get(k, p) + (Pipe.head.get(k, p) >> 2)] as number;
}

/** Copy words from or to a ring of words, around its end. */
function ringPut(
  a: Int32Array,
  ring: number,
  size: number,
  at: number,
  from: Int32Array,
  n: number,
): void {
  const first = Math.min(n, size - at);
  for (let i = 0; i < first; i++) a[ring + at + i] = from[i] as number;
  for (let i = first; i < n; i++) a[ring + i - first] = from[i] as number;
}

function ringTake(
  a: Int32Array,
  ring: number,
  size: number,
  at: number,
  to: Int32Array,
  n: number,
): void {
  const first = Math.min(n, size - at);
  for (let i = 0; i < first; i++) to[i] = a[ring + at + i] as number;
  for (let i = first; i < n; i++) to[i] = a[ring + i - first] as number;
}

/**
 * Append a record that fits; object lock held. `words` is the memory of `bytes` from its start, if
 * the caller has it as words: short records are copied by words then.
 */
export function recordPutLocked(
  k: Kthread,
  p: PipePtr,
  bytes: Uint8Array,
  from: number,
  length: number,
  words: Int32Array | null,
): void {
  const a = k.a;
  const size = a[p + SIZE] as number;
  const count = a[p + COUNT] as number;
  const ring = a[p + BUFFER] as number;
  let at = (a[p + HEAD] as number) + count;
  if (at >= size) at -= size;
  const head = ring + (at >> 2);
  if (words !== null && length <= WORDS_BYTES) {
    at += HEADER_BYTES;
    if (at === size) at = 0;
    ringPut(a, ring, size >> 2, at >> 2, words, (length + 3) >> 2);
  } else {
    a[p + COUNT] = count + HEADER_BYTES;
    putLocked(k, p, bytes, from, length);
  }
  const records = (a[p + RECORDS] as number) + 1;
  const payload = (a[p + PAYLOAD] as number) + length;
  const all = count + recordBytes(length);
  // One run: from now on it was sent.
  a[head] = length;
  a[p + COUNT] = all;
  a[p + RECORDS] = records;
  a[p + PAYLOAD] = payload;
}

/** Take the oldest record, as much of it as fits; returns the bytes copied. `words` as for put. */
export function recordTakeLocked(
  k: Kthread,
  p: PipePtr,
  into: Uint8Array,
  room: number,
  words: Int32Array | null,
): number {
  const a = k.a;
  const size = a[p + SIZE] as number;
  const head = a[p + HEAD] as number;
  const ring = a[p + BUFFER] as number;
  const length = a[ring + (head >> 2)] as number;
  const n = Math.min(length, room);
  if (words !== null && n === length && n <= WORDS_BYTES) {
    const at = head + HEADER_BYTES === size ? 0 : head + HEADER_BYTES;
    ringTake(a, ring, size >> 2, at >> 2, words, (n + 3) >> 2);
  } else {
    peekLocked(k, p, HEADER_BYTES, into, 0, n);
  }
  ringDropLocked(k, p, recordBytes(length), length, 1);
  return n;
}

/** Write what goes in now, object lock held. Returns how much; 0 if it has to wait. */
export function writeSomeLocked(
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
    recordPutLocked(k, p, bytes, from, n, null);
    return n;
  }
  // A short write goes in whole, and so does the rest of a long one that has become short.
  if (free === 0 || (from === 0 && length <= PIPE_BUF_BYTES && length > free)) return 0;
  const n = Math.min(length, free);
  putLocked(k, p, bytes, from, n);
  Pipe.payload.add(k, p, n);
  return n;
}
