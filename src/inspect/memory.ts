// SPDX-License-Identifier: ISC
/**
 * Invariants of memory: every word above the fixed tables belongs to exactly one slot or buffer,
 * which is either free or reachable, and the counts say so.
 */
import { FREE_CLASS, FREE_PREV, heapClass, heapIsFree, heapMapWords } from "../arena/heap.js";
import type { StructInfo } from "../arena/layout.js";
import { HEAP_CLASSES, SUPER, Super } from "../arena/superblock.js";
import {
  chunkEnd,
  chunkFirst,
  chunkLimit,
  Zone,
  type ZoneDef,
  type ZonePtr,
  zones,
} from "../arena/zone.js";
import { sourceZone } from "../event/source.js";
import { Kqueue, kqueueZone } from "../event/structs.js";
import { bellZone } from "../fd/bell.js";
import { eventfdZone } from "../fd/eventfd.js";
import { pipeZone } from "../fd/pipe-ring.js";
import { Obj } from "../kern/object.js";
import { LINE_WORDS } from "../limits.js";
import { waitrecZone } from "../sync/wait.js";
import { chainAt, peek } from "./peek.js";
import type { Walk } from "./walk.js";

/** A run of words that something owns. */
interface Extent {
  readonly at: number;
  readonly words: number;
  readonly what: string;
}

/** All invariants of zones and buffers; comes after everything reachable was claimed. */
export function checkMemory(w: Walk): void {
  const extents: Extent[] = [];
  for (const [at, { zone, what }] of w.slots) {
    extents.push({ at, words: zone.struct.words, what: `${zone.struct.name} (${what})` });
  }
  for (const [at, words] of w.buffers) extents.push({ at, words, what: "buffer" });
  let accounted = 0;
  for (const zone of zones) accounted += checkZone(w, zone, extents);
  accounted += checkBuffers(w, extents);
  w.same(w.first + accounted, w.brk, () => "the sum of all slots and buffers");
  checkOverlap(w, extents);
}

function zoneAt(w: Walk, zone: ZoneDef<string>): ZonePtr {
  return (peek(w.k, Super.zoneTable, SUPER) + zone.index * LINE_WORDS) as ZonePtr;
}

/** What the memory lock guards, as it is whenever that is free: the free lists and their counts. */
export function checkFreeLists(w: Walk): void {
  for (const zone of zones) checkFreeSlots(w, zone);
  checkFreeBuffers(w, []);
}

/** The free list of a zone, which is returned, and the counts. */
function checkFreeSlots(w: Walk, zone: ZoneDef<string>): number[] {
  const { k } = w;
  const { name } = zone.struct;
  const z = zoneAt(w, zone);
  const free = peek(k, Zone.free, z);
  const list = chainAt(k, peek(k, Zone.head, z), zone.linkAt, w.limit);
  w.same(list.length, free, () => `zone ${name}: length of the free list`);
  w.same(list.at(-1) ?? 0, peek(k, Zone.tail, z), () => `zone ${name}: end of the free list`);
  const total = peek(k, Zone.total, z);
  w.same(peek(k, Zone.live, z) + free, total, () => `zone ${name}: live and free slots`);
  return list;
}

/** One zone: its free list, its counts. Returns the words that it has carved. */
function checkZone(w: Walk, zone: ZoneDef<string>, extents: Extent[]): number {
  const { k } = w;
  const { name, words } = zone.struct;
  const z = zoneAt(w, zone);
  const live = peek(k, Zone.live, z);
  const total = peek(k, Zone.total, z);
  const list = checkFreeSlots(w, zone);
  w.same(peek(k, Zone.slotWords, z), words, () => `zone ${name}: slot size`);
  let reached = 0;
  for (const slot of w.slots.values()) if (slot.zone === zone) reached++;
  // Records of awaiting threads are known to those threads alone while they are not linked.
  if (zone.index === waitrecZone.index) {
    w.check(live >= reached, () => `zone ${name}: ${live} live slots, ${reached} reachable`);
  } else {
    w.same(reached, live, () => `zone ${name}: reachable slots`);
  }
  for (const at of list) {
    const user = w.slots.get(at);
    w.check(user === undefined, () => `${name} ${at} is free and ${user?.what}`);
    if (user === undefined) extents.push({ at, words, what: `free ${name}` });
    checkFreeSlot(w, zone, at);
  }
  const carved = total * words + peek(k, Zone.chunkEnd, z) - peek(k, Zone.chunk, z);
  return carved + checkChunks(w, zone, z, carved, extents);
}

