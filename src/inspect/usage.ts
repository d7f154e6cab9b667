// SPDX-License-Identifier: ISC
/**
 * What a kernel uses at the moment, and who sleeps in it. Reads without locks: on a busy kernel
 * the numbers are those of slightly different moments.
 */

import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { Zone, type ZoneDef } from "../arena/zone.js";
import { kfilterZone } from "../event/registry.js";
import { sourceZone } from "../event/source.js";
import { Kqueue, type KqueuePtr, kqueueZone, kqWaitq } from "../event/structs.js";
import { bellZone } from "../fd/bell.js";
import { Eventfd, eventfdZone } from "../fd/eventfd.js";
import { Pipe, pipeZone } from "../fd/pipe-ring.js";
import { Fdtable, fdHint } from "../kern/fdtable.js";
import { File, FT_CHANNEL, FT_EVENTFD, FT_KQUEUE, FT_PIPE, fileZone } from "../kern/file.js";
import { Proc } from "../kern/process.js";
import { LINE_WORDS } from "../limits.js";
import { REC_ARMED, type WaitqPtr, Waitrec } from "../sync/wait.js";
import { chain, type Inspected, peek, threadOf, waitRecords } from "./peek.js";

/** Counts of what exists now. */
export interface Usage {
  /** Attached threads. */
  readonly threads: number;
  /** Open descriptor numbers of the process. */
  readonly descriptors: number;
  /** Open files; several numbers can name one. */
  readonly files: number;
  readonly queues: number;
  /** Registrations in all queues. */
  readonly knotes: number;
  /** Of these, EVFILT_USER and EVFILT_TIMER. */
  readonly userEvents: number;
  readonly timers: number;
  readonly eventfds: number;
  readonly pipes: number;
  readonly bells: number;
  readonly sources: number;
  /** Named filters, those that only their registrations keep included. */
  readonly filters: number;
  /** Bytes in pipe rings, hash tables and timer heaps. */
  readonly bufferBytes: number;
  /** Bytes of the arena that were ever used, and all of it. */
  readonly touchedBytes: number;
  readonly arenaBytes: number;
}

const BYTES = 4;

/**
 * Count what the kernel has allocated.
 *
 * @param of a kernel, or a thread of it
 */
export function usage(of: Inspected): Usage {
  const k = threadOf(of);
  const proc = peek(k, Super.init, SUPER);
  const table = peek(k, Proc.table, proc);
  let knotes = 0;
  for (const kq of chain(k, peek(k, Fdtable.queues, table), Kqueue.tableNext, slotLimit(k))) {
    knotes += peek(k, Kqueue.knotes, kq);
  }
  return {
    threads: peek(k, Super.threads, SUPER),
    descriptors: peek(k, Fdtable.open, table),
    files: liveSlots(k, fileZone),
    queues: liveSlots(k, kqueueZone),
    knotes,
    userEvents: peek(k, Proc.userEvents, proc),
    timers: peek(k, Super.timers, SUPER),
    eventfds: liveSlots(k, eventfdZone),
    pipes: liveSlots(k, pipeZone),
    bells: liveSlots(k, bellZone),
    sources: liveSlots(k, sourceZone),
    filters: liveSlots(k, kfilterZone),
    bufferBytes: peek(k, Super.heapLive, SUPER) * BYTES,
    touchedBytes: peek(k, Super.brk, SUPER) * BYTES,
    arenaBytes: peek(k, Super.arenaWords, SUPER) * BYTES,
  };
}

/** A bound for walks of lists that others are changing. */
function slotLimit(k: Kthread): number {
  return k.a.length / LINE_WORDS;
}

/** Slots of a zone that are handed out. */
export function liveSlots(of: Inspected, zone: ZoneDef<string>): number {
  const k = threadOf(of);
  return peek(k, Zone.live, peek(k, Super.zoneTable, SUPER) + zone.index * LINE_WORDS);
}

/**
 * How many threads sleep in a call on what the descriptor names: in kevent on a queue, in read or
 * write on an eventfd or a pipe (both ends of a pipe count as one). Threads that await, and such
 * as were woken and are on their way, are not counted.
 *
 * @param of a kernel, or a thread of it
 * @param fd a descriptor number of its process
 * @returns 0 also when the number is not open
 */
export function waiters(of: Inspected, fd: number): number {
  const k = threadOf(of);
  const file = fdHint(k, fd);
  if (file === 0) return 0;
  const obj = peek(k, File.object, file);
  let count = 0;
  for (const wq of waitQueues(peek(k, File.type, file), obj)) {
    for (const rec of waitRecords(k, wq, peek(k, Super.threadsMax, SUPER))) {
      if (peek(k, Waitrec.state, rec) === REC_ARMED) count++;
    }
  }
  return count;
}

/** Where threads sleep on an object of the type. */
export function waitQueues(type: number, obj: number): WaitqPtr[] {
  switch (type) {
    case FT_KQUEUE:
      return [kqWaitq(obj as KqueuePtr)];
    case FT_EVENTFD:
      return [Eventfd.readers, Eventfd.writers].map((f) => (obj + f.offset) as WaitqPtr);
    case FT_PIPE:
    case FT_CHANNEL:
      return [Pipe.readers, Pipe.writers].map((f) => (obj + f.offset) as WaitqPtr);
    default:
      return [];
  }
}
