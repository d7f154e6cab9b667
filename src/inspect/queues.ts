// SPDX-License-Identifier: ISC
/** Invariants of queues and their knotes. */
import {
  EV_CLEAR,
  EV_DISPATCH,
  EV_EOF,
  EV_ONESHOT,
  EVFILT_WRITE,
  NOTE_LOWAT,
} from "../abi/event.js";
import { hashBucket } from "../arena/hash.js";
import { mayArm } from "../event/drop.js";
import {
  OPS_BELL,
  OPS_EVENTFD_READ,
  OPS_EVENTFD_WRITE,
  OPS_KQUEUE_READ,
  OPS_NOP,
  OPS_NOP_FD,
  OPS_PIPE_READ,
  OPS_PIPE_WRITE,
  OPS_SILENT,
  OPS_SOURCE_NAMED,
  OPS_SOURCE_READ,
  OPS_SOURCE_WRITE,
  OPS_TIMER,
  OPS_USER,
} from "../event/filterops.js";
import { filterops } from "../event/filters.js";
import { FILTER_DESCRIPTOR, filterKind } from "../event/find.js";
import { Source } from "../event/source.js";
import {
  KN_ACTIVE,
  KN_ANSWERED,
  KN_ARMED,
  KN_DELIVERED,
  KN_DETACHED,
  KN_DISABLED,
  KN_QUEUED,
  KN_WIDE,
  Kncold,
  Knote,
  KQ_OPEN,
  Kqueue,
  type KqueuePtr,
  kncoldZone,
  knoteZone,
  kqClaimWaitq,
  kqWaitq,
} from "../event/structs.js";
import { heapBytesWords } from "../event/timer.js";
import { Fdentry, fdEntry, type TablePtr } from "../kern/fdtable.js";
import { File, FREAD, FT_BELL, FT_EVENTFD, FT_KQUEUE, FT_SOURCE, FWRITE } from "../kern/file.js";
import { Obj, VIEW_EOF } from "../kern/object.js";
import { PIPE_BUF_BYTES, TIMER_BACKUP_NS, VIEW_DATA_MAX } from "../limits.js";
import { Waitq } from "../sync/wait.js";
import { bufferWords } from "./memory.js";
import { chain, chainAt, peek, peekNumber } from "./peek.js";
import { checkWaitq, earliestLook } from "./waits.js";
import type { Walk } from "./walk.js";

/**
 * What the lock of an open queue guards, as it is whenever the lock is free, also in the middle of
 * calls: lists, counts, timers, and nobody asleep for whom there is work.
 */
export function checkQueueLists(w: Walk, kq: KqueuePtr, name: string): number[] {
  const { k } = w;
  const lock = kq + Kqueue.lock.offset;
  const knotes = checkHash(w, kq, name);
  for (const kn of knotes) {
    w.same(peek(k, Knote.kq, kn), kq, () => `${name}: queue of knote ${kn}`);
    checkStatus(w, kn, `${name}: knote ${kn}`);
  }
  checkReady(w, kq, knotes, name);
  checkHeap(w, kq, knotes, name);
  checkMagazines(w, kq, name);
  const fresh = peek(k, Kqueue.fresh, kq);
  checkWaitq(w, kqWaitq(kq), lock, fresh > 0 ? `${fresh} fresh events` : null, name);
  return knotes;
}

/** One open queue with everything in it. */
export function checkQueue(w: Walk, kq: KqueuePtr, name: string): void {
  const { k } = w;
  const lock = kq + Kqueue.lock.offset;
  w.unlocked(lock, () => `${name}: the queue lock`);
  w.same(peek(k, Kqueue.state, kq), KQ_OPEN, () => `${name}: state`);
  w.same(peek(k, Kqueue.dirty, kq), 0, () => `${name}: dirty`);
  const watched = peek(k, Obj.knotes, kq) > 0 ? 1 : 0;
  w.same(peek(k, Kqueue.watched, kq), watched, () => `${name}: watched`);
  const knotes = checkQueueLists(w, kq, name);
  for (const kn of knotes) checkKnote(w, kq, kn, `${name}: knote ${kn}`);
  const claimers = checkWaitq(w, kqClaimWaitq(kq), lock, null, `claims of ${name}`);
  w.same(claimers, 0, () => `${name}: threads that wait for a claim`);
}

