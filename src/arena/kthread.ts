// SPDX-License-Identifier: ISC
/**
 * One attached thread as its own JavaScript realm sees it: the views of the arena, the places of
 * its words in it, and the private state of calls in progress. Every kernel function takes it
 * first (`k`, BSD's `td`), so that any number of kernels can live in one process.
 *
 * Nothing here is shared. What other threads may see of a thread is its slot in the arena
 * (struct thread, kern/thread.ts).
 */
import { SPIN_REST_MIN, WAKES_DEFERRED_MAX } from "../limits.js";

/** A broken invariant: a defect of the kernel itself or of memory written behind its back. */
export class KernelPanic extends Error {
  override name = "KernelPanic";
}

/**
 * A recovery has to wait for a lock or a claim for longer than it may: its owner may have ended as
 * well, and who recovers is who would hear of that. The recovery is begun again later.
 */
export class RecoveryStuck extends Error {
  override name = "RecoveryStuck";
}

/** Assert an invariant. The message is a constant: building one costs more than the test. */
export function kassert(holds: boolean, message: string): void {
  if (!holds) throw new KernelPanic(message);
}

/** What the host gives a thread: clocks, and whether it may block. */
export interface ThreadHost {
  /** Monotonic nanoseconds on a scale that all threads of this host share. */
  monotonicNs(): number;
  /** How far `monotonicNs` may be from that scale in this thread, before or behind: measured. */
  readonly clockErrorNs: number;
  /** Nanoseconds since 1970 on the wall clock. */
  wallNs(): number;
  /** Processors that threads can really run on at once. */
  readonly processors: number;
  /** False on a browser's main thread, where Atomics.wait throws. */
  readonly canBlock: boolean;
  /** Number that the runtime knows this thread by, with which its end is reported; 0 for none. */
  readonly hostThread?: number;
}

/** Places of a thread's words; computed from struct thread when a thread attaches. */
export interface ThreadPlaces {
  /** The thread's slot. */
  readonly thread: number;
  /** First of the words that list the locks it holds. */
  readonly locks: number;
  /** First of the words that list slots popped from a zone and not linked yet. */
  readonly limbo: number;
  /** Word that only Atomics.wait sleeps on. */
  readonly syncWord: number;
  /** Word that only Atomics.waitAsync sleeps on. */
  readonly asyncWord: number;
  /** Head of the list of fired asynchronous wait records. */
  readonly fired: number;
  /** Word with the number of the call in progress, 0 outside of calls; phase and handles follow. */
  readonly call: number;
  /** Word that is 1 while the thread is counted among those that spin. */
  readonly spinning: number;
}

/** Work put off until the last lock is dropped. */
export const DEFER_WAKE = 1;
export const DEFER_NEST = 2;
export const DEFER_DROP = 4;
export const DEFER_FREE = 8;
export const DEFER_POKE = 16;
export const DEFER_ASK = 32;

