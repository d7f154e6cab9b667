// SPDX-License-Identifier: ISC
/**
 * Access to fields of structs in the arena. A field object knows its word offset, the lock that
 * guards it and what it means; code, checker, inspector and manual read that one definition.
 *
 *  - `Field`: a word guarded by a lock (or immutable, or private to one thread). Plain accesses.
 *  - `LowField`, `SignedLowField`, `HighField`: sixteen bits of a guarded word. `or` and `clear`
 *    take bits below 2^16.
 *  - `U64Field`: two guarded words, low first.
 *  - `RacyField`: a word read without its lock. `load`, `store` and the rest are Atomics;
 *    `hint` is a plain load whose result must be checked again under a lock; `publish` is a plain
 *    store that other threads see at the latest when they next take a lock that the storing thread
 *    took or released afterwards.
 *
 * The checked build puts field-checked.ts behind `#field`, with the same classes that verify the
 * guards. This file and that one are the only places that index the arena by field.
 */
import { atomicAdd, atomicCas, atomicExchange, atomicLoad, atomicStore } from "#atomics";
import type { Kthread } from "./kthread.js";

declare const brand: unique symbol;
/** A word index of a slot of struct N. A mixed-up pointer is a compile error by its brand. */
export type Ptr<N extends string> = number & { readonly [brand]: { readonly [K in N]: true } };

/** Who guards a field. `lockOf` finds the lock word of one instance, for the checked build. */
export interface Guard {
  readonly key: string;
  readonly text: string;
  readonly lockOf?: (k: Kthread, p: number) => number;
  /** Another right to touch the field of one instance, such as owning a claim on it. */
  readonly orElse?: (k: Kthread, p: number) => boolean;
}

/** The part that is common to all kinds of field: where it is, who guards it, what it means. */
export class FieldInfo {
  readonly name: string;
  readonly offset: number;
  readonly guard: Guard;
  readonly doc: string;
  constructor(name: string, offset: number, guard: Guard, doc: string) {
    this.name = name;
    this.offset = offset;
    this.guard = guard;
    this.doc = doc;
  }
}

export class Field<N extends string, V extends number = number> extends FieldInfo {
  get(k: Kthread, p: Ptr<N>): V {
    return k.a[p + this.offset] as V;
  }
  set(k: Kthread, p: Ptr<N>, value: V): void {
    k.a[p + this.offset] = value;
  }
  add(k: Kthread, p: Ptr<N>, n: number): number {
    const a = k.a;
    const i = p + this.offset;
    const next = ((a[i] as number) + n) | 0;
    a[i] = next;
    return next;
  }
  /** Word index of the field: what lock and wait functions take. */
  at(p: Ptr<N>): number {
    return p + this.offset;
  }
}

/** The low sixteen bits of a word, unsigned. */
export class LowField<N extends string> extends FieldInfo {
  get(k: Kthread, p: Ptr<N>): number {
    return (k.a[p + this.offset] as number) & 0xffff;
  }
  set(k: Kthread, p: Ptr<N>, value: number): void {
    const i = p + this.offset;
    k.a[i] = ((k.a[i] as number) & ~0xffff) | (value & 0xffff);
  }
  or(k: Kthread, p: Ptr<N>, bits: number): void {
    const i = p + this.offset;
    k.a[i] = (k.a[i] as number) | bits;
  }
  clear(k: Kthread, p: Ptr<N>, bits: number): void {
    const i = p + this.offset;
    k.a[i] = (k.a[i] as number) & ~bits;
  }
}

/** The low sixteen bits of a word, signed. */
export class SignedLowField<N extends string> extends FieldInfo {
  get(k: Kthread, p: Ptr<N>): number {
    return ((k.a[p + this.offset] as number) << 16) >> 16;
  }
  set(k: Kthread, p: Ptr<N>, value: number): void {
    const i = p + this.offset;
    k.a[i] = ((k.a[i] as number) & ~0xffff) | (value & 0xffff);
  }
}

