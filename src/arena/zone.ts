// SPDX-License-Identifier: ISC
/**
 * Zones: slots of one size for one struct, type-stable for ever. A slot that was a knote once is a
 * knote or free until the arena ends, so a stale pointer leads to a slot of the right kind, whose
 * lock word and generation are still theirs. A handle therefore is (slot, generation), and using
 * it is: lock, compare, work.
 *
 * The free list is FIFO, which keeps a freed slot out of use as long as possible. Functions here
 * expect the memory lock; kern/alloc.ts takes it and notes who owns slots not linked yet.
 *
 * A zone whose slots are named by numbers from outside links its chunks, in two words of the first
 * slot of each, so that it can be told whether a number is one of its slots before it is touched.
 */
import { LINE_WORDS } from "../limits.js";
import { heapCarveLocked } from "./heap.js";
import { type Kthread, kassert } from "./kthread.js";
import {
  defineStruct,
  guardedBy,
  IMMUTABLE,
  NIL,
  type Ptr,
  type StructInfo,
  word,
} from "./layout.js";
import { SUPER, Super } from "./superblock.js";

export type ZonePtr = Ptr<"zone">;
const Z = guardedBy("m", "memory lock", () => Super.memoryLock.at(SUPER));

export const Zone = defineStruct("zone", {
  slotWords: word(IMMUTABLE, "size of a slot"),
  head: word(Z, "oldest free slot"),
  tail: word(Z, "newest free slot"),
  free: word(Z, "free slots on the list"),
  live: word(Z, "slots handed out"),
  total: word(Z, "slots carved so far"),
  max: word(IMMUTABLE, "most slots ever; 0 is as many as fit"),
  chunk: word(Z, "next slot of the current chunk"),
  chunkEnd: word(Z, "end of the current chunk"),
  chunks: word(Z, "newest chunk, in a zone that links its chunks"),
});

/** What code knows of a zone: its number, the struct in it, where a free slot keeps its link. */
export interface ZoneDef<N extends string> {
  readonly index: number;
  readonly struct: StructInfo;
  /** Word of the slot that links free slots: one that means nothing in a free slot. */
  readonly linkAt: number;
  /** Slots carved at a time. */
  readonly chunkSlots: number;
  /** Two words of a slot that nothing else writes, which in the first slot of a chunk hold the
   * chunk before it and the chunk's size in words; null if the zone's chunks are not linked. */
  readonly chunkAt: number | null;
  readonly phantom?: Ptr<N>;
}

/** The zones, in the order of their heads in the arena; the number of a zone is its place here. */
const ZONE_NAMES = [
  "waitrec",
  "proc",
  "fdtable",
  "fdchunk",
  "file",
  "kqueue",
  "knote",
  "kncold",
  "eventfd",
  "pipe",
  "bell",
  "source",
  "kfilter",
] as const;
export const ZONE_COUNT = ZONE_NAMES.length;

/** All zones, by index. */
export const zones: ZoneDef<string>[] = [];

export function defineZone<N extends string>(
  struct: StructInfo,
  linkAt: number,
  chunkSlots: number,
  chunkAt: number | null = null,
): ZoneDef<N> {
  const index = (ZONE_NAMES as readonly string[]).indexOf(struct.name);
  kassert(index >= 0, "every zone has its place in the arena");
  const zone: ZoneDef<N> = { index, struct, linkAt, chunkSlots, chunkAt };
  zones[index] = zone as ZoneDef<string>;
  return zone;
}

/** Set up the head of a zone in a new arena. */
export function zoneInit(k: Kthread, zone: ZoneDef<string>, max: number): void {
  const z = zoneHead(k, zone);
  Zone.slotWords.set(k, z, zone.struct.words);
  Zone.max.set(k, z, max);
}

export function zoneHead(k: Kthread, zone: ZoneDef<string>): ZonePtr {
  return (Super.zoneTable.get(k, SUPER) + zone.index * LINE_WORDS) as ZonePtr;
}

/** Take a slot, or NIL when memory or the zone's limit is exhausted. Contents stay as they are. */
export function zoneTakeLocked<N extends string>(k: Kthread, zone: ZoneDef<N>): Ptr<N> {
  const z = zoneHead(k, zone);
  const first = Zone.head.get(k, z);
  if (first !== 0) {
    const next = k.a[first + zone.linkAt] as number;
    Zone.head.set(k, z, next);
    if (next === 0) Zone.tail.set(k, z, 0);
    Zone.free.add(k, z, -1);
    Zone.live.add(k, z, 1);
    return first as Ptr<N>;
  }
  const max = Zone.max.get(k, z);
  if (max !== 0 && Zone.total.get(k, z) >= max) return NIL;
  const slotWords = zone.struct.words;
  let slot = Zone.chunk.get(k, z);
  if (slot >= Zone.chunkEnd.get(k, z)) {
    slot = zoneChunkLocked(k, zone, z);
    if (slot === 0) return NIL;
  }
  Zone.chunk.set(k, z, slot + slotWords);
  Zone.total.add(k, z, 1);
  Zone.live.add(k, z, 1);
  return slot as Ptr<N>;
}

/** A new chunk: as many slots as wanted, or one if memory is nearly gone. */
function zoneChunkLocked(k: Kthread, zone: ZoneDef<string>, z: ZonePtr): number {
  const slotWords = zone.struct.words;
  for (let slots = zone.chunkSlots; slots > 0; slots >>= 1) {
    const chunk = heapCarveLocked(k, slots * slotWords);
    if (chunk !== 0) {
      Zone.chunkEnd.set(k, z, chunk + slots * slotWords);
      if (zone.chunkAt !== null) chunkLinkLocked(k, z, chunk + zone.chunkAt, chunk);
      return chunk;
    }
  }
  return 0;
}

function chunkLinkLocked(k: Kthread, z: ZonePtr, at: number, chunk: number): void {
  k.a[at] = Zone.chunks.get(k, z);
  k.a[at + 1] = Zone.chunkEnd.get(k, z) - chunk;
  Zone.chunks.set(k, z, chunk);
}

/** Whether a number is a slot of the zone, taken or free; for zones that link their chunks. */
export function zoneHasLocked(k: Kthread, zone: ZoneDef<string>, slot: number): boolean {
  const at = zone.chunkAt;
  if (at === null) return false;
  const z = zoneHead(k, zone);
  for (let chunk = Zone.chunks.get(k, z); chunk !== 0; chunk = k.a[chunk + at] as number) {
    const offset = slot - chunk;
    if (offset >= 0 && offset < (k.a[chunk + at + 1] as number)) {
      return offset % zone.struct.words === 0;
    }
  }
  return false;
}

/** Put a slot at the end of the free list. */
export function zoneGiveLocked<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  const z = zoneHead(k, zone);
  const tail = Zone.tail.get(k, z);
  k.a[slot + zone.linkAt] = 0;
  if (tail === 0) Zone.head.set(k, z, slot);
  else k.a[tail + zone.linkAt] = slot;
  Zone.tail.set(k, z, slot);
  Zone.free.add(k, z, 1);
  Zone.live.add(k, z, -1);
}
