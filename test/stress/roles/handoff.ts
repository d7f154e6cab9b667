// SPDX-License-Identifier: ISC
/**
 * Hand-off: a producer triggers its user event with a sequence number and waits for the answer;
 * some consumer of many takes the event and answers. A lost event hangs, a doubled one is out of
 * sequence or answered twice. Consumers wait at the end of a chain of nested queues, which may
 * have no link; some wait for ever, some come and go.
 */
import assert from "node:assert/strict";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DISPATCH,
  EV_ENABLE,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_USER,
  NOTE_TRIGGER,
} from "#src/abi/event.js";
import { KeventList } from "#src/sys/face.js";
import { type Member, ZERO } from "../member.js";

/** How the producers' events are registered. */
export const MODE_CLEAR = 0;
export const MODE_ONESHOT = 1;
export const MODE_DISPATCH = 2;

const FLAGS = [EV_CLEAR, EV_ONESHOT, EV_CLEAR | EV_DISPATCH];

/** User event that ends the consumers; it is on the queue that they wait on. */
export const STOP = 9999;

/** Board: producers that are done; then the last sequence number of each producer's event. */
const DONE = 0;
const SEEN = 16;

/** args: kq (of its event), top (what consumers wait on), ack (an eventfd), id, turns, mode. */
export function producer(m: Member): number {
  const id = m.arg("id");
  const kq = m.arg("kq");
  const ack = m.arg("ack");
  const mode = m.arg("mode");
  const value = new BigUint64Array(1);
  for (let turn = 1; turn <= m.arg("turns"); turn++) {
    // A change with EV_CLEAR takes back a trigger, so only the first one has it.
    const flags = turn === 1 || mode === MODE_ONESHOT ? (FLAGS[mode] as number) : 0;
    assert.equal(m.change(kq, id, EVFILT_USER, EV_ADD | flags, NOTE_TRIGGER, turn), 0);
    assert.equal(m.s.eventfd_read(ack, value), 0);
    assert.equal(value[0], 1n, `answers to turn ${turn} of ${id}`);
    assert.equal(m.board[SEEN + id], turn);
  }
  if (m.add(DONE) === m.arg("producers") - 1) {
    assert.equal(m.change(m.arg("top"), STOP, EVFILT_USER, 0, NOTE_TRIGGER), 0);
  }
  return m.arg("turns");
}

/** args: top, mode, firstAck (descriptor of the answer to producer 0), most, impatient. */
export function consumer(m: Member): number {
  const top = m.arg("top");
  const events = new KeventList(8);
  const most = m.arg("most");
  let taken = 0;
  for (;;) {
    const impatient = m.arg("impatient") === 1 && m.random.below(4) > 0;
    const timeout = impatient ? { sec: 0, nsec: m.random.below(2_000_000) } : null;
    const n = m.s.kevent(top, null, 0, events, most, timeout);
    assert.ok(n >= (impatient ? 0 : 1), `kevent returned ${n}`);
    let stop = false;
    for (let i = 0; i < n; i++) {
      if (events.filter(i) === EVFILT_READ) taken += descend(m, events.ident(i));
      else if (events.ident(i) === STOP) stop = true;
      else taken += take(m, top, events, i);
    }
    if (!stop) continue;
    // Level-triggered events wake one thread per activation: wake the next.
    assert.equal(m.change(top, STOP, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    return taken;
  }
}

/** Collect from a queue below, and from those below that. */
function descend(m: Member, kq: number): number {
  const events = new KeventList(8);
  let taken = 0;
  for (;;) {
    const n = m.s.kevent(kq, null, 0, events, m.arg("most"), ZERO);
    assert.ok(n >= 0, `kevent returned ${n}`);
    if (n === 0) return taken;
    let below = 0;
    for (let i = 0; i < n; i++) {
      if (events.filter(i) === EVFILT_READ) below += descend(m, events.ident(i));
      else below += take(m, kq, events, i);
    }
    taken += below;
    // What is level-triggered comes again and again, until somebody has emptied it.
    if (below === 0) return taken;
  }
}

function take(m: Member, kq: number, events: KeventList, i: number): number {
  const id = events.ident(i);
  const turn = events.data(i);
  const before = Atomics.exchange(m.board, SEEN + id, turn);
  assert.equal(before, turn - 1, `event ${id}: turn ${turn} came after ${before}`);
  if (m.arg("mode") === MODE_DISPATCH) {
    assert.equal(m.change(kq, id, EVFILT_USER, EV_ENABLE), 0);
  }
  assert.equal(m.s.eventfd_write(m.arg("firstAck") + id, 1n), 0);
  return 1;
}
