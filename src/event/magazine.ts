// SPDX-License-Identifier: ISC
/**
 * Magazines: free knotes and cold lines that a queue keeps for itself, guarded by its lock, so
 * that registering takes the memory lock once per batch. They are filled and emptied only while
 * the queue is unlocked, because nothing is locked under a queue.
 */
import { ENOMEM } from "../abi/errno.js";
import { bucketGet, bucketSet, bucketsClear, hashBucket } from "../arena/hash.js";
import { DEFER_FREE, type Kthread } from "../arena/kthread.js";
import { NIL, type Ptr } from "../arena/layout.js";
import { type ZoneDef, zones } from "../arena/zone.js";
import {
  heapAlloc,
  heapFree,
  limboBufferKind,
  limboCompact,
  limboFind,
  zallocBatch,
  zfree,
  zfreeChain,
} from "../kern/alloc.js";
import { HEAP_ENTRIES_MIN, LIMBO_MAX, MAGAZINE_BATCH, MAGAZINE_HIGH } from "../limits.js";
import { filterops } from "./filters.js";
import { kqueueRelock, kqueueUnlock } from "./lock.js";
import {
  COLD_EXT,
  COLD_MAGAZINE,
  COLD_WHOSE,
  Kncold,
  type KncoldPtr,
  Knext,
  type KnextPtr,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
  kncoldZone,
  knoteZone,
} from "./structs.js";
import { heapBytesWords } from "./timer.js";

/** The queue was unlocked meanwhile: what was looked up before must be looked up again. */
export const RESTART = 1;
const KN_KQ = Knote.kq.offset;
/** Words of ext[4] in a change record and in its slot. */
export const EXT_WORDS = 8;

// Constants of this module are folded into the code; imported ones are loads.
const MAGAZINE = Kqueue.magazine.offset;
const MAGAZINE_COUNT = Kqueue.magazineCount.offset;
const COLD_LIST = Kqueue.coldMagazine.offset;
const COLD_COUNT = Kqueue.coldCount.offset;
const KNOTE_LINK = knoteZone.linkAt;
const COLD_LINK = kncoldZone.linkAt;
const KQ = Knote.kq.offset;
const COLD = Knote.cold.offset;
const OBJ = Knote.obj.offset;
const EXT = Kncold.ext.offset;
const WHOSE = COLD_WHOSE;
const OF_MAGAZINE = COLD_MAGAZINE;
const KNOTE_MARK = knoteZone.markAt;
const HIGH = MAGAZINE_HIGH;
const HEAP_WANTED = Kqueue.heapWanted.offset;
const HEAP_SIZE = Kqueue.heapSize.offset;
const HASH_BITS = Kqueue.hashBits.offset;
const KNOTES = Kqueue.knotes.offset;
const HEAP = Kqueue.heap.offset;
const HASH = Kqueue.hash.offset;

/**
 * Make sure that a knote (and `cold` cold lines, and room in the timer heap) can be had without
 * allocating; queue lock held. Returns 0, RESTART if the lock was dropped and taken again,
 * -ENOMEM, or KQ_GONE if the queue went away meanwhile (then no lock is held).
 */
export function magazineNeedLocked(k: Kthread, kq: KqueuePtr, cold: number, heap: boolean): number {
  const a = k.a;
  if (a[kq + MAGAZINE_COUNT] === 0) return fillKnotes(k, kq);
  if ((a[kq + COLD_COUNT] as number) < cold) return fillCold(k, kq);
  if (heap && (a[kq + HEAP_WANTED] as number) >= (a[kq + HEAP_SIZE] as number)) {
    return growHeap(k, kq);
  }
  const bits = a[kq + HASH_BITS] as number;
  if ((a[kq + KNOTES] as number) >= 1 << bits && k.hashDenied !== kq) {
    return growHash(k, kq, bits + 1);
  }
  return 0;
}

