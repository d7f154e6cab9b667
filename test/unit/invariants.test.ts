// SPDX-License-Identifier: ISC
/** The invariant walk notices damage: each kind, done to a busy arena and undone again. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EV_ADD,
  EV_CLEAR,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
  NOTE_TRIGGER,
} from "#src/abi/event.js";
import { EFD_NONBLOCK, O_DIRECT, O_NONBLOCK } from "#src/abi/fcntl.js";
import { FREE_CLASS, FREE_NEXT, FREE_PREV, heapMapWords } from "#src/arena/heap.js";
import type { Kthread } from "#src/arena/kthread.js";
import type { FieldInfo } from "#src/arena/layout.js";
import { HEAP_CLASSES, SUPER, Super } from "#src/arena/superblock.js";
import { Zone } from "#src/arena/zone.js";
import { fileKqueue } from "#src/event/kqueue.js";
import {
  KN_ACTIVE,
  KN_ARMED,
  KN_DISABLED,
  KN_QUEUED,
  Kncold,
  Knote,
  Kqueue,
  knoteZone,
  kqWaitq,
} from "#src/event/structs.js";
import { Eventfd } from "#src/fd/eventfd.js";
import { Pipe } from "#src/fd/pipe-ring.js";
import { dump } from "#src/inspect/dump.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { chain, chainAt, peek } from "#src/inspect/peek.js";
import { waiters } from "#src/inspect/usage.js";
import { heapAlloc, heapFree } from "#src/kern/alloc.js";
import { curtable, Fdentry, Fdtable, fdEntry, fdHint } from "#src/kern/fdtable.js";
import { File, fileZone } from "#src/kern/file.js";
import { Obj } from "#src/kern/object.js";
import { Proc } from "#src/kern/process.js";
import { Thread, type ThreadPtr } from "#src/kern/thread.js";
import { LINE_WORDS } from "#src/limits.js";
import { mutexLock, mutexUnlock } from "#src/sync/mutex.js";
import { RANK_QUEUE } from "#src/sync/order.js";
import { Waitq, Waitrec, WORD_SLEEPING, waitLinkLocked } from "#src/sync/wait.js";
import { KeventList, sys } from "#src/sys/face.js";
import { attachThread, bootThread, notices, word } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

/** An arena in which every kind of thing exists. */
function busy(): { k: Kthread; kq: number; child: number; eventfd: number; packets: number } {
  const k = bootThread();
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const child = s.kqueue();
  const eventfd = s.eventfd(3, EFD_NONBLOCK);
  const fds = new Int32Array(2);
  s.pipe2(fds, O_DIRECT | O_NONBLOCK);
  const [read, packets] = fds as unknown as [number, number];
  s.write(packets, new Uint8Array(10));
  s.write(packets, new Uint8Array(3));
  const list = new KeventList(8)
    .set(0, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER)
    .set(1, 2n ** 40n, EVFILT_USER, EV_ADD | EV_CLEAR, 0, 5)
    .set(2, eventfd, EVFILT_READ, EV_ADD)
    .set(3, eventfd, EVFILT_WRITE, EV_ADD | EV_CLEAR)
    .set(4, read, EVFILT_READ, EV_ADD)
    .set(5, child, EVFILT_READ, EV_ADD)
    .set(6, 5, EVFILT_TIMER, EV_ADD, 0, 100)
    .set(7, 6, EVFILT_TIMER, EV_ADD, 0, 50);
  assert.equal(s.kevent(kq, list, 8, null, 0, ZERO), 0);
  list.set(0, 9, EVFILT_USER, EV_ADD, NOTE_TRIGGER).set(1, 7, EVFILT_TIMER, EV_ADD, 0, 70);
  assert.equal(s.kevent(child, list, 2, null, 0, ZERO), 0);
  assert.equal(s.kevent(kq, null, 0, list, 2, ZERO), 2);
  s.dup(eventfd);
  s.close(s.dup(kq));
  return { k, kq, child, eventfd, packets };
}

