// SPDX-License-Identifier: ISC
/**
 * Two clocks for all threads: a monotonic one in nanoseconds since the arena was booted, and a
 * wall clock in nanoseconds since 1970. A kernel booted with manual clocks reads both from the
 * superblock, where they only move when told; everybody who sleeps is woken then and looks again.
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

/** Nanoseconds since 1970. */
export function clockWall(k: Kthread): number {
  if (k.manualClock) return readManual(k, Super.wallLo.at(SUPER));
  return Math.floor(k.host.wallNs());
}

/** Both words of a manual clock, consistent: the sequence is odd or changes while they are written. */
function readManual(k: Kthread, at: number): number {
  const a = k.a;
  const seqAt = Super.clockSeq.at(SUPER);
  for (;;) {
    const seq = atomicLoad(a, seqAt);
    const lo = atomicLoad(a, at);
    const hi = atomicLoad(a, at + 1);
    if ((seq & 1) === 0 && atomicLoad(a, seqAt) === seq) return hi * TWO_32 + (lo >>> 0);
  }
}

/** Counts the moves of the manual clocks: a sleeper looks at it after it made itself wakeable. */
export function clockMoves(k: Kthread): number {
  return atomicLoad(k.a, Super.clockSeq.at(SUPER));
}

/** Set the manual clocks. The caller wakes everybody afterwards. */
export function clockSetManual(k: Kthread, monoNs: number, wallNs: number): void {
  const a = k.a;
  const lock = Super.clockLock.at(SUPER);
  const seqAt = Super.clockSeq.at(SUPER);
  mutexLock(k, lock, RANK_CLOCK);
  atomicAdd(a, seqAt, 1);
  writeManual(a, Super.monoLo.at(SUPER), monoNs);
  writeManual(a, Super.wallLo.at(SUPER), wallNs);
  atomicAdd(a, seqAt, 1);
  mutexUnlock(k, lock);
}

function writeManual(a: Int32Array, at: number, ns: number): void {
  atomicStore(a, at, ns | 0);
  atomicStore(a, at + 1, Math.floor(ns / TWO_32) | 0);
}
