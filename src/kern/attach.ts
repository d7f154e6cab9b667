// SPDX-License-Identifier: ISC
/**
 * Making an arena, and joining one. A thread that joins has no identity yet, so it takes its slot
 * by compare-and-swap on the slot's state; with slot and epoch it can own locks, and the rest goes
 * under the threads lock.
 */
import { EAGAIN, EINVAL, ENOMEM } from "../abi/errno.js";
import { heapMapWords } from "../arena/heap.js";
import { KernelPanic, Kthread, type ThreadHost } from "../arena/kthread.js";
import { layoutHash, NIL } from "../arena/layout.js";
import { ARENA_VERSION, MAGIC, SUPER, Super } from "../arena/superblock.js";
import { ZONE_COUNT, zoneInit, zones } from "../arena/zone.js";
import { LINE_WORDS, SPIN_NS_MAX, THREADS_MAX } from "../limits.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_THREADS } from "../sync/order.js";
import { REC_FREE, Waitrec, waitrecZone } from "../sync/wait.js";
import { published, zalloc } from "./alloc.js";
import { processJoin, processLeave } from "./exit.js";
import { Fdtable, fdtableZone } from "./fdtable.js";
import { PROC_RUNNING, Proc, type ProcPtr, procZone } from "./process.js";
import {
  ownerWord,
  THREAD_EMBRYO,
  THREAD_FREE,
  THREAD_RUNNING,
  Thread,
  type ThreadPtr,
} from "./thread.js";

/** What a kernel is booted with; all numbers checked by the caller. */
export interface BootShape {
  readonly arenaBytes: number;
  readonly threads: number;
  readonly descriptors: number;
  readonly userEvents: number;
  readonly timers: number;
  readonly profile: number;
  readonly manualClock: boolean;
  readonly spin: boolean;
  /** Wall clock a manual clock starts with (ns since 1970). */
  readonly wallNs: number;
  readonly id: number;
}

const TWO_32 = 4_294_967_296;

/** Where the heap map starts: behind superblock, zone heads and thread table. */
function heapMapPlace(threads: number): number {
  return SUPER + Super.struct.words + ZONE_COUNT * LINE_WORDS + threads * Thread.struct.words;
}

/** Words before the first chunk. */
export function fixedWords(threads: number, arenaWords: number): number {
  return heapMapPlace(threads) + heapMapWords(arenaWords);
}

/** A new arena with process 1; returns its first thread, or -ENOMEM / -EINVAL. */
export function arenaBoot(shape: BootShape, host: ThreadHost): Kthread | number {
  const fixed = fixedWords(shape.threads, shape.arenaBytes / 4);
  if (fixed * 4 >= shape.arenaBytes) return -EINVAL;
  const buffer = new SharedArrayBuffer(shape.arenaBytes);
  const a = new Int32Array(buffer);
  const zoneTable = SUPER + Super.struct.words;
  const threadTable = zoneTable + ZONE_COUNT * LINE_WORDS;
  // Nobody else has the buffer yet: plain stores before there is a thread to hold a lock.
  const put = (field: { at(p: typeof SUPER): number }, value: number): void => {
    a[field.at(SUPER)] = value;
  };
  put(Super.version, ARENA_VERSION);
  put(Super.layout, layoutHash());
  put(Super.arenaWords, a.length);
  put(Super.id, shape.id);
  put(Super.profile, shape.profile);
  put(Super.manual, shape.manualClock ? 1 : 0);
  put(Super.spin, shape.spin ? 1 : 0);
  put(Super.userEventsMax, shape.userEvents);
  put(Super.timersMax, shape.timers);
  put(Super.threadsMax, shape.threads);
  put(Super.descriptorsMax, shape.descriptors);
  put(Super.zoneTable, zoneTable);
  put(Super.threadTable, threadTable);
  put(Super.heapMap, heapMapPlace(shape.threads));
  put(Super.brk, fixed);
  const boot = Math.floor(host.monotonicNs() - host.clockErrorNs);
  a[Super.bootMono.at(SUPER)] = boot | 0;
  a[Super.bootMono.at(SUPER) + 1] = Math.floor(boot / TWO_32) | 0;
  // A manual wall clock starts on a whole millisecond, which a number holds exactly.
  const wall = BigInt(Math.round(shape.wallNs / 1e6)) * 1_000_000n;
  put(Super.wallLo, Number(BigInt.asIntN(32, wall)));
  put(Super.wallHi, Number(wall >> 32n));
  put(Super.magic, MAGIC);
  const k = slotTake(buffer, host);
  if (typeof k === "number") return k;
  for (const zone of zones) zoneInit(k, zone, 0);
  const proc = processOne(k, shape.descriptors);
  if (proc === 0) return -ENOMEM;
  const joined = slotJoin(k, proc);
  return joined < 0 ? joined : k;
}

