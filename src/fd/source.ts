// SPDX-License-Identifier: ISC
/**
 * Sources: what a program watches of its own making. The owner, the thread that made it, sets the
 * state of its two directions, notifies, and destroys it; every thread may watch it.
 *
 * Destroying is teardown under armed knotes. The file stays, for the numbers and knotes that refer
 * to it, and so every operation compares the source's file with its own, under the source's lock:
 * the slot may be another source's by now.
 *
 *   1  object lock: DYING, so nobody attaches, sets or notifies
 *   2  klistFini: no knote leads to it any more, and each was told
 *   3  filters lock: nobody finds it
 *   4  object lock: FREE, generation raised; the file is open on nothing; the slot is given back
 *
 * Whoever finishes this for a dead thread starts again at 1.
 */
import { EAGAIN, EINVAL, ENOMEM, ENXIO, EPERM } from "../abi/errno.js";
import { EVFILT_READ, EVFILT_WRITE } from "../abi/event.js";
import { type Kthread, kassert } from "../arena/kthread.js";
import { NIL } from "../arena/layout.js";
import { OPS_SOURCE_READ, OPS_SOURCE_WRITE } from "../event/filterops.js";
import { FINI_SILENT, klistFini, objectDoomLocked } from "../event/fini.js";
import { klistNotifyLocked } from "../event/klist.js";
import { filtersEnd, sourceDelist, sourceEnlist, sourceOwned } from "../event/registry.js";
import { Source, type SourcePtr, sourceViewsLocked, sourceZone } from "../event/source.js";
import { limboHold, published, zabandon, zalloc, zfree } from "../kern/alloc.js";
import {
  File,
  type FileOps,
  type FilePtr,
  FREAD,
  FT_SOURCE,
  FWRITE,
  fileAbandon,
  fileAlloc,
  fileDrop,
  fileUnbound,
} from "../kern/file.js";
import {
  OBJ_LIVE,
  Obj,
  objectInit,
  objectIsOf,
  objectLock,
  objectLockFirst,
  objectRetireLocked,
  objectUnlock,
} from "../kern/object.js";
import { ioObject, objectDone } from "./io.js";

/** A source by its filter and identifier; filter 0 is none. */
export interface SourceShape {
  readonly noFork: boolean;
  readonly filter: number;
  readonly identLo: number;
  readonly identHi: number;
}

/** The state of one direction: SRC_* flags, fflags, and data of 64 bits. */
export interface SourceState {
  readonly flags: number;
  readonly fflags: number;
  readonly dataLo: number;
  readonly dataHi: number;
}

/**
 * An open source with one reference, in limbo, owned by the calling thread. Returns the file, or
 * -ENOMEM, or as sourceEnlist.
 */
export function sourceMake(k: Kthread, shape: SourceShape): FilePtr | number {
  const p = zalloc(k, sourceZone) as SourcePtr;
  if (p === 0) return -ENOMEM;
  const fp = fileAlloc(k, FT_SOURCE, p, FREAD | FWRITE);
  if (fp === 0) {
    zabandon(k, sourceZone, p);
    return -ENOMEM;
  }
  objectInit(k, p);
  Obj.file.set(k, p, fp);
  Source.owner.set(k, p, k.owner);
  Source.noFork.set(k, p, shape.noFork ? 1 : 0);
  for (const field of [Source.readFlags, Source.readFflags, Source.writeFlags]) field.set(k, p, 0);
  Source.writeFflags.set(k, p, 0);
  Source.silent.set(k, p, 0);
  Obj.exactRead.setWords(k, p, 0, 0);
  Obj.exactWrite.setWords(k, p, 0, 0);
  const bad = sourceEnlist(k, p, fp, shape.filter, shape.identLo, shape.identHi);
  if (bad === 0) {
    published(k, p);
    return fp;
  }
  fileAbandon(k, fp);
  zabandon(k, sourceZone, p);
  return bad;
}

/**
 * Lock the source of a file that the caller holds, for its owner. Returns it locked; -ENXIO if it
 * was destroyed, -EPERM in another thread than its owner's, -EAGAIN in one that may not wait for
 * the lock, and then nothing is locked.
 */
function lockOwn(k: Kthread, fp: FilePtr): SourcePtr | number {
  const p = ioObject(k, fp) as SourcePtr;
  if (p === 0) return -ENXIO;
  if (!objectLockFirst(k, p)) return -EAGAIN;
  const gone = !objectIsOf(k, p, fp);
  if (!gone && Source.owner.get(k, p) === k.owner) return p;
  objectUnlock(k, p);
  return gone ? -ENXIO : -EPERM;
}

/** Whether the source of a file that the caller holds is there, and not being destroyed. */
export function sourceLives(k: Kthread, fp: FilePtr): boolean {
  const p = ioObject(k, fp) as SourcePtr;
  if (p === 0) return false;
  objectLock(k, p);
  const lives = objectIsOf(k, p, fp);
  objectUnlock(k, p);
  return lives;
}