/** The chunks of a zone: their slots are all that it has carved. Returns the words beside. */
function checkChunks(
  w: Walk,
  zone: ZoneDef<string>,
  z: ZonePtr,
  carved: number,
  extents: Extent[],
): number {
  const { k } = w;
  const { name, words } = zone.struct;
  let sum = 0;
  let beside = 0;
  const chunks = chainAt(k, peek(k, Zone.chunks, z), 0, w.limit);
  for (const chunk of chunks) {
    const size = chunkEnd(k, chunk) - chunkFirst(chunk);
    w.check(size > 0 && size % words === 0, () => `zone ${name}: chunk ${chunk} has ${size} words`);
    const rest = chunkLimit(k, chunk) - chunkEnd(k, chunk);
    w.check(rest >= 0 && rest < words, () => `zone ${name}: ${rest} words behind chunk ${chunk}`);
    extents.push({ at: chunk, words: LINE_WORDS, what: `header of a chunk of ${name}` });
    sum += size;
    beside += LINE_WORDS + rest;
  }
  w.same(sum, carved, () => `zone ${name}: words in its chunks`);
  return beside;
}

const objectZones: readonly ZoneDef<string>[] = [
  kqueueZone,
  eventfdZone,
  pipeZone,
  bellZone,
  sourceZone,
];

/** Lock words keep their meaning in a free slot: nobody may hold one. */
function checkFreeSlot(w: Walk, zone: ZoneDef<string>, at: number): void {
  if (!objectZones.includes(zone)) return;
  const what = (struct: StructInfo) => () => `lock of free ${struct.name} ${at}`;
  w.unlocked(at + Obj.lockWord.offset, what(zone.struct));
  if (zone.index === kqueueZone.index) w.unlocked(at + Kqueue.lock.offset, what(zone.struct));
}

/** Byte buffers: free lists and what is in use. Returns the words of both. */
function checkBuffers(w: Walk, extents: Extent[]): number {
  const { k } = w;
  const live = peek(k, Super.heapLive, SUPER);
  let used = 0;
  for (const words of w.buffers.values()) used += words;
  w.same(used, live, () => "words in reachable buffers");
  return live + checkFreeBuffers(w, extents);
}

/** The free buffers: lists, sizes, the map of them. Returns their words. */
function checkFreeBuffers(w: Walk, extents: Extent[]): number {
  const { k } = w;
  let free = 0;
  const freeAt = new Map<number, number>();
  for (let cls = 0; cls < HEAP_CLASSES; cls++) {
    const words = 2 ** cls;
    const list = chainAt(k, k.a[Super.heapFree.at(SUPER) + cls] as number, 0, w.limit);
    let before = 0;
    for (const at of list) {
      w.check(!w.buffers.has(at), () => `buffer ${at} is free and in use`);
      w.same(k.a[at + FREE_PREV] as number, before, () => `free buffer ${at}: link back`);
      w.same(k.a[at + FREE_CLASS] as number, cls, () => `free buffer ${at}: class`);
      w.check(at % words === 0, () => `free buffer ${at} of ${words} words is not aligned`);
      w.check(heapIsFree(k, at), () => `free buffer ${at} is not in the heap map`);
      freeAt.set(at, words);
      extents.push({ at, words, what: "free buffer" });
      before = at;
    }
    free += list.length * words;
  }
  checkJoined(w, freeAt);
  return free;
}

/** The map has no other bits, and no two halves of one buffer are free. */
function checkJoined(w: Walk, freeAt: ReadonlyMap<number, number>): void {
  for (const [at, words] of freeAt) {
    const split = freeAt.get(at ^ words) === words;
    w.check(!split, () => `free buffers ${at} and ${at ^ words} of ${words} words are not joined`);
  }
  let bits = 0;
  const map = peek(w.k, Super.heapMap, SUPER);
  for (let i = map; i < map + heapMapWords(w.k.a.length); i++) {
    for (let word = w.k.a[i] as number; word !== 0; word &= word - 1) bits++;
  }
  w.same(bits, freeAt.size, () => "bits of the heap map");
}

/** Words of the buffer that a request for `words` gets. */
export function bufferWords(words: number): number {
  return 2 ** heapClass(words);
}

function checkOverlap(w: Walk, extents: Extent[]): void {
  extents.sort((x, y) => x.at - y.at);
  let before: Extent | undefined;
  for (const extent of extents) {
    const outside = extent.at < w.first || extent.at + extent.words > w.brk;
    w.check(!outside, () => `${extent.what} at ${extent.at} is outside of the arena's memory`);
    if (before !== undefined && before.at + before.words > extent.at) {
      w.problems.push(`${before.what} at ${before.at} overlaps ${extent.what} at ${extent.at}`);
    }
    before = extent;
  }
}
