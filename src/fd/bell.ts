// SPDX-License-Identifier: ISC
/**
 * Bells: a broadcast. Each ring reaches every queue that watches the bell once, and is counted
 * for each of them separately; nobody consumes it for others. The count is the object's edge
 * count, so ringing is nothing but a notification.
 */
import { EAGAIN, EBADF, EINVAL, ENXIO } from "../abi/errno.js";
import { EVFILT_READ } from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { defineStruct, NIL, type Ptr, word } from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { OPS_BELL } from "../event/filterops.js";
import { klistTellLocked } from "../event/klist.js";
import { limboHold, published, zabandon, zalloc, zfree } from "../kern/alloc.js";
import {
  type FileOps,
  type FilePtr,
  FREAD,
  FT_BELL,
  FWRITE,
  fileAlloc,
  fileUnbound,
} from "../kern/file.js";
import {
  O,
  Obj,
  type ObjectPtr,
  objectInit,
  objectLock,
  objectLockFirst,
  objectRetireLocked,
  objectUnlock,
} from "../kern/object.js";
import { ioObject, objectDone } from "./io.js";

export type BellPtr = Ptr<"bell"> & ObjectPtr;

export const Bell = defineStruct(
  "bell",
  { rings: word(O, "rings so far, for the inspector") },
  Obj,
);
export const bellZone = defineZone<"bell">(Bell.struct, Obj.spare.offset, 8);

/** An open bell with one reference, in limbo; NIL when memory is exhausted. */
export function bellMake(k: Kthread): FilePtr {
  const p = zalloc(k, bellZone) as BellPtr;
  if (p === 0) return NIL;
  const fp = fileAlloc(k, FT_BELL, p, FREAD | FWRITE);
  if (fp === 0) {
    zabandon(k, bellZone, p);
    return NIL;
  }
  objectInit(k, p);
  Obj.file.set(k, p, fp);
  Bell.rings.set(k, p, 0);
  published(k, p);
  return fp;
}

/** Ring: every queue that watches the bell hears it. 0, -EBADF, -EAGAIN. Never sleeps for long. */
export function bellRing(k: Kthread, p: BellPtr, fp: FilePtr): number {
  if (!objectLockFirst(k, p)) return -EAGAIN;
  if (Obj.file.get(k, p) !== fp) return objectDone(k, p, -EBADF);
  Bell.rings.add(k, p, 1);
  Obj.edge.publish(k, p, (Obj.edge.hint(k, p) + 1) | 0);
  klistTellLocked(k, p);
  return objectDone(k, p, 0);
}

export const bellFileOps: FileOps = {
  name: "bell",
  read: () => -ENXIO,
  write: () => -ENXIO,
  kqfilter: (_k, _fp, filter) => (filter === EVFILT_READ ? OPS_BELL : -EINVAL),
  close(k, fp) {
    const p = ioObject(k, fp) as BellPtr;
    limboHold(k, bellZone.index, p);
    objectLock(k, p);
    objectRetireLocked(k, p);
    objectUnlock(k, p);
    fileUnbound(k, fp);
    zfree(k, bellZone, p);
  },
};
