// SPDX-License-Identifier: ISC
/** Invariants of what descriptors name: eventfds, pipes, bells, and the part common to all. */
import type { ZoneDef } from "../arena/zone.js";
import { type SourcePtr, sourceZone } from "../event/source.js";
import { Kncold, Knote, type KqueuePtr, kqueueZone } from "../event/structs.js";
import { bellZone } from "../fd/bell.js";
import { Eventfd, type EventfdPtr, eventfdZone, LANE_SLOW } from "../fd/eventfd.js";
import { PIPE_NO_READER, PIPE_NO_WRITER, Pipe, type PipePtr, pipeZone } from "../fd/pipe-ring.js";
import { FT_BELL, FT_CHANNEL, FT_EVENTFD, FT_KQUEUE, FT_PIPE, FT_SOURCE } from "../kern/file.js";
import { OBJ_LIVE, Obj, viewOf } from "../kern/object.js";
import { VIEW_DATA_MAX } from "../limits.js";
import { Waitq, type WaitqPtr } from "../sync/wait.js";
import { bufferWords } from "./memory.js";
import { chain, peek } from "./peek.js";
import { checkQueue } from "./queues.js";
import { checkSource } from "./sources.js";
import { checkWaitq, objectLockOf } from "./waits.js";
import type { Walk } from "./walk.js";

const zoneOfType = new Map<number, ZoneDef<string>>([
  [FT_KQUEUE, kqueueZone],
  [FT_EVENTFD, eventfdZone],
  [FT_PIPE, pipeZone],
  [FT_CHANNEL, pipeZone],
  [FT_BELL, bellZone],
  [FT_SOURCE, sourceZone],
]);

/** An object that a file of the type is open on; each object once. */
export function checkObject(w: Walk, type: number, obj: number): void {
  if (w.slots.has(obj)) return;
  const zone = zoneOfType.get(type);
  if (!w.check(zone !== undefined, () => `file type ${type} does not exist`)) return;
  const name = `${zone?.struct.name} ${obj}`;
  if (!w.claim(zone as ZoneDef<string>, obj, `open as ${name}`)) return;
  w.same(peek(w.k, Obj.state, obj), OBJ_LIVE, () => `${name}: state`);
  w.same(objectLockOf(w, obj), obj + Obj.lockWord.offset, () => `${name}: lock in use`);
  w.unlocked(objectLockOf(w, obj), () => name);
  checkObjectLists(w, obj, zone as ZoneDef<string>, name);
  if (type === FT_SOURCE) checkSource(w, obj as SourcePtr, name);
  else if (type === FT_KQUEUE) checkQueue(w, obj as KqueuePtr, name);
}

/**
 * What the lock of a live object guards, as it is whenever the lock is free, also in the middle of
 * calls: the klist, the state of an eventfd or a pipe, its views, and nobody asleep for whom there
 * is work.
 */
export function checkObjectLists(w: Walk, obj: number, zone: ZoneDef<string>, name: string): void {
  checkKlist(w, obj, name);
  if (zone.index === eventfdZone.index) checkEventfd(w, obj as EventfdPtr, name);
  else if (zone.index === pipeZone.index) checkPipe(w, obj as PipePtr, name);
}

function checkKlist(w: Walk, obj: number, name: string): void {
  const { k } = w;
  const list = chain(k, peek(k, Obj.klist, obj), Knote.klistNext, w.limit);
  w.same(list.length, peek(k, Obj.knotes, obj), () => `${name}: knotes on the klist`);
  let before = obj;
  for (const kn of list) {
    w.same(peek(k, Knote.obj, kn), obj, () => `${name}: object of knote ${kn} on its klist`);
    const cold = peek(k, Knote.cold, kn);
    if (!w.check(cold !== 0, () => `${name}: knote ${kn} has no cold line`)) break;
    w.same(peek(k, Kncold.klistPrev, cold), before, () => `${name}: klist link back of ${kn}`);
    before = kn;
  }
  w.klists.set(obj, new Set(list));
}

function checkEventfd(w: Walk, p: EventfdPtr, name: string): void {
  const { k } = w;
  const at = p + Eventfd.count.offset;
  const count = (BigInt((k.a[at + 1] as number) >>> 0) << 32n) | BigInt((k.a[at] as number) >>> 0);
  const rest = 2n ** 64n - 2n - count;
  w.check(rest >= 0n, () => `${name}: the counter is ${count}`);
  const view = (n: bigint): number => (n < BigInt(VIEW_DATA_MAX) ? Number(n) : VIEW_DATA_MAX);
  w.same(peek(k, Obj.readView, p), view(count), () => `${name}: read view`);
  w.same(peek(k, Obj.writeView, p), view(rest), () => `${name}: write view`);
  checkLane(w, p, count, name);
  const lock = objectLockOf(w, p);
  const readers = (p + Eventfd.readers.offset) as WaitqPtr;
  const writers = (p + Eventfd.writers.offset) as WaitqPtr;
  checkWaitq(w, readers, lock, count > 0n ? "a count" : null, `readers of ${name}`);
  // What a writer wants to add is not known here: with room for nothing it may sleep.
  checkWaitq(w, writers, lock, null, `writers of ${name}`);
}