/**
 * A chain of slots that this thread had in its hands is the queue's: say so in each, by the word
 * `at` and the mark. Returns the last one.
 */
function chainTake<N extends string>(
  k: Kthread,
  zone: ZoneDef<N>,
  head: Ptr<N>,
  at: number,
  whose: number,
  mark: number,
): Ptr<N> {
  const a = k.a;
  for (let slot = head; ; ) {
    const next = a[slot + zone.linkAt] as Ptr<N>;
    a[slot + at] = whose;
    a[slot + zone.markAt] = mark;
    if (next === 0) return slot;
    slot = next;
  }
}

function fillKnotes(k: Kthread, kq: KqueuePtr): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  const batch = zallocBatch(k, knoteZone, MAGAZINE_BATCH);
  const back = kqueueRelock(k, kq, generation);
  if (batch.count === 0) return back < 0 ? back : -ENOMEM;
  if (back < 0) {
    zfreeChain(k, knoteZone, batch.head);
    return back;
  }
  const tail = chainTake(k, knoteZone, batch.head, Knote.kq.offset, kq, 0);
  k.a[tail + knoteZone.linkAt] = Kqueue.magazine.get(k, kq);
  Kqueue.magazine.set(k, kq, batch.head);
  Kqueue.magazineCount.add(k, kq, batch.count);
  return RESTART;
}

function fillCold(k: Kthread, kq: KqueuePtr): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  const batch = zallocBatch(k, kncoldZone, MAGAZINE_BATCH);
  const back = kqueueRelock(k, kq, generation);
  if (batch.count === 0) return back < 0 ? back : -ENOMEM;
  if (back < 0) {
    zfreeChain(k, kncoldZone, batch.head);
    return back;
  }
  const mark = kq | COLD_MAGAZINE;
  const tail = chainTake(k, kncoldZone, batch.head, COLD_WHOSE, mark, mark);
  k.a[tail + kncoldZone.linkAt] = Kqueue.coldMagazine.get(k, kq);
  Kqueue.coldMagazine.set(k, kq, batch.head);
  Kqueue.coldCount.add(k, kq, batch.count);
  return RESTART;
}

/** A larger timer heap; entries keep their places, so indexes stay. */
function growHeap(k: Kthread, kq: KqueuePtr): number {
  const generation = Kqueue.generation.hint(k, kq);
  const size = Kqueue.heapSize.get(k, kq);
  const wanted = Math.max(HEAP_ENTRIES_MIN, size * 2);
  kqueueUnlock(k, kq);
  // A thread has few buffers in its hands, and a call may grow many times.
  if (k.bufferFrees.length > 0) freesRun(k);
  const made = heapAlloc(k, heapBytesWords(wanted));
  const back = kqueueRelock(k, kq, generation);
  if (made === 0) return back < 0 ? back : -ENOMEM;
  let unused = made;
  let unusedSize = wanted;
  if (back >= 0 && Kqueue.heapSize.get(k, kq) < wanted) {
    const old = Kqueue.heap.get(k, kq);
    const words = heapBytesWords(Kqueue.heapCount.get(k, kq));
    k.a.copyWithin(made, old, old + words);
    unused = old;
    unusedSize = Kqueue.heapSize.get(k, kq);
    bufferSwap(k, kq, HEAP, HEAP_SIZE, made, wanted, heapBytesWords(unusedSize));
  }
  bufferFreeDeferred(k, unused, heapBytesWords(unusedSize));
  return back < 0 ? back : RESTART;
}

/**
 * Twice the buckets, before there are more knotes than buckets. A queue that cannot get them goes
 * on with longer chains; the thread remembers for the rest of its call.
 */
