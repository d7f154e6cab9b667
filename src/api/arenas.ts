// SPDX-License-Identifier: ISC
/**
 * The arenas that this realm is attached to. A byte copy of an arena has everything that an arena
 * has, its random number too; only who has the arena itself can tell them apart, by changing a
 * word of one and looking at the other. So a thread that is attached refuses a copy of its arena.
 * A thread that has nothing but the copy cannot: to it the copy is an arena.
 */
import type { Kthread } from "../arena/kthread.js";
import { arenaCheck, arenaSame } from "../kern/attach.js";

const attached = new Map<number, WeakRef<Kthread>>();
const forgotten = new FinalizationRegistry<number>((id) => {
  if (attached.get(id)?.deref() === undefined) attached.delete(id);
});

/** The thread is attached to the arena with this random number. */
export function arenaAttached(id: number, k: Kthread): void {
  attached.set(id, new WeakRef(k));
  forgotten.register(k, id);
}

/** Whether the buffer is surely a copy of an arena that this realm is attached to. */
export function arenaCopied(id: number, buffer: SharedArrayBuffer): boolean {
  const k = attached.get(id)?.deref();
  return k !== undefined && arenaCheck(buffer) === 0 && !arenaSame(k, buffer);
}
