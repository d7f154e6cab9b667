// SPDX-License-Identifier: ISC
/**
 * Reading an arena without its locks. What the inspector sees of a busy arena is a moment's
 * picture, each word true at some time and all together perhaps never; of a quiet one it is exact.
 * The fields' own accessors would be refused here by the checked build, and rightly so.
 */
import { HighField, LowField, SignedLowField } from "#field";
import { Kthread } from "../arena/kthread.js";
import type { FieldInfo } from "../arena/layout.js";
import { Waitq, type WaitqPtr, Waitrec } from "../sync/wait.js";
import type { KernelThread } from "../sys/face.js";

const TWO_32 = 4_294_967_296;

/** What the inspector can look at: a thread of the kernel, or something that has one. */
export type Inspected = Kthread | KernelThread;

export function threadOf(of: Inspected): Kthread {
  return of instanceof Kthread ? of : of.thread;
}

/** The value of a word or half-word field of the instance at p. */
export function peek(k: Kthread, field: FieldInfo, p: number): number {
  const word = k.a[p + field.offset] as number;
  if (field instanceof LowField) return word & 0xffff;
  if (field instanceof SignedLowField) return (word << 16) >> 16;
  return field instanceof HighField ? word >>> 16 : word;
}

/** The value of a U64Field as a signed number. */
export function peekNumber(k: Kthread, field: FieldInfo, p: number): number {
  const lo = k.a[p + field.offset] as number;
  const hi = k.a[p + field.offset + 1] as number;
  return hi * TWO_32 + (lo >>> 0);
}

/** The elements of a chain through `link`, at most `limit`; a longer one is a loop. */
export function chain(k: Kthread, head: number, link: FieldInfo, limit: number): number[] {
  return chainAt(k, head, link.offset, limit);
}

/** As `chain`, through the word at `offset` of each element. */
export function chainAt(k: Kthread, head: number, offset: number, limit: number): number[] {
  const elements: number[] = [];
  for (let p = head; p > 0 && p < k.a.length && elements.length < limit; ) {
    elements.push(p);
    p = k.a[p + offset] as number;
  }
  return elements;
}

/** Blocking wait records on a wait queue, oldest first. */
export function waitRecords(k: Kthread, wq: WaitqPtr, limit: number): number[] {
  return chain(k, peek(k, Waitq.head, wq), Waitrec.next, limit);
}
