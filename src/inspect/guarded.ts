// SPDX-License-Identifier: ISC
/**
 * Invariants of what one lock guards. They hold whenever the lock is free, also in the middle of
 * calls: whoever lets go of a lock leaves what it guards as it should be. What is guarded changes
 * only under its lock, so looking at each release is looking after every step.
 */
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { zoneSlotAt } from "../arena/zone.js";
import { sourceZone } from "../event/source.js";
import { KQ_OPEN, Kqueue, type KqueuePtr, kqueueZone } from "../event/structs.js";
import { bellZone } from "../fd/bell.js";
import { eventfdZone } from "../fd/eventfd.js";
import { pipeZone } from "../fd/pipe-ring.js";
import {
  FD_EMPTY,
  FD_OPEN,
  Fdentry,
  Fdtable,
  fdEntry,
  fdtableZone,
  type TablePtr,
} from "../kern/fdtable.js";
import { OBJ_LIVE, Obj } from "../kern/object.js";
import { Thread } from "../kern/thread.js";
import { FD_CHUNK_ENTRIES, FD_CHUNKS_MAX, LIMBO_MAX } from "../limits.js";
import { checkFreeLists } from "./memory.js";
import { checkObjectLists } from "./objects.js";
import { chain, type Inspected, peek, threadOf } from "./peek.js";
import { checkQueueLists } from "./queues.js";
import { Walk } from "./walk.js";

const objectZones = [eventfdZone, pipeZone, bellZone, sourceZone, kqueueZone];

/**
 * Check what the lock at a word guards. It is free, or its owner is about to let go of it. Takes no
 * lock, never sleeps. Locks that guard no lists have nothing to be checked.
 *
 * @returns what is wrong, one line each; empty if nothing is
 */
export function checkGuarded(of: Inspected, lock: number): string[] {
  const w = new Walk(threadOf(of));
  if (lock === Super.memoryLock.at(SUPER)) checkFreeLists(w);
  else if (lock >= w.first) checkSlot(w, lock);
  return w.problems;
}

function checkSlot(w: Walk, lock: number): void {
  const { k } = w;
  const kq = zoneSlotAt(k, kqueueZone, lock) as KqueuePtr;
  if (kq !== 0 && Kqueue.lock.at(kq) === lock) {
    if (inLimbo(k, kq)) return;
    if (peek(k, Kqueue.state, kq) === KQ_OPEN) checkQueueLists(w, kq, `kqueue ${kq}`);
    return;
  }
  const table = zoneSlotAt(k, fdtableZone, lock) as TablePtr;
  if (table !== 0) {
    checkNumbers(w, table);
    return;
  }
  for (const zone of objectZones) {
    const obj = zoneSlotAt(k, zone, lock);
    if (obj === 0 || lock !== obj + Obj.lockWord.offset) continue;
    if (peek(k, Obj.state, obj) !== OBJ_LIVE || inLimbo(k, obj)) return;
    checkObjectLists(w, obj, zone, `${zone.struct.name} ${obj}`);
  }
}

/**
 * Whether a slot is in some thread's hands: being made or freed, and that thread's alone. Who has
 * a stale name for it may take and release its lock meanwhile.
 */
function inLimbo(k: Kthread, slot: number): boolean {
  const table = peek(k, Super.threadTable, SUPER);
  for (let i = 0; i < peek(k, Super.threadsMax, SUPER); i++) {
    const from = table + i * Thread.struct.words + Thread.limbo.offset;
    if (k.a.subarray(from, from + LIMBO_MAX).includes(slot)) return true;
  }
  return false;
}

/** Counts of a descriptor table, and its list of queues; a number in use may be changing hands. */
function checkNumbers(w: Walk, table: TablePtr): void {
  const { k } = w;
  let used = 0;
  let lowestFree = FD_CHUNKS_MAX * FD_CHUNK_ENTRIES;
  for (let fd = lowestFree - 1; fd >= 0; fd--) {
    const entry = fdEntry(k, table, fd);
    const state = entry === 0 ? FD_EMPTY : peek(k, Fdentry.state, entry);
    if (state === FD_EMPTY) lowestFree = fd;
    else used++;
    if (state !== FD_OPEN) continue;
    w.check(peek(k, Fdentry.file, entry) !== 0, () => `descriptor ${fd} is open on nothing`);
  }
  w.same(peek(k, Fdtable.open, table), used, () => "descriptors in use");
  const first = peek(k, Fdtable.firstFree, table);
  w.check(first <= lowestFree, () => `descriptor ${lowestFree} is free, below ${first}`);
  let before = 0;
  for (const kq of chain(k, peek(k, Fdtable.queues, table), Kqueue.tableNext, w.limit)) {
    w.same(peek(k, Kqueue.tablePrev, kq), before, () => `kqueue ${kq}: link back in its table`);
    before = kq;
  }
}