export class Kthread {
  readonly a: Int32Array;
  readonly bytes: Uint8Array;
  readonly host: ThreadHost;
  /** host.canBlock, nearer. */
  readonly mayBlock: boolean;
  readonly thread: number;
  readonly locksAt: number;
  readonly limboAt: number;
  readonly syncWord: number;
  readonly asyncWord: number;
  readonly firedAt: number;
  readonly callAt: number;
  readonly spinningAt: number;
  /** Lock word value while this thread owns a lock: epoch and slot. */
  readonly owner: number;
  /** The thread has given its slot back: it is nobody now. */
  left = false;
  /** The thread's process. */
  proc = 0;
  /**
   * The queue that the last call named by number, and how to tell that the number names it yet: the
   * entry's word holds the file. -1 is no file.
   */
  seenFd = 0;
  seenEntry = 0;
  seenFile = -1;
  seenFileGeneration = 0;
  seenQueue = 0;
  seenGeneration = 0;
  /** The file that the last transfer by number was on; as above, -1 is no file. */
  ioFd = 0;
  ioEntry = 0;
  ioFile = -1;
  ioGeneration = 0;
  ioOps: object | null = null;
  /** What the layers above brought along for files (kern/file.ts). */
  upper: object | null = null;
  /** Locks held now; mirrors the list in the arena. */
  lockDepth = 0;
  /** Slots in limbo now; mirrors the list in the arena. */
  limboCount = 0;
  /** DEFER_* bits. */
  deferred = 0;
  /** Claimed waiters to wake after the last unlock: word to set, and whose. */
  readonly wakes = new Int32Array(WAKES_DEFERRED_MAX);
  wakeCount = 0;
  /** Monotonic time of the call in progress, -1 until it is asked for. */
  callNs = -1.5;
  /** Queue for whose larger hash there was no memory in this call. */
  hashDenied = 0;
  /** Queues whose readiness changed and that other queues watch. */
  readonly nestWork: number[] = [];
  /** Nested queues with a due timer, to be run after unlocking. */
  readonly pokes: number[] = [];
  /** Claimed knotes whose object is to be asked after unlocking: pairs of status bit and knote. */
  readonly asks: number[] = [];
  /** First of the knotes to detach after unlocking, linked by their ready links. */
  dropHead = 0;
  /** Files whose reference is to be dropped after unlocking. */
  readonly fileDrops: number[] = [];
  /** Named filters that a registration no longer uses, by number; dropped with the files. */
  readonly filterDrops: number[] = [];
  /** Slots to give back after unlocking: pairs of zone number and slot. */
  readonly slotFrees: number[] = [];
  /** Byte buffers to give back after unlocking: pairs of size in words and buffer. */
  readonly bufferFrees: number[] = [];
  /** Spin budget, adapted by what spinning brought (nanoseconds); 0 while the thread rests. */
  spinNs: number;
  /** Sleeps in a row that spinning did not spare. */
  spinMisses = 0;
  /**
   * Whether the thread acts for one that has ended, where it may not wait for long: who it waits
   * for may have ended too, and be heard of only by the thread that waits.
   */
  impatient = false;
  /** Short sleeps to rest until the next probe, and those since it began to rest. */
  spinRest = SPIN_REST_MIN;
  spinShort = 0;
  /** Offset that turns the host's monotonic clock into nanoseconds since the arena was booted. */
  readonly clockOffsetNs: number;
  /** How far this thread's clock may be behind that of all threads; it is never before it. */
  readonly clockSkewNs: number;
  readonly manualClock: boolean;
  /** Fault injection: fail the n-th allocation from now; 0 is off. Tests only. */
  failAllocation = 0;
  /** Wakes of this thread's that were a notify, and those that found their target awake. */
  notifies = 0;
  notifiesSpared = 0;
  /** Net wakes that found work although nobody had woken the thread (see design of the wait). */
  netHits = 0;

  constructor(
    buffer: SharedArrayBuffer,
    host: ThreadHost,
    places: ThreadPlaces,
    owner: number,
    options: { clockOffsetNs: number; manualClock: boolean; spinNs: number },
  ) {
    this.a = new Int32Array(buffer);
    this.bytes = new Uint8Array(buffer);
    this.host = host;
    this.mayBlock = host.canBlock;
    this.thread = places.thread;
    this.locksAt = places.locks;
    this.limboAt = places.limbo;
    this.syncWord = places.syncWord;
    this.asyncWord = places.asyncWord;
    this.firedAt = places.fired;
    this.callAt = places.call;
    this.spinningAt = places.spinning;
    this.owner = owner;
    this.clockOffsetNs = options.clockOffsetNs - host.clockErrorNs;
    this.clockSkewNs = options.manualClock ? 0 : 2 * host.clockErrorNs;
    this.manualClock = options.manualClock;
    this.spinNs = options.spinNs;
    this.callNs = -1;
  }
}
