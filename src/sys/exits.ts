// SPDX-License-Identifier: ISC
/**
 * The end of a thread. Whoever hears that a worker ended (the warden, or the thread that adopted
 * it) reaps what it left behind: in the dead thread's own name, since nobody else uses that
 * identity any more, it takes its wait records off the queues and passes their wakes on, closes the
 * descriptors that its handles owned, tells who watches for exits, and gives its slot back.
 *
 * Nothing is taken from a thread before its end is confirmed. Then its state becomes DEAD, and
 * `reaper` names the host thread that recovers it, so that only one does. If that one has to give
 * up, or ends itself, somebody begins again where it was: all of it is in the dead thread's record.
 */
import type { Kthread, ThreadHost } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { deferredRun } from "../event/defer.js";
import { exitsPost } from "../fd/channel.js";
import { sourcesEnd } from "../fd/source.js";
import { slotFree, slotReturn } from "../kern/attach.js";
import { fdClose } from "../kern/descrip.js";
import { curtable, FD_OPEN, Fdentry, Fdtable, fdEntry, fdOwnerLocked } from "../kern/fdtable.js";
import {
  callEnter,
  callLeave,
  THREAD_DEAD,
  THREAD_DYING,
  THREAD_FREE,
  THREAD_RUNNING,
  Thread,
  type ThreadPtr,
} from "../kern/thread.js";
import { FD_CHUNK_ENTRIES, FD_CHUNKS_MAX } from "../limits.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_TABLE, RANK_THREADS } from "../sync/order.js";
import { waitTakeFired } from "../sync/wait.js";
import { recordsFree } from "./async.js";
import { SYS } from "./calls.js";
import { slotNumber } from "./handle.js";
import { kernelBorrow, kernelSeize } from "./kernel.js";
import { recover } from "./recover.js";

/** How a worker ended. */
export interface Ending {
  /** Number that the runtime knows its thread by. */
  readonly hostThread: number;
  /** Number and name that it was given when it was spawned or adopted. */
  readonly worker: number;
  readonly name: string;
  code: number;
  /** What it threw, as text; empty if it did not. */
  error: string;
  /** Number of its thread in the kernel, once that is reaped. */
  thread?: number;
  /** Numbers of threads that ended with it. */
  readonly relatives: number[];
  /** Only a thread that was attached is told of. */
  readonly attachedOnly?: boolean;
}

/** What a watcher of exits reads. `thread` is 0 if the worker was not attached. */
export interface ExitRecord {
  readonly thread: number;
  readonly worker: number;
  readonly name: string;
  readonly code: number;
  readonly error: string;
}

const FIXED_WORDS = 4;
/** Longest error text in a record: a stack's first lines. */
const TEXT_MAX = 2000;

/** [thread, worker, code, length of the name in bytes] in native order, the name, the error. */
function recordBytes(record: ExitRecord): Uint8Array {
  const encoder = new TextEncoder();
  const name = encoder.encode(record.name.slice(0, TEXT_MAX));
  const error = encoder.encode(record.error.slice(0, TEXT_MAX));
  const bytes = new Uint8Array(FIXED_WORDS * 4 + name.length + error.length);
  const words = [record.thread, record.worker, record.code, name.length];
  new Int32Array(bytes.buffer, 0, FIXED_WORDS).set(words);
  bytes.set(name, FIXED_WORDS * 4);
  bytes.set(error, FIXED_WORDS * 4 + name.length);
  return bytes;
}

/** Read a record that `recordBytes` made. */
export function exitRecord(bytes: Uint8Array): ExitRecord {
  const copy = bytes.slice();
  const words = new Int32Array(copy.buffer, 0, FIXED_WORDS);
  const [thread = 0, worker = 0, code = 0, nameLength = 0] = words;
  const decoder = new TextDecoder();
  const text = copy.subarray(FIXED_WORDS * 4);
  const name = decoder.decode(text.subarray(0, nameLength));
  return { thread, worker, code, name, error: decoder.decode(text.subarray(nameLength)) };
}

