// SPDX-License-Identifier: ISC
/**
 * Closing what others sleep on: a queue ends every wait with EBADF. Round after round, everybody
 * meets, all but one go to sleep on a fresh queue, and that one closes it when all are asleep, or
 * does not wait for that.
 */
import assert from "node:assert/strict";
import { EBADF } from "#src/abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
  NOTE_USECONDS,
} from "#src/abi/event.js";
import { waiters } from "#src/inspect/usage.js";
import { KeventList } from "#src/sys/face.js";
import type { Member } from "../member.js";

/** Board: the queue of the round; how many were ended by the close; words to meet at. */
const QUEUE = 0;
const ENDED = 1;
const MEETING = 8;

/** args: turns, fd (something to watch). */
export function sleeper(m: Member): number {
  const events = new KeventList(2);
  const change = new KeventList(1);
  let ended = 0;
  for (let turn = 0; turn < m.arg("turns"); turn++) {
    m.meet(MEETING);
    const kq = Atomics.load(m.board, QUEUE);
    for (;;) {
      // Some join with a registration that is on its way when the queue is closed.
      const joins = m.random.below(3) === 0 ? 1 : 0;
      change.set(0, m.arg("fd"), EVFILT_WRITE, EV_ADD | EV_CLEAR);
      const n = m.s.kevent(kq, change, joins, events, 2, null);
      if (n === -EBADF) break;
      assert.ok(n > 0, `kevent returned ${n}`);
    }
    ended++;
    m.add(ENDED);
    m.meet(MEETING + 2);
  }
  return ended;
}

/** args: turns, fd (something to watch), parent (a queue that watches some). */
export function closer(m: Member): number {
  const sleepers = m.count - 1;
  for (let turn = 0; turn < m.arg("turns"); turn++) {
    const kq = m.s.kqueue();
    assert.ok(kq >= 0);
    for (let ident = 0; ident < m.random.below(20); ident++) {
      assert.equal(m.change(kq, ident, EVFILT_USER, EV_ADD), 0);
    }
    const us = 200 + m.random.below(400);
    if (turn % 3 === 0) {
      assert.equal(m.change(kq, 1, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, us), 0);
      assert.equal(m.change(kq, m.arg("fd"), EVFILT_READ, EV_ADD), 0);
      assert.equal(m.change(m.arg("parent"), kq, EVFILT_READ, EV_ADD), 0);
    }
    Atomics.store(m.board, QUEUE, kq);
    m.meet(MEETING);
    // Every other time all sleep; otherwise some are still on their way.
    while (turn % 2 === 0 && turn % 3 !== 0 && waiters(m.k, kq) < sleepers);
    if (turn % 3 === 0) Atomics.wait(m.board, 40, 0, m.random.below(3));
    assert.equal(m.s.close(kq), 0);
    m.meet(MEETING + 2);
  }
  return Atomics.load(m.board, ENDED);
}
