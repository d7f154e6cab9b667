// SPDX-License-Identifier: ISC
/**
 * The structs of the event core: knote and kqueue.
 *
 * A knote is one registration. Its first line (64 bytes) has all that a user event needs; the cold
 * line is allocated when a value needs its high word, when there is an object to watch, or a timer
 * to keep. A kqueue has what it is as a watched object, its queue with everything the
 * lock holder writes, and its waiters.
 *
 * Which of a knote's lists is authoritative: the hash (from ident and filter), the klist (from
 * `obj`), the ready list (from KN_QUEUED), the timer heap (from KN_ARMED). Links and counts can be
 * rebuilt from those.
 */
import type { Kthread } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  highHalf,
  IMMUTABLE,
  LOCK,
  line,
  lowHalf,
  type Ptr,
  ptr,
  racy,
  signedLowHalf,
  u64,
  word,
  words,
} from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { O, Obj, type ObjectPtr } from "../kern/object.js";
import { WAITQ_WORDS, type WaitqPtr } from "../sync/wait.js";

export type KnotePtr = Ptr<"knote">;
export type KncoldPtr = Ptr<"kncold">;
export type KnextPtr = Ptr<"knext">;
export type KqueuePtr = Ptr<"kqueue" | "object">;

const KN_KQ_AT = 8;
const KN_OBJ_AT = 9;
const KN_CLAIM_AT = 15;
const COLD_KN_AT = 15;
const queueLockOf = (k: Kthread, kn: number): number =>
  Kqueue.lock.at(k.a[kn + KN_KQ_AT] as KqueuePtr);
const claimedByMe = (k: Kthread, kn: number): boolean => k.a[kn + KN_CLAIM_AT] === k.owner;
/** Guard of a knote's fields: the lock of its queue, or the claim on it. */
const Q = guardedBy("q", "queue lock, or the claim", queueLockOf, claimedByMe);
/** Guard of its place on a klist: the lock of the watched object. */
const KO = guardedBy("o", "lock of the watched object", (k, kn) =>
  Obj.lockAt.get(k, k.a[kn + KN_OBJ_AT] as ObjectPtr),
);

/** Whether this thread holds the lock of the object that a knote watches. */
const objectLockedByMe = (k: Kthread, kn: number): boolean => {
  const obj = k.a[kn + KN_OBJ_AT] as ObjectPtr;
  if (obj === 0) return false;
  return k.a.subarray(k.locksAt, k.locksAt + k.lockDepth).includes(Obj.lockAt.get(k, obj));
};
/** Guard of `obj`: the queue lock or the claim, or to read it the lock of the watched object. */
const QO = guardedBy(
  "qo",
  "queue lock, or the claim, or the lock of the watched object",
  queueLockOf,
  (k, kn) => claimedByMe(k, kn) || objectLockedByMe(k, kn),
);

/** Status bits of a knote. The first four have the kernels' values. */
export const KN_ACTIVE = 0x1;
export const KN_QUEUED = 0x2;
export const KN_DISABLED = 0x4;
/** Being dropped: notifications pass it by. */
export const KN_DETACHED = 0x8;
/** On the ready list after it was delivered: its waiters had their wake. */
export const KN_DELIVERED = 0x10;
/** A user event was triggered and not cleared. */
export const KN_TRIGGERED = 0x20;
/** In the timer heap. */
export const KN_ARMED = 0x40;
/** The high word of the identifier is not 0. */
export const KN_WIDE = 0x80;
/** Its object said that the condition holds, which is so until the object's edge count moves. */
export const KN_ANSWERED = 0x100;
/** A registration of its queue: in the hash. Others of a queue are in its magazine. */
export const KN_LINKED = 0x200;
/** Counted in the number of user events of its process, or in that of timers. */
export const KN_COUNTED = 0x400;

export const Knote = defineStruct("knote", {
  ident: word(Q, "identifier, low word"),
  filter: signedLowHalf(Q, "EVFILT_*"),
  ops: highHalf(Q, "number of its filter operations"),
  status: lowHalf(Q, "KN_*"),
  flags: highHalf(Q, "stored EV_* flags"),
  fflags: word(Q, "filter flags as delivered"),
  sfflags: word(Q, "filter flags as asked for"),
  data: word(Q, "data as delivered, low word"),
  sdata: word(Q, "data as asked for, low word"),
  udata: word(Q, "the caller's word, low"),
  kq: ptr<"kqueue" | "object">(IMMUTABLE, "its queue; 0 while it is free in the zone"),
  obj: ptr<"object">(QO, "watched object, 0 when detached"),
  hashNext: ptr<"knote">(Q, "hash chain; free link"),
  readyNext: ptr<"knote">(Q, "ready list; list of knotes to drop"),
  readyPrev: ptr<"knote">(Q, "ready list"),
  klistNext: ptr<"knote">(KO, "next knote of the object"),
  cold: ptr<"kncold">(QO, "its cold line, 0 if none; what has an object keeps the one it has"),
  claim: word(Q, "who works on it with the queue unlocked, or negated, who has it in hand"),
});

const C = guardedBy(
  "q",
  "queue lock, or the claim",
  (k, p) => queueLockOf(k, k.a[p + COLD_KN_AT] as number),
  (k, p) => claimedByMe(k, k.a[p + COLD_KN_AT] as number),
);

/** Guard of a cold line's klist link: the lock of the watched object. */
const CO = guardedBy("o", "lock of the watched object", (k, p) =>
  Obj.lockAt.get(k, k.a[(k.a[p + COLD_KN_AT] as number) + KN_OBJ_AT] as ObjectPtr),
);

