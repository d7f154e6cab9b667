// SPDX-License-Identifier: ISC
/**
 * The end of a process: it lives as long as it has a thread. The last one to leave, or whoever
 * reaps it, closes every descriptor, and with them go queues, registrations and their counts.
 */
import { type Kthread, kassert } from "../arena/kthread.js";
import { FD_CHUNK_ENTRIES, FD_CHUNKS_MAX } from "../limits.js";
import { fdClose } from "./descrip.js";
import { curtable, Fdtable, fdHint } from "./fdtable.js";
import { curproc, Proc } from "./process.js";
import { Thread, type ThreadPtr } from "./thread.js";

/** A thread has joined its process. */
export function processJoin(k: Kthread): void {
  Proc.threads.fetchAdd(k, curproc(k), 1);
}

/**
 * A thread leaves its process for good; the last one closes what is open. No lock held. Done again
 * after a death in the middle, it goes on where it was.
 */
export function processLeave(k: Kthread): void {
  const proc = curproc(k);
  const process = Thread.process.at(k.thread as ThreadPtr);
  if (k.a[process] !== 0) {
    Proc.threads.fetchAdd(k, proc, -1);
    // In one run with it: whoever has no process was uncounted.
    k.a[process] = 0;
  }
  if (Proc.threads.load(k, proc) !== 0) return;
  const chunks = Fdtable.chunks.at(curtable(k));
  for (let chunk = 0; chunk < FD_CHUNKS_MAX; chunk++) {
    if (k.a[chunks + chunk] === 0) continue;
    const first = chunk * FD_CHUNK_ENTRIES;
    for (let fd = first; fd < first + FD_CHUNK_ENTRIES; fd++) {
      if (fdHint(k, fd) !== 0) fdClose(k, fd);
    }
  }
  // Unless another thread has joined meanwhile, which makes it a process again.
  const ended = Proc.threads.load(k, proc) === 0;
  if (ended) kassert(Proc.userEvents.load(k, proc) === 0, "a process ends without user events");
}
