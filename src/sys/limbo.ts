// SPDX-License-Identifier: ISC
/**
 * Giving back what a thread had in limbo when its call was cut off. Files that it was closing are
 * closed first, and their objects with them; then references are dropped; then what is on no list
 * goes back to its zone. Something may be noted and linked already, in the moment between: that
 * stays where it is.
 */
import type { Kthread } from "../arena/kthread.js";
import type { Ptr } from "../arena/layout.js";
import { type ZoneDef, zones } from "../arena/zone.js";
import { filterRelease, filterReturn, type KfilterPtr, kfilterZone } from "../event/registry.js";
import { type SourcePtr, sourceZone } from "../event/source.js";
import { KQ_FREE, Kqueue, type KqueuePtr, kqueueZone } from "../event/structs.js";
import { bellZone } from "../fd/bell.js";
import { eventfdZone } from "../fd/eventfd.js";
import { pipeZone } from "../fd/pipe-ring.js";
import { sourceReturn } from "../fd/source.js";
import {
  heapFree,
  LIMBO_BUFFER,
  LIMBO_CLOSING,
  LIMBO_FILE,
  LIMBO_FILTER,
  limboFind,
  published,
  zfree,
} from "../kern/alloc.js";
import { curtable, Fdtable, fdchunkZone } from "../kern/fdtable.js";
import {
  File,
  type FilePtr,
  FT_NONE,
  fileAbandon,
  fileClose,
  fileDrop,
  fileZone,
} from "../kern/file.js";
import { type ObjectPtr, objectRetireLocked } from "../kern/object.js";
import { Thread, type ThreadPtr } from "../kern/thread.js";
import { FD_CHUNKS_MAX, LIMBO_MAX } from "../limits.js";
import { Waitrec, type WaitrecPtr, waitrecZone } from "../sync/wait.js";

/** Word and kind of the first entry of a kind, or null. */
function entryOf(
  k: Kthread,
  is: (kind: number) => boolean,
): { place: number; kind: number } | null {
  for (let at = k.limboAt; at < k.limboAt + k.limboCount; at++) {
    const place = k.a[at] as number;
    const kind = k.a[at + LIMBO_MAX] as number;
    if (is(kind)) return { place, kind };
  }
  return null;
}

/** Give everything back. No lock held. May sleep. */
export function limboReturn(k: Kthread): void {
  for (let e = entryOf(k, isClosing); e !== null; e = entryOf(k, isClosing)) {
    fileClose(k, e.place as FilePtr);
  }
  for (let e = entryOf(k, isCounted); e !== null; e = entryOf(k, isCounted)) {
    filterRelease(k, -e.place);
  }
  for (let e = entryOf(k, isReference); e !== null; e = entryOf(k, isReference)) {
    fileDrop(k, e.place as FilePtr);
  }
  for (let e = entryOf(k, isFile); e !== null; e = entryOf(k, isFile))
    fileReturn(k, e.place as FilePtr);
  for (let e = entryOf(k, isAny); e !== null; e = entryOf(k, isAny)) {
    if (e.kind >= LIMBO_BUFFER) heapFree(k, e.place, 1 << (e.kind & 0xff));
    else slotReturn(k, zones[e.kind] as ZoneDef<string>, e.place);
  }
}

const isClosing = (kind: number): boolean => kind === LIMBO_CLOSING;
const isReference = (kind: number): boolean => kind === LIMBO_FILE;
const isCounted = (kind: number): boolean => kind === LIMBO_FILTER;
const isFile = (kind: number): boolean => kind === fileZone.index;
const isAny = (): boolean => true;

/** A file that was being made: with its object if that is whole, or else alone. */
function fileReturn(k: Kthread, fp: FilePtr): void {
  const obj = File.object.load(k, fp);
  if (File.type.load(k, fp) === FT_NONE || obj === 0) {
    File.refs.store(k, fp, 0);
    File.object.store(k, fp, 0 as ObjectPtr);
    zfree(k, fileZone, fp);
  } else if (limboFind(k, obj) !== 0 && !queueListed(k, obj)) {
    fileAbandon(k, fp);
  } else {
    // The queue is whole once it is on its table's list.
    for (const part of [k.a[obj + Kqueue.hash.offset] as number, obj]) {
      if (queueListed(k, obj) && limboFind(k, part) !== 0) published(k, part);
    }
    fileDrop(k, fp);
  }
}

function queueListed(k: Kthread, obj: number): boolean {
  const entry = limboFind(k, obj);
  const isQueue = entry !== 0 && k.a[entry + LIMBO_MAX] === kqueueZone.index;
  return isQueue && k.a[obj + Kqueue.listed.offset] === 1;
}

function slotReturn(k: Kthread, zone: ZoneDef<string>, slot: number): void {
  if (linked(k, zone, slot)) {
    published(k, slot);
    return;
  }
  if (zone.index === kfilterZone.index) {
    filterReturn(k, slot as KfilterPtr);
    return;
  }
  if (zone.index === sourceZone.index) {
    sourceReturn(k, slot as SourcePtr);
    return;
  }
  const isObject = [eventfdZone, pipeZone, bellZone, kqueueZone].some(
    (z) => z.index === zone.index,
  );
  if (isObject) objectRetireLocked(k, slot as ObjectPtr);
  if (zone.index === kqueueZone.index) {
    const kq = slot as KqueuePtr;
    Kqueue.state.set(k, kq, KQ_FREE);
    Kqueue.generation.publish(k, kq, (Kqueue.generation.hint(k, kq) + 1) | 0);
  }
  zfree(k, zone, slot as Ptr<string>);
}

/** Whether a slot in limbo has its place already. */
function linked(k: Kthread, zone: ZoneDef<string>, slot: number): boolean {
  const thread = k.thread as ThreadPtr;
  if (zone.index === waitrecZone.index) {
    if (Thread.record.get(k, thread) === slot) return true;
    let rec: WaitrecPtr = Thread.records.get(k, thread);
    while (rec !== 0 && (rec as number) !== slot) rec = Waitrec.sibling.get(k, rec);
    return rec !== 0;
  }
  if (zone.index !== fdchunkZone.index) return false;
  const chunks = Fdtable.chunks.at(curtable(k));
  return k.a.subarray(chunks, chunks + FD_CHUNKS_MAX).includes(slot);
}
