// SPDX-License-Identifier: ISC
/**
 * Allocation: zones and byte buffers under the memory lock, with each slot that a thread has
 * popped but not linked yet noted in its record ("limbo"), so that a death loses nothing.
 *
 * Nothing is locked under a queue, so nothing is allocated or given back while
 * a queue is locked: queues keep magazines of knotes for that reason (event/magazine.ts).
 */
import { limboEnter, limboLeave } from "#field";
import { heapGiveLocked, heapTakeLocked } from "../arena/heap.js";
import { KernelPanic, type Kthread } from "../arena/kthread.js";
import { NIL, type Ptr } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { type ZoneDef, zoneGiveLocked, zoneHasLocked, zoneTakeLocked } from "../arena/zone.js";
import { LIMBO_MAX } from "../limits.js";
import { mutexLock, mutexReady, mutexUnlock } from "../sync/mutex.js";
import { RANK_MEMORY } from "../sync/order.js";

function injectedFailure(k: Kthread): boolean {
  if (k.failAllocation === 0) return false;
  k.failAllocation--;
  return k.failAllocation === 0;
}

/** Whether a call may begin that allocates first; see mutexReady. */
export function memoryReady(k: Kthread): boolean {
  return mutexReady(k, Super.memoryLock.at(SUPER), RANK_MEMORY);
}

/** A slot, in limbo until `published`; NIL when there is none. Contents are what they were. */
export function zalloc<N extends string>(k: Kthread, zone: ZoneDef<N>): Ptr<N> {
  if (injectedFailure(k)) return NIL;
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  const slot = zoneTakeLocked(k, zone);
  if (slot !== 0) limboAdd(k, slot, zone.struct.words);
  mutexUnlock(k, lock);
  return slot;
}

/** Up to `count` slots linked through the zone's free link; 0 when there is none. Not in limbo. */
export function zallocBatch<N extends string>(
  k: Kthread,
  zone: ZoneDef<N>,
  count: number,
): { head: Ptr<N>; count: number } {
  if (injectedFailure(k)) return { head: NIL, count: 0 };
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  let head: Ptr<N> = NIL;
  let taken = 0;
  while (taken < count) {
    const slot = zoneTakeLocked(k, zone);
    if (slot === 0) break;
    k.a[slot + zone.linkAt] = head;
    head = slot;
    taken++;
  }
  if (head !== 0) limboAdd(k, head, zone.struct.words);
  mutexUnlock(k, lock);
  return { head, count: taken };
}

/** Whether a number is a slot of a zone that links its chunks. */
export function zoneHas(k: Kthread, zone: ZoneDef<string>, slot: number): boolean {
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  const has = zoneHasLocked(k, zone, slot);
  mutexUnlock(k, lock);
  return has;
}

/** Give a slot back; it must not be reachable any more. */
export function zfree<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  zoneGiveLocked(k, zone, slot);
  mutexUnlock(k, lock);
}

/** Give back a chain of slots linked through the zone's free link. */
export function zfreeChain<N extends string>(k: Kthread, zone: ZoneDef<N>, head: Ptr<N>): void {
  if (head === 0) return;
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  for (let slot = head; slot !== 0; ) {
    const next = k.a[slot + zone.linkAt] as Ptr<N>;
    zoneGiveLocked(k, zone, slot);
    slot = next;
  }
  mutexUnlock(k, lock);
}

/** Undo a zalloc. */
export function zabandon<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  published(k, slot);
  zfree(k, zone, slot);
}

/** A buffer of at least `words` words with undefined contents, or 0. */
export function heapAlloc(k: Kthread, words: number): number {
  if (injectedFailure(k)) return 0;
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  const buffer = heapTakeLocked(k, words);
  mutexUnlock(k, lock);
  return buffer;
}

export function heapFree(k: Kthread, buffer: number, words: number): void {
  if (buffer === 0) return;
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  heapGiveLocked(k, buffer, words);
  mutexUnlock(k, lock);
}

function limboAdd(k: Kthread, slot: number, words: number): void {
  if (k.limboCount >= LIMBO_MAX) throw new KernelPanic("a thread has too many slots in limbo");
  k.a[k.limboAt + k.limboCount++] = slot;
  limboEnter(k, slot, words);
}

/** The slot is linked somewhere now (or about to be given back): it leaves limbo. */
export function published(k: Kthread, slot: number): void {
  const a = k.a;
  const last = k.limboAt + k.limboCount - 1;
  let i = last;
  while (i >= k.limboAt && a[i] !== slot) i--;
  if (i < k.limboAt) throw new KernelPanic("a slot is published that was not in limbo");
  a[i] = a[last] as number;
  a[last] = 0;
  k.limboCount--;
  limboLeave(k, slot);
}