/** Note by which number the runtime knows the calling thread, and who hears of its end. */
export function threadIntroduce(k: Kthread, hostThread: number, warden: number): void {
  const lock = Super.threadsLock.at(SUPER);
  const thread = k.thread as ThreadPtr;
  callEnter(k, SYS.attach);
  mutexLock(k, lock, RANK_THREADS);
  Thread.worker.set(k, thread, hostThread);
  Thread.adopted.set(k, thread, warden);
  mutexUnlock(k, lock);
  callLeave(k);
}

/** A number for a worker, unique in the kernel; numbers start at 1. */
export function workerNumber(k: Kthread): number {
  return Super.workers.fetchAdd(k, SUPER, 1) + 1;
}

/** Recoveries of this realm: how many threads, how many with a lock, and how many by rank. */
export const recoveries = { threads: 0, locked: 0, ranks: new Array<number>(16).fill(0) };

/**
 * A worker has ended: reap the threads that it was attached as, and then tell who watches. False
 * if that could not be told yet, because the thread table is full: call it again later, with the
 * same object.
 *
 * @throws {RecoveryStuck} if something is held by a thread that may have ended too: as with false
 */
export function workerEnded(buffer: SharedArrayBuffer, host: ThreadHost, ending: Ending): boolean {
  if (!workerRelease(buffer, host, ending)) return false;
  if (ending.attachedOnly === true && ending.thread === undefined) return true;
  return tell(buffer, host, ending);
}

/** The first half of workerEnded: reap, and tell nobody. */
export function workerRelease(
  buffer: SharedArrayBuffer,
  host: ThreadHost,
  ending: Ending,
): boolean {
  const view = { a: new Int32Array(buffer) } as Kthread;
  reaperEnded(view, ending.hostThread);
  for (const number of slotsWhere(view, Thread.worker, ending.hostThread)) {
    const dead = claim(view, buffer, host, number);
    if (dead === null) return false;
    ending.thread ??= serialOf(dead);
    reap(dead);
    familyEnded(view, buffer, host, number, ending.relatives);
  }
  return true;
}

/** Whether a worker whose end no warden hears of is attached, or was and is not reaped yet. */
export function workerAttached(buffer: SharedArrayBuffer, hostThread: number): boolean {
  const view = { a: new Int32Array(buffer) } as Kthread;
  const slots = slotsWhere(view, Thread.worker, hostThread);
  return slots.some((number) => view.a[Thread.adopted.at(placeOf(view, number))] === 0);
}

/** Whom the ended thread was recovering, somebody else may recover now. */
function reaperEnded(view: Kthread, hostThread: number): void {
  for (const number of slotsWhere(view, Thread.reaper, hostThread + 1)) {
    Thread.reaper.cas(view, placeOf(view, number), hostThread + 1, 0);
  }
}

/** Post the records; false if the thread table is full. */
function tell(buffer: SharedArrayBuffer, host: ThreadHost, ending: Ending): boolean {
  // Not in the dead thread's name: when a watcher hears of the end, the slot is free already.
  const k = kernelBorrow(buffer, host);
  if (typeof k === "number") return false;
  post(k, { ...ending, thread: ending.thread ?? 0 });
  const error = "the thread that kept its warden ended";
  for (const thread of ending.relatives) {
    post(k, { worker: 0, name: "", code: 1, error, thread });
  }
  slotReturn(k);
  return true;
}

function serialOf(k: Kthread): number {
  return k.a[Thread.serial.at(k.thread as ThreadPtr)] as number;
}

/** Slots in use whose field has a value. */
function slotsWhere(view: Kthread, field: { at(p: ThreadPtr): number }, value: number): number[] {
  const found: number[] = [];
  if (value === 0) return found;
  const count = view.a[Super.threadsMax.at(SUPER)] as number;
  for (let number = 1; number <= count; number++) {
    const thread = placeOf(view, number);
    const state = Thread.state.load(view, thread);
    if (state === THREAD_FREE) continue;
    if (view.a[field.at(thread)] === value) found.push(number);
  }
  return found;
}

