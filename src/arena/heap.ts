// SPDX-License-Identifier: ISC
/**
 * Byte buffers: pipe contents, hash tables, timer heaps. Sizes are powers of two of at least one
 * line, and a buffer stands at a multiple of its size. So it has one *buddy*, the other half of a
 * buffer of twice the size: a larger free buffer is halved when there is no other, and one that is
 * given back is joined with its buddy if that is free as well, and the result with its own. No two
 * buddies are ever free at once, and what was fragmented is whole again when it is free.
 *
 * New memory is carved from the end. What is skipped to get to a multiple of the size becomes free
 * buffers. When the end is reached, zones take their chunks from free buffers, too.
 *
 * Whether a free buffer starts at a line is a bit in the *heap map*, because the words of a buffer
 * in use can look like anything. The bits say what is free; each size has a list of its free
 * buffers, linked both ways through their first words, which hold the size as well.
 *
 * Buffers are not type-stable, so they are touched only under their owner's lock, after the
 * owner's generation was compared. All functions expect the memory lock.
 */
import { assertHeld } from "#field";
import { LINE_WORDS } from "../limits.js";
import type { Kthread } from "./kthread.js";
import { HEAP_CLASSES, SUPER, Super } from "./superblock.js";

const CLASS_MIN = 4;
/** Lines of one word of the heap map. */
const MAP_LINES = 32;

/** Words of a free buffer: the list links, and its class. */
export const FREE_NEXT = 0;
export const FREE_PREV = 1;
export const FREE_CLASS = 2;

/** Words of the heap map of an arena. */
export function heapMapWords(arenaWords: number): number {
  return Math.ceil(arenaWords / (LINE_WORDS * MAP_LINES * LINE_WORDS)) * LINE_WORDS;
}

/** Power-of-two class of a size in words: the buffer has 1 << class words. */
export function heapClass(words: number): number {
  const size = Math.max(words, 1 << CLASS_MIN);
  return 32 - Math.clz32(size - 1);
}

const MEMORY_LOCK = Super.memoryLock.at(SUPER);
const LISTS = Super.heapFree.at(SUPER);
const LIVE = Super.heapLive.at(SUPER);
const BRK = Super.brk.at(SUPER);
const MAP = Super.heapMap.at(SUPER);
const ARENA_WORDS = Super.arenaWords.at(SUPER);
const NEXT = FREE_NEXT;
const PREV = FREE_PREV;
const CLASS = FREE_CLASS;

/** Word of the heap map with the bit of a line. */
function mapAt(k: Kthread, buffer: number): number {
  return (k.a[MAP] as number) + Math.trunc(buffer / (LINE_WORDS * MAP_LINES));
}

/** That bit; shifts count modulo 32. */
function mapBit(buffer: number): number {
  return 1 << (buffer / LINE_WORDS);
}

/** Whether a free buffer starts here. */
export function heapIsFree(k: Kthread, buffer: number): boolean {
  return ((k.a[mapAt(k, buffer)] as number) & mapBit(buffer)) !== 0;
}

/**
 * Make a buffer of a class free that is nobody's any more, by adding `live` to the words in use and
 * moving the end of what is carved up to `brk`. One run, which the caller may go on with.
 */
function freeRun(k: Kthread, buffer: number, cls: number, live: number, brk: number): void {
  const a = k.a;
  const at = mapAt(k, buffer);
  const bit = mapBit(buffer);
  const list = LISTS + cls;
  const next = a[list] as number;
  a[buffer + NEXT] = next;
  a[buffer + PREV] = 0;
  a[buffer + CLASS] = cls;
  if (next !== 0) a[next + PREV] = buffer;
  a[list] = buffer;
  a[at] = (a[at] as number) | bit;
  a[LIVE] = (a[LIVE] as number) + live;
  a[BRK] = brk;
}

/** The free buddy of a free buffer, 0 if it is not free or of another size. */
function freeBuddy(k: Kthread, buffer: number, cls: number): number {
  const buddy = buffer ^ (1 << cls);
  if (cls >= HEAP_CLASSES - 1 || buddy >= (k.a[ARENA_WORDS] as number)) return 0;
  return heapIsFree(k, buddy) && k.a[buddy + CLASS] === cls ? buddy : 0;
}

/** Join two free buddies. One run: both are free before it, and what they make is after it. */
function joinRun(k: Kthread, one: number, other: number, cls: number): number {
  const a = k.a;
  const low = Math.min(one, other);
  const high = Math.max(one, other);
  const at = mapAt(k, high);
  const bit = mapBit(high);
  const list = LISTS + cls;
  const above = a[list + 1] as number;
  const lowNext = a[low + NEXT] as number;
  const lowPrev = a[low + PREV] as number;
  if (lowNext !== 0) a[lowNext + PREV] = lowPrev;
  if (lowPrev !== 0) a[lowPrev + NEXT] = lowNext;
  else a[list] = lowNext;
  // Read after the first has gone, for the two may stand beside each other on the list.
  const highNext = a[high + NEXT] as number;
  const highPrev = a[high + PREV] as number;
  if (highNext !== 0) a[highNext + PREV] = highPrev;
  if (highPrev !== 0) a[highPrev + NEXT] = highNext;
  else a[list] = highNext;
  a[at] = (a[at] as number) & ~bit;
  a[low + NEXT] = above;
  a[low + PREV] = 0;
  a[low + CLASS] = cls + 1;
  if (above !== 0) a[above + PREV] = low;
  a[list + 1] = low;
  return low;
}

