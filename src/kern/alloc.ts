// SPDX-License-Identifier: ISC
/**
 * Allocation: zones and byte buffers under the memory lock, and *limbo*, the part of a thread's
 * record that says what it alone has in its hands: slots and buffers that were taken and are not
 * linked yet, or were unlinked and are not given back yet, and references to open files. So a
 * death loses nothing. Entries change in the run of plain stores that changes what they speak of:
 * see zone.ts. Slots that are taken in batches are marked instead, in the slot.
 *
 * Nothing is locked under a queue, so nothing is allocated or given back while
 * a queue is locked: queues keep magazines of knotes for that reason (event/magazine.ts).
 */
import { limboEnter, limboLeave } from "#field";
import { heapClass, heapGiveLocked, heapJoinLocked, heapTakeLocked } from "../arena/heap.js";
import { KernelPanic, type Kthread } from "../arena/kthread.js";
import { NIL, type Ptr } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import {
  LIMBO_BUFFER,
  type ZoneDef,
  zoneGiveLocked,
  zoneHasLocked,
  zoneTakeLocked,
} from "../arena/zone.js";
import { LIMBO_MAX } from "../limits.js";
import { mutexLock, mutexReady, mutexUnlock } from "../sync/mutex.js";
import { RANK_MEMORY } from "../sync/order.js";

/** Kinds of entries in limbo: a slot (the number of its zone), and these. */
export { LIMBO_BUFFER };
/** A counted reference to an open file. */
export const LIMBO_FILE = 0x200;
/** An open file whose last reference has gone: it is being closed. */
export const LIMBO_CLOSING = 0x201;
/** A counted registration of a named filter; its place is the filter's number, negated. */
export const LIMBO_FILTER = 0x202;

function injectedFailure(k: Kthread): boolean {
  if (k.failAllocation === 0) return false;
  k.failAllocation--;
  return k.failAllocation === 0;
}

/** Whether a call may begin that allocates first; see mutexReady. */
export function memoryReady(k: Kthread): boolean {
  return mutexReady(k, Super.memoryLock.at(SUPER), RANK_MEMORY);
}

/** Kind of a buffer in limbo, by its size. */
export function limboBufferKind(words: number): number {
  return LIMBO_BUFFER | heapClass(words);
}

/**
 * Make ready the next entry of limbo, of a kind. Returns the word that its place is to be written
 * to, as part of a run; the caller then counts it.
 */
export function limboNext(k: Kthread, kind: number): number {
  // One more for what an allocation has in its hands meanwhile.
  if (k.limboCount >= LIMBO_MAX - 1) throw new KernelPanic("a thread has too many slots in limbo");
  const at = k.limboAt + k.limboCount;
  k.a[at + LIMBO_MAX] = kind;
  return at;
}

/** Word of the entry for a place, 0 if there is none. */
export function limboFind(k: Kthread, place: number): number {
  for (let at = k.limboAt + k.limboCount - 1; at >= k.limboAt; at--) {
    if (k.a[at] === place) return at;
  }
  return 0;
}

/** Note that a thing is in this thread's hands, unless it is noted already. */
export function limboHold(k: Kthread, kind: number, place: number): void {
  if (limboFind(k, place) !== 0) return;
  k.a[limboNext(k, kind)] = place;
  k.limboCount++;
}

/** As limboHold, for a buffer of a size. */
export function limboHoldBuffer(k: Kthread, buffer: number, words: number): void {
  limboHold(k, limboBufferKind(words), buffer);
}

/**
 * Take the entry at word `at` off the list, the last one filling its place. One run: a caller's own
 * run may go on after it, though not come before it.
 */
function limboTakeOff(k: Kthread, at: number): void {
  const a = k.a;
  const last = k.limboAt + k.limboCount - 1;
  if (at < k.limboAt || at > last) throw new KernelPanic("a slot that was not in limbo leaves it");
  a[at] = a[last] as number;
  a[at + LIMBO_MAX] = a[last + LIMBO_MAX] as number;
  a[last] = 0;
  k.limboCount--;
}

