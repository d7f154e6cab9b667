// SPDX-License-Identifier: ISC
/**
 * Named filters (NetBSD's kfilter), and the list of all sources, under the filters lock.
 *
 * A named filter has a number from 1, which changes and events carry as any other, and its owner
 * puts sources into it under identifiers. A registration (identifier, filter) is a knote on that
 * source. The filter counts its knotes until they are freed, also those whose source is gone, so
 * that its number is not another's while a queue still has registrations with it.
 *
 * A filter whose owner has ended is ENDED: it has no name and takes no registrations, and goes
 * with the last knote.
 */
import { EBUSY, EEXIST, EINVAL, ENOENT, ENOMEM, ENXIO, EPERM } from "../abi/errno.js";
import { hashBucket } from "../arena/hash.js";
import { type Kthread, kassert } from "../arena/kthread.js";
import { defineStruct, NIL, type Ptr, ptr, word, words } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { defineZone } from "../arena/zone.js";
import {
  LIMBO_FILTER,
  limboFind,
  limboHold,
  limboNext,
  published,
  zabandon,
  zalloc,
  zfree,
} from "../kern/alloc.js";
import { File, type FilePtr, fileHoldStale } from "../kern/file.js";
import { FILTER_BUCKETS, FILTER_NAME_BYTES, FILTERS_MAX, LIMBO_MAX } from "../limits.js";
import { mutexLock, mutexReady, mutexUnlock } from "../sync/mutex.js";
import { RANK_FILTERS } from "../sync/order.js";
import { slotsEach } from "./slots.js";
import { F, Source, type SourcePtr, sourceZone } from "./source.js";

export type KfilterPtr = Ptr<"kfilter">;

const BUCKET_BITS = 31 - Math.clz32(FILTER_BUCKETS);

export const Kfilter = defineStruct("kfilter", {
  number: word(F, "filter number in changes and events, from 1"),
  owner: word(F, "owner word of the thread that registered it, 0 when that has ended"),
  knotes: word(F, "registrations with it, also of sources that are gone"),
  sources: word(F, "sources in its buckets"),
  next: ptr<"kfilter">(F, "next filter, by number; free link"),
  nameBytes: word(F, "length of the name"),
  name: words(FILTER_NAME_BYTES / 4, F, "name, in UTF-8"),
  buckets: words(FILTER_BUCKETS, F, "its sources by identifier"),
});
const KNOTES = Kfilter.knotes.offset;
export const kfilterZone = defineZone<"kfilter">(Kfilter.struct, Kfilter.next.offset, 4);

/** Whether a call may begin that takes the filters lock first; see mutexReady. */
export function filtersReady(k: Kthread): boolean {
  return mutexReady(k, Super.filtersLock.at(SUPER), RANK_FILTERS);
}

function lock(k: Kthread): void {
  mutexLock(k, Super.filtersLock.at(SUPER), RANK_FILTERS);
}

function unlock(k: Kthread, result: number): number {
  mutexUnlock(k, Super.filtersLock.at(SUPER));
  return result;
}

/** The filter of a number, or NIL; filters lock held. */
function findLocked(k: Kthread, number: number): KfilterPtr {
  let kf = Super.filters.get(k, SUPER);
  while (kf !== 0 && Kfilter.number.get(k, kf) < number) kf = Kfilter.next.get(k, kf);
  return kf !== 0 && Kfilter.number.get(k, kf) === number ? kf : NIL;
}

function nameOf(k: Kthread, kf: KfilterPtr): Uint8Array {
  const at = Kfilter.name.at(kf) * 4;
  return k.bytes.subarray(at, at + Kfilter.nameBytes.get(k, kf));
}

/** The filter of a name, or NIL; filters lock held. */
function findNameLocked(k: Kthread, name: Uint8Array): KfilterPtr {
  for (let kf = Super.filters.get(k, SUPER); kf !== 0; kf = Kfilter.next.get(k, kf)) {
    const own = nameOf(k, kf);
    if (own.length === name.length && own.every((byte, i) => byte === name[i])) return kf;
  }
  return NIL;
}

/**
 * Register a filter. `name` has 1 to FILTER_NAME_BYTES bytes. Returns its number, the lowest free
 * one, -EEXIST if the name is taken, -ENOMEM if the table or the arena is full.
 */
export function filterRegister(k: Kthread, name: Uint8Array): number {
  const made = zalloc(k, kfilterZone);
  if (made === 0) return -ENOMEM;
  lock(k);
  const number = placeLocked(k, name, made);
  unlock(k, 0);
  if (number < 0) zabandon(k, kfilterZone, made);
  return number;
}