/** A counter in the fast lane has its value there, nobody watches it, and nobody sleeps on it. */
function checkLane(w: Walk, p: EventfdPtr, count: bigint, name: string): void {
  const { k } = w;
  const lane = peek(k, Eventfd.lane, p);
  if (lane === LANE_SLOW) return;
  w.check(lane >= 0 && lane < LANE_SLOW, () => `${name}: lane ${lane}`);
  w.check(count === 0n, () => `${name}: a count of ${count} beside the fast lane`);
  w.same(peek(k, Obj.klist, p), 0, () => `${name}: a knote on a counter in the fast lane`);
  for (const field of [Eventfd.readers, Eventfd.writers]) {
    const head = peek(k, Waitq.head, p + field.offset);
    w.same(head, 0, () => `${name}: a sleeper on a counter in the fast lane`);
  }
}

function checkPipe(w: Walk, p: PipePtr, name: string): void {
  const { k } = w;
  const size = peek(k, Pipe.size, p);
  const count = peek(k, Pipe.count, p);
  const payload = peek(k, Pipe.payload, p);
  const records = peek(k, Pipe.records, p);
  const packet = peek(k, Pipe.packet, p) === 1;
  w.claimBuffer(peek(k, Pipe.buffer, p), bufferWords(size >> 2), name);
  w.check(count >= 0 && count <= size, () => `${name}: ${count} bytes in a ring of ${size}`);
  w.check(peek(k, Pipe.head, p) < size, () => `${name}: the ring's head is outside`);
  if (packet) checkRecords(w, p, name);
  else w.same(payload, count, () => `${name}: payload`);
  const closed = peek(k, Pipe.closed, p);
  const file = peek(k, Obj.file, p);
  const file2 = peek(k, Obj.file2, p);
  w.check(
    ((closed & PIPE_NO_READER) !== 0) === (file === 0),
    () => `${name}: closed ${closed}, reading file ${file}`,
  );
  w.check(file2 !== 0 || (closed & PIPE_NO_WRITER) !== 0, () => `${name}: no writer, no EOF`);
  const readable = payload === 0 && records > 0 ? 1 : payload;
  const free = packet ? Math.max(0, size - count - 4) : size - count;
  const noReader = (closed & PIPE_NO_READER) !== 0;
  const eof = (closed & PIPE_NO_WRITER) !== 0;
  w.same(peek(k, Obj.readView, p), viewOf(readable, eof), () => `${name}: read view`);
  w.same(
    peek(k, Obj.writeView, p),
    viewOf(noReader ? 0 : free, noReader),
    () => `${name}: write view`,
  );
  const lock = objectLockOf(w, p);
  const readWork = count > 0 ? `${count} bytes` : eof ? "the end" : null;
  const readers = (p + Pipe.readers.offset) as WaitqPtr;
  const writers = (p + Pipe.writers.offset) as WaitqPtr;
  checkWaitq(w, readers, lock, readWork, `readers of ${name}`);
  const writeWork = noReader ? "no reader" : count === 0 ? "an empty ring" : null;
  checkWaitq(w, writers, lock, writeWork, `writers of ${name}`);
}

function checkRecords(w: Walk, p: PipePtr, name: string): void {
  const { k } = w;
  const buffer = peek(k, Pipe.buffer, p);
  const size = peek(k, Pipe.size, p);
  const count = peek(k, Pipe.count, p);
  let at = peek(k, Pipe.head, p);
  let bytes = 0;
  let payload = 0;
  let records = 0;
  while (bytes < count) {
    const length = k.a[buffer + (at >> 2)] as number;
    if (!w.check(length >= 0 && length <= size, () => `${name}: a record of ${length} bytes`)) {
      return;
    }
    const whole = 4 + ((length + 3) & ~3);
    bytes += whole;
    payload += length;
    records++;
    at = (at + whole) % size;
  }
  w.same(bytes, count, () => `${name}: bytes in records`);
  w.same(payload, peek(k, Pipe.payload, p), () => `${name}: payload`);
  w.same(records, peek(k, Pipe.records, p), () => `${name}: records`);
}