function isSpread(ops: number): boolean {
  return filterops[ops]?.isDescriptor === false;
}

/** Every knote is in the bucket of its identifier, and no two are alike. */
function checkHash(w: Walk, kq: KqueuePtr, name: string): number[] {
  const { k } = w;
  const bits = peek(k, Kqueue.hashBits, kq);
  const buckets = peek(k, Kqueue.hash, kq);
  w.claimBuffer(buckets, bufferWords(2 ** bits), `hash of ${name}`);
  const knotes: number[] = [];
  const seen = new Set<string>();
  for (let i = 0; i < 2 ** bits; i++) {
    for (const kn of chain(k, k.a[buckets + i] as number, Knote.hashNext, w.limit)) {
      if (!w.claim(knoteZone, kn, `a registration of ${name}`)) break;
      const ident = peek(k, Knote.ident, kn);
      const filter = peek(k, Knote.filter, kn);
      const bucket = hashBucket(ident, filter, bits, isSpread(peek(k, Knote.ops, kn)));
      w.same(i, bucket, () => `${name}: bucket of knote ${kn}`);
      const cold = peek(k, Knote.cold, kn);
      const wide = (peek(k, Knote.status, kn) & KN_WIDE) !== 0;
      const high = wide ? peek(k, Kncold.identHi, cold) : 0;
      w.check(wide === (high !== 0), () => `${name}: knote ${kn} is wide without need`);
      const key = `${high}:${ident}:${filter}`;
      w.check(!seen.has(key), () => `${name}: two knotes for ${key}`);
      seen.add(key);
      knotes.push(kn);
    }
  }
  w.same(peek(k, Kqueue.knotes, kq), knotes.length, () => `${name}: number of knotes`);
  return knotes;
}

/** Queued if active and not disabled; delivered only while queued. */
function checkStatus(w: Walk, kn: number, name: string): void {
  const status = peek(w.k, Knote.status, kn);
  const has = (bits: number): boolean => (status & bits) !== 0;
  w.check(
    has(KN_QUEUED) === (has(KN_ACTIVE) && !has(KN_DISABLED)),
    () => `${name}: status ${status.toString(16)}`,
  );
  w.check(!has(KN_DELIVERED) || has(KN_QUEUED), () => `${name} was delivered, but is not queued`);
}

function checkKnote(w: Walk, kq: KqueuePtr, kn: number, name: string): void {
  const { k } = w;
  w.same(peek(k, Knote.claim, kn), 0, () => `${name}: claim`);
  const detached = (peek(k, Knote.status, kn) & KN_DETACHED) !== 0;
  w.check(!detached, () => `${name} is detached`);
  const cold = peek(k, Knote.cold, kn);
  if (cold !== 0 && w.claim(kncoldZone, cold, `cold line of ${name}`)) {
    w.same(peek(k, Kncold.knote, cold), kn, () => `${name}: knote of its cold line`);
    const ext = peek(k, Kncold.ext, cold);
    if (ext !== 0) w.claim(kncoldZone, ext, `ext values of ${name}`);
  }
  const ops = peek(k, Knote.ops, kn);
  if (ops === OPS_USER) w.userEvents++;
  if (ops === OPS_TIMER) w.timers++;
  const descriptor = filterKind(peek(k, Knote.filter, kn)) === FILTER_DESCRIPTOR;
  const shape = filterops[ops]?.isDescriptor === descriptor;
  w.check(shape, () => `${name}: operations ${ops} do not go with its filter`);
  const filter = peek(k, Knote.filter, kn);
  if (descriptor) checkDescriptorKnote(w, kq, kn, name);
  else if (filter > 0) checkNamedKnote(w, kn, filter, name);
  else w.same(peek(k, Knote.obj, kn), 0, () => `${name}: object`);
}

