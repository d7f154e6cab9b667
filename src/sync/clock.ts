// SPDX-License-Identifier: ISC
/**
 * Two clocks for all threads: a monotonic one in nanoseconds since the arena was booted, and a
 * wall clock in nanoseconds since 1970. A kernel booted with manual clocks reads both from the
 * superblock, where they only move when told; everybody who sleeps is woken then and looks again.
 *
 * A thread knows the monotonic clock up to an error, which its host has measured. It reads it late
 * by that error, so that no thread is ever before the clock, and none runs a timer early. A span
 * begins at the latest time that it may be now (clockSkewNs): so no timer is early because the
 * thread that armed it was behind, either.
 *
 * Times are numbers: exact to the nanosecond for 104 days, and monotone beyond.
 */
import { atomicAdd, atomicLoad, atomicStore } from "#atomics";
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { mutexLock, mutexUnlock } from "./mutex.js";
import { RANK_CLOCK } from "./order.js";

const TWO_32 = 4_294_967_296;

/** Monotonic nanoseconds since boot. */
export function clockMonotonic(k: Kthread): number {
  if (k.manualClock) return readManual(k, Super.monoLo.at(SUPER));
  return Math.floor(k.host.monotonicNs() + k.clockOffsetNs);
}

/**
 * Monotonic time of the call in progress, read at most once in it (60 ns): every time span that a
 * call is given counts from some moment of that call. `callBegin` has forgotten the last one's.
 */
export function callNow(k: Kthread): number {
  if (k.callNs < 0) k.callNs = clockMonotonic(k);
  return k.callNs;
}

/** A call begins that may ask for its time. */
export function callBegin(k: Kthread): void {
  k.callNs = -1;
}

/**
 * Nanoseconds since 1970. A bigint, because today's date in nanoseconds is beyond what a number
 * holds exactly; only absolute timers ask for it.
 */
export function clockWall(k: Kthread): bigint {
  if (!k.manualClock) return BigInt(Math.floor(k.host.wallNs()));
  readManual(k, Super.wallLo.at(SUPER));
  return (BigInt(words.hi) << 32n) | BigInt(words.lo >>> 0);
}

/** Both words of a manual clock as read last. */
const words = { lo: 0, hi: 0 };

/** Both words of a manual clock: the sequence is odd, or changes, while they are written. */
function readManual(k: Kthread, at: number): number {
  const a = k.a;
  const seqAt = Super.clockSeq.at(SUPER);
  for (;;) {
    const seq = atomicLoad(a, seqAt);
    words.lo = atomicLoad(a, at);
    words.hi = atomicLoad(a, at + 1);
    if ((seq & 1) === 0 && atomicLoad(a, seqAt) === seq) break;
  }
  return words.hi * TWO_32 + (words.lo >>> 0);
}

/** Counts the moves of the manual clocks: a sleeper looks at it after it made itself wakeable. */
export function clockMoves(k: Kthread): number {
  return atomicLoad(k.a, Super.clockSeq.at(SUPER));
}

/**
 * Move the manual clocks on by some nanoseconds, and set the wall clock unless `wallNs` is null.
 * The caller wakes everybody afterwards.
 */
export function clockMoveManual(k: Kthread, byNs: number, wallNs: bigint | null): void {
  const a = k.a;
  const lock = Super.clockLock.at(SUPER);
  const seqAt = Super.clockSeq.at(SUPER);
  mutexLock(k, lock, RANK_CLOCK);
  const mono = clockMonotonic(k) + byNs;
  const wall = wallNs ?? clockWall(k) + BigInt(byNs);
  atomicAdd(a, seqAt, 1);
  writeWords(a, Super.monoLo.at(SUPER), mono | 0, Math.floor(mono / TWO_32) | 0);
  writeWords(a, Super.wallLo.at(SUPER), Number(BigInt.asIntN(32, wall)), Number(wall >> 32n));
  atomicAdd(a, seqAt, 1);
  mutexUnlock(k, lock);
}

/** Clocks that a dead thread was moving are to be read again; clock lock held. */
export function clockRepairLocked(k: Kthread): void {
  const seqAt = Super.clockSeq.at(SUPER);
  if ((atomicLoad(k.a, seqAt) & 1) !== 0) atomicAdd(k.a, seqAt, 1);
}

function writeWords(a: Int32Array, at: number, lo: number, hi: number): void {
  atomicStore(a, at, lo);
  atomicStore(a, at + 1, hi);
}
