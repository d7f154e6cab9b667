// SPDX-License-Identifier: ISC
/**
 * Churn: everybody opens, closes, duplicates, registers and deletes on the same few numbers, so
 * that registrations meet closes, and numbers are reused at once. What a call may answer is known;
 * between rounds, when nobody is in a call, one member looks at the whole arena.
 */
import assert from "node:assert/strict";
import {
  EAGAIN,
  EBADF,
  EBUSY,
  EINVAL,
  EMFILE,
  ENOENT,
  ENOMEM,
  ENXIO,
  EOPNOTSUPP,
  EPIPE,
} from "#src/abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_DISPATCH,
  EV_ENABLE,
  EV_ERROR,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
  NOTE_TRIGGER,
  NOTE_USECONDS,
} from "#src/abi/event.js";
import { EFD_NONBLOCK, O_DIRECT, O_NONBLOCK } from "#src/abi/fcntl.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { KeventList } from "#src/sys/face.js";
import type { Member } from "../member.js";

const NUMBERS = 24;
const CHANGES = 3;
const MEETING = 8;

const FLAGS = [
  EV_ADD,
  EV_ADD | EV_CLEAR,
  EV_ADD | EV_ONESHOT,
  EV_ADD | EV_CLEAR | EV_DISPATCH,
  EV_ADD | EV_DISABLE,
  EV_DELETE,
  EV_DELETE,
  EV_ENABLE,
  EV_DISABLE,
];

/** What a call on numbers that others change at the same time may say. */
const ALLOWED = new Set([
  EAGAIN,
  EBADF,
  EBUSY,
  EINVAL,
  EMFILE,
  ENOENT,
  ENOMEM,
  EPIPE,
  EOPNOTSUPP,
  ENXIO,
]);

/** args: rounds, turns (per round). */
export function churn(m: Member): number {
  const changes = new KeventList(CHANGES);
  const events = new KeventList(8);
  const fds = new Int32Array(2);
  const bytes = new Uint8Array(64).fill(1);
  let done = 0;
  for (let round = 0; round < m.arg("rounds"); round++) {
    for (let turn = 0; turn < m.arg("turns"); turn++) {
      const result = step(m, changes, events, fds, bytes);
      assert.ok(result >= 0 || ALLOWED.has(-result), `a call returned ${result}`);
      if (result >= 0) done++;
    }
    m.meet(MEETING);
    if (m.index === round % m.count) assert.deepEqual(checkInvariants(m.k), []);
    m.meet(MEETING + 2);
  }
  return done;
}

function step(
  m: Member,
  changes: KeventList,
  events: KeventList,
  fds: Int32Array,
  bytes: Uint8Array,
): number {
  const { s, random } = m;
  const fd = random.below(NUMBERS);
  const to = random.below(NUMBERS);
  switch (random.below(16)) {
    case 0:
      return s.kqueue();
    case 1:
      return s.eventfd(random.below(3), EFD_NONBLOCK);
    case 2:
      return s.pipe2(fds, O_NONBLOCK | (random.below(2) === 0 ? O_DIRECT : 0));
    case 3:
      return s.dup2(fd, to);
    case 4:
      return s.dup(fd);
    case 5:
    case 6:
      return s.close(fd);
    case 7:
      return s.write(fd, bytes, 8 + random.below(56));
    case 8:
      return s.read(fd, bytes);
    default:
      return register(m, fd, changes, events);
  }
}

function register(m: Member, kq: number, changes: KeventList, events: KeventList): number {
  const { random } = m;
  const count = random.below(CHANGES + 1);
  for (let i = 0; i < count; i++) {
    const flags = random.pick(FLAGS);
    const ident = random.below(NUMBERS);
    switch (random.below(6)) {
      case 0:
        changes.set(i, ident, EVFILT_USER, flags, NOTE_TRIGGER);
        break;
      case 1:
        changes.set(i, ident, EVFILT_TIMER, flags, NOTE_USECONDS, random.below(500));
        break;
      default:
        changes.set(i, ident, random.below(4) === 0 ? EVFILT_WRITE : EVFILT_READ, flags);
    }
  }
  const brief = random.below(8) === 0 ? random.below(200_000) : 0;
  const n = m.s.kevent(kq, changes, count, events, 1 + random.below(8), { sec: 0, nsec: brief });
  for (let i = 0; i < n; i++) {
    if ((events.flags(i) & EV_ERROR) === 0) continue;
    assert.ok(events.data(i) === 0 || ALLOWED.has(events.data(i)), `error ${events.data(i)}`);
  }
  return n;
}
