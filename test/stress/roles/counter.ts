// SPDX-License-Identifier: ISC
/**
 * Sums: adders write to one eventfd, takers wait for it on a shared queue, or block in read. What
 * was written is what was taken. The counter may be so small that adders have to wait, too.
 */
import assert from "node:assert/strict";
import { EAGAIN } from "#src/abi/errno.js";
import { EVFILT_READ, EVFILT_USER, EVFILT_WRITE, NOTE_TRIGGER } from "#src/abi/event.js";
import { KeventList } from "#src/sys/face.js";
import type { Member } from "../member.js";

/** User event that ends the takers. */
export const STOP = 9999;
/** Board: adders that are done; units added and taken. */
const DONE = 0;
export const ADDED = 1;
export const TAKEN = 2;

/** args: fd, most (units per write), turns, adders, kq; writeKq if adders wait for room, or 0. */
export function adder(m: Member): number {
  const fd = m.arg("fd");
  const events = new KeventList(1);
  for (let turn = 0; turn < m.arg("turns"); turn++) {
    const n = 1 + m.random.below(m.arg("most"));
    while (m.s.eventfd_write(fd, n) !== 0) {
      assert.equal(m.s.errno, EAGAIN);
      assert.equal(m.s.kevent(m.arg("writeKq"), null, 0, events, 1, null), 1);
      assert.equal(events.filter(0), EVFILT_WRITE);
    }
    m.add(ADDED, n);
  }
  if (m.add(DONE) === m.arg("adders") - 1) {
    assert.equal(m.change(m.arg("kq"), STOP, EVFILT_USER, 0, NOTE_TRIGGER), 0);
  }
  return 0;
}

/** args: fd (O_NONBLOCK), kq. Returns the units it took. */
export function taker(m: Member): number {
  const kq = m.arg("kq");
  const events = new KeventList(4);
  const value = new BigUint64Array(1);
  let taken = 0;
  for (;;) {
    const n = m.s.kevent(kq, null, 0, events, 1 + m.random.below(4), null);
    assert.ok(n > 0, `kevent returned ${n}`);
    let stop = false;
    for (let i = 0; i < n; i++) {
      if (events.ident(i) === STOP) stop = true;
      else assert.equal(events.filter(i), EVFILT_READ);
    }
    while (m.s.eventfd_read(m.arg("fd"), value) === 0) {
      taken += Number(value[0]);
      m.add(TAKEN, Number(value[0]));
    }
    assert.equal(m.s.errno, EAGAIN);
    if (!stop) continue;
    assert.equal(m.change(kq, STOP, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    return taken;
  }
}
