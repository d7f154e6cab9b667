// SPDX-License-Identifier: ISC
/**
 * The checked build's side of `#field` (conditions `checks` and `explore`): the same classes as in
 * field.ts, which verify at each access that the thread has the right to it.
 *
 *  - A guarded field may be touched by a thread that holds the lock its guard names, or has the
 *    guard's other right, or owns the slot because it is still in limbo.
 *  - Fields without a lock (immutable, private) may be touched, but not through a null pointer.
 *  - A RacyField needs no lock; its plain accesses are scheduling points of the explorer.
 *  - A mutex may be taken only if its rank is above the ranks of all locks that the thread holds.
 *
 * What the thread holds is read from its record in the arena, as a recovery would read it. Ranks
 * and sizes of slots in limbo are not in that record; they are kept here per thread.
 *
 * Not verified: plain accesses by index (free links, buckets, heap entries, ring bytes), and the
 * order of accesses without a lock.
 */
import { guardLook, racyPoint, readPoint, writePoint } from "#atomics";
import * as plain from "./field.js";
import { KernelPanic, type Kthread } from "./kthread.js";
import { structs } from "./layout.js";

export { FieldInfo, type Guard, type Ptr } from "./field.js";

type Ptr<N extends string> = plain.Ptr<N>;

/** Pointers below this are into the first line, which is never used. */
const FIRST_WORD = 16;

interface Held {
  /** Rank of each lock held. */
  readonly ranks: Map<number, number>;
  /** Words of each slot in limbo. */
  readonly limbo: Map<number, number>;
}

const helds = new WeakMap<Kthread, Held>();

function heldOf(k: Kthread): Held {
  let held = helds.get(k);
  if (held === undefined) {
    held = { ranks: new Map(), limbo: new Map() };
    helds.set(k, held);
  }
  return held;
}

function holds(k: Kthread, lock: number): boolean {
  for (let i = 0; i < k.lockDepth; i++) if (k.a[k.locksAt + i] === lock) return true;
  return false;
}

function inLimbo(k: Kthread, p: number): boolean {
  if (k.limboCount === 0) return false;
  for (const [slot, words] of heldOf(k).limbo) if (p >= slot && p < slot + words) return true;
  return false;
}

/** A guard is being looked up: what is read for that is no access of the kernel's. */
let looking = false;

function look(begins: boolean): void {
  looking = begins;
  guardLook(begins);
}

/** Panic unless the thread may touch the field of the instance at p. */
function verify(k: Kthread, p: number, field: plain.FieldInfo): void {
  if (p < FIRST_WORD || p + field.offset >= k.a.length) violation(k, p, field, "bad pointer");
  const { lockOf, orElse } = field.guard;
  if (lockOf === undefined || looking || inLimbo(k, p)) return;
  look(true);
  const right = holds(k, lockOf(k, p)) || orElse?.(k, p) === true;
  look(false);
  if (!right) violation(k, p, field, `guarded by ${field.guard.text} (lock ${lockOf(k, p)})`);
}

/** The thread is about to read the field. */
function verifyRead(k: Kthread, p: number, field: plain.FieldInfo): void {
  verify(k, p, field);
  if (!looking) readPoint(k.a, p + field.offset);
}

/** The thread is about to store to the field. */
function verifyWrite(k: Kthread, p: number, field: plain.FieldInfo): void {
  verify(k, p, field);
  writePoint(k.a, p + field.offset);
}

function violation(k: Kthread, p: number, field: plain.FieldInfo, why: string): never {
  look(false);
  const struct = structs.find((s) => s.fields.includes(field))?.name ?? "struct";
  const locks = [...k.a.subarray(k.locksAt, k.locksAt + k.lockDepth)].join(", ");
  throw new KernelPanic(
    `${struct}.${field.name} of ${p} touched by thread ${k.thread}: ${why}; it holds [${locks}]`,
  );
}

export class Field<N extends string, V extends number = number> extends plain.Field<N, V> {
  override get(k: Kthread, p: Ptr<N>): V {
    verifyRead(k, p, this);
    return super.get(k, p);
  }
  override set(k: Kthread, p: Ptr<N>, value: V): void {
    verifyWrite(k, p, this);
    super.set(k, p, value);
  }
  override add(k: Kthread, p: Ptr<N>, n: number): number {
    verifyWrite(k, p, this);
    return super.add(k, p, n);
  }
}

