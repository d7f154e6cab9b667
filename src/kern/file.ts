// SPDX-License-Identifier: ISC
/**
 * Open files: what descriptor numbers, JavaScript handles and knotes refer to. A file counts its
 * references; the last one to go closes the object behind it. Behaviour is a table of operations
 * per type, which each thread brings along, because functions cannot be shared between threads.
 */

import { limboLeave } from "#field";
import type { Kthread } from "../arena/kthread.js";
import { ATOMIC, defineStruct, NIL, type Ptr, racy, racyPtr, word } from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { LIMBO_MAX } from "../limits.js";
import {
  LIMBO_CLOSING,
  LIMBO_FILE,
  limboFind,
  limboHold,
  limboNext,
  published,
  zalloc,
  zfree,
  zoneHas,
} from "./alloc.js";
import type { ObjectPtr } from "./object.js";

export const FT_NONE = 0;
export const FT_KQUEUE = 1;
export const FT_EVENTFD = 2;
export const FT_PIPE = 3;
export const FT_CHANNEL = 4;
export const FT_BELL = 5;
export const FT_SOURCE = 6;
export const FILE_TYPES = 7;

/** Access mode bits kept in File.flags (besides O_NONBLOCK). */
export const FREAD = 1;
export const FWRITE = 2;

export type FilePtr = Ptr<"file">;

export const File = defineStruct("file", {
  generation: racy(ATOMIC, "raised when the slot is freed; what a look told is compared again"),
  refs: racy(ATOMIC, "descriptors, handles and knotes that hold the file"),
  type: racy(ATOMIC, "FT_*; fixed while the file is open"),
  object: racyPtr<"object">(ATOMIC, "what it is open on, 0 when its source was destroyed"),
  flags: racy(ATOMIC, "FREAD, FWRITE and O_NONBLOCK; the last can be changed by fcntl"),
  link: word(ATOMIC, "free list"),
});
export const fileZone = defineZone<"file">(File.struct, File.link.offset, 16);

/**
 * What a type of file does. A call that does not sleep holds no reference, so `read` and `write`
 * get the generation of the file that they were made on, and compare it under the object's lock;
 * one that may sleep (`nonblock` false) holds a reference. `kqfilter` chooses the filter operations
 * for a filter on this file, or a negative errno. `close` runs when the last reference is gone; no
 * lock is held. It ends with fileUnbound and then gives the object's slot back; run again after a
 * death in the middle, it goes on where it was.
 */
export interface FileOps {
  readonly name: string;
  read(
    k: Kthread,
    fp: FilePtr,
    generation: number,
    nonblock: boolean,
    bytes: Uint8Array,
    length: number,
  ): number;
  write(
    k: Kthread,
    fp: FilePtr,
    generation: number,
    nonblock: boolean,
    bytes: Uint8Array,
    length: number,
  ): number;
  kqfilter(k: Kthread, fp: FilePtr, filter: number): number;
  close(k: Kthread, fp: FilePtr): void;
}

/** What the layers above bring along when a thread attaches. */
export interface UpperLayers {
  /** Operations by file type; null where a type has none. */
  readonly files: readonly (FileOps | null)[];
  /** A number was taken out of use: drop the knotes for it. No lock held. */
  fdClosed(k: Kthread, fd: number): void;
}

export function layersInstall(k: Kthread, upper: UpperLayers): void {
  k.upper = upper;
}

export function upperLayers(k: Kthread): UpperLayers {
  return k.upper as UpperLayers;
}

/** Operations of an open file, or null for a slot that is free. */
export function fileops(k: Kthread, fp: FilePtr): FileOps | null {
  return upperLayers(k).files[File.type.hint(k, fp)] ?? null;
}

/**
 * The object of a file that is being closed is off everything: noted in limbo, it is given back
 * next. A recovery does not close it again.
 */
export function fileUnbound(k: Kthread, fp: FilePtr): void {
  File.object.store(k, fp, NIL);
}

/** A new open file with one reference, in limbo; NIL when there is no slot. */
export function fileAlloc(k: Kthread, type: number, obj: ObjectPtr, flags: number): FilePtr {
  const fp = zalloc(k, fileZone);
  if (fp === 0) return NIL;
  File.refs.store(k, fp, 1);
  File.flags.publish(k, fp, flags);
  File.object.publish(k, fp, obj);
  File.type.publish(k, fp, type);
  return fp;
}

/** Undo fileAlloc before anybody saw the file: its object is not closed, but abandoned too. */
export function fileAbandon(k: Kthread, fp: FilePtr): void {
  File.object.store(k, fp, NIL);
  // By count, since a stale handle may have taken a reference for a moment (fileHoldStale).
  fileDrop(k, fp);
}

/**
 * Take a reference, which is in limbo until it is dropped or becomes somebody's. The caller knows
 * that the file is open (it holds the table lock, or a reference).
 */
export function fileHold(k: Kthread, fp: FilePtr): void {
  const note = limboNext(k, LIMBO_FILE);
  File.refs.fetchAdd(k, fp, 1);
  // One run with the count: a thread is ended where it calls, not where a call returns.
  k.a[note] = fp;
  k.limboCount++;
}

/** The reference that this thread has in limbo is a knote's or a number's from now on. */
export function fileGiven(k: Kthread, fp: FilePtr): void {
  published(k, fp);
}

/** Whether a number from outside is the slot of a file, open or gone. Touches no file. */
export function fileNumbered(k: Kthread, number: number): number is FilePtr {
  return zoneHas(k, fileZone, number);
}

/**
 * Take a reference through a handle that holds none: the file may be gone, and its slot may be
 * another file's by now. Counting up from more than 0 makes sure that it is somebody's, and then
 * its generation says whose. Returns whether it is the file of the handle.
 *
 * The number comes from outside, and counting up is a store: fileNumbered comes first. As with
 * fileHold, the reference is in limbo.
 */
export function fileHoldStale(k: Kthread, fp: FilePtr, generation: number): boolean {
  const note = limboNext(k, LIMBO_FILE);
  for (let refs = File.refs.load(k, fp); refs > 0; ) {
    const seen = File.refs.cas(k, fp, refs, refs + 1);
    if (seen === refs) {
      k.a[note] = fp;
      k.limboCount++;
      if (File.generation.load(k, fp) === generation) return true;
      fileDrop(k, fp);
      return false;
    }
    refs = seen;
  }
  return false;
}

/**
 * Drop a reference that this thread has; the last one closes the object. No lock held. May not
 * sleep on user events. Until it is done, the reference or the closing is in limbo.
 */
export function fileDrop(k: Kthread, fp: FilePtr): void {
  limboHold(k, LIMBO_FILE, fp);
  const a = k.a;
  const at = limboFind(k, fp);
  const last = k.limboAt + k.limboCount - 1;
  const left = File.refs.fetchAdd(k, fp, -1);
  // One run with the count.
  if (left === 1) {
    a[at + LIMBO_MAX] = LIMBO_CLOSING;
  } else {
    a[at] = a[last] as number;
    a[at + LIMBO_MAX] = a[last + LIMBO_MAX] as number;
    a[last] = 0;
    k.limboCount--;
    return;
  }
  limboLeave(k, fp);
  fileClose(k, fp);
}

/** Close a file that nobody refers to. Done again after a death in the middle, it goes on. */
export function fileClose(k: Kthread, fp: FilePtr): void {
  if (File.object.load(k, fp) !== NIL) fileops(k, fp)?.close(k, fp);
  File.type.store(k, fp, FT_NONE);
  File.object.store(k, fp, NIL);
  File.generation.fetchAdd(k, fp, 1);
  zfree(k, fileZone, fp);
}
