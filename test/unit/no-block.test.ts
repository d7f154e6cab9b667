// SPDX-License-Identifier: ISC
/**
 * A thread that may not block, as a page's own: whatever lock a call needs first, held by another
 * thread, the call gives up after LOCK_SPIN_MS with EAGAIN, and nothing has changed. What waits
 * without blocking tries again by itself.
 *
 * The clock of the host moves by a millisecond at every look, so the time that a call may spin is a
 * number of looks, whatever the machine is doing.
 */
import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { Worker } from "node:worker_threads";
import { userEvent } from "knell";
import { EV_ADD, EVFILT_USER, NOTE_TRIGGER } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import { Core } from "#src/api/core.js";
import { Kernel } from "#src/api/kernel.js";
import type { KernelObject } from "#src/api/object.js";
import type { Kthread, ThreadHost } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { Kqueue, type KqueuePtr } from "#src/event/structs.js";
import { threadHost } from "#src/host/node.js";
import { curtable, Fdentry, Fdtable, fdEntry } from "#src/kern/fdtable.js";
import { File } from "#src/kern/file.js";
import { Obj, type ObjectPtr } from "#src/kern/object.js";
import { LOCK_SPIN_MS } from "#src/limits.js";
import { RANK_MEMORY, RANK_OBJECT, RANK_QUEUE, RANK_TABLE } from "#src/sync/order.js";
import type { Work } from "./lock-holder.js";
import { assertSound, bootThread, CONTROL_WORDS, HELD, RANK, WANTED } from "./support.js";

let looks = 0;
const host: ThreadHost = {
  monotonicNs: () => 1e9 + 1e6 * looks++,
  clockErrorNs: 0,
  wallNs: () => 0,
  processors: threadHost.processors,
  canBlock: false,
};

const control = new Int32Array(new SharedArrayBuffer(4 * CONTROL_WORDS));
const k: Kthread = bootThread({}, host);
const buffer = k.a.buffer as SharedArrayBuffer;
const work: Work = { buffer, control };
const holder = new Worker(new URL("./lock-holder.js", import.meta.url), { workerData: work });
const kernel = new Kernel(new Core(k, buffer, 1));
const s = sys(kernel);

/** Have the other thread hold a lock, 0 for none; returns when it does. */
function hold(lock: number, rank = 0): void {
  const before = Atomics.load(control, HELD);
  Atomics.store(control, RANK, rank);
  Atomics.store(control, WANTED, lock);
  Atomics.notify(control, WANTED);
  while (Atomics.load(control, HELD) !== lock) Atomics.wait(control, HELD, before, 100);
}

after(async () => {
  hold(0);
  kernel.close();
  hold(-1);
  await once(holder, "exit");
});

function objectOf(fd: number): ObjectPtr {
  const fp = Fdentry.file.load(k, fdEntry(k, curtable(k), fd));
  return File.object.load(k, fp);
}
const queueLock = (fd: number): number => Kqueue.lock.at(objectOf(fd) as KqueuePtr);
const objectLockOf = (fd: number): number => Obj.lockWord.at(objectOf(fd));
const tableLock = Fdtable.lock.at(curtable(k));
const memoryLock = Super.memoryLock.at(SUPER);

/** A call fails with EAGAIN, after the time that it may spin, for as long as the lock is held. */
function givesUp(lock: number, rank: number, what: string, call: () => number): void {
  hold(lock, rank);
  const words = k.a.slice();
  looks = 0;
  assert.ok(call() < 0, what);
  assert.equal(s.errno, 35, `${what}: EAGAIN`);
  assert.ok(looks > LOCK_SPIN_MS && looks < LOCK_SPIN_MS + 5, `${what}: ${looks} looks`);
  assert.equal(k.lockDepth, 0);
  for (const [i, word] of k.a.entries()) {
    if (word !== words[i]) assert.fail(`${what}: word ${i} was ${words[i]} and is ${word}`);
  }
  hold(0);
}

