// SPDX-License-Identifier: ISC
/**
 * Byte buffers: pipe contents, hash tables, timer heaps. Sizes are powers of two of at least one
 * line; each size has a LIFO list of free buffers, a larger free buffer is halved when there is
 * no other, and new memory is carved from the end. Halves are not joined again: what was a hash
 * table becomes another queue's, and buffers of unusual size are rare.
 *
 * Buffers are not type-stable, so they are touched only under their owner's lock, after the
 * owner's generation was compared. All functions expect the memory lock.
 */
import type { Kthread } from "./kthread.js";
import { SUPER, Super } from "./superblock.js";

const CLASS_MIN = 4;

/** Power-of-two class of a size in words: the buffer has 1 << class words. */
export function heapClass(words: number): number {
  const size = Math.max(words, 1 << CLASS_MIN);
  return 32 - Math.clz32(size - 1);
}

/** Fresh memory at the end of what is used, whole lines, or 0. */
export function heapCarveLocked(k: Kthread, words: number): number {
  const brk = Super.brk.get(k, SUPER);
  const end = brk + words;
  if (end > Super.arenaWords.get(k, SUPER)) return 0;
  Super.brk.set(k, SUPER, end);
  return brk;
}

/** A buffer of at least `words` words (contents undefined), or 0. */
export function heapTakeLocked(k: Kthread, words: number): number {
  const a = k.a;
  const cls = heapClass(words);
  const lists = Super.heapFree.at(SUPER);
  let from = cls;
  while (from < 28 && a[lists + from] === 0) from++;
  let buffer = 0;
  if (from < 28) {
    buffer = a[lists + from] as number;
    a[lists + from] = a[buffer] as number;
    while (from > cls) {
      from--;
      const half = buffer + (1 << from);
      a[half] = a[lists + from] as number;
      a[lists + from] = half;
    }
  } else {
    buffer = heapCarveLocked(k, 1 << cls);
    if (buffer === 0) return 0;
  }
  Super.heapLive.add(k, SUPER, 1 << cls);
  return buffer;
}

/** Give back a buffer that was taken with the same size. */
export function heapGiveLocked(k: Kthread, buffer: number, words: number): void {
  const cls = heapClass(words);
  const list = Super.heapFree.at(SUPER) + cls;
  k.a[buffer] = k.a[list] as number;
  k.a[list] = buffer;
  Super.heapLive.add(k, SUPER, -(1 << cls));
}
