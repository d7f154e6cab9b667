// SPDX-License-Identifier: ISC
/**
 * Bucket arrays of chained hashes, in byte buffers. Descriptor numbers are dense, so they hash to
 * themselves, which also makes a bucket the list of one number; other identifiers are spread.
 * The owner's lock guards the array.
 */
import type { Kthread } from "./kthread.js";

/** Bucket of an identifier. `spread` is false for descriptor numbers. */
export function hashBucket(ident: number, filter: number, bits: number, spread: boolean): number {
  if (!spread) return ident & ((1 << bits) - 1);
  return Math.imul(ident ^ Math.imul(filter, 0x85ebca6b), 0x9e3779b1) >>> (32 - bits);
}

export function bucketGet(k: Kthread, buckets: number, index: number): number {
  return k.a[buckets + index] as number;
}

export function bucketSet(k: Kthread, buckets: number, index: number, head: number): void {
  k.a[buckets + index] = head;
}

/** Make all buckets empty. */
export function bucketsClear(k: Kthread, buckets: number, bits: number): void {
  k.a.fill(0, buckets, buckets + (1 << bits));
}
