// SPDX-License-Identifier: ISC
/**
 * The arena invariant walk: everything that must be true of an arena in which no call is running.
 * Threads may be asleep in a wait. It starts at the threads and at the processes, follows every
 * pointer once, and compares counts, links both ways, and what lists are derived from; at the end
 * every word of memory has to be accounted for.
 *
 * It only reads, and reads without locks, so it can be run on an arena that is stuck.
 */
import { SUPER, Super } from "../arena/superblock.js";
import { Kqueue, kqueueZone } from "../event/structs.js";
import {
  FD_EMPTY,
  FD_OPEN,
  FDF_WATCHED,
  Fdentry,
  Fdtable,
  fdchunkZone,
  fdEntry,
  fdtableZone,
  type TablePtr,
} from "../kern/fdtable.js";
import { File, FT_NONE, FT_SOURCE, fileZone } from "../kern/file.js";
import { Obj } from "../kern/object.js";
import { PROC_RUNNING, Proc, procZone } from "../kern/process.js";
import { THREAD_FREE, THREAD_RUNNING, Thread } from "../kern/thread.js";
import { FD_CHUNK_ENTRIES, FD_CHUNKS_MAX, LIMBO_MAX, LOCKS_HELD_MAX } from "../limits.js";
import { REC_FREE, Waitrec, waitrecZone } from "../sync/wait.js";
import { checkMemory } from "./memory.js";
import { checkObject } from "./objects.js";
import { chain, type Inspected, peek, threadOf } from "./peek.js";
import { checkFilters } from "./sources.js";
import { Walk } from "./walk.js";

/**
 * Check all invariants of the arena that `of` is attached to. No thread may be in the middle of a
 * call, but threads may be asleep in one. Never sleeps, takes no lock.
 *
 * @returns what is wrong, one line each; empty if nothing is
 */
export function checkInvariants(of: Inspected): string[] {
  const w = new Walk(threadOf(of));
  checkOwnState(w);
  checkGlobals(w);
  checkRecords(w);
  const watched = checkProcess(w, peek(w.k, Super.init, SUPER));
  checkFiles(w);
  checkFilters(w);
  checkKlists(w);
  checkWatchedNumbers(w, watched);
  checkThreads(w);
  checkMemory(w);
  return w.problems;
}

/** The calling thread has put nothing off. */
function checkOwnState(w: Walk): void {
  const { k } = w;
  w.same(k.deferred, 0, () => "own deferred work");
  w.same(k.lockDepth, 0, () => "own locks");
  w.same(k.limboCount, 0, () => "own slots in limbo");
  w.same(k.wakeCount, 0, () => "own wakes not given");
  w.same(k.nestWork.length + k.pokes.length, 0, () => "own queues to be propagated or poked");
  w.same(k.dropHead, 0, () => "own knotes to be detached");
  w.same(k.asks.length + k.filterDrops.length, 0, () => "own questions and filters to be dropped");
  const frees = k.fileDrops.length + k.slotFrees.length + k.bufferFrees.length;
  w.same(frees, 0, () => "own files, slots and buffers to be given back");
}

function checkGlobals(w: Walk): void {
  for (const lock of [
    Super.memoryLock,
    Super.threadsLock,
    Super.nestLock,
    Super.clockLock,
    Super.filtersLock,
  ]) {
    w.unlocked(lock.at(SUPER), () => lock.name);
  }
  const end = peek(w.k, Super.arenaWords, SUPER);
  w.check(w.first <= w.brk && w.brk <= end, () => `brk is ${w.brk}, the arena ends at ${end}`);
}

function eachThread(w: Walk, look: (thread: number) => void): void {
  const table = peek(w.k, Super.threadTable, SUPER);
  for (let i = 0; i < peek(w.k, Super.threadsMax, SUPER); i++) {
    look(table + i * Thread.struct.words);
  }
}

