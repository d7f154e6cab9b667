// SPDX-License-Identifier: ISC
/**
 * Run with --conditions=checks by guards.test.ts: does what is not allowed, one thing after the
 * other, and prints what the checked build says to each.
 */
import { CHECKS } from "#field";
import { SUPER, Super } from "#src/arena/superblock.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { Knote, type KnotePtr, Kqueue } from "#src/event/structs.js";
import { published, zabandon, zalloc } from "#src/kern/alloc.js";
import { curtable, Fdtable, fdHint, fdtableZone } from "#src/kern/fdtable.js";
import { Obj } from "#src/kern/object.js";
import { mutexLock, mutexUnlock } from "#src/sync/mutex.js";
import { RANK_MEMORY, RANK_OBJECT, RANK_QUEUE, RANK_TABLE } from "#src/sync/order.js";
import { sys } from "#src/sys/face.js";
import { attachThread, bootThread } from "./support.js";

const k = bootThread();
const other = attachThread(k);
const s = sys({ thread: k });
const kq = fileKqueue(k, fdHint(k, s.kqueue()));
const second = fileKqueue(k, fdHint(k, s.kqueue()));
const queueLock = Kqueue.lock.at(kq);

function attempt(name: string, body: () => void): void {
  try {
    body();
    console.log(`${name}: allowed`);
  } catch (error) {
    console.log(`${name}: ${error instanceof Error ? `${error.name} ${error.message}` : error}`);
  }
}

attempt("checks", () => {
  if (!CHECKS) throw new Error("off");
});
attempt("read without the lock", () => Kqueue.fresh.get(k, kq));
attempt("write without the lock", () => Kqueue.fresh.set(k, kq, 1));
attempt("add without the lock", () => Kqueue.fresh.add(k, kq, 1));
attempt("u64 without the lock", () => Obj.exactRead.setWords(k, kq, 1, 1));
attempt("immutable without the lock", () => Kqueue.table.get(k, kq));
attempt("null pointer", () => Kqueue.table.get(k, 0 as typeof kq));
attempt("hint through a null pointer", () => Kqueue.count.hint(k, 0 as typeof kq));
attempt("racy without the lock", () => Kqueue.count.load(k, kq));
mutexLock(k, queueLock, RANK_QUEUE);
attempt("read with the lock", () => Kqueue.fresh.get(k, kq));
attempt("read with the lock held by another", () => Kqueue.fresh.get(other, kq));
attempt("another queue's field", () => Kqueue.fresh.get(k, second));
attempt("the same lock again", () => mutexLock(k, queueLock, RANK_QUEUE + 1));
attempt("a lock of the same rank", () => mutexLock(k, Kqueue.lock.at(second), RANK_QUEUE));
attempt("a lock of a lower rank", () => mutexLock(k, Obj.lockWord.at(kq), RANK_OBJECT));
mutexUnlock(k, queueLock);
attempt("a lock not held", () => mutexUnlock(k, queueLock));
mutexLock(k, Fdtable.lock.at(curtable(k)), RANK_TABLE);
attempt("a lock of a higher rank", () => {
  mutexLock(k, Super.memoryLock.at(SUPER), RANK_MEMORY);
  Super.brk.get(k, SUPER);
  mutexUnlock(k, Super.memoryLock.at(SUPER));
});
mutexUnlock(k, Fdtable.lock.at(curtable(k)));
const slot = zalloc(k, fdtableZone);
attempt("a slot in limbo", () => Fdtable.limit.set(k, slot, 1));
attempt("a slot in another's limbo", () => Fdtable.limit.set(other, slot, 1));
published(k, slot);
attempt("a slot that left limbo", () => Fdtable.limit.set(k, slot, 1));
const knote = (kq + Kqueue.struct.words) as KnotePtr;
attempt("a knote that is none", () => Knote.data.get(k, knote));
attempt("abandon twice", () => zabandon(k, fdtableZone, slot));
