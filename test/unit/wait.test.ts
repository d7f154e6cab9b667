// SPDX-License-Identifier: ISC
/**
 * Wait records: one wake in flight, passed on by whoever does not use it. Several threads of the
 * kernel are run by this one JavaScript thread, which takes the steps of the protocol by hand.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EBADF } from "#src/abi/errno.js";
import { EV_ADD, EV_CLEAR, EVFILT_TIMER, EVFILT_USER, NOTE_TRIGGER } from "#src/abi/event.js";
import type { Kthread } from "#src/arena/kthread.js";
import { kqueueAwait, kqueueAwaitCancel, PARKED } from "#src/event/await.js";
import { deferredRun } from "#src/event/defer.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { Kqueue, type KqueuePtr, kqWaitq } from "#src/event/structs.js";
import { peek } from "#src/inspect/peek.js";
import { published, zalloc } from "#src/kern/alloc.js";
import { fdHint } from "#src/kern/fdtable.js";
import { Thread, type ThreadPtr } from "#src/kern/thread.js";
import { mutexLock, mutexUnlock } from "#src/sync/mutex.js";
import { RANK_QUEUE } from "#src/sync/order.js";
import { NEVER } from "#src/sync/sleep.js";
import {
  REASON_CLOSED,
  REC_ARMED,
  REC_CLAIMED,
  REC_DETACHED,
  REC_FREE,
  Waitq,
  Waitrec,
  type WaitrecPtr,
  WORD_SLEEPING,
  WORD_WOKEN,
  waitLinkLocked,
  waitrecZone,
  waitTakeFired,
  waitUnlinkLocked,
  wakeAllLocked,
  wakeOneLocked,
} from "#src/sync/wait.js";
import { KeventList, sys } from "#src/sys/face.js";
import { assertSound, attachThread, bootThread } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

/** A queue and threads that can be put to sleep on it by hand. */
class Scene {
  readonly k: Kthread;
  readonly fd: number;
  readonly kq: KqueuePtr;
  readonly #list = new KeventList(8);

  constructor() {
    this.k = bootThread({ threads: 16 });
    this.fd = sys({ thread: this.k }).kqueue();
    this.kq = fileKqueue(this.k, fdHint(this.k, this.fd));
  }

  record(k: Kthread): WaitrecPtr {
    return peek(k, Thread.record, k.thread as ThreadPtr) as WaitrecPtr;
  }

  locked<T>(k: Kthread, body: () => T): T {
    mutexLock(k, Kqueue.lock.at(this.kq), RANK_QUEUE);
    const result = body();
    mutexUnlock(k, Kqueue.lock.at(this.kq));
    deferredRun(k);
    return result;
  }

  /** A thread goes to sleep, as far as others can tell. */
  sleep(k: Kthread, wakeAt = NEVER): void {
    this.locked(k, () => {
      waitLinkLocked(k, kqWaitq(this.kq), this.record(k), wakeAt, WORD_SLEEPING);
    });
  }

  /** It returns from the sleep; the state of its record then. */
  rise(k: Kthread): number {
    return this.locked(k, () => waitUnlinkLocked(k, kqWaitq(this.kq), this.record(k)));
  }

  state(k: Kthread): number {
    return peek(k, Waitrec.state, this.record(k));
  }

  word(k: Kthread): number {
    return k.a[k.syncWord] as number;
  }

  claimed(): number {
    return peek(this.k, Waitq.claimed, kqWaitq(this.kq));
  }