/** Link a new filter behind the one below its number; filters lock held. */
function placeLocked(k: Kthread, name: Uint8Array, made: KfilterPtr): number {
  if (findNameLocked(k, name) !== 0) return -EEXIST;
  let number = 1;
  let before: KfilterPtr = NIL;
  let next = Super.filters.get(k, SUPER);
  while (next !== 0 && Kfilter.number.get(k, next) === number) {
    number++;
    before = next;
    next = Kfilter.next.get(k, next);
  }
  if (number > FILTERS_MAX) return -ENOMEM;
  k.a.fill(0, made, made + Kfilter.struct.words);
  k.bytes.set(name, Kfilter.name.at(made) * 4);
  Kfilter.nameBytes.set(k, made, name.length);
  Kfilter.owner.set(k, made, k.owner);
  Kfilter.next.set(k, made, next);
  // Before the list: what has a number is on it, or will be.
  Kfilter.number.set(k, made, number);
  if (before === 0) Super.filters.set(k, SUPER, made);
  else Kfilter.next.set(k, before, made);
  published(k, made);
  return number;
}

/** Take a filter that nobody uses off the list; filters lock held. The caller frees it. */
function unlinkLocked(k: Kthread, kf: KfilterPtr): void {
  Kfilter.number.set(k, kf, 0);
  const next = Kfilter.next.get(k, kf);
  if (Super.filters.get(k, SUPER) === kf) {
    Super.filters.set(k, SUPER, next);
    return;
  }
  let before = Super.filters.get(k, SUPER);
  while (Kfilter.next.get(k, before) !== kf) before = Kfilter.next.get(k, before);
  Kfilter.next.set(k, before, next);
}

/** Sources of the filter are found by their descriptors only from now on; filters lock held. */
function unnameAllLocked(k: Kthread, kf: KfilterPtr): void {
  const buckets = Kfilter.buckets.at(kf);
  for (let i = 0; i < FILTER_BUCKETS; i++) {
    for (let p = k.a[buckets + i] as SourcePtr; p !== 0; ) {
      const next = Source.bucketNext.get(k, p) as SourcePtr;
      Source.filter.set(k, p, 0);
      Source.bucketNext.set(k, p, NIL);
      p = next;
    }
    k.a[buckets + i] = 0;
  }
  Kfilter.sources.set(k, kf, 0);
}

/**
 * Unregister. Returns 0, -ENOENT, -EPERM in another thread than its owner's, -EBUSY while queues
 * have registrations with it. Its sources stay.
 */
export function filterUnregister(k: Kthread, number: number): number {
  lock(k);
  const kf = findLocked(k, number);
  if (kf === 0 || Kfilter.owner.get(k, kf) === 0) return unlock(k, -ENOENT);
  if (Kfilter.owner.get(k, kf) !== k.owner) return unlock(k, -EPERM);
  if (Kfilter.knotes.get(k, kf) > 0) return unlock(k, -EBUSY);
  unnameAllLocked(k, kf);
  limboHold(k, kfilterZone.index, kf);
  unlinkLocked(k, kf);
  unlock(k, 0);
  zfree(k, kfilterZone, kf);
  return 0;
}

/** The number of a name, or -ENOENT. */
export function filterByName(k: Kthread, name: Uint8Array): number {
  lock(k);
  const kf = findNameLocked(k, name);
  return unlock(k, kf === 0 ? -ENOENT : Kfilter.number.get(k, kf));
}

/** Copy the name of a number; its length, -ENOENT, or -EINVAL if the buffer is too short. */
export function filterName(k: Kthread, number: number, into: Uint8Array): number {
  lock(k);
  const kf = findLocked(k, number);
  if (kf === 0 || Kfilter.owner.get(k, kf) === 0) return unlock(k, -ENOENT);
  const name = nameOf(k, kf);
  if (name.length > into.length) return unlock(k, -EINVAL);
  into.set(name);
  return unlock(k, name.length);
}

/** Whether a filter of the number is registered. */
export function filterExists(k: Kthread, number: number): boolean {
  lock(k);
  return unlock(k, findLocked(k, number)) !== 0;
}

/** The source under an identifier, and where it is linked; filters lock held. */
function bucketOf(kf: KfilterPtr, lo: number, hi: number): number {
  return Kfilter.buckets.at(kf) + hashBucket(lo ^ hi, 0, BUCKET_BITS, true);
}