test("every system call gives up on its first lock, and changes nothing", () => {
  const kq = s.kqueue();
  const efd = s.eventfd(1, 4);
  const value = new BigUint64Array(1);
  const fds = new Int32Array(2);
  assert.equal(s.pipe2(fds, 4), 0);
  const [reader, writer] = fds as unknown as [number, number];
  const bytes = new Uint8Array(8).fill(1);
  const changes = new KeventList(1);
  changes.set(0, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
  const events = new KeventList(1);
  const zero = { sec: 0, nsec: 0 };
  const cases: [what: string, lock: number, rank: number, call: () => number][] = [
    ["kevent", queueLock(kq), RANK_QUEUE, () => s.kevent(kq, changes, 1, events, 1, zero)],
    ["eventfd_read", objectLockOf(efd), RANK_OBJECT, () => s.eventfd_read(efd, value)],
    ["eventfd_write", objectLockOf(efd), RANK_OBJECT, () => s.eventfd_write(efd, 1)],
    ["read", objectLockOf(reader), RANK_OBJECT, () => s.read(reader, bytes)],
    ["write", objectLockOf(reader), RANK_OBJECT, () => s.write(writer, bytes)],
    ["close", tableLock, RANK_TABLE, () => s.close(efd)],
    ["dup", tableLock, RANK_TABLE, () => s.dup(efd)],
    ["dup2", tableLock, RANK_TABLE, () => s.dup2(efd, 20)],
    ["dup3", tableLock, RANK_TABLE, () => s.dup3(efd, 20, 0)],
    ["fcntl", tableLock, RANK_TABLE, () => s.fcntl(efd, 1)],
    ["getrlimit", tableLock, RANK_TABLE, () => s.getrlimit(8)],
    ["setrlimit", tableLock, RANK_TABLE, () => s.setrlimit(8, 30)],
    ["kqueue", memoryLock, RANK_MEMORY, () => s.kqueue()],
    ["eventfd", memoryLock, RANK_MEMORY, () => s.eventfd(0, 0)],
    ["pipe", memoryLock, RANK_MEMORY, () => s.pipe(fds)],
  ];
  for (const [what, lock, rank, call] of cases) givesUp(lock, rank, what, call);
  assert.equal(s.kevent(kq, changes, 1, events, 1, zero), 1, "and once the lock is free, it works");
  assert.equal(s.eventfd_read(efd, value), 0);
  assert.equal(value[0], 1n);
  for (const fd of [kq, efd, reader, writer]) assert.equal(s.close(fd), 0);
  assertSound(k);
});

/** The object lock of an object of the face. */
const lockOfObject = (object: KernelObject): number => objectLockOf(object.fd);

test("the forms that do not wait say so, and change nothing", () => {
  const channel = kernel.channel<string>();
  const bell = kernel.bell();
  const pipe = kernel.pipe();
  channel.send("first");
  hold(lockOfObject(channel), RANK_OBJECT);
  assert.equal(channel.trySend("second"), false);
  assert.equal(channel.tryReceive(), undefined);
  assert.throws(() => channel.send("third"), { code: "EOPNOTSUPP" });
  assert.throws(() => channel.end(), { code: "EAGAIN" });
  hold(lockOfObject(bell), RANK_OBJECT);
  assert.throws(() => bell.ring(), { code: "EAGAIN" });
  hold(objectLockOf(pipe.readFd), RANK_OBJECT);
  assert.equal(pipe.tryWrite(new Uint8Array(1)), 0);
  hold(0);
  assert.equal(channel.tryReceive(), "first");
  assert.equal(channel.tryReceive(), undefined);
  for (const object of [channel, bell, pipe]) object.close();
  assertSound(k);
});

test("an awaiting wait comes back until it has the queue's lock", async () => {
  const counter = kernel.counter();
  const queue = kernel.queue().add("count", counter.takes());
  hold(queueLock(queue.fd), RANK_QUEUE);
  const waiting = queue.wait();
  hold(0);
  counter.add(3);
  assert.deepEqual((await waiting)[0], { tag: "count", value: 3, ended: false, flags: 0 });
  queue.close();
  counter.close();
});

test("taking without a queue of the program's waits for memory's lock, too", async () => {
  const counter = kernel.counter();
  hold(memoryLock, RANK_MEMORY);
  const taking = counter.take();
  hold(0);
  counter.add(5);
  assert.equal(await taking, 5);
  counter.close();
});

test("a source that cannot be removed at once is silent, and can be added again", async () => {
  const queue = kernel.queue().add("go", userEvent(1));
  hold(queueLock(queue.fd), RANK_QUEUE);
  queue.remove("go");
  hold(0);
  s.kevent(queue.fd, triggerOf(1), 1, null, 0, null);
  assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
  const other = queue.add("again", userEvent(1));
  other.trigger(1, { data: 4 });
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.deepEqual(queue.waitSync({ timeoutMs: 0 })[0], {
    tag: "again",
    value: 4,
    ended: false,
    flags: 0,
  });
  queue.close();
});

function triggerOf(ident: number): KeventList {
  const list = new KeventList(1);
  list.set(0, ident, EVFILT_USER, 0, NOTE_TRIGGER);
  return list;
}

test("a number that cannot be closed at once is closed later", async () => {
  const before = kernel.usage().descriptors;
  const bell = kernel.bell();
  hold(tableLock, RANK_TABLE);
  bell.close();
  assert.equal(bell.closed, true);
  hold(0);
  while (kernel.usage().descriptors !== before) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assertSound(k);
});
