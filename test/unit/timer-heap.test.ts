// SPDX-License-Identifier: ISC
/** The timer heap against a sorted list: what expires, when, how often, and in which order. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EV_DELETE, EV_ONESHOT, EVFILT_TIMER, NOTE_USECONDS } from "#src/abi/event.js";
import type { Kthread } from "#src/arena/kthread.js";
import { clockMonotonic, clockMoveManual } from "#src/sync/clock.js";
import { KeventList, sys } from "#src/sys/face.js";
import { assertSound, bootThread, Random, SEED } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };
const US = 1000;

interface Timer {
  due: number;
  readonly period: number;
}

/** What the kernel should do, kept as a plain map. */
class Expected {
  readonly timers = new Map<number, Timer>();

  /** Expirations of each timer up to now, in the order of their due times. */
  collect(now: number): [number, number][] {
    const due = [...this.timers].filter(([, timer]) => timer.due <= now);
    due.sort(([, x], [, y]) => x.due - y.due);
    return due.map(([ident, timer]) => {
      if (timer.period === 0) {
        this.timers.delete(ident);
        return [ident, 1];
      }
      const count = 1 + Math.floor((now - timer.due) / timer.period);
      timer.due += count * timer.period;
      return [ident, count];
    });
  }
}

/** What kevent returns now, call after call until nothing is left. */
function collect(s: ReturnType<typeof sys>, kq: number): [number, number][] {
  const events = new KeventList(16);
  const all: [number, number][] = [];
  for (;;) {
    const n = s.kevent(kq, null, 0, events, 16, ZERO);
    assert.ok(n >= 0);
    if (n === 0) return all;
    for (let i = 0; i < n; i++) all.push([events.ident(i), events.data(i)]);
  }
}

function advance(k: Kthread, ns: number): number {
  clockMoveManual(k, ns, null);
  return clockMonotonic(k);
}

test(`timers expire as a sorted list says, KNELL_SEED=${SEED}`, () => {
  const k = bootThread();
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const random = new Random(SEED);
  const expected = new Expected();
  const change = new KeventList(1);
  for (let step = 0; step < 3000; step++) {
    const ident = random.below(60);
    const now = clockMonotonic(k);
    switch (random.below(5)) {
      case 0:
      case 1:
      case 2: {
        // No two timers are ever due at the same moment: their order would be anybody's.
        const us = 1 + random.below(40) * 64 + ident;
        const once = random.below(2) === 0;
        const flags = once ? EV_ADD | EV_ONESHOT : EV_ADD;
        if (expected.timers.has(ident)) {
          change.set(0, ident, EVFILT_TIMER, EV_DELETE);
          assert.equal(s.kevent(kq, change, 1, null, 0, ZERO), 0);
        }
        change.set(0, ident, EVFILT_TIMER, flags, NOTE_USECONDS, us);
        assert.equal(s.kevent(kq, change, 1, null, 0, ZERO), 0);
        expected.timers.set(ident, { due: now + us * US, period: once ? 0 : us * US });
        break;
      }
      case 3: {
        change.set(0, ident, EVFILT_TIMER, EV_DELETE);
        const known = expected.timers.delete(ident);
        assert.equal(s.kevent(kq, change, 1, null, 0, ZERO), known ? 0 : -2);
        break;
      }
      default: {
        const later = advance(k, random.below(800) * US);
        const got = collect(s, kq);
        const want = expected.collect(later);
        const byIdent = ([x]: [number, number], [y]: [number, number]): number => x - y;
        assert.deepEqual(got.sort(byIdent), want.sort(byIdent), `step ${step}`);
      }
    }
    if (step % 100 === 0) assertSound(k, `step ${step}`);
  }
  assertSound(k);
});

test("one-shot timers come out in the order in which they are due", () => {
  const k = bootThread();
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const random = new Random(SEED);
  const change = new KeventList(1);
  const dues = Array.from({ length: 50 }, (_, i) => i);
  for (let i = dues.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [dues[i], dues[j]] = [dues[j] as number, dues[i] as number];
  }
  for (const due of dues) {
    change.set(0, due, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, due + 1);
    assert.equal(s.kevent(kq, change, 1, null, 0, ZERO), 0);
  }
  assertSound(k);
  advance(k, 60 * US);
  const order = collect(s, kq).map(([ident]) => ident);
  assert.deepEqual(
    order,
    dues.map((_, i) => i),
  );
  assertSound(k);
});

test("a call runs a bounded number of timers, and none is lost", () => {
  const k = bootThread();
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const change = new KeventList(1);
  const count = 500;
  for (let i = 0; i < count; i++) {
    change.set(0, i, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_USECONDS, 1);
    assert.equal(s.kevent(kq, change, 1, null, 0, ZERO), 0);
  }
  advance(k, 2 * US);
  const idents = new Set(collect(s, kq).map(([ident]) => ident));
  assert.equal(idents.size, count);
  assertSound(k);
});
