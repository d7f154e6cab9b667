// SPDX-License-Identifier: ISC
/**
 * Repair of a queue and of a list of knotes whose lock a dead thread held. Everything is built
 * again from what says where a knote belongs, each guarded by the lock in question, so that it does
 * not matter where in the middle of which operation the thread died:
 *
 *   hash, number of registrations   KN_LINKED, identifier and filter
 *   magazines                       knotes and cold lines of the queue that are nobody's
 *   ready list, count, fresh        KN_QUEUED and KN_DELIVERED; what is active, or should be by its
 *                                   filter, is queued again
 *   timer heap                      KN_ARMED and the due time
 *   wait queues                     the state of each wait record and the queue that it names
 *   klist                           the link back in the cold line
 *
 * The order of the ready list is not specified afterwards. Repairing twice changes nothing.
 */

import { EV_CLEAR, EV_EOF, EV_ONESHOT } from "../abi/event.js";
import { bucketGet, bucketSet, bucketsClear, hashBucket } from "../arena/hash.js";
import { DEFER_DROP, type Kthread } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { Obj, type ObjectPtr } from "../kern/object.js";
import {
  REASON_CLOSED,
  REASON_WOKEN,
  REC_ARMED,
  REC_CLAIMED,
  REC_FIRING,
  Waitq,
  type WaitqPtr,
  Waitrec,
  type WaitrecPtr,
  waitFireLocked,
  waitqInit,
  waitRelinkLocked,
  waitrecZone,
  wakeAllLocked,
} from "../sync/wait.js";
import { askLocked } from "./ask.js";
import { mayArm } from "./drop.js";
import { timerUncount } from "./filt/timer.js";
import { userUncount } from "./filt/user.js";
import { OPS_BELL, OPS_NOP_FD, OPS_TIMER, OPS_USER } from "./filterops.js";
import { filterops } from "./filters.js";
import { klistInsertLocked } from "./klist.js";
import { knoteActivateLocked, queueTouchedLocked, queueWakeLocked } from "./ready.js";
import { slotsEach } from "./slots.js";
import {
  COLD_EXT,
  COLD_MAGAZINE,
  COLD_WHOSE,
  KN_ACTIVE,
  KN_ARMED,
  KN_DELIVERED,
  KN_DETACHED,
  KN_DISABLED,
  KN_LINKED,
  KN_QUEUED,
  Kncold,
  type KncoldPtr,
  Knote,
  type KnotePtr,
  KQ_OPEN,
  Kqueue,
  type KqueuePtr,
  kncoldZone,
  knoteZone,
  kqClaimWaitq,
  kqWaitq,
  LOOK_NEVER,
} from "./structs.js";
import { timerArmLocked, timerKeepLocked } from "./timer.js";

const KN_KQ = Knote.kq.offset;
const KN_STATUS = Knote.status.offset;
const KN_COLD = Knote.cold.offset;
const KN_CLAIM = Knote.claim.offset;
const SLOT_MASK = ~15;

/** Knotes of a queue: its registrations, and the others. Queue lock held. */
interface Members {
  readonly linked: KnotePtr[];
  readonly free: KnotePtr[];
}

function membersOf(k: Kthread, kq: KqueuePtr): Members {
  const members: Members = { linked: [], free: [] };
  slotsEach(k, knoteZone, (slot) => {
    if (k.a[slot + KN_KQ] !== kq || (k.a[slot + KN_CLAIM] as number) < 0) return;
    const linked = ((k.a[slot + KN_STATUS] as number) & KN_LINKED) !== 0;
    (linked ? members.linked : members.free).push(slot as KnotePtr);
  });
  return members;
}

/** Whether a cold line is in use by the knote that it says it belongs to. */
function coldInUse(k: Kthread, cold: number, whose: number): boolean {
  const kn = whose & SLOT_MASK;
  if (((k.a[kn + KN_STATUS] as number) & KN_LINKED) === 0) return false;
  const its = k.a[kn + KN_COLD] as number;
  if ((whose & COLD_EXT) === 0) return its === cold;
  return its !== 0 && k.a[its + Kncold.ext.offset] === cold;
}

/** Build a queue again whose lock a dead thread held, and this one holds for it. */
export function queueRepairLocked(k: Kthread, kq: KqueuePtr): void {
  const members = membersOf(k, kq);
  finishDropsLocked(k, kq, members);
  rebuildMagazinesLocked(k, kq, members.free);
  rebuildHashLocked(k, kq, members.linked);
  waitqRepairLocked(k, kqWaitq(kq));
  waitqRepairLocked(k, kqClaimWaitq(kq));
  rebuildReadyLocked(k, kq, members.linked);
  rebuildHeapLocked(k, kq, members.linked);
  for (const kn of members.linked) reactivateLocked(k, kq, kn);
  if (Kqueue.state.get(k, kq) !== KQ_OPEN) wakeAllLocked(k, kqWaitq(kq), REASON_CLOSED);
  // Whoever waits for a claim looks again.
  wakeAllLocked(k, kqClaimWaitq(kq), REASON_WOKEN);
  if (Kqueue.fresh.get(k, kq) > 0) queueWakeLocked(k, kq);
  timerKeepLocked(k, kq);
  queueTouchedLocked(k, kq, true);
}

