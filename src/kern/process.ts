// SPDX-License-Identifier: ISC
/**
 * Processes: credentials, limits, counts and a descriptor table. One exists from boot on; its
 * threads are the workers that attached to the arena.
 */

import type { Kthread } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  IMMUTABLE,
  LOCK,
  type Ptr,
  ptr,
  racy,
  word,
} from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_PROC } from "../sync/order.js";

export const PROC_FREE = 0;
/** Being built by fork; undone if its builder dies. */
export const PROC_EMBRYO = 1;
export const PROC_RUNNING = 2;
export const PROC_ZOMBIE = 3;

export type ProcPtr = Ptr<"proc">;
const P = guardedBy("P", "process lock", (_k, p) => Proc.lock.at(p as ProcPtr));

export const Proc = defineStruct("proc", {
  lock: racy(LOCK, "guards the process"),
  generation: word(P, "raised when the slot is freed"),
  state: word(P, "PROC_*"),
  pid: word(IMMUTABLE, "process number"),
  parent: ptr<"proc">(P, "parent process"),
  children: ptr<"proc">(P, "first child"),
  sibling: ptr<"proc">(P, "next child of the parent"),
  threads: racy(ATOMIC, "threads attached to it; the last one to leave closes its descriptors"),
  uid: word(P, "real user id"),
  gid: word(P, "real group id"),
  keyring: word(P, "session keyring"),
  status: word(P, "exit status, in wait(2)'s form"),
  capMode: word(P, "1 in capability mode"),
  klist: ptr<"knote">(P, "knotes that watch the process or its signals"),
  table: ptr<"fdtable">(IMMUTABLE, "descriptor table"),
  userEvents: racy(ATOMIC, "EVFILT_USER knotes of the process"),
  signals: word(P, "pending signals, first word"),
  sigIgnored: word(P, "ignored signals"),
  sigMask: word(P, "blocked signals"),
  link: word(P, "free list"),
});
export const procZone = defineZone<"proc">(Proc.struct, Proc.link.offset, 4);

/** The calling thread's process. */
export function curproc(k: Kthread): ProcPtr {
  return k.proc as ProcPtr;
}

/** Real user id of a process. */
export function procUid(k: Kthread, proc: ProcPtr): number {
  mutexLock(k, Proc.lock.at(proc), RANK_PROC);
  const uid = Proc.uid.get(k, proc);
  mutexUnlock(k, Proc.lock.at(proc));
  return uid;
}
