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

/** Word of the heap map with the bit of a line. */
function mapAt(k: Kthread, buffer: number): number {
  return Super.heapMap.get(k, SUPER) + Math.trunc(buffer / (LINE_WORDS * MAP_LINES));
}

/** That bit; shifts count modulo 32. */
function mapBit(buffer: number): number {
  return 1 << (buffer / LINE_WORDS);
}

/** Whether a free buffer starts here. */
export function heapIsFree(k: Kthread, buffer: number): boolean {
  return ((k.a[mapAt(k, buffer)] as number) & mapBit(buffer)) !== 0;
}

function freeLink(k: Kthread, buffer: number, cls: number): void {
  const a = k.a;
  const list = Super.heapFree.at(SUPER) + cls;
  const next = a[list] as number;
  a[buffer + FREE_NEXT] = next;
  a[buffer + FREE_PREV] = 0;
  a[buffer + FREE_CLASS] = cls;
  if (next !== 0) a[next + FREE_PREV] = buffer;
  a[list] = buffer;
  const at = mapAt(k, buffer);
  a[at] = (a[at] as number) | mapBit(buffer);
}

function freeUnlink(k: Kthread, buffer: number, cls: number): void {
  const a = k.a;
  const at = mapAt(k, buffer);
  a[at] = (a[at] as number) & ~mapBit(buffer);
  const next = a[buffer + FREE_NEXT] as number;
  const prev = a[buffer + FREE_PREV] as number;
  if (next !== 0) a[next + FREE_PREV] = prev;
  if (prev !== 0) a[prev + FREE_NEXT] = next;
  else a[Super.heapFree.at(SUPER) + cls] = next;
}

/** Make a buffer free, joined with its buddy for as long as that is free, too. */
function free(k: Kthread, from: number, of: number): void {
  const end = Super.arenaWords.get(k, SUPER);
  let buffer = from;
  let cls = of;
  for (; cls < HEAP_CLASSES - 1; cls++) {
    const buddy = buffer ^ (1 << cls);
    if (buddy >= end || !heapIsFree(k, buddy) || k.a[buddy + FREE_CLASS] !== cls) break;
    freeUnlink(k, buddy, cls);
    buffer = Math.min(buffer, buddy);
  }
  freeLink(k, buffer, cls);
}

/** Make whole lines free, as the largest buffers that stand at multiples of their size. */
function freeLines(k: Kthread, from: number, to: number): void {
  for (let at = from; at < to; ) {
    const aligned = 31 - Math.clz32(at & -at);
    const cls = Math.min(aligned, 31 - Math.clz32(to - at));
    free(k, at, cls);
    at += 1 << cls;
  }
}

/** A buffer from the free ones, or 0. */
function takeFree(k: Kthread, cls: number): number {
  const lists = Super.heapFree.at(SUPER);
  let from = cls;
  while (from < HEAP_CLASSES && k.a[lists + from] === 0) from++;
  if (from >= HEAP_CLASSES) return 0;
  const buffer = k.a[lists + from] as number;
  freeUnlink(k, buffer, from);
  while (from > cls) {
    from--;
    freeLink(k, buffer + (1 << from), from);
  }
  return buffer;
}

/** A buffer from the end of what is used, or 0. */
function takeFresh(k: Kthread, cls: number): number {
  const brk = Super.brk.get(k, SUPER);
  const size = 1 << cls;
  const buffer = Math.ceil(brk / size) * size;
  if (buffer + size > Super.arenaWords.get(k, SUPER)) return 0;
  Super.brk.set(k, SUPER, buffer + size);
  freeLines(k, brk, buffer);
  return buffer;
}

/**
 * Memory for a zone, whole lines that are never given back, or 0. It is all zeros, as fresh memory
 * is: a slot that was never used has a free lock and the first generation.
 */
export function heapCarveLocked(k: Kthread, words: number): number {
  const brk = Super.brk.get(k, SUPER);
  const end = brk + words;
  if (end <= Super.arenaWords.get(k, SUPER)) {
    Super.brk.set(k, SUPER, end);
    return brk;
  }
  const cls = heapClass(words);
  const buffer = takeFree(k, cls);
  if (buffer === 0) return 0;
  freeLines(k, buffer + words, buffer + (1 << cls));
  k.a.fill(0, buffer, buffer + words);
  return buffer;
}

/** A buffer of at least `words` words (contents undefined), or 0. */
export function heapTakeLocked(k: Kthread, words: number): number {
  const cls = heapClass(words);
  const buffer = takeFree(k, cls) || takeFresh(k, cls);
  if (buffer !== 0) Super.heapLive.add(k, SUPER, 1 << cls);
  return buffer;
}

/** Give back a buffer that was taken with the same size. */
export function heapGiveLocked(k: Kthread, buffer: number, words: number): void {
  const cls = heapClass(words);
  free(k, buffer, cls);
  Super.heapLive.add(k, SUPER, -(1 << cls));
}