function findSourceLocked(k: Kthread, kf: KfilterPtr, lo: number, hi: number): SourcePtr {
  let p = k.a[bucketOf(kf, lo, hi)] as SourcePtr;
  while (p !== 0) {
    if (Source.identLo.get(k, p) === lo && Source.identHi.get(k, p) === hi) break;
    p = Source.bucketNext.get(k, p) as SourcePtr;
  }
  return p;
}

/**
 * For EV_ADD: the file of the source under an identifier, with a reference, and counted as a
 * registration of the filter, which filterRelease ends. -EINVAL if there is no such filter,
 * -ENOENT if it has nothing under the identifier, -ENXIO if filter or source is going away.
 */
export function filterTake(k: Kthread, number: number, lo: number, hi: number): FilePtr | number {
  lock(k);
  const kf = findLocked(k, number);
  if (kf === 0) return unlock(k, -EINVAL);
  if (Kfilter.owner.get(k, kf) === 0) return unlock(k, -ENXIO);
  const p = findSourceLocked(k, kf, lo, hi);
  if (p === 0) return unlock(k, -ENOENT);
  const fp = openedLocked(k, p);
  if (fp === 0) return unlock(k, -ENXIO);
  const note = limboNext(k, LIMBO_FILTER);
  // One run.
  k.a[kf + KNOTES] = (k.a[kf + KNOTES] as number) + 1;
  k.a[note] = -number;
  k.limboCount++;
  return unlock(k, fp);
}

/** A source's file with a reference, or NIL if its last one is just going; filters lock held. */
function openedLocked(k: Kthread, p: SourcePtr): FilePtr {
  const fp = Source.opened.get(k, p);
  return fileHoldStale(k, fp, File.generation.hint(k, fp)) ? fp : NIL;
}

/** A registration of the filter is gone, which this thread had in limbo. */
export function filterRelease(k: Kthread, number: number): void {
  lock(k);
  const kf = findLocked(k, number);
  kassert(kf !== 0, "a filter stays as long as its registrations");
  const a = k.a;
  const at = limboFind(k, -number);
  const end = k.limboAt + k.limboCount - 1;
  kassert(at !== 0, "a registration that is released is in limbo");
  // One run.
  a[kf + KNOTES] = (a[kf + KNOTES] as number) - 1;
  a[at] = a[end] as number;
  a[at + LIMBO_MAX] = a[end + LIMBO_MAX] as number;
  a[end] = 0;
  k.limboCount--;
  filterFreeLocked(k, kf);
}

/** Unlock, and free a filter that has ended if nobody uses it any more. */
function filterFreeLocked(k: Kthread, kf: KfilterPtr): void {
  const last = Kfilter.knotes.get(k, kf) === 0 && Kfilter.owner.get(k, kf) === 0;
  if (last) {
    limboHold(k, kfilterZone.index, kf);
    unlinkLocked(k, kf);
  }
  unlock(k, 0);
  if (last) zfree(k, kfilterZone, kf);
}

/** Give back a filter that a thread had in limbo when its call was cut off. */
export function filterReturn(k: Kthread, kf: KfilterPtr): void {
  lock(k);
  if (Kfilter.number.get(k, kf) === 0) {
    unlock(k, 0);
    zfree(k, kfilterZone, kf);
  } else if (Kfilter.owner.get(k, kf) === 0) {
    filterFreeLocked(k, kf);
    if (limboFind(k, kf) !== 0) published(k, kf);
  } else {
    unlock(k, 0);
    published(k, kf);
  }
}

/**
 * Build the lists again, after a death with the filters lock held: filters are those that have a
 * number, sources those that have an open file. Filters lock held.
 */
export function filtersRepairLocked(k: Kthread): void {
  const filters: KfilterPtr[] = [];
  slotsEach(k, kfilterZone, (slot) => {
    if (k.a[slot + Kfilter.number.offset] !== 0) filters.push(slot as KfilterPtr);
  });
  filters.sort((x, y) => Kfilter.number.get(k, y) - Kfilter.number.get(k, x));
  Super.filters.set(k, SUPER, NIL);
  for (const kf of filters) {
    Kfilter.next.set(k, kf, Super.filters.get(k, SUPER));
    Super.filters.set(k, SUPER, kf);
    Kfilter.sources.set(k, kf, 0);
    k.a.fill(0, Kfilter.buckets.at(kf), Kfilter.buckets.at(kf) + FILTER_BUCKETS);
  }
  Super.sources.set(k, SUPER, NIL);
  slotsEach(k, sourceZone, (slot) => {
    const p = slot as SourcePtr;
    if (k.a[slot + Source.opened.offset] === 0) return;
    const kf = findLocked(k, Source.filter.get(k, p));
    if (kf !== 0) sourceNameLocked(k, kf, p);
    sourceLinkLocked(k, p);
  });
}

