// SPDX-License-Identifier: ISC
/** Queues that watch queues: what goes up, when, and what does not. */
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  NOTE_TRIGGER,
  NOTE_USECONDS,
} from "#src/abi/event.js";
import type { Kthread } from "#src/arena/kthread.js";
import { threadHost } from "#src/host/node.js";
import { clockMoveManual } from "#src/sync/clock.js";
import { KeventList, type Sys, sys } from "#src/sys/face.js";
import { assertSound, bootThread } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

/** A child, and a parent that watches it. */
class Family {
  readonly k: Kthread;
  readonly s: Sys;
  readonly parent: number;
  readonly child: number;
  readonly #list = new KeventList(16);

  constructor(flags: number, k = bootThread()) {
    this.k = k;
    this.s = sys({ thread: k });
    this.parent = this.s.kqueue();
    this.child = this.s.kqueue();
    assert.equal(this.change(this.parent, this.child, EVFILT_READ, EV_ADD | flags), 0);
  }

  change(kq: number, ident: number, filter: number, flags: number, fflags = 0, data = 0): number {
    this.#list.set(0, ident, filter, flags, fflags, data);
    const result = this.s.kevent(kq, this.#list, 1, null, 0, ZERO);
    assertSound(this.k);
    return result;
  }

  /** What a poll of a queue returns: [ident, data] of each event. */
  poll(kq: number, most = 16): [number, number][] {
    const n = this.s.kevent(kq, null, 0, this.#list, most, ZERO);
    assertSound(this.k);
    return Array.from({ length: n }, (_, i) => [this.#list.ident(i), this.#list.data(i)]);
  }

  advance(ms: number): void {
    clockMoveManual(this.k, ms * 1e6, null);
  }
}

test("a child's timer fires for the parent, however often nobody collects it", () => {
  const f = new Family(EV_CLEAR);
  f.change(f.child, 1, EVFILT_TIMER, EV_ADD, 0, 10);
  f.advance(15);
  assert.deepEqual(f.poll(f.parent), [[f.child, 1]]);
  // The event in the child waits; another expiry is counted there, and is no news to the parent.
  f.advance(30);
  assert.deepEqual(f.poll(f.parent), []);
  assert.deepEqual(f.poll(f.child), [[1, 4]]);
  f.advance(10);
  assert.deepEqual(f.poll(f.parent), [[f.child, 1]]);
});

test("arming an earlier timer in a ready child is no news to the parent", () => {
  const f = new Family(EV_CLEAR);
  f.change(f.child, 1, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
  assert.deepEqual(f.poll(f.parent), [[f.child, 1]]);
  f.change(f.child, 2, EVFILT_TIMER, EV_ADD, 0, 50);
  f.change(f.child, 3, EVFILT_TIMER, EV_ADD, 0, 20);
  assert.deepEqual(f.poll(f.parent), []);
  f.advance(25);
  assert.deepEqual(f.poll(f.parent), [[f.child, 2]], "an event more is");
});

test("a due child is looked at also when the parent has events of its own", () => {
  const f = new Family(0);
  f.change(f.parent, 7, EVFILT_USER, EV_ADD | EV_CLEAR);
  f.change(f.child, 1, EVFILT_TIMER, EV_ADD, 0, 10);
  f.advance(10);
  f.change(f.parent, 7, EVFILT_USER, 0, NOTE_TRIGGER);
  const first = f.poll(f.parent, 1);
  const second = f.poll(f.parent, 1);
  assert.deepEqual([...first, ...second].map(([ident]) => ident).sort(), [f.child, 7].sort());
});

test("a timer passes through several levels, and an old due time is only an early look", () => {
  const f = new Family(0);
  const top = f.s.kqueue();
  assert.equal(f.change(top, f.parent, EVFILT_READ, EV_ADD), 0);
  f.change(f.child, 1, EVFILT_TIMER, EV_ADD, 0, 10);
  f.change(f.child, 2, EVFILT_TIMER, EV_ADD, 0, 40);
  f.change(f.child, 1, EVFILT_TIMER, EV_DELETE);
  f.advance(20);
  assert.deepEqual(f.poll(top), [], "the first was deleted");
  f.advance(20);
  assert.deepEqual(f.poll(top), [[f.parent, 1]]);
  assert.deepEqual(f.poll(f.parent), [[f.child, 1]]);
  assert.deepEqual(f.poll(f.child), [[2, 1]]);
  // A queue is ready while it has something on its list; it looks again only when it is asked.
  assert.deepEqual(f.poll(f.parent), []);
  assert.deepEqual(f.poll(top), []);
});

test("closing the child, the parent or the middle leaves nothing behind", () => {
  for (const victim of [0, 1, 2]) {
    const f = new Family(0);
    const top = f.s.kqueue();
    f.change(top, f.parent, EVFILT_READ, EV_ADD);
    f.change(f.child, 1, EVFILT_TIMER, EV_ADD, 0, 10);
    f.change(f.child, 2, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
    f.s.close([f.child, f.parent, top][victim] as number);
    assertSound(f.k, `closed ${victim}`);
    f.advance(20);
    const left = victim === 2 ? f.poll(f.parent) : f.poll(top);
    assert.equal(left.length, victim === 2 ? 1 : 0);
  }
});

test("a child's timer that is always due again holds nobody up", () => {
  let now = 0;
  // Every look at the clock takes longer than the timer's period.
  const host = { ...threadHost, monotonicNs: () => (now += 5000) };
  const f = new Family(0, bootThread({ manualClock: false }, host));
  f.change(f.parent, 7, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
  f.change(f.child, 1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, 1);
  const events = f.poll(f.parent);
  assert.deepEqual(events.map(([ident]) => ident).sort(), [f.child, 7].sort());
  assert.equal(f.poll(f.child).length, 1);
});