/** Process 1 and its table; NIL when the arena is too small. */
function processOne(k: Kthread, descriptors: number): ProcPtr {
  const proc = zalloc(k, procZone);
  const table = zalloc(k, fdtableZone);
  if (proc === 0 || table === 0) return NIL;
  k.a.fill(0, proc, proc + Proc.struct.words);
  k.a.fill(0, table, table + Fdtable.struct.words);
  Fdtable.limit.set(k, table, descriptors);
  Proc.table.set(k, proc, table);
  Proc.pid.set(k, proc, 1);
  Proc.state.set(k, proc, PROC_RUNNING);
  Super.init.set(k, SUPER, proc);
  published(k, table);
  published(k, proc);
  return proc;
}

/**
 * Whether a buffer is an arena of this version: what it says of itself agrees, so that no number in
 * it leads outside of it. 0, or -EINVAL.
 */
export function arenaCheck(buffer: SharedArrayBuffer): number {
  if (buffer.byteLength < (SUPER + Super.struct.words) * 4) return -EINVAL;
  if ((buffer as { readonly growable?: boolean }).growable === true) return -EINVAL;
  const a = new Int32Array(buffer, 0, SUPER + Super.struct.words);
  const is = (field: { at(p: typeof SUPER): number }, value: number): boolean =>
    a[field.at(SUPER)] === value;
  const ours =
    is(Super.magic, MAGIC) &&
    is(Super.version, ARENA_VERSION) &&
    is(Super.layout, layoutHash()) &&
    is(Super.arenaWords, buffer.byteLength / 4);
  return ours && tablesFit(a, buffer.byteLength / 4) ? 0 : -EINVAL;
}

/** Whether the fixed tables stand where they must, and process 1 behind them. */
function tablesFit(a: Int32Array, words: number): boolean {
  const at = (field: { at(p: typeof SUPER): number }): number => a[field.at(SUPER)] as number;
  const zoneTable = SUPER + Super.struct.words;
  const threads = at(Super.threadsMax);
  if (threads < 1 || threads > THREADS_MAX) return false;
  const fixed = fixedWords(threads, words);
  if (fixed >= words || at(Super.heapMap) !== heapMapPlace(threads)) return false;
  if (at(Super.zoneTable) !== zoneTable) return false;
  if (at(Super.threadTable) !== zoneTable + ZONE_COUNT * LINE_WORDS) return false;
  const init = at(Super.init);
  const inside = init >= fixed && init + Proc.struct.words <= words;
  return inside && init % LINE_WORDS === 0;
}

/** Whether two buffers are the same memory, and not one a copy of the other. */
export function arenaSame(k: Kthread, buffer: SharedArrayBuffer): boolean {
  const other = { a: new Int32Array(buffer) } as Kthread;
  const before = Super.probe.load(other, SUPER);
  Super.probe.fetchAdd(k, SUPER, 1);
  return Super.probe.load(other, SUPER) !== before;
}

/** Join process 1 of an arena. Returns the thread, -EINVAL, -EAGAIN (no slot) or -ENOMEM. */
export function arenaAttach(buffer: SharedArrayBuffer, host: ThreadHost): Kthread | number {
  const bad = arenaCheck(buffer);
  if (bad !== 0) return bad;
  const k = slotTake(buffer, host);
  if (typeof k === "number") return k;
  const joined = slotJoin(k, k.a[Super.init.at(SUPER)] as ProcPtr);
  return joined < 0 ? joined : k;
}

/** A thread's identity: a slot, and an epoch that no lock word has had before. */
function slotTake(buffer: SharedArrayBuffer, host: ThreadHost): Kthread | number {
  const a = new Int32Array(buffer);
  const view = { a } as Kthread;
  const threads = a[Super.threadsMax.at(SUPER)] as number;
  const table = a[Super.threadTable.at(SUPER)] as number;
  for (let number = 1; number <= threads; number++) {
    const thread = (table + (number - 1) * Thread.struct.words) as ThreadPtr;
    if (Thread.state.cas(view, thread, THREAD_FREE, THREAD_EMBRYO) !== THREAD_FREE) continue;
    const epoch = ((a[Thread.epoch.at(thread)] as number) + 1) | 0;
    a[Thread.epoch.at(thread)] = epoch;
    a[Thread.worker.at(thread)] = host.hostThread ?? 0;
    // Not later: the end of the warden that the thread before had would be taken for this one's.
    a[Thread.adopted.at(thread)] = 0;
    a[Thread.reaper.at(thread)] = 0;
    return new Kthread(buffer, host, placesOf(thread), ownerWord(number, epoch), {
      clockOffsetNs: -bootMono(a),
      manualClock: a[Super.manual.at(SUPER)] === 1,
      spinNs: SPIN_NS_MAX,
    });
  }
  return -EAGAIN;
}