  kevent(k: Kthread, nevents = 0): number {
    return sys({ thread: k }).kevent(this.fd, this.#list, 1, this.#list, nevents, ZERO);
  }

  user(ident: number, flags: number, fflags = 0): number {
    this.#list.set(0, ident, EVFILT_USER, flags, fflags);
    return this.kevent(this.k);
  }

  timer(ident: number, ms: number): number {
    this.#list.set(0, ident, EVFILT_TIMER, EV_ADD, 0, ms);
    return this.kevent(this.k);
  }

  collect(k: Kthread): number {
    return sys({ thread: k }).kevent(this.fd, null, 0, this.#list, 8, ZERO);
  }

  /** An asynchronous record of a thread. */
  asyncRecord(k: Kthread): WaitrecPtr {
    const rec = zalloc(k, waitrecZone);
    k.a.fill(0, rec, rec + Waitrec.struct.words);
    Waitrec.async.set(k, rec, 1);
    Waitrec.thread.set(k, rec, k.thread);
    Waitrec.wakeWord.set(k, rec, k.asyncWord);
    Waitrec.firedAt.set(k, rec, k.firedAt);
    published(k, rec);
    return rec;
  }

  await(k: Kthread, rec: WaitrecPtr, deadline = NEVER): number {
    const generation = peek(k, Kqueue.generation, this.kq);
    return kqueueAwait(k, this.kq, generation, this.#list.words, 8, rec, deadline);
  }
}

test("a wake goes to the oldest sleeper, and only one is in flight", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  s.user(1, EV_ADD | EV_CLEAR);
  s.user(2, EV_ADD | EV_CLEAR);
  s.sleep(a);
  s.sleep(b);
  assert.deepEqual([s.state(a), s.state(b)], [REC_ARMED, REC_ARMED]);
  s.user(1, 0, NOTE_TRIGGER);
  assert.deepEqual([s.state(a), s.state(b)], [REC_CLAIMED, REC_ARMED]);
  assert.deepEqual([s.word(a), s.word(b)], [WORD_WOKEN, WORD_SLEEPING]);
  s.user(2, 0, NOTE_TRIGGER);
  assert.deepEqual([s.state(a), s.state(b)], [REC_CLAIMED, REC_ARMED]);
  assertSound(s.k, "asleep, one wake in flight");
  assert.equal(s.rise(a), REC_CLAIMED);
  assert.equal(s.claimed(), 0);
  assert.equal(s.collect(a), 2, "a takes both");
  assert.equal(s.state(b), REC_ARMED, "and nothing is left to wake b for");
  assertSound(s.k);
});

test("a claimed thread that leaves work passes the wake on", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  for (const ident of [1, 2]) s.user(ident, EV_ADD | EV_CLEAR);
  s.sleep(a);
  s.sleep(b);
  for (const ident of [1, 2]) s.user(ident, 0, NOTE_TRIGGER);
  assert.equal(s.rise(a), REC_CLAIMED);
  // It takes one event of two.
  const list = new KeventList(1);
  assert.equal(sys({ thread: a }).kevent(s.fd, null, 0, list, 1, ZERO), 1);
  assert.equal(s.state(b), REC_CLAIMED);
  assert.equal(s.word(b), WORD_WOKEN);
  assert.equal(s.rise(b), REC_CLAIMED);
  assert.equal(s.collect(b), 1);
  assertSound(s.k);
});

test("a claimed thread that only changes something passes the wake on", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  s.user(1, EV_ADD | EV_CLEAR);
  s.sleep(a);
  s.sleep(b);
  s.user(1, 0, NOTE_TRIGGER);
  // It timed out at the same moment, and comes back to ask for nothing.
  assert.equal(s.rise(a), REC_CLAIMED);
  assert.equal(sys({ thread: a }).kevent(s.fd, null, 0, null, 0, ZERO), 0);
  assert.equal(s.state(b), REC_CLAIMED);
  assertSound(s.k);
});

test("a level-triggered event wakes one thread per activation, not everybody", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  s.user(1, EV_ADD);
  s.sleep(a);
  s.sleep(b);
  s.user(1, 0, NOTE_TRIGGER);
  assert.equal(s.rise(a), REC_CLAIMED);
  assert.equal(s.collect(a), 1);
  assert.equal(s.state(b), REC_ARMED, "delivered, and back on the list: not work for b");
  s.user(1, 0, NOTE_TRIGGER);
  assert.equal(s.state(b), REC_CLAIMED, "a new activation is");
  assertSound(s.k);
});

test("cancelling an await that was fired passes the wake on to a blocked thread", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  s.user(1, EV_ADD | EV_CLEAR);
  const rec = s.asyncRecord(a);
  assert.equal(s.await(a, rec), PARKED);
  s.user(1, 0, NOTE_TRIGGER);
  assert.equal(peek(a, Waitrec.state, rec), REC_CLAIMED);
  assert.equal(a.a[a.asyncWord], WORD_WOKEN);
  assert.equal(waitTakeFired(a), rec);
  s.sleep(b);
  kqueueAwaitCancel(a, s.kq, rec);
  assert.equal(peek(a, Waitrec.state, rec), REC_FREE);
  assert.equal(s.state(b), REC_CLAIMED);
  assert.equal(s.rise(b), REC_CLAIMED);
  assert.equal(s.collect(b), 1);
  assertSound(s.k);
});

