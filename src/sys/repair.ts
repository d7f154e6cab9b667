// SPDX-License-Identifier: ISC
/**
 * Which lock a word is, and what has to be repaired that it guards when its owner has died. This is
 * the table of lock classes and their repairs; the repairs are beside the structures.
 *
 *   clock    the sequence number becomes even again
 *   threads  the list of channels that hear of exits
 *   nest     nothing: it guards a look, and the link is the object's
 *   table    count of open numbers, lowest free one, list of queues; numbers not given yet
 *   proc     nothing: each of its words is on its own
 *   object   klist; then by kind: counts, views, an edge that is missing, wait queues
 *   filters  the lists of filters and sources
 *   memory   buffers that could be joined; its lists change in runs that no death separates
 *   queue    hash, magazines, ready list, timers, wait queues
 */
import { heapRepairLocked } from "../arena/heap.js";
import type { Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { type ZoneDef, zoneSlotAt } from "../arena/zone.js";
import { klistTellLocked } from "../event/klist.js";
import { queueTouchedLocked } from "../event/ready.js";
import { filtersRepairLocked } from "../event/registry.js";
import { klistRepairLocked, queueRepairLocked } from "../event/repair.js";
import { slotsEach } from "../event/slots.js";
import { type SourcePtr, sourceZone } from "../event/source.js";
import { Kqueue, type KqueuePtr, kqueueZone } from "../event/structs.js";
import { bellZone } from "../fd/bell.js";
import { type EventfdPtr, eventfdRepairLocked, eventfdZone } from "../fd/eventfd.js";
import { Pipe, type PipePtr, pipeRepairLocked, pipeZone } from "../fd/pipe-ring.js";
import { sourceRepairLocked } from "../fd/source.js";
import {
  FD_EMPTY,
  FD_OPEN,
  FDF_WATCHED,
  Fdentry,
  Fdtable,
  fdEntry,
  fdtableZone,
  type TablePtr,
} from "../kern/fdtable.js";
import { OBJ_LIVE, Obj, type ObjectPtr } from "../kern/object.js";
import { procZone } from "../kern/process.js";
import { handleAt, PHASE_CREATE, PHASE_NONE, PHASE_REPLACE, phaseAt } from "../kern/thread.js";
import { FD_CHUNK_ENTRIES, FD_CHUNKS_MAX } from "../limits.js";
import { clockRepairLocked } from "../sync/clock.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import {
  RANK_CLOCK,
  RANK_FILTERS,
  RANK_MEMORY,
  RANK_NEST,
  RANK_OBJECT,
  RANK_PROC,
  RANK_QUEUE,
  RANK_TABLE,
  RANK_THREADS,
} from "../sync/order.js";

/** Rank of the lock at a word, and the slot that it is part of. */
export interface LockPlace {
  readonly rank: number;
  readonly slot: number;
}

const objectZones: readonly ZoneDef<string>[] = [
  eventfdZone,
  pipeZone,
  bellZone,
  sourceZone,
  kqueueZone,
];

/** What the lock at a word is; null if there is none. */
export function lockPlace(k: Kthread, lock: number): LockPlace | null {
  if (lock === Super.clockLock.at(SUPER)) return { rank: RANK_CLOCK, slot: SUPER };
  if (lock === Super.threadsLock.at(SUPER)) return { rank: RANK_THREADS, slot: SUPER };
  if (lock === Super.nestLock.at(SUPER)) return { rank: RANK_NEST, slot: SUPER };
  if (lock === Super.filtersLock.at(SUPER)) return { rank: RANK_FILTERS, slot: SUPER };
  if (lock === Super.memoryLock.at(SUPER)) return { rank: RANK_MEMORY, slot: SUPER };
  const kq = zoneSlotAt(k, kqueueZone, lock);
  if (kq !== 0 && Kqueue.lock.at(kq as KqueuePtr) === lock) return { rank: RANK_QUEUE, slot: kq };
  const table = zoneSlotAt(k, fdtableZone, lock);
  if (table !== 0) return { rank: RANK_TABLE, slot: table };
  const proc = zoneSlotAt(k, procZone, lock);
  if (proc !== 0) return { rank: RANK_PROC, slot: proc };
  for (const zone of objectZones) {
    const slot = zoneSlotAt(k, zone, lock);
    if (slot !== 0) return { rank: RANK_OBJECT, slot };
  }
  return null;
}

