// SPDX-License-Identifier: ISC
/**
 * Making every attached thread look again, after the manual clocks were moved. A thread that goes
 * to sleep first makes itself wakeable and then looks at the clock's count of moves; here the
 * clock was moved first, and then everybody who is asleep is woken. One of the two sees the other.
 */
import { atomicExchange, atomicNotify } from "#atomics";
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { WORD_SLEEPING, WORD_WOKEN } from "../sync/wait.js";
import { THREAD_FREE, Thread, threadSlot } from "./thread.js";

function rouse(k: Kthread, at: number): void {
  if (atomicExchange(k.a, at, WORD_WOKEN) === WORD_SLEEPING) atomicNotify(k.a, at, 1);
}

/** Wake every thread that blocks or awaits. No lock held. */
export function threadsRouse(k: Kthread): void {
  const count = Super.threadsMax.get(k, SUPER);
  for (let number = 1; number <= count; number++) {
    const thread = threadSlot(k, number);
    if (Thread.state.load(k, thread) === THREAD_FREE) continue;
    rouse(k, Thread.syncWord.at(thread));
    rouse(k, Thread.asyncWord.at(thread));
  }
}