/** Registrations whose drop had begun and was not claimed yet: those without an object are gone. */
function finishDropsLocked(k: Kthread, kq: KqueuePtr, members: Members): void {
  const { linked, free } = members;
  let kept = 0;
  for (const kn of linked) {
    const dropped = (Knote.status.get(k, kn) & KN_DETACHED) !== 0 && Knote.claim.get(k, kn) === 0;
    if (!dropped) {
      linked[kept++] = kn;
      continue;
    }
    const ops = filterops[Knote.ops.get(k, kn)];
    if (ops?.isDescriptor === false) {
      uncount(k, kq, kn);
      Knote.status.clear(k, kn, KN_LINKED);
      free.push(kn);
    } else {
      // As knoteDropLocked goes on: dropsRun does the rest.
      linked[kept++] = kn;
      Knote.status.clear(k, kn, KN_QUEUED | KN_DELIVERED | KN_ARMED);
      Knote.claim.set(k, kn, k.owner);
      k.deferred |= DEFER_DROP;
    }
  }
  linked.length = kept;
}

function uncount(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const ops = Knote.ops.get(k, kn);
  if (ops === OPS_USER) userUncount(k, kq, kn);
  else if (ops === OPS_TIMER) timerUncount(k, kn);
}

function rebuildMagazinesLocked(k: Kthread, kq: KqueuePtr, free: readonly KnotePtr[]): void {
  Kqueue.magazine.set(k, kq, NIL);
  Kqueue.magazineCount.set(k, kq, 0);
  for (const kn of free) {
    uncount(k, kq, kn);
    Knote.status.set(k, kn, 0);
    Knote.cold.set(k, kn, NIL);
    Knote.claim.set(k, kn, 0);
    Knote.obj.set(k, kn, NIL);
    k.a[kn + knoteZone.linkAt] = Kqueue.magazine.get(k, kq);
    Kqueue.magazine.set(k, kq, kn);
    Kqueue.magazineCount.add(k, kq, 1);
  }
  Kqueue.coldMagazine.set(k, kq, NIL);
  Kqueue.coldCount.set(k, kq, 0);
  slotsEach(k, kncoldZone, (cold) => {
    const whose = k.a[cold + COLD_WHOSE] as number;
    if (whose <= 0) return;
    if ((whose & COLD_MAGAZINE) !== 0) {
      if ((whose & SLOT_MASK) !== kq) return;
    } else if (k.a[(whose & SLOT_MASK) + KN_KQ] !== kq || coldInUse(k, cold, whose)) {
      return;
    }
    k.a[cold + COLD_WHOSE] = kq | COLD_MAGAZINE;
    k.a[cold + kncoldZone.linkAt] = Kqueue.coldMagazine.get(k, kq);
    Kqueue.coldMagazine.set(k, kq, cold as KncoldPtr);
    Kqueue.coldCount.add(k, kq, 1);
  });
}

function rebuildHashLocked(k: Kthread, kq: KqueuePtr, linked: readonly KnotePtr[]): void {
  const buckets = Kqueue.hash.get(k, kq);
  const bits = Kqueue.hashBits.get(k, kq);
  let arming = 0;
  if (buckets !== 0) bucketsClear(k, buckets, bits);
  for (const kn of linked) {
    const ops = Knote.ops.get(k, kn);
    const spread = filterops[ops]?.isDescriptor === false;
    const at = hashBucket(Knote.ident.get(k, kn), Knote.filter.get(k, kn), bits, spread);
    Knote.hashNext.set(k, kn, bucketGet(k, buckets, at) as KnotePtr);
    bucketSet(k, buckets, at, kn);
    if (mayArm(ops)) arming++;
  }
  Kqueue.knotes.set(k, kq, linked.length);
  Kqueue.heapWanted.set(k, kq, arming);
}

function rebuildReadyLocked(k: Kthread, kq: KqueuePtr, linked: readonly KnotePtr[]): void {
  let tail: KnotePtr = NIL;
  let count = 0;
  let fresh = 0;
  Kqueue.head.set(k, kq, NIL);
  for (const kn of linked) {
    const status = Knote.status.get(k, kn);
    if ((status & KN_QUEUED) === 0) continue;
    if ((status & KN_DISABLED) !== 0) {
      // It was being disabled, which takes it off the list.
      Knote.status.clear(k, kn, KN_QUEUED | KN_DELIVERED);
      continue;
    }
    if ((status & KN_DELIVERED) === 0) fresh++;
    Knote.readyNext.set(k, kn, NIL);
    Knote.readyPrev.set(k, kn, tail);
    if (tail === 0) Kqueue.head.set(k, kq, kn);
    else Knote.readyNext.set(k, tail, kn);
    tail = kn;
    count++;
  }
  Kqueue.tail.set(k, kq, tail);
  Kqueue.count.publish(k, kq, count);
  Kqueue.fresh.set(k, kq, fresh);
}