/** Join a free buffer with its buddy for as long as that is free, too. */
function join(k: Kthread, from: number, of: number): void {
  let buffer = from;
  let cls = of;
  for (let buddy = freeBuddy(k, buffer, cls); buddy !== 0; buddy = freeBuddy(k, buffer, cls)) {
    buffer = joinRun(k, buffer, buddy, cls);
    cls++;
  }
}

/** Make the lines from the end of what is carved up to a place free, in pieces at their sizes. */
function freeFresh(k: Kthread, to: number): void {
  for (let at = k.a[BRK] as number; at < to; at = k.a[BRK] as number) {
    const aligned = 31 - Math.clz32(at & -at);
    const cls = Math.min(aligned, 31 - Math.clz32(to - at));
    freeRun(k, at, cls, 0, at + (1 << cls));
    join(k, at, cls);
  }
}

/** Halve the first free buffer of a class. One run. */
function halveRun(k: Kthread, cls: number): void {
  const a = k.a;
  const list = LISTS + cls;
  const whole = a[list] as number;
  const half = whole + (1 << (cls - 1));
  const at = mapAt(k, half);
  const bit = mapBit(half);
  const next = a[whole + NEXT] as number;
  const below = a[list - 1] as number;
  a[list] = next;
  if (next !== 0) a[next + PREV] = 0;
  a[half + NEXT] = below;
  a[half + PREV] = whole;
  a[half + CLASS] = cls - 1;
  if (below !== 0) a[below + PREV] = half;
  a[whole + NEXT] = half;
  a[whole + PREV] = 0;
  a[whole + CLASS] = cls - 1;
  a[list - 1] = whole;
  a[at] = (a[at] as number) | bit;
}

/**
 * A buffer of at least `words` words (contents undefined), or 0; it is written to the word `note`.
 * Each step is a run of plain stores that leaves the lists whole: see zone.ts.
 */
export function heapTakeLocked(k: Kthread, words: number, note: number): number {
  assertHeld(k, MEMORY_LOCK);
  const a = k.a;
  const cls = heapClass(words);
  let from = cls;
  while (from < HEAP_CLASSES && a[LISTS + from] === 0) from++;
  if (from >= HEAP_CLASSES) return takeFresh(k, cls, note);
  for (; from > cls; from--) halveRun(k, from);
  return takeFree(k, cls, note);
}

/** The first free buffer of a class. One run. */
function takeFree(k: Kthread, cls: number, note: number): number {
  const a = k.a;
  const buffer = a[LISTS + cls] as number;
  const at = mapAt(k, buffer);
  const bit = mapBit(buffer);
  const next = a[buffer + NEXT] as number;
  a[LISTS + cls] = next;
  if (next !== 0) a[next + PREV] = 0;
  a[at] = (a[at] as number) & ~bit;
  a[LIVE] = (a[LIVE] as number) + (1 << cls);
  a[note] = buffer;
  return buffer;
}

/** A buffer from the end of what is used, or 0. */
function takeFresh(k: Kthread, cls: number, note: number): number {
  const a = k.a;
  const size = 1 << cls;
  const buffer = Math.ceil((a[BRK] as number) / size) * size;
  if (buffer + size > (a[ARENA_WORDS] as number)) return takeAcross(k, cls, note);
  freeFresh(k, buffer);
  a[BRK] = buffer + size;
  a[LIVE] = (a[LIVE] as number) + size;
  a[note] = buffer;
  return buffer;
}

/**
 * At the end of the arena: a buffer whose first part is free, and whose rest was never carved; or
 * 0. Nothing that large is free, so what is made whole here is joined no further.
 */
function takeAcross(k: Kthread, cls: number, note: number): number {
  const a = k.a;
  const size = 1 << cls;
  const brk = a[BRK] as number;
  const buffer = Math.floor(brk / size) * size;
  if (buffer + size > (a[ARENA_WORDS] as number)) return 0;
  for (let at = buffer; at < brk; at += 1 << (a[at + CLASS] as number)) {
    if (!heapIsFree(k, at)) return 0;
  }
  freeFresh(k, buffer + size);
  return takeFree(k, cls, note);
}

/**
 * Give back a buffer that was taken with the same size. Ends in a run that the caller may go on
 * with; `heapJoinLocked` comes after it.
 */
export function heapGiveLocked(k: Kthread, buffer: number, words: number): void {
  assertHeld(k, MEMORY_LOCK);
  const cls = heapClass(words);
  freeRun(k, buffer, cls, -(1 << cls), k.a[BRK] as number);
}

/** Join a buffer that was given back with what is free beside it. */
export function heapJoinLocked(k: Kthread, buffer: number, words: number): void {
  join(k, buffer, heapClass(words));
}

/** Join what a dead thread has left unjoined; memory lock held. The lists are whole. */
export function heapRepairLocked(k: Kthread): void {
  for (let cls = CLASS_MIN; cls < HEAP_CLASSES - 1; cls++) {
    let buffer = k.a[LISTS + cls] as number;
    while (buffer !== 0) {
      const buddy = freeBuddy(k, buffer, cls);
      if (buddy === 0) buffer = k.a[buffer + NEXT] as number;
      else {
        joinRun(k, buffer, buddy, cls);
        buffer = k.a[LISTS + cls] as number;
      }
    }
  }
}