/**
 * A thread that has ended, to act in its name: whoever recovers it does with its identity what it
 * would have done itself. Nobody else uses that identity any more.
 */
export function slotSeize(buffer: SharedArrayBuffer, host: ThreadHost, number: number): Kthread {
  const a = new Int32Array(buffer);
  const table = a[Super.threadTable.at(SUPER)] as number;
  const thread = (table + (number - 1) * Thread.struct.words) as ThreadPtr;
  const owner = ownerWord(number, a[Thread.epoch.at(thread)] as number);
  const k = new Kthread(buffer, host, placesOf(thread), owner, {
    clockOffsetNs: -bootMono(a),
    manualClock: a[Super.manual.at(SUPER)] === 1,
    spinNs: SPIN_NS_MAX,
  });
  const proc = a[Thread.process.at(thread)] as number;
  k.proc = proc !== 0 ? proc : (a[Super.init.at(SUPER)] as number);
  return k;
}

function bootMono(a: Int32Array): number {
  const at = Super.bootMono.at(SUPER);
  return (a[at + 1] as number) * TWO_32 + ((a[at] as number) >>> 0);
}

function placesOf(thread: ThreadPtr): ConstructorParameters<typeof Kthread>[2] {
  return {
    thread,
    locks: Thread.locks.at(thread),
    limbo: Thread.limbo.at(thread),
    syncWord: Thread.syncWord.at(thread),
    asyncWord: Thread.asyncWord.at(thread),
    fired: Thread.fired.at(thread),
    call: Thread.call.at(thread),
    spinning: Thread.spinning.at(thread),
  };
}

const PROCESS = Thread.process.offset;
const COUNTED = Thread.counted.offset;

/** Make the thread one of a process. On failure its slot is free again. */
function slotJoin(k: Kthread, proc: ProcPtr): number {
  const thread = k.thread as ThreadPtr;
  k.proc = proc;
  let record = k.a[Thread.record.at(thread)] as ReturnType<typeof Thread.record.get>;
  if (record === 0) {
    record = zalloc(k, waitrecZone);
    if (record === 0) {
      Thread.state.store(k, thread, THREAD_FREE);
      return -ENOMEM;
    }
    k.a.fill(0, record, record + Waitrec.struct.words);
    Waitrec.thread.set(k, record, thread);
    Waitrec.wakeWord.set(k, record, k.syncWord);
    Waitrec.firedAt.set(k, record, k.firedAt);
    Waitrec.state.set(k, record, REC_FREE);
    Thread.record.set(k, thread, record);
    published(k, record);
  }
  processJoin(k);
  // The end of processJoin's run: a thread that has a process is counted in it.
  k.a[thread + PROCESS] = proc;
  const lock = Super.threadsLock.at(SUPER);
  mutexLock(k, lock, RANK_THREADS);
  const serial = Super.threadSerial.add(k, SUPER, 1);
  Thread.serial.set(k, thread, serial);
  Thread.adopted.set(k, thread, 0);
  Thread.records.set(k, thread, NIL);
  Thread.fired.store(k, thread, 0);
  Super.threads.fetchAdd(k, SUPER, 1);
  k.a[thread + COUNTED] = 1;
  Thread.state.store(k, thread, THREAD_RUNNING);
  mutexUnlock(k, lock);
  return 0;
}

/**
 * An identity for a moment, to take locks with: it is no attached thread, and is not counted as
 * one. -EAGAIN if all slots are taken.
 */
export function slotBorrow(buffer: SharedArrayBuffer, host: ThreadHost): Kthread | number {
  const k = slotTake(buffer, host);
  if (typeof k !== "number") k.proc = k.a[Super.init.at(SUPER)] as number;
  return k;
}

/** Give a borrowed identity back. */
export function slotReturn(k: Kthread): void {
  if (k.lockDepth !== 0 || k.limboCount !== 0) throw new KernelPanic("a slot is returned locked");
  Thread.state.store(k, k.thread as ThreadPtr, THREAD_FREE);
}

/** Give the slot back. The thread holds nothing and makes no further call. */
export function slotLeave(k: Kthread): void {
  if (k.lockDepth !== 0 || k.limboCount !== 0) throw new KernelPanic("a thread leaves with locks");
  slotFree(k, k.thread as ThreadPtr);
  k.left = true;
}

/** Free the slot of a thread that has ended. With the last thread of it, its process ends. */
export function slotFree(k: Kthread, thread: ThreadPtr): void {
  processLeave(k);
  const lock = Super.threadsLock.at(SUPER);
  mutexLock(k, lock, RANK_THREADS);
  if (k.a[thread + COUNTED] === 1) {
    Super.threads.fetchAdd(k, SUPER, -1);
    k.a[thread + COUNTED] = 0;
  }
  mutexUnlock(k, lock);
  // Last: from now on somebody else may take the slot, and this thread is nobody.
  Thread.state.store(k, thread, THREAD_FREE);
}
