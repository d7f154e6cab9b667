// SPDX-License-Identifier: ISC
/**
 * Threads: the slots of the attached ones, and the record that each keeps of what it is doing, so
 * that another thread can finish or undo it after a death in the middle of a call.
 *
 * A slot belongs to its thread from attach until it is given back; its lock word value (epoch and
 * slot number) is never used again, so a lock found owned by a dead epoch is known to be dead.
 */

import type { Kthread } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  IMMUTABLE,
  line,
  PRIVATE,
  type Ptr,
  ptr,
  racy,
  word,
  words,
} from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { LIMBO_MAX, LOCKS_HELD_MAX, OWNER_EPOCH_BITS, OWNER_SLOT_BITS } from "../limits.js";

export const THREAD_FREE = 0;
/** Being attached; not yet counted. */
export const THREAD_EMBRYO = 1;
export const THREAD_RUNNING = 2;
/** Somebody asked for its end. */
export const THREAD_DYING = 3;
/** Its end is confirmed; being recovered. */
export const THREAD_DEAD = 4;

export type ThreadPtr = Ptr<"thread">;
const T = guardedBy("t", "threads lock", () => Super.threadsLock.at(SUPER));

export const Thread = defineStruct("thread", {
  state: racy(ATOMIC, "THREAD_*; changed under the threads lock"),
  epoch: word(T, "times this slot was used; part of the owner's lock word"),
  serial: word(T, "number of the thread, unique in the kernel"),
  process: ptr<"proc">(T, "process it belongs to"),
  nextInProcess: ptr<"thread">(T, "next thread of the process"),
  record: ptr<"waitrec">(IMMUTABLE, "the record it blocks with"),
  worker: word(T, "number the warden knows its worker by, 0 for others"),
  adopted: word(T, "slot of the thread that hears of its end, 0 if none does"),
  records: ptr<"waitrec">(PRIVATE, "its asynchronous wait records, linked or not"),

  call: line(racy(PRIVATE, "number of the call in progress, 0 outside; read by the reaper")),
  phase: racy(PRIVATE, "step of that call, for calls that go forward or back"),
  handle0: racy(PRIVATE, "what it works on"),
  handle1: racy(PRIVATE, "and what else"),
  locks: words(LOCKS_HELD_MAX, PRIVATE, "locks it holds or is about to take"),
  limbo: words(LIMBO_MAX, PRIVATE, "slots popped from a zone and not linked yet"),

  syncWord: line(racy(ATOMIC, "slept on by Atomics.wait only")),
  asyncWord: line(racy(ATOMIC, "slept on by Atomics.waitAsync only")),
  fired: racy(ATOMIC, "fired asynchronous wait records, a stack"),
});

/** The lock word value of a slot in an epoch. Never 0, since slot numbers start at 1. */
export function ownerWord(slotNumber: number, epoch: number): number {
  return ((epoch & ((1 << OWNER_EPOCH_BITS) - 1)) << OWNER_SLOT_BITS) | slotNumber;
}

/** Slot by number; numbers start at 1. */
export function threadSlot(k: Kthread, number: number): ThreadPtr {
  return (Super.threadTable.get(k, SUPER) + (number - 1) * Thread.struct.words) as ThreadPtr;
}

/** Number of the thread, unique in its kernel. */
export function threadSerial(k: Kthread): number {
  return k.a[Thread.serial.at(k.thread as ThreadPtr)] as number;
}

/** Note the start of a call. Two plain stores, read only by whoever recovers a dead thread. */
export function callEnter(k: Kthread, call: number): void {
  k.a[k.callAt] = call;
}

/** Note its end. */
export function callLeave(k: Kthread): void {
  k.a[k.callAt] = 0;
}
