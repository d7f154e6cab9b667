// SPDX-License-Identifier: ISC
/**
 * Timers: setters add one-shot timers with short and long delays to a queue on which waiters
 * block; each expires once, never early, and is had by one waiter. A periodic timer runs beside.
 */
import assert from "node:assert/strict";
import {
  EV_ADD,
  EV_ONESHOT,
  EVFILT_TIMER,
  EVFILT_USER,
  NOTE_TRIGGER,
  NOTE_USECONDS,
} from "#src/abi/event.js";
import { clockMonotonic } from "#src/sync/clock.js";
import { KeventList } from "#src/sys/face.js";
import type { Member } from "../member.js";

export const STOP = 9999;
/** The periodic timer. */
export const PERIODIC = 1;
/** First one-shot timer; setter n has those from FIRST + n * turns. */
export const FIRST = 10_000;
/** Board: one-shots collected, expirations of the periodic one; then per one-shot: times, due. */
export const COLLECTED = 0;
export const PERIODS = 1;
export const ONESHOTS = 64;

const US = 1000;

/** args: kq, turns, setter, most (microseconds). */
export function timerSetter(m: Member): number {
  const turns = m.arg("turns");
  const base = m.arg("setter") * turns;
  for (let turn = 0; turn < turns; turn++) {
    const us = m.random.below(3) === 0 ? m.random.below(50) : m.random.below(m.arg("most"));
    const nr = base + turn;
    // The due time in microseconds, rounded down: what the clock says afterwards is later.
    const due = Math.floor(clockMonotonic(m.k) / US) + us;
    Atomics.store(m.board, ONESHOTS + 2 * nr + 1, due | 0);
    const flags = EV_ADD | EV_ONESHOT;
    assert.equal(m.change(m.arg("kq"), FIRST + nr, EVFILT_TIMER, flags, NOTE_USECONDS, us), 0);
    if (m.random.below(8) === 0) Atomics.wait(m.board, 32, 0, m.random.below(3));
  }
  return turns;
}

/** args: kq, total (one-shots of all setters), alone (1: short timeouts now and then). */
export function timerWaiter(m: Member): number {
  const kq = m.arg("kq");
  const events = new KeventList(4);
  let taken = 0;
  for (;;) {
    const brief = m.random.below(4) === 0;
    const timeout = brief ? { sec: 0, nsec: m.random.below(3_000_000) } : null;
    const n = m.s.kevent(kq, null, 0, events, 1 + m.random.below(4), timeout);
    assert.ok(n >= (brief ? 0 : 1), `kevent returned ${n}`);
    let stop = false;
    for (let i = 0; i < n; i++) {
      const ident = events.ident(i);
      if (ident === STOP) stop = true;
      else if (ident === PERIODIC) m.add(PERIODS, events.data(i));
      else taken += collect(m, ident - FIRST, events.data(i));
    }
    if (!stop) continue;
    assert.equal(m.change(kq, STOP, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    return taken;
  }
}

function collect(m: Member, nr: number, data: number): number {
  assert.equal(data, 1);
  assert.equal(m.add(ONESHOTS + 2 * nr), 0, `timer ${nr} expired twice`);
  const due = Atomics.load(m.board, ONESHOTS + 2 * nr + 1);
  const late = (Math.floor(clockMonotonic(m.k) / US) - due) | 0;
  assert.ok(late >= 0, `timer ${nr} was early by ${-late} us`);
  if (m.add(COLLECTED) === m.arg("total") - 1) {
    assert.equal(m.change(m.arg("kq"), STOP, EVFILT_USER, 0, NOTE_TRIGGER), 0);
  }
  return 1;
}
