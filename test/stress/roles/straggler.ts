// SPDX-License-Identifier: ISC
/**
 * Stragglers: calls on a number that is closed and opened again all the time. Their call may find
 * the number open or closed, but must never reach what took the place of the closed file: slots
 * are used again at once. A swapper opens and closes the number, and looks at what it opens next.
 */
import assert from "node:assert/strict";
import { EAGAIN, EBADF, ENOENT } from "#src/abi/errno.js";
import { EV_ADD, EV_CLEAR, EVFILT_USER, NOTE_TRIGGER } from "#src/abi/event.js";
import { EFD_NONBLOCK } from "#src/abi/fcntl.js";
import { KeventList } from "#src/sys/face.js";
import { type Member, ZERO } from "../member.js";

const DONE = 0;

/** Time for a call in progress to do what it should not. */
function linger(m: Member): void {
  for (let n = m.random.below(800); n > 0; n--) Atomics.load(m.board, DONE);
}

/** args: number, queue (1: of a queue, 0: of an eventfd), turns. Returns calls that arrived. */
export function straggler(m: Member): number {
  const number = m.arg("number");
  const queue = m.arg("queue") === 1;
  let arrived = 0;
  while (Atomics.load(m.board, DONE) < m.arg("swappers")) {
    if (queue) {
      const result = m.change(number, 1, EVFILT_USER, 0, NOTE_TRIGGER);
      assert.ok(result === 0 || result === -EBADF || result === -ENOENT, `${result}`);
      if (result === 0) arrived++;
    } else {
      const written = m.s.eventfd_write(number, 1n) === 0;
      assert.ok(written || m.s.errno === EBADF, `${m.s.errno}`);
      if (written) arrived++;
    }
  }
  return arrived;
}

/** args: number, queue, turns. Nobody else knows the numbers of what it opens meanwhile. */
export function swapper(m: Member): number {
  for (let turn = 0; turn < m.arg("turns"); turn++) {
    const made = open(m);
    assert.equal(m.s.dup2(made, m.arg("number")), m.arg("number"));
    assert.equal(m.s.close(made), 0);
    linger(m);
    assert.equal(m.s.close(m.arg("number")), 0);
    const other = open(m);
    linger(m);
    assert.equal(touched(m, other), false, `turn ${turn}: a call went astray`);
    assert.equal(m.s.close(other), 0);
  }
  m.add(DONE);
  return 0;
}

function open(m: Member): number {
  if (m.arg("queue") === 0) return m.s.eventfd(0, EFD_NONBLOCK);
  const kq = m.s.kqueue();
  assert.equal(m.change(kq, 1, EVFILT_USER, EV_ADD | EV_CLEAR), 0);
  return kq;
}

function touched(m: Member, fd: number): boolean {
  if (m.arg("queue") === 1) return m.s.kevent(fd, null, 0, new KeventList(1), 1, ZERO) !== 0;
  const value = new BigUint64Array(1);
  if (m.s.eventfd_read(fd, value) === 0) return true;
  assert.equal(m.s.errno, EAGAIN);
  return false;
}