test("a blocked thread comes before awaiting ones; without one, all of these are fired", () => {
  const s = new Scene();
  const [a, b, c] = [attachThread(s.k), attachThread(s.k), attachThread(s.k)];
  s.user(1, EV_ADD | EV_CLEAR);
  const recs = [a, b].map((k) => s.asyncRecord(k));
  assert.equal(s.await(a, recs[0] as WaitrecPtr), PARKED);
  assert.equal(s.await(b, recs[1] as WaitrecPtr), PARKED);
  s.sleep(c);
  s.user(1, 0, NOTE_TRIGGER);
  assert.deepEqual(
    recs.map((rec) => peek(s.k, Waitrec.state, rec)),
    [REC_ARMED, REC_ARMED],
  );
  assert.equal(s.rise(c), REC_CLAIMED);
  assert.equal(s.collect(c), 1);
  s.user(1, 0, NOTE_TRIGGER);
  assert.deepEqual(
    recs.map((rec) => peek(s.k, Waitrec.state, rec)),
    [REC_CLAIMED, REC_CLAIMED],
  );
  assert.equal(s.await(a, recs[0] as WaitrecPtr), 1);
  assert.equal(s.await(b, recs[1] as WaitrecPtr), PARKED, "the other took it");
  kqueueAwaitCancel(b, s.kq, recs[1] as WaitrecPtr);
  assertSound(s.k);
});

test("an await ends at its deadline, and is not linked then", () => {
  const s = new Scene();
  const a = attachThread(s.k);
  const rec = s.asyncRecord(a);
  assert.equal(s.await(a, rec, 0), 0);
  assert.equal(peek(a, Waitrec.state, rec), REC_FREE);
  assertSound(s.k);
});

test("closing a queue detaches everybody, for a reason", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  const rec = s.asyncRecord(b);
  s.sleep(a);
  assert.equal(s.await(b, rec), PARKED);
  assert.equal(sys({ thread: s.k }).close(s.fd), 0);
  assert.equal(s.state(a), REC_DETACHED);
  assert.equal(peek(a, Waitrec.reason, s.record(a)), REASON_CLOSED);
  assert.equal(s.word(a), WORD_WOKEN);
  assert.equal(s.rise(a), REC_DETACHED);
  assert.equal(s.await(b, rec), -EBADF);
  assertSound(s.k);
});

test("a record can be linked once only, and unlinking one in the middle keeps the list", () => {
  const s = new Scene();
  const threads = [1, 2, 3].map(() => attachThread(s.k));
  for (const k of threads) s.sleep(k);
  assert.equal(s.rise(threads[1] as Kthread), REC_ARMED);
  assertSound(s.k, "first and last left");
  const wq = kqWaitq(s.kq);
  s.locked(s.k, () => wakeOneLocked(s.k, wq));
  s.locked(s.k, () => wakeOneLocked(s.k, wq));
  assert.deepEqual(
    threads.map((k) => s.state(k)),
    [REC_CLAIMED, REC_FREE, REC_ARMED],
  );
  s.locked(s.k, () => wakeAllLocked(s.k, wq, REASON_CLOSED));
  assert.deepEqual(
    threads.map((k) => s.state(k)),
    [REC_DETACHED, REC_FREE, REC_DETACHED],
  );
  for (const k of threads) s.rise(k);
  assertSound(s.k);
});

test("arming an earlier timer wakes a sleeper who would be late, and not one in time", () => {
  const s = new Scene();
  const [a, b] = [attachThread(s.k), attachThread(s.k)];
  s.timer(1, 50);
  s.sleep(a, 50e6);
  s.timer(2, 60);
  assert.equal(s.state(a), REC_ARMED, "in time for both");
  s.timer(3, 10);
  assert.equal(s.state(a), REC_CLAIMED);
  assert.equal(s.rise(a), REC_CLAIMED);
  s.sleep(b, 10e6);
  s.sleep(a, 60e6);
  s.timer(4, 20);
  assert.deepEqual([s.state(b), s.state(a)], [REC_ARMED, REC_ARMED], "the second is in time");
  s.rise(b);
  // The one who was in time leaves, with the lock; it is seen to that another takes over.
  assert.equal(sys({ thread: b }).kevent(s.fd, new KeventList(1), 1, null, 0, ZERO), 0);
  assert.equal(s.state(a), REC_CLAIMED);
  s.rise(a);
  assertSound(s.k);
});
