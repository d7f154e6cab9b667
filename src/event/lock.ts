// SPDX-License-Identifier: ISC
/**
 * Locking a queue. A call that does not sleep takes no reference on it: the slot is type-stable,
 * so it may lock what it was told is the queue, and then compare the generation: first, because all
 * else in a slot of another generation belongs to whoever sets it up. Whoever drops the lock in the
 * middle of a call either leaves a claimed knote behind, which keeps the queue from being freed, or
 * compares the generation again.
 */
import { EAGAIN, EBADF } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import { mutexLock, mutexLockFirst, mutexUnlock } from "../sync/mutex.js";
import { RANK_QUEUE } from "../sync/order.js";
import { KQ_OPEN, Kqueue, type KqueuePtr } from "./structs.js";

/** The queue went away while it was unlocked, and is not locked now. */
export const KQ_GONE = -0x10000;

/** Lock the queue of a handle. Returns 0, or -EBADF and then it is not locked. */
export function kqueueLock(k: Kthread, kq: KqueuePtr, generation: number): number {
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
  if (Kqueue.generation.hint(k, kq) === generation && Kqueue.state.get(k, kq) === KQ_OPEN) return 0;
  mutexUnlock(k, Kqueue.lock.at(kq));
  return -EBADF;
}

/** As kqueueLock, as the first lock of a call; -EAGAIN if this thread may not wait for it. */
export function kqueueLockFirst(k: Kthread, kq: KqueuePtr, generation: number): number {
  if (!mutexLockFirst(k, Kqueue.lock.at(kq), RANK_QUEUE)) return -EAGAIN;
  if (Kqueue.generation.hint(k, kq) === generation && Kqueue.state.get(k, kq) === KQ_OPEN) return 0;
  mutexUnlock(k, Kqueue.lock.at(kq));
  return -EBADF;
}

/** Lock it again in the middle of a call. Returns 0 or KQ_GONE. */
export function kqueueRelock(k: Kthread, kq: KqueuePtr, generation: number): number {
  return kqueueLock(k, kq, generation) === 0 ? 0 : KQ_GONE;
}

export function kqueueUnlock(k: Kthread, kq: KqueuePtr): void {
  mutexUnlock(k, Kqueue.lock.at(kq));
}

/** Generation of a queue that the caller knows to be alive. */
export function kqueueGeneration(k: Kthread, kq: KqueuePtr): number {
  return Kqueue.generation.hint(k, kq);
}