function growHash(k: Kthread, kq: KqueuePtr, bits: number): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  if (k.bufferFrees.length > 0) freesRun(k);
  const made = heapAlloc(k, 1 << bits);
  if (made !== 0) bucketsClear(k, made, bits);
  const back = kqueueRelock(k, kq, generation);
  if (made === 0) {
    k.hashDenied = kq;
    return back < 0 ? back : RESTART;
  }
  let unused = made;
  let unusedBits = bits;
  const oldBits = back < 0 ? bits : Kqueue.hashBits.get(k, kq);
  if (oldBits < bits) {
    unused = Kqueue.hash.get(k, kq);
    unusedBits = oldBits;
    rehashLocked(k, unused, oldBits, made, bits);
    bufferSwap(k, kq, HASH, HASH_BITS, made, bits, 1 << oldBits);
  }
  bufferFreeDeferred(k, unused, 1 << unusedBits);
  return back < 0 ? back : RESTART;
}

/** The queue has another buffer, and this thread the old one in its hands, if there was one. */
function bufferSwap(
  k: Kthread,
  kq: KqueuePtr,
  at: number,
  sizeAt: number,
  made: number,
  size: number,
  oldWords: number,
): void {
  const a = k.a;
  const old = a[kq + at] as number;
  const entry = limboFind(k, made);
  const kind = limboBufferKind(oldWords);
  // One run.
  a[kq + at] = made;
  a[kq + sizeAt] = size;
  a[entry] = old;
  a[entry + LIMBO_MAX] = kind;
  if (old === 0) limboCompact(k, entry);
}

function rehashLocked(k: Kthread, from: number, fromBits: number, to: number, bits: number): void {
  for (let i = 0; i < 1 << fromBits; i++) {
    let kn = bucketGet(k, from, i) as KnotePtr;
    while (kn !== 0) {
      const next = Knote.hashNext.get(k, kn);
      const spread = filterops[Knote.ops.get(k, kn)]?.isDescriptor === false;
      const at = hashBucket(Knote.ident.get(k, kn), Knote.filter.get(k, kn), bits, spread);
      Knote.hashNext.set(k, kn, bucketGet(k, to, at) as KnotePtr);
      bucketSet(k, to, at, kn);
      kn = next;
    }
  }
}

/** Take a knote from the magazine, which was made sure to have one. */
export function knoteTakeLocked(k: Kthread, kq: KqueuePtr): KnotePtr {
  const a = k.a;
  const kn = a[kq + MAGAZINE] as KnotePtr;
  a[kq + MAGAZINE] = a[kn + KNOTE_LINK] as number;
  a[kq + MAGAZINE_COUNT] = (a[kq + MAGAZINE_COUNT] as number) - 1;
  a[kn + KQ] = kq;
  return kn;
}

/** Take a slot for ext values. */
export function extTakeLocked(
  k: Kthread,
  kq: KqueuePtr,
  kn: KnotePtr,
  ch: Int32Array,
  from: number,
): KnextPtr {
  const ext = coldSlotLocked(k, kq) as number as KnextPtr;
  k.a[ext + COLD_WHOSE] = kn | COLD_EXT;
  for (let i = 0; i < EXT_WORDS; i++) k.a[Knext.values.at(ext) + i] = ch[from + i] as number;
  return ext;
}

function coldSlotLocked(k: Kthread, kq: KqueuePtr): KncoldPtr {
  const a = k.a;
  const cold = a[kq + COLD_LIST] as KncoldPtr;
  a[kq + COLD_LIST] = a[cold + COLD_LINK] as number;
  a[kq + COLD_COUNT] = (a[kq + COLD_COUNT] as number) - 1;
  return cold;
}

/** Take a cold line for a knote and make it empty. */
export function coldTakeLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): KncoldPtr {
  const a = k.a;
  const cold = coldSlotLocked(k, kq);
  // A loop: for sixteen words the set-up of a bulk fill costs more than the fill. All but the last
  // word, which says that it is the queue's until it says that it is the knote's.
  for (let i = cold; i < cold + WHOSE; i++) a[i] = 0;
  a[cold + WHOSE] = kn;
  return cold;
}