test("a busy arena is sound, and describing it finds everything", () => {
  const { k, kq } = busy();
  assert.deepEqual(checkInvariants(k), []);
  assert.equal(waiters(k, kq), 0);
  const text = dump(k);
  for (const part of ["thread 1", "fd 0", "kqueue", "eventfd", "pipe", "USER", "TIMER"]) {
    assert.ok(text.includes(part), `${part} is missing in:\n${text}`);
  }
});

test("damage to counts is noticed", () => {
  const { k, kq, eventfd, packets } = busy();
  const q = fileKqueue(k, fdHint(k, kq));
  const efd = peek(k, File.object, fdHint(k, eventfd));
  const pipe = peek(k, File.object, fdHint(k, packets));
  const table = curtable(k);
  const proc = peek(k, Super.init, SUPER);
  const zone = peek(k, Super.zoneTable, SUPER) + knoteZone.index * LINE_WORDS;
  const counts: readonly [FieldInfo, number][] = [
    [Kqueue.count, q],
    [Kqueue.fresh, q],
    [Kqueue.knotes, q],
    [Kqueue.magazineCount, q],
    [Kqueue.coldCount, q],
    [Kqueue.heapCount, q],
    [Kqueue.heapWanted, q],
    [Kqueue.watched, q],
    [Kqueue.dirty, q],
    [Obj.knotes, efd],
    [Eventfd.count, efd],
    [Obj.readView, efd],
    [Obj.writeView, pipe],
    [Pipe.count, pipe],
    [Pipe.payload, pipe],
    [Pipe.records, pipe],
    [Pipe.closed, pipe],
    [Fdtable.open, table],
    [Proc.userEvents, proc],
    [Super.timers, SUPER],
    [Super.threads, SUPER],
    [Super.brk, SUPER],
    [Super.heapLive, SUPER],
    [Zone.live, zone],
    [Zone.free, zone],
    [Zone.total, zone],
    [File.refs, fdHint(k, eventfd)],
    [File.refs, fdHint(k, packets)],
  ];
  for (const [field, p] of counts) {
    const [at, value] = word(k, field, p);
    notices(k, at, value + 1, field.name);
    notices(k, at, value - 1, `${field.name} less`);
  }
});

test("damage to links is noticed, through every list", () => {
  const { k, kq, child, eventfd } = busy();
  const q = fileKqueue(k, fdHint(k, kq));
  const c = fileKqueue(k, fdHint(k, child));
  const efd = peek(k, File.object, fdHint(k, eventfd));
  const ready = chain(k, peek(k, Kqueue.head, q), Knote.readyNext, 100);
  assert.ok(ready.length >= 3);
  const klist = chain(k, peek(k, Obj.klist, efd), Knote.klistNext, 100);
  assert.equal(klist.length, 2);
  const last = klist[1] as number;
  const links: readonly [FieldInfo, number][] = [
    [Kqueue.head, q],
    [Kqueue.tail, q],
    [Kqueue.magazine, q],
    [Kqueue.coldMagazine, q],
    [Kqueue.tableNext, q === peek(k, Fdtable.queues, curtable(k)) ? q : c],
    [Kqueue.tablePrev, q === peek(k, Fdtable.queues, curtable(k)) ? c : q],
    [Knote.readyNext, ready[0] as number],
    [Knote.readyPrev, ready[1] as number],
    [Knote.hashNext, ready[0] as number],
    [Obj.klist, efd],
    [Knote.klistNext, klist[0] as number],
    [Knote.obj, last],
    [Knote.kq, last],
    [Knote.cold, last],
    [Kncold.klistPrev, peek(k, Knote.cold, last)],
    [Kncold.knote, peek(k, Knote.cold, last)],
    [Kncold.file, peek(k, Knote.cold, last)],
    [Obj.file, efd],
    [Obj.lockAt, efd],
    [Kqueue.hash, q],
    [Kqueue.heap, q],
    [Fdtable.queues, curtable(k)],
    [Fdentry.file, fdEntry(k, curtable(k), kq)],
    [Fdentry.state, fdEntry(k, curtable(k), kq)],
    [Fdentry.flags, fdEntry(k, curtable(k), eventfd)],
  ];
  for (const [field, p] of links) {
    const [at, value] = word(k, field, p);
    if (value !== 0) notices(k, at, 0, `${field.name} lost`);
    notices(k, at, ready[2] === value ? q : (ready[2] as number), `${field.name} astray`);
  }
});