/** An entry became 0 in a run: close the gap. */
export function limboCompact(k: Kthread, at: number): void {
  limboTakeOff(k, at);
}

/** A slot, in limbo until `published`; NIL when there is none. Contents are what they were. */
export function zalloc<N extends string>(k: Kthread, zone: ZoneDef<N>): Ptr<N> {
  if (injectedFailure(k)) return NIL;
  const lock = Super.memoryLock.at(SUPER);
  const note = limboNext(k, zone.index);
  mutexLock(k, lock, RANK_MEMORY);
  const slot = zoneTakeLocked(k, zone, note);
  if (slot !== 0) {
    k.limboCount++;
    limboEnter(k, slot, zone.struct.words);
  }
  mutexUnlock(k, lock);
  return slot;
}

/**
 * Up to `count` slots linked through the zone's free link, marked as the thread's; 0 when there is
 * none. The zone has marks, and whoever links a slot for good changes its mark.
 */
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
    const slot = zoneTakeLocked(k, zone, 0);
    if (slot === 0) break;
    k.a[slot + zone.linkAt] = head;
    head = slot;
    taken++;
  }
  mutexUnlock(k, lock);
  return { head, count: taken };
}

/** Whether a number is a slot of a zone. */
export function zoneHas(k: Kthread, zone: ZoneDef<string>, slot: number): boolean {
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  const has = zoneHasLocked(k, zone, slot);
  mutexUnlock(k, lock);
  return has;
}

/** Give a slot back; it must not be reachable any more. With it goes its entry in limbo. */
export function zfree<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  zoneFreeLocked(k, zone, slot);
  mutexUnlock(k, lock);
}

function zoneFreeLocked<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  const a = k.a;
  const at = limboFind(k, slot);
  // Without an entry, these are words of the first line, which nobody reads.
  const last = at === 0 ? 0 : k.limboAt + k.limboCount - 1;
  if (at !== 0) limboLeave(k, slot);
  zoneGiveLocked(k, zone, slot);
  // The end of the run that gave it.
  a[at] = a[last] as number;
  a[at + LIMBO_MAX] = a[last + LIMBO_MAX] as number;
  a[last] = 0;
  if (at !== 0) k.limboCount--;
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
  if (limboFind(k, slot) === 0) throw new KernelPanic("a slot is abandoned that is not in limbo");
  zfree(k, zone, slot);
}

/** A buffer of at least `words` words with undefined contents, in limbo until `published`; or 0. */
export function heapAlloc(k: Kthread, words: number): number {
  if (injectedFailure(k)) return 0;
  const lock = Super.memoryLock.at(SUPER);
  const note = limboNext(k, limboBufferKind(words));
  mutexLock(k, lock, RANK_MEMORY);
  const buffer = heapTakeLocked(k, words, note);
  if (buffer !== 0) k.limboCount++;
  mutexUnlock(k, lock);
  return buffer;
}

/** Give a buffer back, and its entry in limbo. */
export function heapFree(k: Kthread, buffer: number, words: number): void {
  if (buffer === 0) return;
  const lock = Super.memoryLock.at(SUPER);
  mutexLock(k, lock, RANK_MEMORY);
  const a = k.a;
  const at = limboFind(k, buffer);
  const last = at === 0 ? 0 : k.limboAt + k.limboCount - 1;
  heapGiveLocked(k, buffer, words);
  // The end of the run that gave it; see zoneFreeLocked.
  a[at] = a[last] as number;
  a[at + LIMBO_MAX] = a[last + LIMBO_MAX] as number;
  a[last] = 0;
  if (at !== 0) k.limboCount--;
  heapJoinLocked(k, buffer, words);
  mutexUnlock(k, lock);
}

/** The slot or buffer is linked somewhere now: it leaves limbo. */
export function published(k: Kthread, place: number): void {
  const at = limboFind(k, place);
  limboTakeOff(k, at);
  limboLeave(k, place);
}