/** Give an existing knote a cold line for a value's high word. Returns as magazineNeedLocked. */
export function wideNeedLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): number {
  if (Kqueue.coldCount.get(k, kq) === 0) return fillCold(k, kq);
  Knote.cold.set(k, kn, coldTakeLocked(k, kq, kn));
  return 0;
}

/** Put a knote and its cold line back; queue lock held. Too many are given away after unlocking. */
export function knoteGiveLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void {
  const a = k.a;
  const cold = a[kn + COLD] as KncoldPtr;
  if (cold !== 0) {
    const ext = a[cold + EXT] as KncoldPtr;
    if (ext !== 0) coldGiveLocked(k, kq, ext);
    coldGiveLocked(k, kq, cold);
    a[kn + COLD] = 0;
  }
  a[kn + OBJ] = 0;
  const count = a[kq + MAGAZINE_COUNT] as number;
  if (count >= HIGH) {
    const mark = -k.owner;
    // One run: it is no queue's, and in this thread's hands.
    a[kn + KN_KQ] = 0;
    a[kn + KNOTE_MARK] = mark;
    slotFreeDeferred(k, knoteZone, kn);
    return;
  }
  a[kn + KNOTE_LINK] = a[kq + MAGAZINE] as number;
  a[kq + MAGAZINE] = kn;
  a[kq + MAGAZINE_COUNT] = count + 1;
}

function coldGiveLocked(k: Kthread, kq: KqueuePtr, cold: KncoldPtr): void {
  const a = k.a;
  const count = a[kq + COLD_COUNT] as number;
  if (count >= HIGH) {
    a[cold + WHOSE] = -k.owner;
    slotFreeDeferred(k, kncoldZone, cold);
    return;
  }
  a[cold + WHOSE] = kq | OF_MAGAZINE;
  a[cold + COLD_LINK] = a[kq + COLD_LIST] as number;
  a[kq + COLD_LIST] = cold;
  a[kq + COLD_COUNT] = count + 1;
}

/** Empty a queue's magazines: all of it is in this thread's hands; queue lock held. */
export function magazinesTakeLocked(
  k: Kthread,
  kq: KqueuePtr,
): { magazine: KnotePtr; colds: KncoldPtr } {
  const magazine = Kqueue.magazine.get(k, kq);
  const colds = Kqueue.coldMagazine.get(k, kq);
  if (magazine !== 0) chainTake(k, knoteZone, magazine, KN_KQ, 0, -k.owner);
  if (colds !== 0) chainTake(k, kncoldZone, colds, COLD_WHOSE, -k.owner, -k.owner);
  Kqueue.magazine.set(k, kq, NIL);
  Kqueue.magazineCount.set(k, kq, 0);
  Kqueue.coldMagazine.set(k, kq, NIL);
  Kqueue.coldCount.set(k, kq, 0);
  return { magazine, colds };
}

function slotFreeDeferred<N extends string>(k: Kthread, zone: ZoneDef<N>, slot: Ptr<N>): void {
  k.slotFrees.push(zone.index, slot);
  k.deferred |= DEFER_FREE;
}

function bufferFreeDeferred(k: Kthread, buffer: number, words: number): void {
  if (buffer === 0) return;
  k.bufferFrees.push(words, buffer);
  k.deferred |= DEFER_FREE;
}

/** Give back the slots and buffers that were set aside under queue locks. No lock held. */
export function freesRun(k: Kthread): void {
  k.deferred &= ~DEFER_FREE;
  while (k.bufferFrees.length > 0) {
    const buffer = k.bufferFrees.pop() as number;
    heapFree(k, buffer, k.bufferFrees.pop() as number);
  }
  while (k.slotFrees.length > 0) {
    const slot = k.slotFrees.pop() as number;
    const zone = zones[k.slotFrees.pop() as number] as ZoneDef<string>;
    zfree(k, zone, slot as Ptr<string>);
  }
}