/** What klistFini has left: no object, no-op operations, and if it was told, an end to deliver. */
function checkOrphan(w: Walk, kn: number, name: string): void {
  const { k } = w;
  w.same(peek(k, Knote.obj, kn), 0, () => `${name}: object, though its source is gone`);
  w.same(peek(k, Knote.status, kn) & KN_ANSWERED, 0, () => `${name}: an answer of nobody`);
  const told = EV_EOF | EV_ONESHOT;
  const ended = (peek(k, Knote.flags, kn) & told) === told;
  const active = (peek(k, Knote.status, kn) & KN_ACTIVE) !== 0;
  w.check(!ended || active, () => `${name}: its source is gone, and nobody will hear of it`);
}

/** A knote of a named filter: on a source, or what is left of one. */
function checkNamedKnote(w: Walk, kn: number, filter: number, name: string): void {
  const { k } = w;
  const cold = peek(k, Knote.cold, kn);
  if (!w.check(cold !== 0, () => `${name} has no cold line`)) return;
  const file = peek(k, Kncold.file, cold);
  const obj = peek(k, File.object, file);
  w.referTo(file);
  w.namedFiles.add(file);
  w.named.set(filter, (w.named.get(filter) ?? 0) + 1);
  if (peek(k, Knote.ops, kn) === OPS_NOP) {
    checkOrphan(w, kn, name);
    return;
  }
  w.same(peek(k, Knote.ops, kn), OPS_SOURCE_NAMED, () => `${name}: operations`);
  w.same(peek(k, Knote.obj, kn), obj, () => `${name}: object of its file`);
  w.watching.set(kn, { obj, fd: -1 });
  if (levelMissed(w, kn)) w.problems.push(`${name}: its condition holds, but it is not queued`);
}

/** A knote on a descriptor: its file is what the number names, its object is the file's. */
function checkDescriptorKnote(w: Walk, kq: KqueuePtr, kn: number, name: string): void {
  const { k } = w;
  const cold = peek(k, Knote.cold, kn);
  if (!w.check(cold !== 0, () => `${name} has no cold line`)) return;
  const file = peek(k, Kncold.file, cold);
  w.referTo(file);
  if (peek(k, Knote.ops, kn) === OPS_NOP_FD) {
    checkOrphan(w, kn, name);
    return;
  }
  w.watching.set(kn, { obj: peek(k, Knote.obj, kn), fd: peek(k, Knote.ident, kn) });
  const table = peek(k, Kqueue.table, kq) as TablePtr;
  const entry = fdEntry(k, table, peek(k, Knote.ident, kn));
  const named = entry === 0 ? 0 : peek(k, Fdentry.file, entry);
  w.same(named, file, () => `${name}: file of its number`);
  const obj = peek(k, Knote.obj, kn);
  w.same(peek(k, File.object, file), obj, () => `${name}: object of its file`);
  const write = peek(k, Knote.filter, kn) === EVFILT_WRITE;
  const ops = operationsOf(peek(k, File.type, file), peek(k, File.flags, file), write);
  w.same(peek(k, Knote.ops, kn), ops, () => `${name}: operations`);
  if (levelMissed(w, kn)) w.problems.push(`${name}: its condition holds, but it is not queued`);
  if (peek(k, Knote.ops, kn) === OPS_KQUEUE_READ) checkNestedDue(w, kn, obj, name);
}