/** Repair what a lock guards, which this thread holds. */
export function lockRepair(k: Kthread, { rank, slot }: LockPlace): void {
  if (rank === RANK_CLOCK) clockRepairLocked(k);
  else if (rank === RANK_THREADS) threadsRepairLocked(k);
  else if (rank === RANK_FILTERS) filtersRepairLocked(k);
  else if (rank === RANK_MEMORY) heapRepairLocked(k);
  else if (rank === RANK_TABLE) tableRepairLocked(k, slot as TablePtr);
  else if (rank === RANK_OBJECT) objectRepairLocked(k, slot as ObjectPtr);
  else if (rank === RANK_QUEUE) queueRepairLocked(k, slot as KqueuePtr);
}

function objectRepairLocked(k: Kthread, obj: ObjectPtr): void {
  klistRepairLocked(k, obj);
  if (zoneSlotAt(k, eventfdZone, obj) === obj) eventfdRepairLocked(k, obj as EventfdPtr);
  else if (zoneSlotAt(k, pipeZone, obj) === obj) pipeRepairLocked(k, obj as PipePtr);
  else if (zoneSlotAt(k, kqueueZone, obj) === obj) watchedRepairLocked(k, obj as KqueuePtr);
  else if (zoneSlotAt(k, sourceZone, obj) === obj) sourceRepairLocked(k, obj as SourcePtr);
  else klistTellLocked(k, obj);
}

/** A queue as what others watch; its object lock held, its queue lock not. */
function watchedRepairLocked(k: Kthread, kq: KqueuePtr): void {
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  Kqueue.watched.set(k, kq, Obj.knotes.get(k, kq) > 0 ? 1 : 0);
  queueTouchedLocked(k, kq, true);
  mutexUnlock(k, Kqueue.lock.at(kq));
}

function threadsRepairLocked(k: Kthread): void {
  Super.exitWatchers.set(k, SUPER, NIL);
  slotsEach(k, pipeZone, (slot) => {
    const p = slot as PipePtr;
    if (k.a[slot + Pipe.hearsExits.offset] !== 1) return;
    if (k.a[slot + Obj.state.offset] !== OBJ_LIVE) return;
    Pipe.exitNext.set(k, p, Super.exitWatchers.get(k, SUPER) as PipePtr);
    Super.exitWatchers.set(k, SUPER, p);
  });
}

function tableRepairLocked(k: Kthread, table: TablePtr): void {
  let open = 0;
  let lowest = FD_CHUNKS_MAX * FD_CHUNK_ENTRIES;
  for (let fd = lowest - 1; fd >= 0; fd--) {
    const entry = fdEntry(k, table, fd);
    if (entry !== 0 && Fdentry.state.get(k, entry) !== FD_EMPTY) {
      open++;
      continue;
    }
    lowest = fd;
    // What was about to be given has its flags already.
    if (entry !== 0) Fdentry.flags.set(k, entry, Fdentry.flags.get(k, entry) & FDF_WATCHED);
  }
  Fdtable.open.set(k, table, open);
  Fdtable.firstFree.set(k, table, lowest);
  Fdtable.queues.set(k, table, NIL);
  slotsEach(k, kqueueZone, (slot) => {
    const kq = slot as KqueuePtr;
    if (k.a[slot + Kqueue.listed.offset] !== 1) return;
    if (k.a[slot + Kqueue.table.offset] !== table) return;
    const first = Fdtable.queues.get(k, table) as KqueuePtr;
    Kqueue.tableNext.set(k, kq, first);
    Kqueue.tablePrev.set(k, kq, NIL);
    if (first !== 0) Kqueue.tablePrev.set(k, first, kq);
    Fdtable.queues.set(k, table, kq);
  });
  numbersRepairLocked(k, table);
}

/**
 * Numbers that the dead thread was about to give: once the table is unlocked, somebody else may
 * have them.
 */
function numbersRepairLocked(k: Kthread, table: TablePtr): void {
  const phase = k.a[phaseAt(k)] as number;
  if (phase === PHASE_REPLACE) {
    const fd = k.a[handleAt(k, 0)] as number;
    const entry = fdEntry(k, table, fd);
    if (entry === 0 || Fdentry.state.get(k, entry) === FD_EMPTY) k.a[phaseAt(k)] = PHASE_NONE;
  }
  if (phase !== PHASE_CREATE) return;
  for (const which of [0, 1] as const) {
    const at = handleAt(k, which);
    const entry = fdEntry(k, table, (k.a[at] as number) - 1);
    if (entry === 0 || Fdentry.state.get(k, entry) !== FD_OPEN) k.a[at] = 0;
  }
}