test("damage to free buffers and to linked chunks is noticed", () => {
  const { k } = busy();
  const lists = Super.heapFree.at(SUPER);
  const free: number[] = [];
  for (let cls = 0; cls < HEAP_CLASSES; cls++) {
    free.push(...chainAt(k, k.a[lists + cls] as number, FREE_NEXT, 100));
  }
  assert.ok(free.length > 0);
  for (const cls of [4, 5, 6]) {
    const head = k.a[lists + cls] as number;
    if (head !== 0) notices(k, lists + cls, 0, `list ${cls} lost`);
  }
  const [at] = free as [number];
  notices(k, at + FREE_PREV, 16, "link back of a free buffer");
  notices(k, at + FREE_CLASS, 9, "class of a free buffer");
  const map = peek(k, Super.heapMap, SUPER);
  for (let i = 0; i < heapMapWords(k.a.length); i++) {
    const word = k.a[map + i] as number;
    notices(k, map + i, word ^ 1, `bit of map word ${i}`);
  }
  const zone = peek(k, Super.zoneTable, SUPER) + fileZone.index * LINE_WORDS;
  notices(k, zone + Zone.chunks.offset, 0, "chunks of files lost");
  const size = peek(k, Zone.chunks, zone) + 1;
  notices(k, size, (k.a[size] as number) + 16, "size of a chunk of files");
});

test("two free halves that were not joined are noticed", () => {
  const k = bootThread();
  const whole = heapAlloc(k, 1024);
  heapFree(k, whole, 1024);
  const list = Super.heapFree.at(SUPER) + 10;
  // Halved by hand, and both halves left free.
  assert.equal(k.a[list], whole);
  const half = whole + 512;
  const map = peek(k, Super.heapMap, SUPER);
  const bit = map + Math.trunc(half / (LINE_WORDS * 32));
  k.a[list] = k.a[whole + FREE_NEXT] as number;
  if (k.a[list] !== 0) k.a[(k.a[list] as number) + FREE_PREV] = 0;
  const below = k.a[list - 1] as number;
  if (below !== 0) k.a[below + FREE_PREV] = half;
  k.a.set([half, 0, 9], whole);
  k.a.set([below, whole, 9], half);
  k.a[list - 1] = whole;
  k.a[bit] = (k.a[bit] as number) | (1 << (half / LINE_WORDS));
  assert.match(checkInvariants(k).join(), /not joined/);
});

test("damage to a knote's state is noticed", () => {
  const { k, kq } = busy();
  const q = fileKqueue(k, fdHint(k, kq));
  const buckets = peek(k, Kqueue.hash, q);
  const knotes: number[] = [];
  for (let i = 0; i < 16; i++)
    knotes.push(...chain(k, k.a[buckets + i] as number, Knote.hashNext, 99));
  assert.equal(knotes.length, 8);
  for (const kn of knotes) {
    for (const bit of [KN_ACTIVE, KN_QUEUED, KN_ARMED]) {
      const [at, value] = word(k, Knote.status, kn);
      notices(k, at, value ^ bit, `status bit ${bit} of ${kn}`);
    }
    const [status, value] = word(k, Knote.status, kn);
    if ((value & KN_QUEUED) !== 0) notices(k, status, value | KN_DISABLED, "queued and disabled");
    notices(k, kn + Knote.claim.offset, k.owner, "a claim");
    const [ident, low] = word(k, Knote.ident, kn);
    notices(k, ident, low ^ 0x55, "ident");
    const [ops, number] = word(k, Knote.ops, kn);
    notices(k, ops, number ^ 0xf0000, "operations");
  }
  const heap = peek(k, Kqueue.heap, q);
  for (const offset of [0, 1, 2]) {
    notices(k, heap + offset, (k.a[heap + offset] as number) + 1, `heap word ${offset}`);
  }
});