/** The operations that a filter has on a file of the type. */
function operationsOf(type: number, flags: number, write: boolean): number {
  switch (type) {
    case FT_KQUEUE:
      return OPS_KQUEUE_READ;
    case FT_BELL:
      return OPS_BELL;
    case FT_SOURCE:
      return write ? OPS_SOURCE_WRITE : OPS_SOURCE_READ;
    case FT_EVENTFD:
      return write ? OPS_EVENTFD_WRITE : OPS_EVENTFD_READ;
    default:
      if ((flags & (write ? FWRITE : FREAD)) === 0) return OPS_SILENT;
      return write ? OPS_PIPE_WRITE : OPS_PIPE_READ;
  }
}

/** Whether a level-triggered knote that is neither disabled nor queued has a true condition. */
function levelMissed(w: Walk, kn: number): boolean {
  const { k } = w;
  const flags = peek(k, Knote.flags, kn);
  const status = peek(k, Knote.status, kn);
  if ((flags & (EV_CLEAR | EV_DISPATCH | EV_ONESHOT)) !== 0) return false;
  if ((status & (KN_DISABLED | KN_QUEUED)) !== 0) return false;
  if ((peek(k, Knote.sfflags, kn) & NOTE_LOWAT) !== 0) return false;
  const obj = peek(k, Knote.obj, kn);
  switch (peek(k, Knote.ops, kn)) {
    case OPS_PIPE_READ:
      return viewReady(peek(k, Obj.readView, obj), 1);
    case OPS_PIPE_WRITE:
      return viewReady(peek(k, Obj.writeView, obj), PIPE_BUF_BYTES);
    case OPS_EVENTFD_READ:
      return viewReady(peek(k, Obj.readView, obj), 1);
    case OPS_EVENTFD_WRITE:
      return viewReady(peek(k, Obj.writeView, obj), 1);
    case OPS_KQUEUE_READ:
      return peek(k, Kqueue.count, obj) > 0;
    case OPS_SOURCE_READ:
    case OPS_SOURCE_NAMED:
      return sourceReady(k, obj, Obj.readView);
    case OPS_SOURCE_WRITE:
      return sourceReady(k, obj, Obj.writeView);
    default:
      return false;
  }
}

/** A source that was set and not notified is nobody's news yet. */
function sourceReady(k: Walk["k"], obj: number, view: typeof Obj.readView): boolean {
  return peek(k, Source.silent, obj) === 0 && peek(k, view, obj) !== 0;
}

function viewReady(view: number, least: number): boolean {
  return (view & VIEW_EOF) !== 0 || (view & VIEW_DATA_MAX) >= least;
}

/** A parent's knote stands in the parent's heap no later than the child's next timer is due. */
function checkNestedDue(w: Walk, kn: number, child: number, name: string): void {
  const { k } = w;
  if (peek(k, Kqueue.heapCount, child) === 0) return;
  const due = peekNumberAt(w, peek(k, Kqueue.heap, child));
  const armed = (peek(k, Knote.status, kn) & KN_ARMED) !== 0;
  const cold = peek(k, Knote.cold, kn);
  const stands = armed && peekNumber(k, Kncold.due, cold) <= due;
  w.check(stands, () => `${name}: the child's next timer is not in the heap`);
}

const TWO_32 = 4_294_967_296;

function peekNumberAt(w: Walk, at: number): number {
  return (w.k.a[at + 1] as number) * TWO_32 + ((w.k.a[at] as number) >>> 0);
}

/** The ready list: linked both ways, exactly the queued knotes, counts right. */
function checkReady(w: Walk, kq: KqueuePtr, knotes: number[], name: string): void {
  const { k } = w;
  const list = chain(k, peek(k, Kqueue.head, kq), Knote.readyNext, w.limit);
  let before = 0;
  let fresh = 0;
  for (const kn of list) {
    w.same(peek(k, Knote.readyPrev, kn), before, () => `${name}: ready link back of ${kn}`);
    if ((peek(k, Knote.status, kn) & KN_DELIVERED) === 0) fresh++;
    before = kn;
  }
  w.same(peek(k, Kqueue.tail, kq), before, () => `${name}: end of the ready list`);
  w.same(peek(k, Kqueue.count, kq), list.length, () => `${name}: count of the ready list`);
  w.same(peek(k, Kqueue.fresh, kq), fresh, () => `${name}: fresh events`);
  const listed = new Set(list);
  const queued = knotes.filter((kn) => (peek(k, Knote.status, kn) & KN_QUEUED) !== 0);
  w.same(listed.size, queued.length, () => `${name}: knotes on the ready list`);
  for (const kn of queued) w.check(listed.has(kn), () => `${name}: ${kn} is not on the ready list`);
}