/** Every thread slot that was in use has a wait record, also when it is free. */
function checkRecords(w: Walk): void {
  eachThread(w, (thread) => {
    const record = peek(w.k, Thread.record, thread);
    if (record !== 0) w.claim(waitrecZone, record, `the record of thread ${thread}`);
    for (const rec of chain(w.k, peek(w.k, Thread.records, thread), Waitrec.sibling, w.limit)) {
      w.claim(waitrecZone, rec, `an asynchronous record of thread ${thread}`);
    }
  });
}

function checkThreads(w: Walk): void {
  const { k } = w;
  let running = 0;
  eachThread(w, (thread) => {
    const state = peek(k, Thread.state, thread);
    const known = state === THREAD_RUNNING || state === THREAD_FREE;
    w.check(known, () => `thread ${thread}: state ${state}`);
    if (state === THREAD_RUNNING) running++;
    for (let i = 0; i < LOCKS_HELD_MAX; i++) {
      w.same(k.a[thread + Thread.locks.offset + i] as number, 0, () => `lock of thread ${thread}`);
    }
    for (let i = 0; i < LIMBO_MAX; i++) {
      w.same(k.a[thread + Thread.limbo.offset + i] as number, 0, () => `limbo of ${thread}`);
    }
    const record = peek(k, Thread.record, thread);
    if (record === 0) return;
    const recState = peek(k, Waitrec.state, record);
    const linked = recState !== REC_FREE;
    w.check(linked === w.parked.has(record), () => `record of ${thread} in state ${recState}`);
    if (!linked) w.same(peek(k, Thread.call, thread), 0, () => `call of thread ${thread}`);
  });
  w.same(peek(k, Super.threads, SUPER), running, () => "number of attached threads");
}

/** A process, its table, its queues and files. Returns the numbers that may have knotes. */
function checkProcess(w: Walk, proc: number): Set<number> {
  const { k } = w;
  if (!w.claim(procZone, proc, "process 1")) return new Set();
  w.unlocked(proc + Proc.lock.offset, () => "process 1");
  w.same(peek(k, Proc.state, proc), PROC_RUNNING, () => "state of process 1");
  const table = peek(k, Proc.table, proc) as TablePtr;
  w.claim(fdtableZone, table, "table of process 1");
  w.unlocked(table + Fdtable.lock.offset, () => "the table of process 1");
  const watched = checkTable(w, table);
  checkQueueList(w, table);
  return watched;
}

/** Counts that belong to the process and to the kernel; comes after all queues were walked. */
function checkCounts(w: Walk): void {
  const { k } = w;
  const proc = peek(k, Super.init, SUPER);
  w.same(peek(k, Proc.userEvents, proc), w.userEvents, () => "user events of process 1");
  w.same(peek(k, Super.timers, SUPER), w.timers, () => "timers of the kernel");
}

function checkTable(w: Walk, table: TablePtr): Set<number> {
  const { k } = w;
  const watched = new Set<number>();
  let open = 0;
  let lowestFree = FD_CHUNKS_MAX * FD_CHUNK_ENTRIES;
  for (let i = 0; i < FD_CHUNKS_MAX; i++) {
    const chunk = k.a[Fdtable.chunks.at(table) + i] as number;
    if (chunk !== 0) w.claim(fdchunkZone, chunk, `chunk ${i} of the table`);
  }
  for (let fd = 0; fd < FD_CHUNKS_MAX * FD_CHUNK_ENTRIES; fd++) {
    const entry = fdEntry(k, table, fd);
    const state = entry === 0 ? FD_EMPTY : peek(k, Fdentry.state, entry);
    if (state === FD_EMPTY) lowestFree = Math.min(lowestFree, fd);
    if (entry === 0) continue;
    const file = peek(k, Fdentry.file, entry);
    const known = state === FD_EMPTY || state === FD_OPEN;
    w.check(known, () => `descriptor ${fd}: state ${state}`);
    w.same(peek(k, Fdentry.lock, entry), Fdtable.lock.at(table), () => `descriptor ${fd}: lock`);
    w.check((state === FD_OPEN) === (file !== 0), () => `descriptor ${fd}: file ${file}`);
    const flags = peek(k, Fdentry.flags, entry);
    const stale = state === FD_EMPTY && (flags & ~FDF_WATCHED) !== 0;
    w.check(!stale, () => `descriptor ${fd}: flags ${flags}, though not open`);
    if (state !== FD_OPEN) continue;
    open++;
    w.referTo(file);
    if ((flags & FDF_WATCHED) !== 0) watched.add(fd);
  }
  w.same(peek(k, Fdtable.open, table), open, () => "open descriptors");
  const first = peek(k, Fdtable.firstFree, table);
  w.check(first <= lowestFree, () => `descriptor ${lowestFree} is free, below ${first}`);
  return watched;
}