/** The high sixteen bits of a word, unsigned. */
export class HighField<N extends string> extends FieldInfo {
  get(k: Kthread, p: Ptr<N>): number {
    return (k.a[p + this.offset] as number) >>> 16;
  }
  set(k: Kthread, p: Ptr<N>, value: number): void {
    const i = p + this.offset;
    k.a[i] = ((k.a[i] as number) & 0xffff) | (value << 16);
  }
  or(k: Kthread, p: Ptr<N>, bits: number): void {
    const i = p + this.offset;
    k.a[i] = (k.a[i] as number) | (bits << 16);
  }
}

const TWO_32 = 4_294_967_296;

/** A 64-bit value in two words. Numbers are exact up to 2^53. */
export class U64Field<N extends string> extends FieldInfo {
  lo(k: Kthread, p: Ptr<N>): number {
    return k.a[p + this.offset] as number;
  }
  hi(k: Kthread, p: Ptr<N>): number {
    return k.a[p + this.offset + 1] as number;
  }
  setWords(k: Kthread, p: Ptr<N>, lo: number, hi: number): void {
    const a = k.a;
    const i = p + this.offset;
    a[i] = lo;
    a[i + 1] = hi;
  }
  /** The value as a signed number. */
  getNumber(k: Kthread, p: Ptr<N>): number {
    const a = k.a;
    const i = p + this.offset;
    return (a[i + 1] as number) * TWO_32 + ((a[i] as number) >>> 0);
  }
  setNumber(k: Kthread, p: Ptr<N>, value: number): void {
    const a = k.a;
    const i = p + this.offset;
    a[i] = value | 0;
    a[i + 1] = Math.floor(value / TWO_32) | 0;
  }
  at(p: Ptr<N>): number {
    return p + this.offset;
  }
}

export class RacyField<N extends string, V extends number = number> extends FieldInfo {
  load(k: Kthread, p: Ptr<N>): V {
    return atomicLoad(k.a, p + this.offset) as V;
  }
  store(k: Kthread, p: Ptr<N>, value: V): void {
    atomicStore(k.a, p + this.offset, value);
  }
  exchange(k: Kthread, p: Ptr<N>, value: V): V {
    return atomicExchange(k.a, p + this.offset, value) as V;
  }
  cas(k: Kthread, p: Ptr<N>, expected: V, value: V): V {
    return atomicCas(k.a, p + this.offset, expected, value) as V;
  }
  /** Adds and returns the value before. */
  fetchAdd(k: Kthread, p: Ptr<N>, n: number): number {
    return atomicAdd(k.a, p + this.offset, n);
  }
  /** A plain load: a guess, to be checked again under a lock before anything rests on it. */
  hint(k: Kthread, p: Ptr<N>): V {
    return k.a[p + this.offset] as V;
  }
  /** A plain store, made visible by the storing thread's next lock operation. */
  publish(k: Kthread, p: Ptr<N>, value: V): void {
    k.a[p + this.offset] = value;
  }
  at(p: Ptr<N>): number {
    return p + this.offset;
  }
}

/** Told that a mutex is about to be taken; the checked build verifies the rank. */
export function lockWanted(_k: Kthread, _lock: number, _rank: number): void {}

/** Told that a mutex is being released. */
export function lockDropped(_k: Kthread, _lock: number): void {}

/** Told that a slot of so many words is in limbo: its owner may touch all of it without locks. */
export function limboEnter(_k: Kthread, _slot: number, _words: number): void {}

/** Told that it is linked, and its guards hold from now on. */
export function limboLeave(_k: Kthread, _slot: number): void {}

/** Told that what a thread holds is going to be read from its record anew. */
export function recordReset(_k: Kthread): void {}

/** Assert that the thread holds a lock: for code that indexes words instead of using fields. */
export function assertHeld(_k: Kthread, _lock: number): void {}

/** Whether this is the checked build. */
export const CHECKS = false;
