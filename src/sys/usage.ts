// SPDX-License-Identifier: ISC
/** What a kernel holds now, in numbers. */
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { Zone, zoneHead, zones } from "../arena/zone.js";
import { Kqueue, type KqueuePtr, kqWaitq } from "../event/structs.js";
import { curtable, Fdtable } from "../kern/fdtable.js";
import { curproc, Proc } from "../kern/process.js";
import { callEnter, callLeave } from "../kern/thread.js";
import { LINE_WORDS } from "../limits.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_MEMORY, RANK_QUEUE, RANK_TABLE } from "../sync/order.js";
import { Waitq, Waitrec, type WaitrecPtr } from "../sync/wait.js";
import { SYS } from "./calls.js";

/** Counts of a moment: other threads go on meanwhile. */
export interface Usage {
  /** Threads attached. */
  threads: number;
  /** Descriptors open, those of objects included. */
  descriptors: number;
  /** Queues. */
  queues: number;
  /** Registrations in all queues. */
  registrations: number;
  /** Of these, user events and timers. */
  userEvents: number;
  timers: number;
  /** Threads that block on queues, and waits on queues that do not block. */
  waiters: number;
  awaiters: number;
  /** Bytes of the arena, and of these in use. */
  arenaBytes: number;
  usedBytes: number;
  /** Wakes by this thread that had to be notified, and those that found their target awake. */
  notifies: number;
  notifiesSpared: number;
  /** Wakes that came too late, by the safety net; 0 unless a thread died at a bad moment. */
  netHits: number;
}

function lengthLocked(k: Kthread, head: WaitrecPtr): number {
  let length = 0;
  for (let rec = head; rec !== 0; rec = Waitrec.next.get(k, rec)) length++;
  return length;
}

/** Count what queues of the process hold. */
function queuesCount(k: Kthread, into: Usage): void {
  const table = curtable(k);
  const lock = Fdtable.lock.at(table);
  mutexLock(k, lock, RANK_TABLE);
  into.descriptors = Fdtable.open.get(k, table);
  let kq = Fdtable.queues.get(k, table) as KqueuePtr;
  while (kq !== 0) {
    mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
    into.queues++;
    into.registrations += Kqueue.knotes.get(k, kq);
    into.waiters += lengthLocked(k, Waitq.head.get(k, kqWaitq(kq)));
    into.awaiters += lengthLocked(k, Waitq.asyncHead.get(k, kqWaitq(kq)));
    mutexUnlock(k, Kqueue.lock.at(kq));
    kq = Kqueue.tableNext.get(k, kq) as KqueuePtr;
  }
  mutexUnlock(k, lock);
}

/** Bytes that are neither free in a zone, free as a buffer, nor never handed out. */
function bytesUsed(k: Kthread): number {
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  const first = Super.threadTable.get(k, SUPER);
  let words = first + Super.heapLive.get(k, SUPER);
  for (const zone of zones) {
    words += Zone.live.get(k, zoneHead(k, zone)) * Math.max(zone.struct.words, LINE_WORDS);
  }
  mutexUnlock(k, lock);
  return words * 4;
}

/** What the kernel of a thread holds now. */
export function usage(k: Kthread): Usage {
  callEnter(k, SYS.usage);
  const counts: Usage = {
    threads: Super.threads.load(k, SUPER),
    descriptors: 0,
    queues: 0,
    registrations: 0,
    userEvents: Proc.userEvents.load(k, curproc(k)),
    timers: Super.timers.load(k, SUPER),
    waiters: 0,
    awaiters: 0,
    arenaBytes: k.a.byteLength,
    usedBytes: bytesUsed(k),
    notifies: k.notifies,
    notifiesSpared: k.notifiesSpared,
    netHits: Super.netHits.load(k, SUPER),
  };
  queuesCount(k, counts);
  callLeave(k);
  return counts;
}