function placeOf(view: Kthread, number: number): ThreadPtr {
  const table = view.a[Super.threadTable.at(SUPER)] as number;
  return (table + (number - 1) * Thread.struct.words) as ThreadPtr;
}

/** Ask for a thread's end: from now on it is DYING, but nothing is taken from it. */
export function workerDying(buffer: SharedArrayBuffer, hostThread: number): void {
  const view = { a: new Int32Array(buffer) } as Kthread;
  for (const number of slotsWhere(view, Thread.worker, hostThread)) {
    Thread.state.cas(view, placeOf(view, number), THREAD_RUNNING, THREAD_DYING);
  }
}

/** Make a thread DEAD and take over its identity; null while somebody else has it. */
function claim(
  view: Kthread,
  buffer: SharedArrayBuffer,
  host: ThreadHost,
  number: number,
): Kthread | null {
  const thread = placeOf(view, number);
  const me = (host.hostThread ?? 0) + 1;
  const before = Thread.reaper.cas(view, thread, 0, me);
  if (before !== 0 && before !== me) return null;
  Thread.state.store(view, thread, THREAD_DEAD);
  return kernelSeize(buffer, host, number);
}

/** A thread that kept the warden is gone, and with it the warden and all its workers. */
function familyEnded(
  view: Kthread,
  buffer: SharedArrayBuffer,
  host: ThreadHost,
  warden: number,
  relatives: number[],
): void {
  if (Super.warden.cas(view, SUPER, warden, 0) !== warden) return;
  for (const number of slotsWhere(view, Thread.adopted, warden)) {
    // If somebody was recovering it, that was the warden, which has ended.
    Thread.reaper.store(view, placeOf(view, number), 0);
    const dead = claim(view, buffer, host, number);
    if (dead === null) continue;
    relatives.push(serialOf(dead));
    reap(dead);
  }
}

function post(k: Kthread, record: ExitRecord): void {
  const bytes = recordBytes(record);
  exitsPost(k, bytes, bytes.length);
  if (k.deferred !== 0) deferredRun(k);
}

/** Clean up after a thread, in its name. Can be begun again at any point. */
function reap(dead: Kthread): void {
  const thread = dead.thread as ThreadPtr;
  dead.impatient = true;
  const ranks = recover(dead, false);
  recoveries.threads++;
  if (ranks.length > 0) recoveries.locked++;
  for (const rank of ranks) recoveries.ranks[rank] = (recoveries.ranks[rank] ?? 0) + 1;
  waitTakeFired(dead);
  recordsFree(dead);
  sourcesEnd(dead, dead.owner);
  closeOwned(dead);
  slotFree(dead, thread);
}

/** Close the descriptors that handles of the dead thread owned. */
function closeOwned(dead: Kthread): void {
  const table = curtable(dead);
  const owner = slotNumber(dead);
  const owned: number[] = [];
  mutexLock(dead, Fdtable.lock.at(table), RANK_TABLE);
  for (let fd = 0; fd < FD_CHUNKS_MAX * FD_CHUNK_ENTRIES; fd++) {
    const entry = fdEntry(dead, table, fd);
    if (entry === NIL) fd += FD_CHUNK_ENTRIES - 1;
    else if (Fdentry.state.get(dead, entry) === FD_OPEN && fdOwnerLocked(dead, entry) === owner) {
      owned.push(fd);
    }
  }
  mutexUnlock(dead, Fdtable.lock.at(table));
  for (const fd of owned) {
    fdClose(dead, fd);
    if (dead.deferred !== 0) deferredRun(dead);
  }
}

/** Slot of the thread that keeps the kernel's warden, 0 if there is none. */
export function wardenKeeper(k: Kthread): number {
  return Super.warden.load(k, SUPER);
}

/** Become the keeper of the warden, if not so already; false if another thread is. */
export function wardenKeep(k: Kthread): boolean {
  const slot = slotNumber(k);
  const before = Super.warden.cas(k, SUPER, 0, slot);
  return before === 0 || before === slot;
}

/** Stop being its keeper. */
export function wardenLeave(k: Kthread): void {
  Super.warden.cas(k, SUPER, slotNumber(k), 0);
}