export const Kncold = defineStruct("kncold", {
  identHi: word(C, "identifier, high word"),
  dataHi: word(C, "data as delivered, high word"),
  sdataHi: word(C, "data as asked for, high word"),
  udataHi: word(C, "the caller's word, high"),
  seenEdge: word(C, "the object's edge count this knote has acted on"),
  exactLo: word(C, "exact data, low word; of a source, the edge count when it was asked"),
  exactHi: word(C, "and high"),
  klistPrev: ptr<"knote">(CO, "previous knote of the object"),
  file: ptr<"file">(C, "open file it holds a reference on"),
  heapIndex: word(C, "place in the timer heap while KN_ARMED"),
  due: u64(C, "when the timer is due (ns since boot)"),
  period: u64(C, "nanoseconds between expirations, 0 for one"),
  ext: ptr<"knext">(C, "ext[4], 0 if all are 0"),
  knote: ptr<"knote">(IMMUTABLE, "the knote it belongs to; for others see COLD_MAGAZINE"),
});

/** ext[4] of a registration that has any: a slot of the cold lines' zone, with another layout. */
export const Knext = defineStruct("knext", {
  values: words(8, IMMUTABLE, "ext[4], set when the knote is created; the first is the free link"),
  spare: words(8, IMMUTABLE, "unused, but for the last word: whose it is"),
});

/**
 * The last word of a cold line says whose it is: its knote; the knote whose ext values it has, plus
 * COLD_EXT; a queue plus COLD_MAGAZINE; a thread's owner word negated while it is in the hands of
 * that thread; 0 while it is free in the zone. Slots are whole lines, so that small numbers fit.
 */
export const COLD_MAGAZINE = 1;
export const COLD_EXT = 2;
export const COLD_WHOSE = Kncold.knote.offset;

export const knoteZone = defineZone<"knote">(
  Knote.struct,
  Knote.hashNext.offset,
  64,
  Knote.claim.offset,
);
export const kncoldZone = defineZone<"kncold">(Kncold.struct, 0, 64, COLD_WHOSE);

/** Unit of Kqueue.look, in nanoseconds: a power of two, so that it is a shift of the due time. */
export const LOOK_NS = 2 ** 20;
export const LOOK_NEVER = 0x7fffffff;

/** States of a queue. */
export const KQ_FREE = 0;
export const KQ_OPEN = 1;
export const KQ_CLOSING = 2;

const KQL = guardedBy("q", "queue lock", (_k, p) => Kqueue.lock.at(p as KqueuePtr));
const TABLE = guardedBy("T", "lock of the table it belongs to", (k, p) =>
  Kqueue.tableLock.get(k, p as KqueuePtr),
);

export const Kqueue = defineStruct(
  "kqueue",
  {
    lock: line(racy(LOCK, "the queue lock")),
    state: word(KQL, "KQ_*"),
    generation: racy(ATOMIC, "raised under the lock when the slot is freed; part of every handle"),
    count: racy(ATOMIC, "knotes on the ready list; read as a view by queues that watch this one"),
    fresh: word(KQL, "of these, not delivered since their activation"),
    head: ptr<"knote">(KQL, "ready list, oldest activation first"),
    tail: ptr<"knote">(KQL, "and the youngest"),
    magazine: ptr<"knote">(KQL, "free knotes of this queue"),
    magazineCount: word(KQL, "how many"),
    hash: word(KQL, "bucket array"),
    hashBits: word(KQL, "its size as a power of two"),
    knotes: word(KQL, "registrations"),
    heap: word(KQL, "timer heap: entries of due low, due high, knote, serial"),
    heapCount: word(KQL, "timers in it"),
    heapSize: word(KQL, "entries that fit"),
    watched: word(KQL, "1 while other queues watch this one"),
    dirty: word(KQL, "DIRTY_* while its readiness or due time has changed and was not propagated"),
    look: racy(ATOMIC, "no timer is due before this many LOOK_NS; LOOK_NEVER if none is armed"),

    waitq: line(words(WAITQ_WORDS, KQL, "threads that wait for events")),
    claimWaitq: words(WAITQ_WORDS, KQL, "threads that wait for a claim to end"),
    heapWanted: word(KQL, "knotes that may be in the timer heap at once"),
    heapSerial: word(KQL, "timers armed so far: what is due at one time fires in this order"),
    tableLock: line(word(IMMUTABLE, "lock of the descriptor table it belongs to")),
    table: word(IMMUTABLE, "that table"),
    tableNext: ptr<"kqueue" | "object">(TABLE, "next queue of the table"),
    tablePrev: ptr<"kqueue" | "object">(TABLE, "previous queue of the table"),
    proc: word(IMMUTABLE, "process it was made in"),
    copyOnFork: word(IMMUTABLE, "1 if made with KQUEUE_CPONFORK"),
    listed: word(TABLE, "1 while it is on that table's list"),
    coldMagazine: ptr<"kncold">(KQL, "free cold lines of this queue"),
    coldCount: word(KQL, "how many"),
  },
  Obj,
);
export const kqueueZone = defineZone<"kqueue">(Kqueue.struct, Obj.spare.offset, 4);

/** Guard of the object part, for tools. */
export const KQ_OBJECT_GUARD = O;

export function kqWaitq(kq: KqueuePtr): WaitqPtr {
  return Kqueue.waitq.at(kq) as number as WaitqPtr;
}

export function kqClaimWaitq(kq: KqueuePtr): WaitqPtr {
  return Kqueue.claimWaitq.at(kq) as number as WaitqPtr;
}