function sourceNameLocked(k: Kthread, kf: KfilterPtr, p: SourcePtr): void {
  const at = bucketOf(kf, Source.identLo.get(k, p), Source.identHi.get(k, p));
  Source.bucketNext.set(k, p, k.a[at] as SourcePtr);
  k.a[at] = p;
  Kfilter.sources.add(k, kf, 1);
}

function sourceLinkLocked(k: Kthread, p: SourcePtr): void {
  const first = Super.sources.get(k, SUPER);
  Source.next.set(k, p, first);
  Source.prev.set(k, p, NIL);
  if (first !== 0) Source.prev.set(k, first, p);
  Super.sources.set(k, SUPER, p);
}

/**
 * Enter a new source, in limbo, among the kernel's; with a filter's number also there. Returns 0,
 * -ENOENT if there is no such filter, -EPERM if it is another thread's, -EEXIST if it has a source
 * under the identifier.
 */
export function sourceEnlist(
  k: Kthread,
  p: SourcePtr,
  fp: FilePtr,
  number: number,
  lo: number,
  hi: number,
): number {
  lock(k);
  const kf = number === 0 ? NIL : findLocked(k, number);
  if (number !== 0) {
    if (kf === 0 || Kfilter.owner.get(k, kf) === 0) return unlock(k, -ENOENT);
    if (Kfilter.owner.get(k, kf) !== k.owner) return unlock(k, -EPERM);
    if (findSourceLocked(k, kf, lo, hi) !== 0) return unlock(k, -EEXIST);
  }
  Source.filter.set(k, p, number);
  Source.identLo.set(k, p, lo);
  Source.identHi.set(k, p, hi);
  Source.bucketNext.set(k, p, NIL);
  // Before the lists: what has an open file is on them, or will be.
  Source.opened.set(k, p, fp);
  if (kf !== 0) sourceNameLocked(k, kf, p);
  sourceLinkLocked(k, p);
  return unlock(k, 0);
}

/** A source leaves the kernel's, and its filter, unless it has done so. */
export function sourceDelist(k: Kthread, p: SourcePtr): void {
  lock(k);
  if (Source.opened.get(k, p) === 0) {
    unlock(k, 0);
    return;
  }
  Source.opened.set(k, p, NIL);
  const number = Source.filter.get(k, p);
  if (number !== 0) unnameLocked(k, findLocked(k, number), p);
  const next = Source.next.get(k, p);
  const prev = Source.prev.get(k, p);
  if (prev === 0) Super.sources.set(k, SUPER, next);
  else Source.next.set(k, prev, next);
  if (next !== 0) Source.prev.set(k, next, prev);
  unlock(k, 0);
}

function unnameLocked(k: Kthread, kf: KfilterPtr, p: SourcePtr): void {
  const at = bucketOf(kf, Source.identLo.get(k, p), Source.identHi.get(k, p));
  const next = Source.bucketNext.get(k, p);
  if (k.a[at] === p) k.a[at] = next;
  else {
    let other = k.a[at] as Ptr<"source">;
    while (Source.bucketNext.get(k, other) !== p) other = Source.bucketNext.get(k, other);
    Source.bucketNext.set(k, other, next);
  }
  Source.filter.set(k, p, 0);
  Kfilter.sources.add(k, kf, -1);
}

/** The file of some source that a thread owns, with a reference; NIL if there is none. */
export function sourceOwned(k: Kthread, owner: number): FilePtr {
  lock(k);
  let found: FilePtr = NIL;
  for (let p = Super.sources.get(k, SUPER); p !== 0 && found === 0; p = Source.next.get(k, p)) {
    if (Source.owner.get(k, p as SourcePtr) === owner) found = openedLocked(k, p as SourcePtr);
  }
  unlock(k, 0);
  return found;
}

/** A thread has ended: its filters lose their names, and go with their last registration. */
export function filtersEnd(k: Kthread, owner: number): void {
  for (;;) {
    lock(k);
    let kf = Super.filters.get(k, SUPER);
    while (kf !== 0 && Kfilter.owner.get(k, kf) !== owner) kf = Kfilter.next.get(k, kf);
    if (kf === 0) {
      unlock(k, 0);
      return;
    }
    unnameAllLocked(k, kf);
    Kfilter.owner.set(k, kf, 0);
    Kfilter.nameBytes.set(k, kf, 0);
    filterFreeLocked(k, kf);
  }
}
