// SPDX-License-Identifier: ISC
/**
 * Queues that watch queues. Readiness of a child reaches its parents by a work list that is run
 * when no lock is held: per child, its object lock, then the lock of each parent in turn. There
 * is no recursion, so depth is bounded by memory only.
 *
 * A child also passes its next timer up: the parent's knote stands in the parent's timer heap with
 * the child's due time, so that who waits on the parent wakes in time, and then runs the child's
 * timers ("pokes" it).
 *
 * A cycle is refused when it would be made: the check climbs from the new parent to everything
 * that watches it, under one lock that is held until the link exists.
 */
import { EINVAL } from "../abi/errno.js";
import { DEFER_NEST, DEFER_POKE, type Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { Obj, type ObjectPtr, objectLock, objectUnlock } from "../kern/object.js";
import { clockMonotonic } from "../sync/clock.js";
import { mutexLock, mutexUnlock } from "../sync/mutex.js";
import { RANK_NEST, RANK_QUEUE } from "../sync/order.js";
import { timerExpireLocked } from "./filt/timer.js";
import { OPS_TIMER } from "./filterops.js";
import { filterops } from "./filters.js";
import { DIRTY_READY, knoteActivateLocked, queueTouchedLocked } from "./ready.js";
import {
  KN_ARMED,
  KN_DETACHED,
  Kncold,
  Knote,
  type KnotePtr,
  KQ_OPEN,
  Kqueue,
  type KqueuePtr,
} from "./structs.js";
import {
  NO_DUE,
  timerArmLocked,
  timerDisarmLocked,
  timerNextLocked,
  timersRunLocked,
} from "./timer.js";

export function nestLock(k: Kthread): void {
  mutexLock(k, Super.nestLock.at(SUPER), RANK_NEST);
}

export function nestUnlock(k: Kthread): void {
  mutexUnlock(k, Super.nestLock.at(SUPER));
}

function lockQueue(k: Kthread, kq: KqueuePtr): void {
  mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
}

function unlockQueue(k: Kthread, kq: KqueuePtr): void {
  mutexUnlock(k, Kqueue.lock.at(kq));
}

/** -EINVAL if `parent` watching `child` would close a cycle; nest lock held. */
export function nestWouldCycle(k: Kthread, parent: KqueuePtr, child: ObjectPtr): number {
  const seen = new Set<number>([parent]);
  const work: number[] = [parent];
  for (let q = work.pop(); q !== undefined; q = work.pop()) {
    if (q === child) return -EINVAL;
    const obj = q as ObjectPtr;
    objectLock(k, obj);
    for (let kn = Obj.klist.get(k, obj); kn !== 0; kn = Knote.klistNext.get(k, kn)) {
      const above = Knote.kq.get(k, kn);
      if (!seen.has(above)) {
        seen.add(above);
        work.push(above);
      }
    }
    objectUnlock(k, obj);
  }
  return 0;
}

/** A parent's knote has joined the child's klist; child's object lock held, no queue lock. */
export function nestJoinLocked(k: Kthread, child: KqueuePtr): number {
  lockQueue(k, child);
  Kqueue.watched.set(k, child, 1);
  const due = timerNextLocked(k, child);
  unlockQueue(k, child);
  return due;
}

/** A parent's knote has left; child's object lock held, no queue lock. */
export function nestLeaveLocked(k: Kthread, child: KqueuePtr): void {
  if (Obj.knotes.get(k, child) !== 0) return;
  lockQueue(k, child);
  Kqueue.watched.set(k, child, 0);
  unlockQueue(k, child);
}

/** Keep the parent's heap entry for a child's next timer; parent's queue lock held. */
export function nestDueLocked(k: Kthread, parent: KqueuePtr, kn: KnotePtr, due: number): void {
  const armed = (Knote.status.get(k, kn) & KN_ARMED) !== 0;
  if (armed && Kncold.due.getNumber(k, Knote.cold.get(k, kn)) === due) return;
  if (armed) timerDisarmLocked(k, parent, kn);
  if (due !== NO_DUE) timerArmLocked(k, parent, kn, due);
}

/** Tell the watchers of every queue on the thread's work list. No lock held. */
export function nestRun(k: Kthread): void {
  k.deferred &= ~DEFER_NEST;
  for (let child = k.nestWork.pop(); child !== undefined; child = k.nestWork.pop()) {
    propagate(k, Math.abs(child) as KqueuePtr);
  }
}

/**
 * Pass the child's next due time up, and its readiness if that has changed. The child's dirty word
 * says what nobody has passed up yet: the due time must not be taken back before an event that came
 * with it is told, whoever noted that; and nobody tells what another has told already.
 */
function propagate(k: Kthread, child: KqueuePtr): void {
  objectLock(k, child);
  lockQueue(k, child);
  const due = timerNextLocked(k, child);
  const dirty = Kqueue.dirty.get(k, child);
  unlockQueue(k, child);
  const ready = (dirty & DIRTY_READY) !== 0;
  const edge = (Obj.edge.hint(k, child) + 1) | 0;
  Obj.edge.publish(k, child, edge);
  for (let kn = Obj.klist.get(k, child); kn !== 0; kn = Knote.klistNext.get(k, kn)) {
    const parent = Knote.kq.get(k, kn);
    lockQueue(k, parent);
    if ((Knote.status.get(k, kn) & KN_DETACHED) === 0) {
      Kncold.seenEdge.set(k, Knote.cold.get(k, kn), edge);
      if (ready && filterops[Knote.ops.get(k, kn)]?.event(k, kn)) {
        knoteActivateLocked(k, parent, kn);
      }
      // After the event is counted: a poll of the parent reads the due time first.
      nestDueLocked(k, parent, kn, due);
    }
    unlockQueue(k, parent);
  }
  lockQueue(k, child);
  // What was noted since then is told by who noted it.
  if (Kqueue.dirty.get(k, child) === dirty) Kqueue.dirty.set(k, child, 0);
  unlockQueue(k, child);
  objectUnlock(k, child);
}

/** What a due entry of a queue's heap does; see timer.ts. */
export function knoteExpireLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, now: number): number {
  if (Knote.ops.get(k, kn) === OPS_TIMER) return timerExpireLocked(k, kq, kn, now);
  k.pokes.push(Knote.obj.get(k, kn));
  k.deferred |= DEFER_POKE;
  // It stays due until the child's timers have run: another thread that looks meanwhile must not
  // think that there is nothing to do.
  return now;
}

/** Run the due timers of children that a parent's heap named. No lock held. */
export function pokesRun(k: Kthread): void {
  k.deferred &= ~DEFER_POKE;
  for (let child = k.pokes.pop(); child !== undefined; child = k.pokes.pop()) {
    const kq = child as KqueuePtr;
    lockQueue(k, kq);
    if (Kqueue.state.get(k, kq) === KQ_OPEN) {
      timersRunLocked(k, kq, clockMonotonic(k), knoteExpireLocked);
      // Also when nothing was due: the parent's entry has to be put back.
      queueTouchedLocked(k, kq, false);
    }
    unlockQueue(k, kq);
  }
}
