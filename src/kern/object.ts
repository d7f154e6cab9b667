// SPDX-License-Identifier: ISC
/**
 * What every object that queues can watch starts with: its lock, its generation, the list of
 * knotes on it (klist), and what those knotes need to know of its state.
 *
 * A *view* is one word per direction: bit 31 says EOF, the low 30 bits are the data, saturated.
 * It is written under the object's lock before the knotes are notified. A queue evaluates a knote
 * by a plain load of the view under the queue's lock. Nothing is lost by that: a notifier writes
 * the view first and then takes the queue lock for every knote, so either the evaluation sees the
 * new view, or the notifier comes after it and queues the knote.
 *
 * A state that does not fit a view sets bit 30, "ask the object": who evaluates then claims the
 * knote and reads the state under the object's lock (event/ask.ts).
 *
 * `edge` counts accepted operations. A knote remembers the count it has acted on, so notifying it
 * twice for one operation changes nothing.
 */
import type { Kthread } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  IMMUTABLE,
  LOCK,
  NIL,
  type Ptr,
  ptr,
  racy,
  u64,
  word,
} from "../arena/layout.js";
import { VIEW_DATA_MAX } from "../limits.js";
import { mutexLock, mutexLockFirst, mutexUnlock } from "../sync/mutex.js";
import { RANK_OBJECT } from "../sync/order.js";

export type ObjectPtr = Ptr<"object">;

/** Guard of an object's fields: the lock whose index the object stores. */
export const O = guardedBy("o", "object lock", (k, p) => k.a[p + 1] as number);

export const OBJ_FREE = 0;
export const OBJ_LIVE = 1;
/** Being torn down: nobody can attach to it any more. */
export const OBJ_DYING = 2;

export const Obj = defineStruct("object", {
  lockWord: racy(LOCK, "the object's own lock"),
  lockAt: word(IMMUTABLE, "index of the lock in use: its own, or one that it borrows"),
  generation: word(O, "raised when the slot is freed; part of every handle"),
  state: word(O, "OBJ_*"),
  file: ptr<"file">(O, "open file of the object; the read end of a pipe"),
  file2: ptr<"file">(O, "write end of a pipe"),
  klist: ptr<"knote">(O, "knotes that watch the object"),
  knotes: word(O, "how many"),
  readView: racy(ATOMIC, "published state for readers: EOF bit and saturated data"),
  writeView: racy(ATOMIC, "published state for writers"),
  edge: racy(ATOMIC, "accepted operations, of both directions"),
  spare: word(O, "free link"),
  exactRead: u64(O, "data for readers where the view is saturated"),
  exactWrite: u64(O, "data for writers where the view is saturated"),
});

export const VIEW_EOF = 0x80000000 | 0;
/** The state does not fit the view: the object has to be asked. */
export const VIEW_ASK = 0x40000000;

/** A view of `data` bytes (or units), saturated. */
export function viewOf(data: number, eof: boolean): number {
  const low = Math.min(data, VIEW_DATA_MAX);
  return eof ? low | VIEW_EOF : low;
}

export function objectLock(k: Kthread, obj: ObjectPtr): void {
  mutexLock(k, Obj.lockAt.get(k, obj), RANK_OBJECT);
}

/** As objectLock, as the first lock of a call; false, unlocked, if this thread may not wait. */
export function objectLockFirst(k: Kthread, obj: ObjectPtr): boolean {
  return mutexLockFirst(k, Obj.lockAt.get(k, obj), RANK_OBJECT);
}

export function objectUnlock(k: Kthread, obj: ObjectPtr): void {
  mutexUnlock(k, Obj.lockAt.get(k, obj));
}

/** Set up the common part of a slot that is in limbo. Lock word and generation stay. */
export function objectInit(k: Kthread, obj: ObjectPtr): void {
  // Not stored again: who comes with a stale handle reads it to find the lock.
  const lock = Obj.lockWord.at(obj);
  if (Obj.lockAt.get(k, obj) !== lock) Obj.lockAt.set(k, obj, lock);
  Obj.state.set(k, obj, OBJ_LIVE);
  Obj.file.set(k, obj, NIL);
  Obj.file2.set(k, obj, NIL);
  Obj.readView.publish(k, obj, 0);
  Obj.writeView.publish(k, obj, 0);
  Obj.edge.publish(k, obj, 0);
  klistInit(k, obj);
}

/** An empty list of knotes, in a slot that is in limbo. Its end is klistFini (event/fini.ts). */
function klistInit(k: Kthread, obj: ObjectPtr): void {
  Obj.klist.set(k, obj, NIL);
  Obj.knotes.set(k, obj, 0);
}

/**
 * Whether a knote of an open file may join the object; object lock held. A file may have outlived
 * its object, whose slot is another's by now.
 */
export function objectIsOf(k: Kthread, obj: ObjectPtr, fp: Ptr<"file">): boolean {
  if (Obj.state.get(k, obj) !== OBJ_LIVE) return false;
  return Obj.file.get(k, obj) === fp || Obj.file2.get(k, obj) === fp;
}

/** End of an object's life, lock held: handles to it are stale from now on. */
export function objectRetireLocked(k: Kthread, obj: ObjectPtr): void {
  Obj.state.set(k, obj, OBJ_FREE);
  Obj.generation.add(k, obj, 1);
  Obj.file.set(k, obj, NIL);
  Obj.file2.set(k, obj, NIL);
}
