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
 * Before the slots of a chunk stands one line that links the zone's chunks. So a zone can be
 * walked, which is how what a dead thread left behind is found, and a number from outside can be
 * told to be a slot or not before it is touched.
 *
 * A thread can be ended while it holds the memory lock, but only where it calls a function or goes
 * round a loop. So every change here is one run of plain stores, with the note of who has the slot
 * among them: whenever the lock is found held by a dead thread, its lists are whole.
 */
import { assertHeld } from "#field";
import { LIMBO_MAX, LINE_WORDS } from "../limits.js";
import { heapClass, heapTakeLocked } from "./heap.js";
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
  chunks: word(Z, "header of the newest chunk"),
});

/** What code knows of a zone: its number, the struct in it, where a free slot keeps its link. */
export interface ZoneDef<N extends string> {
  readonly index: number;
  readonly struct: StructInfo;
  /** Word of the slot that links free slots: one that means nothing in a free slot. */
  readonly linkAt: number;
  /** Slots carved at a time. */
  readonly chunkSlots: number;
  /** Word of a slot that names who has it while it is on no list; 0 if the zone has none. */
  readonly markAt: number;
  readonly phantom?: Ptr<N>;
}

/** Kind of a buffer in limbo, with its size as a power of two; see kern/alloc.ts. */
export const LIMBO_BUFFER = 0x100;

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
  markAt = 0,
): ZoneDef<N> {
  const index = (ZONE_NAMES as readonly string[]).indexOf(struct.name);
  kassert(index >= 0, "every zone has its place in the arena");
  const zone: ZoneDef<N> = { index, struct, linkAt, chunkSlots, markAt };
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

const SLOT_WORDS = Zone.slotWords.offset;
const HEAD = Zone.head.offset;
const TAIL = Zone.tail.offset;
const FREE = Zone.free.offset;
const LIVE = Zone.live.offset;
const TOTAL = Zone.total.offset;
const MAX = Zone.max.offset;
const CHUNK = Zone.chunk.offset;
const CHUNK_END = Zone.chunkEnd.offset;
const CHUNKS = Zone.chunks.offset;
const MEMORY_LOCK = Super.memoryLock.at(SUPER);
const LIVE_BUFFERS = Super.heapLive.at(SUPER);
const BRK = Super.brk.at(SUPER);
const ARENA_WORDS = Super.arenaWords.at(SUPER);

/**
 * Take a slot, or NIL when memory or the zone's limit is exhausted. Contents stay as they are. The
 * slot is written to the word `note`, or if that is 0 the slot is marked as the thread's.
 */
export function zoneTakeLocked<N extends string>(
  k: Kthread,
  zone: ZoneDef<N>,
  note: number,
): Ptr<N> {
  assertHeld(k, MEMORY_LOCK);
  const a = k.a;
  const z = zoneHead(k, zone) as number;
  const first = a[z + HEAD] as number;
  if (first === 0 && !zoneExtendLocked(k, zone, z)) return NIL;
  const slot = first !== 0 ? first : (a[z + CHUNK] as number);
  const at = note === 0 ? slot + zone.markAt : note;
  const by = note === 0 ? -k.owner : slot;
  const next = first === 0 ? 0 : (a[slot + zone.linkAt] as number);
  // One run from here.
  if (first !== 0) {
    a[z + HEAD] = next;
    if (next === 0) a[z + TAIL] = 0;
    a[z + FREE] = (a[z + FREE] as number) - 1;
  } else {
    a[z + CHUNK] = slot + (a[z + SLOT_WORDS] as number);
    a[z + TOTAL] = (a[z + TOTAL] as number) + 1;
  }
  a[z + LIVE] = (a[z + LIVE] as number) + 1;
  a[at] = by;
  return slot as Ptr<N>;
}

/** Make sure that the current chunk has a slot; a new one has as many as there is memory for. */
function zoneExtendLocked(k: Kthread, zone: ZoneDef<string>, z: number): boolean {
  const a = k.a;
  const max = a[z + MAX] as number;
  if (max !== 0 && (a[z + TOTAL] as number) >= max) return false;
  if ((a[z + CHUNK] as number) < (a[z + CHUNK_END] as number)) return true;
  const slotWords = zone.struct.words;
  const chunk = a[BRK] as number;
  const room = (a[ARENA_WORDS] as number) - chunk - LINE_WORDS;
  const slots = Math.min(zone.chunkSlots, Math.floor(room / slotWords));
  if (slots <= 0) return zoneExtendFree(k, zone, z);
  const first = chunk + LINE_WORDS;
  const end = first + slots * slotWords;
  // One run.
  a[BRK] = end;
  a[chunk] = a[z + CHUNKS] as number;
  a[chunk + 1] = end;
  a[chunk + 2] = end;
  a[z + CHUNKS] = chunk;
  a[z + CHUNK] = first;
  a[z + CHUNK_END] = end;
  return true;
}

/**
 * A chunk from the free buffers, since nothing is left behind the end: the largest that there is up
 * to the size of a usual one. It is cleared, as fresh memory is: a slot that was never used has a
 * free lock and the first generation.
 */
function zoneExtendFree(k: Kthread, zone: ZoneDef<string>, z: number): boolean {
  const a = k.a;
  const slotWords = zone.struct.words;
  const least = LINE_WORDS + slotWords;
  // The next entry of limbo but one has it meanwhile: the next is where the slot is noted.
  const note = k.limboAt + k.limboCount + 1;
  let words = LINE_WORDS + zone.chunkSlots * slotWords;
  let chunk = 0;
  for (; chunk === 0 && words >= least; words >>= 1) {
    a[note + LIMBO_MAX] = LIMBO_BUFFER | heapClass(words);
    chunk = heapTakeLocked(k, words, note);
    if (chunk !== 0) break;
  }
  if (chunk === 0) {
    a[note + LIMBO_MAX] = LIMBO_BUFFER | heapClass(least);
    words = least;
    chunk = heapTakeLocked(k, least, note);
  }
  if (chunk === 0) return false;
  const size = 1 << heapClass(words);
  a.fill(0, chunk, chunk + size);
  const first = chunk + LINE_WORDS;
  const end = first + Math.floor((size - LINE_WORDS) / slotWords) * slotWords;
  // One run: it is no buffer any more.
  a[LIVE_BUFFERS] = (a[LIVE_BUFFERS] as number) - size;
  a[note] = 0;
  a[chunk] = a[z + CHUNKS] as number;
  a[chunk + 1] = end;
  a[chunk + 2] = chunk + size;
  a[z + CHUNKS] = chunk;
  a[z + CHUNK] = first;
  a[z + CHUNK_END] = end;
  return true;
}

/** Header of the newest chunk of a zone, and of the one before a chunk; 0 if there is none. */
export function zoneChunks(k: Kthread, zone: ZoneDef<string>): number {
  return k.a[(zoneHead(k, zone) as number) + CHUNKS] as number;
}

export function chunkBefore(k: Kthread, chunk: number): number {
  return k.a[chunk] as number;
}

/** Its slots stand from `chunkFirst` to `chunkEnd`; the last of the newest may be unused yet. */
export function chunkFirst(chunk: number): number {
  return chunk + LINE_WORDS;
}

export function chunkEnd(k: Kthread, chunk: number): number {
  return k.a[chunk + 1] as number;
}

/** End of the memory of a chunk; there may be a rest behind its last slot that no slot fits in. */
export function chunkLimit(k: Kthread, chunk: number): number {
  return k.a[chunk + 2] as number;
}

/** The slot of the zone that a word is in, 0 if it is in none. No lock needed: chunks stay. */
export function zoneSlotAt(k: Kthread, zone: ZoneDef<string>, at: number): number {
  for (let chunk = zoneChunks(k, zone); chunk !== 0; chunk = chunkBefore(k, chunk)) {
    const offset = at - chunkFirst(chunk);
    if (offset >= 0 && at < chunkEnd(k, chunk)) return at - (offset % zone.struct.words);
  }
  return 0;
}

/** Whether a number is a slot of the zone, taken or free. */
export function zoneHasLocked(k: Kthread, zone: ZoneDef<string>, slot: number): boolean {
  return slot !== 0 && zoneSlotAt(k, zone, slot) === slot;
}

/** Put a slot at the end of the free list. Ends in a run that the caller may go on with. */
export function zoneGiveLocked<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  assertHeld(k, MEMORY_LOCK);
  const a = k.a;
  const z = zoneHead(k, zone) as number;
  const tail = a[z + TAIL] as number;
  const mark = zone.markAt;
  // One run.
  if (mark !== 0) a[slot + mark] = 0;
  a[slot + zone.linkAt] = 0;
  if (tail === 0) a[z + HEAD] = slot;
  else a[tail + zone.linkAt] = slot;
  a[z + TAIL] = slot;
  a[z + FREE] = (a[z + FREE] as number) + 1;
  a[z + LIVE] = (a[z + LIVE] as number) - 1;
}
