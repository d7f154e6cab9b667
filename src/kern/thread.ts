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
  phase: racy(PRIVATE, "PHASE_*: step of that call, for calls that go forward or back"),
  handle0: racy(PRIVATE, "what it works on"),
  handle1: racy(PRIVATE, "and what else"),
  locks: words(LOCKS_HELD_MAX, PRIVATE, "locks it holds or is about to take"),
  spinning: racy(PRIVATE, "1 while it is counted in Super.spinners"),
  counted: racy(PRIVATE, "1 while it is counted in Super.threads"),
  reaper: racy(ATOMIC, "number of the host thread that recovers it, 0 if none does"),
  limbo: line(words(LIMBO_MAX, PRIVATE, "what it alone has in its hands; see kern/alloc.ts")),
  limboKinds: words(LIMBO_MAX, PRIVATE, "what each of these is"),

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

/** Steps of calls that a recovery finishes or undoes; see event/recover.ts. */
export const PHASE_NONE = 0;
/** Something is made: handle0 and handle1 are its descriptors, plus 1. Undone. */
export const PHASE_CREATE = 1;
/** handle0 is being closed, which named the file handle1. Finished. */
export const PHASE_CLOSE = 2;
/** handle0 is to name the file handle1. Finished, once what it named before was taken off. */
export const PHASE_REPLACE = 3;

const PHASE = Thread.phase.offset - Thread.call.offset;
const HANDLE0 = Thread.handle0.offset - Thread.call.offset;
const HANDLE1 = Thread.handle1.offset - Thread.call.offset;

/** What every layer above brings along for a thread whose last call was cut off. */
type Recover = (k: Kthread) => unknown;
let recoverSelf: Recover = () => {};

/** Told once, by the layer that knows how. */
export function recoverInstall(recover: Recover): void {
  recoverSelf = recover;
}

/**
 * Note the start of a call: a plain store, read only by whoever recovers a dead thread. If the call
 * before never ended, because an exception went through it, the thread recovers itself first.
 */
export function callEnter(k: Kthread, call: number): void {
  if (k.a[k.callAt] !== 0) recoverSelf(k);
  k.a[k.callAt] = call;
}

/** Note its end. */
export function callLeave(k: Kthread): void {
  k.a[k.callAt] = 0;
}

/** Note the step of a call, and what it works on, in one run. */
export function phaseEnter(k: Kthread, phase: number, handle0: number, handle1: number): void {
  const a = k.a;
  const at = k.callAt;
  a[at + HANDLE0] = handle0;
  a[at + HANDLE1] = handle1;
  a[at + PHASE] = phase;
}

/** The call has no step any more that needs to be finished or undone. */
export function phaseLeave(k: Kthread): void {
  k.a[k.callAt + PHASE] = PHASE_NONE;
}

/** Words of the step and of the handles, for runs. */
export function phaseAt(k: Kthread): number {
  return k.callAt + PHASE;
}

export function handleAt(k: Kthread, which: 0 | 1): number {
  return k.callAt + (which === 0 ? HANDLE0 : HANDLE1);
}