/** The queues of the table are linked both ways, and know their table. */
function checkQueueList(w: Walk, table: TablePtr): void {
  const { k } = w;
  const list = chain(k, peek(k, Fdtable.queues, table), Kqueue.tableNext, w.limit);
  let before = 0;
  for (const kq of list) {
    w.same(peek(k, Kqueue.tablePrev, kq), before, () => `kqueue ${kq}: link back in its table`);
    w.same(peek(k, Kqueue.table, kq), table, () => `kqueue ${kq}: table`);
    w.same(peek(k, Kqueue.tableLock, kq), Fdtable.lock.at(table), () => `kqueue ${kq}: its lock`);
    before = kq;
  }
  for (const kq of list) w.queues.add(kq);
}

/** Files reached by numbers; with their objects come the knotes, which refer to files again. */
function checkFiles(w: Walk): void {
  const { k } = w;
  for (const file of [...w.fileRefs.keys()]) checkFile(w, file);
  // What named filters have registered needs no number.
  for (const file of w.namedFiles) if (!w.slots.has(file)) checkFile(w, file);
  for (const [file, refs] of w.fileRefs) {
    const count = peek(k, File.refs, file);
    w.check(w.slots.has(file), () => `file ${file} has knotes, but no number`);
    // Whoever sleeps in read or write holds the file too.
    const most = refs + w.parked.size;
    const right = count >= refs && count <= most;
    w.check(right, () => `file ${file}: ${count} references, ${refs} found`);
  }
  let queues = 0;
  for (const { zone } of w.slots.values()) if (zone.index === kqueueZone.index) queues++;
  w.same(w.queues.size, queues, () => "queues of the table");
  for (const kq of w.queues) w.check(w.slots.has(kq), () => `kqueue ${kq} has no descriptor`);
  checkCounts(w);
}

/** An open file and what it is open on. */
function checkFile(w: Walk, file: number): void {
  const { k } = w;
  if (!w.claim(fileZone, file, "an open file")) return;
  const type = peek(k, File.type, file);
  const obj = peek(k, File.object, file);
  if (type === FT_SOURCE && obj === 0) return;
  if (!w.check(type !== FT_NONE && obj !== 0, () => `file ${file} is open on nothing`)) return;
  checkObject(w, type, obj);
  const known = peek(k, Obj.file, obj) === file || peek(k, Obj.file2, obj) === file;
  w.check(known, () => `file ${file}: object ${obj} does not know it`);
}

/** A knote is on the klist of its object, and on no other. */
function checkKlists(w: Walk): void {
  let listed = 0;
  for (const list of w.klists.values()) listed += list.size;
  w.same(listed, w.watching.size, () => "knotes on klists");
  for (const [kn, { obj }] of w.watching) {
    w.check(w.klists.get(obj)?.has(kn) === true, () => `knote ${kn} is not on its klist`);
  }
}

/** Closing a number looks for knotes only if the number is marked. */
function checkWatchedNumbers(w: Walk, marked: Set<number>): void {
  for (const [kn, { fd }] of w.watching) {
    if (fd < 0) continue;
    w.check(marked.has(fd), () => `descriptor ${fd} has knote ${kn}, but is not marked`);
  }
}