test("held locks, limbo and calls in progress are noticed", () => {
  const { k, kq } = busy();
  const q = fileKqueue(k, fdHint(k, kq));
  const locks = [
    Kqueue.lock.at(q),
    Obj.lockWord.at(q),
    Fdtable.lock.at(curtable(k)),
    Super.memoryLock.at(SUPER),
    Super.threadsLock.at(SUPER),
    Super.nestLock.at(SUPER),
    Super.clockLock.at(SUPER),
    peek(k, Super.init, SUPER) + Proc.lock.offset,
  ];
  for (const lock of locks) notices(k, lock, k.owner, `lock ${lock}`);
  notices(k, k.locksAt, Kqueue.lock.at(q), "a lock in the record");
  notices(k, k.limboAt, q, "a slot in limbo");
  notices(k, k.callAt, 560, "a call in progress");
  k.deferred = 1;
  assert.notDeepEqual(checkInvariants(k), []);
  k.deferred = 0;
});

test("slots that are free and used, or neither, are noticed", () => {
  const { k, kq } = busy();
  const s = sys({ thread: k });
  const spare = s.eventfd(0, 0);
  const efd = peek(k, File.object, fdHint(k, spare));
  s.close(spare);
  assert.deepEqual(checkInvariants(k), []);
  notices(k, efd + Obj.lockWord.offset, k.owner, "a lock held in a free slot");
  const fileZoneHead = peek(k, Super.zoneTable, SUPER) + 4 * LINE_WORDS;
  assert.ok(peek(k, Zone.free, fileZoneHead) > 0);
  notices(k, fileZoneHead + Zone.head.offset, fdHint(k, kq), "a used file is free");
  notices(k, fileZoneHead + Zone.head.offset, 0, "a free file is lost");
  notices(k, fileZoneHead + Zone.chunk.offset, 0, "the current chunk");
});

test("sleepers: a lost wake and a missed timer are noticed", () => {
  const { k, kq } = busy();
  const other = attachThread(k);
  const q = fileKqueue(k, fdHint(k, kq));
  const rec = peek(k, Thread.record, other.thread as ThreadPtr);
  // Fresh events are there: whoever sleeps now was not woken for them.
  mutexLock(other, Kqueue.lock.at(q), RANK_QUEUE);
  waitLinkLocked(other, kqWaitq(q), rec as never, 1e6, WORD_SLEEPING);
  mutexUnlock(other, Kqueue.lock.at(q));
  assert.match(checkInvariants(k).join("\n"), /sleeps although there is \d+ fresh/);
  assert.equal(waiters(k, kq), 1);
  const list = new KeventList(8);
  while (peek(k, Kqueue.fresh, q) > 0) sys({ thread: k }).kevent(kq, null, 0, list, 8, ZERO);
  assert.deepEqual(checkInvariants(k), []);
  notices(k, rec + Waitrec.wakeAt.offset + 1, 0x10000000, "nobody wakes for the timer");
  notices(k, rec + Waitrec.state.offset, 0, "a free record on a wait queue");
  notices(k, rec + Waitrec.lock.offset, 64, "lock of a record");
  notices(k, rec + Waitrec.prev.offset, rec, "link of a record");
  notices(k, kqWaitq(q) + Waitq.claimed.offset, rec, "a claim of an armed record");
  notices(k, kqWaitq(q) + Waitq.tail.offset, 0, "end of the wait queue");
});
