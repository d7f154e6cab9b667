// SPDX-License-Identifier: ISC
/**
 * Change lists: everybody deletes and adds the same few registrations of one queue, several in a
 * call, so that calls meet registrations that another call is working on; some of what they
 * watch is closed and opened meanwhile, also as another name of the same file.
 */
import assert from "node:assert/strict";
import { EBADF, ENOENT } from "#src/abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_ERROR,
  EVFILT_READ,
  EVFILT_USER,
  EVFILT_WRITE,
} from "#src/abi/event.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { KeventList } from "#src/sys/face.js";
import { type Member, ZERO } from "../member.js";

const CHANGES = 4;
const MEETING = 8;

/** args: kq, first and count (descriptors to watch; the last is closed and made again), turns. */
export function lists(m: Member): number {
  const [kq, first, count] = [m.arg("kq"), m.arg("first"), m.arg("count")];
  const changes = new KeventList(CHANGES);
  const events = new KeventList(CHANGES + 2);
  const victim = first + count - 1;
  let applied = 0;
  for (let turn = 0; turn < m.arg("turns"); turn++) {
    if (m.index === 0 && turn % 2 === 0) {
      // The same file by its other number: only the number goes and comes.
      assert.equal(m.s.close(victim), 0);
      assert.equal(m.s.dup2(first, victim), victim);
    }
    for (let i = 0; i < CHANGES; i++) {
      const filter = m.random.pick([EVFILT_READ, EVFILT_READ, EVFILT_WRITE, EVFILT_USER]);
      const flags = m.random.pick([EV_ADD, EV_ADD | EV_CLEAR, EV_DELETE]);
      changes.set(i, first + m.random.below(count), filter, flags);
    }
    const n = m.s.kevent(kq, changes, CHANGES, events, CHANGES + 2, ZERO);
    assert.ok(n >= 0, `kevent returned ${n}`);
    applied += CHANGES;
    for (let i = 0; i < n; i++) {
      if ((events.flags(i) & EV_ERROR) === 0) continue;
      applied--;
      const error = events.data(i);
      assert.ok(error === ENOENT || (error === EBADF && events.ident(i) === victim), `${error}`);
    }
    if (turn % 500 !== 499) continue;
    m.meet(MEETING);
    if (m.index === turn % m.count) assert.deepEqual(checkInvariants(m.k), []);
    m.meet(MEETING + 2);
  }
  return applied;
}
