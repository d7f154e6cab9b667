// SPDX-License-Identifier: ISC
/** What reading and writing have in common: the object behind a file, blocking, and the end. */
import type { Kthread } from "../arena/kthread.js";
import { deferredRun } from "../event/defer.js";
import { File, type FilePtr } from "../kern/file.js";
import { type ObjectPtr, objectLock, objectUnlock } from "../kern/object.js";
import { Thread, type ThreadPtr } from "../kern/thread.js";
import { NEVER, sleepUntil, sleepWord } from "../sync/sleep.js";
import { Waitq, type WaitqPtr, waitLinkLocked, waitUnlinkLocked } from "../sync/wait.js";

/** The object of a file as a hint; the operation checks under its lock that it is the file's. */
export function ioObject(k: Kthread, fp: FilePtr): ObjectPtr {
  return File.object.hint(k, fp) as ObjectPtr;
}

/**
 * Sleep until the object's state may have changed; object lock held before and after. The caller
 * holds a reference on the file, and looks at everything again.
 */
export function objectSleep(k: Kthread, obj: ObjectPtr, wq: WaitqPtr): void {
  const rec = Thread.record.get(k, k.thread as ThreadPtr);
  const alone = Waitq.head.get(k, wq) === 0;
  waitLinkLocked(k, wq, rec, NEVER, sleepWord(k, alone));
  objectUnlock(k, obj);
  if (k.deferred !== 0) deferredRun(k);
  sleepUntil(k, NEVER);
  objectLock(k, obj);
  waitUnlinkLocked(k, wq, rec);
}

/** Unlock the object, run what was deferred, and hand the result on. */
export function objectDone(k: Kthread, obj: ObjectPtr, result: number): number {
  objectUnlock(k, obj);
  if (k.deferred !== 0) deferredRun(k);
  return result;
}