/**
 * Set one direction, or both, and with `notify` tell those who watch, as one operation. The
 * caller holds the file. Without it, answers that knotes have from the source are out of date, and
 * a scan asks again. Returns 0, -ENXIO if the source was destroyed, -EPERM, -EAGAIN. Waits for
 * nothing but locks.
 */
export function sourceSet(
  k: Kthread,
  fp: FilePtr,
  read: SourceState | null,
  write: SourceState | null,
  notify: boolean,
): number {
  const p = lockOwn(k, fp);
  if (p < 0) return p;
  const src = p as SourcePtr;
  if (read !== null) {
    Source.readFlags.set(k, src, read.flags);
    Source.readFflags.set(k, src, read.fflags);
    Obj.exactRead.setWords(k, src, read.dataLo, read.dataHi);
  }
  if (write !== null) {
    Source.writeFlags.set(k, src, write.flags);
    Source.writeFflags.set(k, src, write.fflags);
    Obj.exactWrite.setWords(k, src, write.dataLo, write.dataHi);
  }
  sourceViewsLocked(k, src);
  Source.silent.set(k, src, notify ? 0 : 1);
  if (notify) klistNotifyLocked(k, src);
  else Obj.edge.publish(k, src, (Obj.edge.hint(k, src) + 1) | 0);
  return objectDone(k, src, 0);
}

/**
 * Destroy the source of a file that the caller holds. Watchers get one last event with EV_EOF and
 * `fflags`, or none with FINI_SILENT. Returns 0, -ENXIO if that was done already, -EPERM,
 * -EAGAIN. May sleep, for calls of other threads that are working on its registrations.
 */
export function sourceDestroy(k: Kthread, fp: FilePtr, fflags: number): number {
  const p = lockOwn(k, fp);
  if (p < 0) return p;
  objectDoomLocked(k, p as SourcePtr);
  objectUnlock(k, p as SourcePtr);
  teardown(k, p as SourcePtr, fp, fflags);
  return 0;
}

/**
 * Bring views and knotes in line with a source's state, after a death with the source locked;
 * object lock held, and the klist is whole. One that is going away is finished by sourcesEnd.
 */
export function sourceRepairLocked(k: Kthread, p: SourcePtr): void {
  if (Obj.state.get(k, p) !== OBJ_LIVE) return;
  sourceViewsLocked(k, p);
  if (Source.silent.get(k, p) === 0) klistNotifyLocked(k, p);
}

/** A source that was in limbo when its thread's call was cut off leads nowhere any more. */
export function sourceReturn(k: Kthread, p: SourcePtr): void {
  sourceDelist(k, p);
  const fp = k.a[Obj.file.at(p)] as FilePtr;
  if (fp !== 0 && File.object.load(k, fp) === p) File.object.store(k, fp, NIL);
  objectRetireLocked(k, p);
  zfree(k, sourceZone, p);
}

/** Steps 2 to 4; the source is DYING, and nobody else does this. */
function teardown(k: Kthread, p: SourcePtr, fp: FilePtr, fflags: number): void {
  klistFini(k, p, fflags);
  sourceDelist(k, p);
  limboHold(k, sourceZone.index, p);
  objectLock(k, p);
  kassert(Obj.knotes.get(k, p) === 0, "nothing leads to a source that is freed");
  File.object.store(k, fp, NIL);
  objectRetireLocked(k, p);
  objectUnlock(k, p);
  zfree(k, sourceZone, p);
}

/**
 * Destroy every source that a thread has made, and end its filters: when it leaves the kernel, or
 * in its name when it has died, also in the middle of a destroy. No lock held. May sleep.
 */
export function sourcesEnd(k: Kthread, owner: number): void {
  for (let fp = sourceOwned(k, owner); fp !== 0; fp = sourceOwned(k, owner)) {
    const p = ioObject(k, fp) as SourcePtr;
    objectLock(k, p);
    objectDoomLocked(k, p);
    objectUnlock(k, p);
    teardown(k, p, fp, 0);
    fileDrop(k, fp);
  }
  filtersEnd(k, owner);
}

export const sourceFileOps: FileOps = {
  name: "source",
  read: () => -ENXIO,
  write: () => -ENXIO,
  kqfilter(_k, _fp, filter) {
    if (filter === EVFILT_READ) return OPS_SOURCE_READ;
    return filter === EVFILT_WRITE ? OPS_SOURCE_WRITE : -EINVAL;
  },
  close(k, fp) {
    const p = ioObject(k, fp) as SourcePtr;
    // Destroyed already; otherwise nobody watches it, since a knote would hold the file.
    if (p === 0) return;
    sourceDelist(k, p);
    limboHold(k, sourceZone.index, p);
    objectLock(k, p);
    objectRetireLocked(k, p);
    objectUnlock(k, p);
    fileUnbound(k, fp);
    zfree(k, sourceZone, p);
  },
};

export { FINI_SILENT };