function rebuildHeapLocked(k: Kthread, kq: KqueuePtr, linked: readonly KnotePtr[]): void {
  Kqueue.heapCount.set(k, kq, 0);
  Kqueue.look.publish(k, kq, LOOK_NEVER);
  for (const kn of linked) {
    if ((Knote.status.get(k, kn) & KN_ARMED) === 0) continue;
    Knote.status.clear(k, kn, KN_ARMED);
    const cold = Knote.cold.get(k, kn);
    const timer = Knote.ops.get(k, kn) === OPS_TIMER;
    const once = timer && Kncold.period.getNumber(k, cold) === 0;
    // One that fires once and has data has fired, and was to be taken off.
    if (once && Knote.data.get(k, kn) !== 0) continue;
    timerArmLocked(k, kq, kn, Kncold.due.getNumber(k, cold));
  }
}

/**
 * A registration that is not on the ready list: was it taken off and not delivered, or not put on
 * although its condition holds? What is edge-triggered is asked only about an edge that it has not
 * acted on.
 */
function reactivateLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const status = Knote.status.get(k, kn);
  if ((status & (KN_QUEUED | KN_DISABLED | KN_DETACHED)) !== 0) return;
  if (Knote.claim.get(k, kn) !== 0) return;
  const ops = filterops[Knote.ops.get(k, kn)];
  if (ops === undefined) return;
  if (orphanedLocked(k, kn, ops.isDescriptor)) {
    knoteActivateLocked(k, kq, kn);
    return;
  }
  const edges = ops.isDescriptor && ops.id !== OPS_BELL;
  let pending = (status & KN_ACTIVE) !== 0;
  if (!pending && edges && (Knote.flags.get(k, kn) & EV_CLEAR) !== 0) {
    const obj = Knote.obj.get(k, kn);
    const seen = Kncold.seenEdge.get(k, Knote.cold.get(k, kn));
    if (obj === 0 || seen === Obj.edge.hint(k, obj)) return;
  }
  pending ||= ops.event(k, kn);
  if (pending) knoteActivateLocked(k, kq, kn);
  else if (ops.ask !== null) askLocked(k, kn, 0);
}

/** Whether klistFini was parting a knote from its object, or had just done so; that is finished. */
function orphanedLocked(k: Kthread, kn: KnotePtr, isDescriptor: boolean): boolean {
  if (!isDescriptor) return false;
  const cold = Knote.cold.get(k, kn);
  // Read without the object's lock: it may name another neighbour at any time, but whether there is
  // one changes under the queue lock only, as nobody has claimed the knote.
  const off = cold !== 0 && k.a[cold + Kncold.klistPrev.offset] === 0;
  if (Knote.obj.get(k, kn) !== 0) {
    if (!off) return false;
    Knote.ops.set(k, kn, OPS_NOP_FD);
    Knote.obj.set(k, kn, NIL);
  }
  const last = EV_EOF | EV_ONESHOT;
  return (Knote.flags.get(k, kn) & last) === last;
}

/** Build a wait queue again; its lock held. Order is that of the records' places. */
export function waitqRepairLocked(k: Kthread, wq: WaitqPtr): void {
  waitqInit(k, wq, Waitq.lock.get(k, wq));
  slotsEach(k, waitrecZone, (slot) => {
    const rec = slot as WaitrecPtr;
    if (k.a[slot + Waitrec.waitq.offset] !== wq) return;
    const state = k.a[slot + Waitrec.state.offset] as number;
    const isAsync = k.a[slot + Waitrec.async.offset] === 1;
    if (state === REC_FIRING) waitFireLocked(k, rec);
    else if (state === REC_ARMED || (state === REC_CLAIMED && !isAsync)) {
      waitRelinkLocked(k, wq, rec);
    }
  });
}

/** Build the list of an object's knotes again; object lock held. */
export function klistRepairLocked(k: Kthread, obj: ObjectPtr): void {
  Obj.klist.set(k, obj, NIL);
  Obj.knotes.set(k, obj, 0);
  slotsEach(k, kncoldZone, (cold) => {
    const kn = k.a[cold + COLD_WHOSE] as number;
    if (kn <= 0 || (kn & ~SLOT_MASK) !== 0) return;
    if (k.a[kn + Knote.obj.offset] !== obj || k.a[kn + KN_COLD] !== cold) return;
    if (k.a[cold + Kncold.klistPrev.offset] !== 0) klistInsertLocked(k, obj, kn as KnotePtr);
  });
}