/** The timer heap: the armed knotes, each at its index, parents due first; sleepers in time. */
function checkHeap(w: Walk, kq: KqueuePtr, knotes: number[], name: string): void {
  const { k } = w;
  const heap = peek(k, Kqueue.heap, kq);
  const count = peek(k, Kqueue.heapCount, kq);
  const size = peek(k, Kqueue.heapSize, kq);
  const wanted = knotes.filter((kn) => mayArm(peek(k, Knote.ops, kn))).length;
  w.same(peek(k, Kqueue.heapWanted, kq), wanted, () => `${name}: knotes that may be armed`);
  w.check(wanted <= size, () => `${name}: ${wanted} knotes for a heap of ${size} entries`);
  if (heap !== 0) w.claimBuffer(heap, bufferWords(heapBytesWords(size)), `timer heap of ${name}`);
  const armed = knotes.filter((kn) => (peek(k, Knote.status, kn) & KN_ARMED) !== 0);
  w.same(count, armed.length, () => `${name}: entries in the timer heap`);
  const own = new Set(knotes);
  const entry = heapBytesWords(1);
  for (let i = 0; i < count; i++) {
    const at = heap + i * entry;
    const kn = k.a[at + 2] as number;
    if (!w.check(own.has(kn), () => `${name}: heap entry ${i} is no knote of it`)) continue;
    const cold = peek(k, Knote.cold, kn);
    w.same(peek(k, Kncold.heapIndex, cold), i, () => `${name}: heap index of knote ${kn}`);
    w.check((peek(k, Knote.status, kn) & KN_ARMED) !== 0, () => `${name}: ${kn} is not armed`);
    const due = peekNumberAt(w, at);
    w.same(due, peekNumber(k, Kncold.due, cold), () => `${name}: due time of heap entry ${i}`);
    if (i === 0) continue;
    const parent = heap + ((i - 1) >> 2) * entry;
    w.check(peekNumberAt(w, parent) <= due, () => `${name}: heap entry ${i} before its parent`);
  }
  if (count > 0) checkSleepers(w, kq, peekNumberAt(w, heap), name);
}

/** If threads block on a queue that has a due time, one of them wakes in time, or is woken now. */
function checkSleepers(w: Walk, kq: KqueuePtr, due: number, name: string): void {
  const wq = kqWaitq(kq);
  const idle = peek(w.k, Waitq.head, wq) !== 0 && peek(w.k, Waitq.claimed, wq) === 0;
  const inTime = !idle || earliestLook(w, wq) <= due + TIMER_BACKUP_NS;
  w.check(inTime, () => `${name}: nobody who sleeps on it wakes for its next timer`);
}

/** Free knotes and cold lines that the queue keeps. */
function checkMagazines(w: Walk, kq: KqueuePtr, name: string): void {
  const { k } = w;
  const free = chainAt(k, peek(k, Kqueue.magazine, kq), knoteZone.linkAt, w.limit);
  w.same(peek(k, Kqueue.magazineCount, kq), free.length, () => `${name}: knotes in its magazine`);
  for (const kn of free) w.claim(knoteZone, kn, `in the magazine of ${name}`);
  const colds = chainAt(k, peek(k, Kqueue.coldMagazine, kq), kncoldZone.linkAt, w.limit);
  w.same(peek(k, Kqueue.coldCount, kq), colds.length, () => `${name}: its free cold lines`);
  for (const cold of colds) w.claim(kncoldZone, cold, `in the magazine of ${name}`);
}