export class LowField<N extends string> extends plain.LowField<N> {
  override get(k: Kthread, p: Ptr<N>): number {
    verifyRead(k, p, this);
    return super.get(k, p);
  }
  override set(k: Kthread, p: Ptr<N>, value: number): void {
    verifyWrite(k, p, this);
    super.set(k, p, value);
  }
  override or(k: Kthread, p: Ptr<N>, bits: number): void {
    verifyWrite(k, p, this);
    super.or(k, p, bits);
  }
  override clear(k: Kthread, p: Ptr<N>, bits: number): void {
    verifyWrite(k, p, this);
    super.clear(k, p, bits);
  }
}

export class SignedLowField<N extends string> extends plain.SignedLowField<N> {
  override get(k: Kthread, p: Ptr<N>): number {
    verifyRead(k, p, this);
    return super.get(k, p);
  }
  override set(k: Kthread, p: Ptr<N>, value: number): void {
    verifyWrite(k, p, this);
    super.set(k, p, value);
  }
}

export class HighField<N extends string> extends plain.HighField<N> {
  override get(k: Kthread, p: Ptr<N>): number {
    verifyRead(k, p, this);
    return super.get(k, p);
  }
  override set(k: Kthread, p: Ptr<N>, value: number): void {
    verifyWrite(k, p, this);
    super.set(k, p, value);
  }
  override or(k: Kthread, p: Ptr<N>, bits: number): void {
    verifyWrite(k, p, this);
    super.or(k, p, bits);
  }
}

export class U64Field<N extends string> extends plain.U64Field<N> {
  override lo(k: Kthread, p: Ptr<N>): number {
    verifyRead(k, p, this);
    return super.lo(k, p);
  }
  override hi(k: Kthread, p: Ptr<N>): number {
    verifyRead(k, p, this);
    return super.hi(k, p);
  }
  override setWords(k: Kthread, p: Ptr<N>, lo: number, hi: number): void {
    verifyWrite(k, p, this);
    super.setWords(k, p, lo, hi);
  }
  override getNumber(k: Kthread, p: Ptr<N>): number {
    verifyRead(k, p, this);
    return super.getNumber(k, p);
  }
  override setNumber(k: Kthread, p: Ptr<N>, value: number): void {
    verifyWrite(k, p, this);
    super.setNumber(k, p, value);
  }
}

export class RacyField<N extends string, V extends number = number> extends plain.RacyField<N, V> {
  override hint(k: Kthread, p: Ptr<N>): V {
    if (p < FIRST_WORD) violation(k, p, this, "bad pointer");
    if (!looking) racyPoint(k.a, p + this.offset, true);
    return super.hint(k, p);
  }
  override publish(k: Kthread, p: Ptr<N>, value: V): void {
    if (p < FIRST_WORD) violation(k, p, this, "bad pointer");
    racyPoint(k.a, p + this.offset);
    super.publish(k, p, value);
  }
}

/** A mutex is about to be taken: its rank is above all that are held, and it is not among them. */
export function lockWanted(k: Kthread, lock: number, rank: number): void {
  const { ranks } = heldOf(k);
  for (const [held, its] of ranks) {
    if (held === lock) {
      throw new KernelPanic(`thread ${k.thread} takes lock ${lock}, which it holds`);
    }
    if (its >= rank) {
      throw new KernelPanic(
        `thread ${k.thread} takes lock ${lock} of rank ${rank} under lock ${held} of rank ${its}`,
      );
    }
  }
  ranks.set(lock, rank);
}

/** A mutex is being released by the thread that holds it. */
export function lockDropped(k: Kthread, lock: number): void {
  if (!heldOf(k).ranks.delete(lock)) {
    throw new KernelPanic(`thread ${k.thread} drops lock ${lock}, which it does not hold`);
  }
}

/** A slot of `words` words is in limbo: its owner may touch all of it without locks. */
export function limboEnter(k: Kthread, slot: number, words: number): void {
  heldOf(k).limbo.set(slot, words);
}

/** It is linked, and its guards hold from now on. */
export function limboLeave(k: Kthread, slot: number): void {
  heldOf(k).limbo.delete(slot);
}

/** What the thread holds is going to be read from its record anew. */
export function recordReset(k: Kthread): void {
  helds.delete(k);
}

/** Panic unless the thread holds the lock. */
export function assertHeld(k: Kthread, lock: number): void {
  if (!holds(k, lock)) throw new KernelPanic(`thread ${k.thread} does not hold lock ${lock}`);
}

/** Whether this is the checked build. */
export const CHECKS = true;
