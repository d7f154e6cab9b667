// SPDX-License-Identifier: ISC
/**
 * Hand-written sequences with their results, for the model and for the kernel alike: if the model
 * itself is wrong, one of these says so.
 */
import assert from "node:assert/strict";
import * as N from "./numbers.js";
import { type Kev, kev, type System } from "./system.js";

const ZERO = { sec: 0, nsec: 0 };
const A = 0xaaan;
const B = 0xbbbn;

type Fields = Partial<Kev>;

/** One call without sleeping: its records, or the errno as a negative number. */
function kevent(system: System, kq: number, changes: readonly Fields[], nevents = 10) {
  const call = { kq, changes: changes.map(kev), nevents, timeout: ZERO, alias: false };
  const { ret, events } = system.kevent(call);
  return ret < 0 ? ret : events;
}

/** [ident, fflags, data, udata] of each pending event. */
function pending(system: System, kq: number, changes: readonly Fields[] = []) {
  const events = kevent(system, kq, changes);
  assert.ok(typeof events !== "number", "the call succeeds");
  return events.map((event) => [event.ident, event.fflags, event.data, event.udata]);
}

function user(ident: bigint, flags: number, fields: Fields = {}): Fields {
  return { ident, filter: N.EVFILT_USER, flags, ...fields };
}

/** The ten steps of spec/kqueue.md 3.13, which are OpenBSD's regression test of the patch. */
export function tenSteps(system: System, userEvents: number): void {
  const kq = system.kqueue();
  const allOnes = (0xffffffff & ~N.NOTE_TRIGGER) >>> 0;
  assert.deepEqual(pending(system, kq, [user(1n, N.EV_ADD, { fflags: allOnes })]), [], "step 1");
  const trigger = { fflags: N.NOTE_TRIGGER, data: 123n, udata: A };
  const two = pending(system, kq, [user(1n, 0, trigger)]);
  assert.deepEqual(two, [[1n, 0xffffff, 0n, 0n]], "step 2");
  const three = pending(system, kq, [user(1n, N.EV_ADD, trigger)]);
  assert.deepEqual(three, [[1n, 0xffffff, 123n, A]], "step 3");
  const second = { fflags: N.NOTE_TRIGGER, data: 654n, udata: B };
  const four = pending(system, kq, [user(2n, N.EV_ADD, second)]);
  assert.deepEqual(
    four,
    [
      [1n, 0xffffff, 123n, A],
      [2n, 0, 654n, B],
    ],
    "step 4",
  );
  assert.deepEqual(pending(system, kq, [user(1n, N.EV_CLEAR)]), [[2n, 0, 654n, B]], "step 5");
  assert.deepEqual(pending(system, kq, [user(2n, N.EV_DELETE)]), [], "step 6");
  const cleared = user(2n, N.EV_ADD | N.EV_CLEAR, { fflags: 0x11, data: 42n, udata: A });
  assert.deepEqual(pending(system, kq, [cleared]), [], "step 7: nothing yet");
  const bump = (data: bigint) => user(2n, 0, { fflags: N.NOTE_TRIGGER | 3, data, udata: B });
  assert.deepEqual(pending(system, kq, [bump(24n)]), [[2n, 0x11, 42n, A]], "step 7");
  assert.deepEqual(pending(system, kq), [], "step 7: once");
  assert.deepEqual(pending(system, kq, [bump(9n)]), [[2n, 0, 0n, A]], "step 8");
  const nine = pending(system, kq, [
    user(2n, N.EV_DELETE),
    user(1n, 0, { fflags: (N.NOTE_FFCOPY | 0x00aa00) >>> 0 }),
    user(1n, 0, { fflags: (N.NOTE_FFOR | 0xff00ff) >>> 0 }),
    user(1n, 0, { fflags: N.NOTE_TRIGGER | N.NOTE_FFAND | 0x0ffff0 }),
  ]);
  assert.deepEqual(nine, [[1n, 0x0faaf0, 0n, A]], "step 9");
  assert.deepEqual(pending(system, kq, [user(1n, N.EV_CLEAR)]), [], "step 9: cleared");
  let added = 0n;
  while (kevent(system, kq, [user(added, N.EV_ADD)], 0) !== -N.ENOMEM) {
    added++;
    assert.ok(added < 1_000_000n, "step 10: there is a limit");
  }
  assert.equal(added, BigInt(userEvents), "step 10: exactly the limit");
  assert.deepEqual(kevent(system, kq, [user(0n, N.EV_DELETE)], 0), [], "step 10: delete");
  assert.deepEqual(kevent(system, kq, [user(0n, N.EV_ADD)], 0), [], "step 10: add again");
  assert.equal(kevent(system, kq, [user(added, N.EV_ADD)], 0), -N.ENOMEM, "step 10: full again");
  system.close(kq);
}

function fresh(system: System): { kq: number; reader: number; writer: number } {
  const kq = system.kqueue();
  const [reader, writer] = system.pipe2(N.O_NONBLOCK).fds;
  return { kq, reader, writer };
}

/** [ident, flags, data] of each event. */
function brief(system: System, kq: number, changes: readonly Fields[] = []) {
  const events = kevent(system, kq, changes);
  assert.ok(typeof events !== "number", "the call succeeds");
  return events.map((event) => [event.ident, event.flags, event.data]);
}

/** Where errors and receipts go (spec 1.7 and 1.7.1, with receipt0=continue). */
function placement(system: System): void {
  const kq = system.kqueue();
  const absent = user(9n, N.EV_DELETE, { fflags: 5, data: 6n, udata: A });
  const receipt = user(1n, N.EV_ADD | N.EV_RECEIPT, { fflags: 5 | N.NOTE_TRIGGER, data: 6n });
  const made = user(2n, N.EV_ADD);
  assert.equal(kevent(system, kq, [absent, made], 0), -N.ENOENT, "an error without room stops");
  assert.equal(kevent(system, kq, [user(2n, 0)], 0), -N.ENOENT, "what followed was not done");
  assert.deepEqual(kevent(system, kq, [receipt, made], 0), [], "a receipt without room does not");
  assert.deepEqual(kevent(system, kq, [user(2n, 0)], 0), [], "what followed was done");
  const expected = [
    kev({ ...absent, flags: N.EV_ERROR, data: BigInt(N.ENOENT) }),
    kev({ ident: 3n, filter: N.EVFILT_USER, flags: N.EV_ERROR }),
    kev({ ident: 3n, filter: N.EVFILT_USER, flags: N.EV_ERROR, fflags: 7 }),
  ];
  const again = user(3n, N.EV_RECEIPT, { fflags: 7, data: 8n });
  const results = kevent(system, kq, [absent, { ...receipt, ident: 3n }, again]);
  assert.deepEqual(results, expected, "records, and no events with them");
  assert.deepEqual(brief(system, kq), [
    [1n, N.EV_RECEIPT, 6n],
    [3n, N.EV_RECEIPT, 6n],
  ]);
  system.close(kq);
}

/** DISPATCH, CLEAR and ONESHOT (spec 2.5). */
function delivery(system: System): void {
  const { kq, reader, writer } = fresh(system);
  const read = (flags: number): Fields => {
    return { ident: BigInt(reader), filter: N.EVFILT_READ, flags };
  };
  const id = BigInt(reader);
  const write = (count: number) => system.write(writer, new Uint8Array(count));
  assert.deepEqual(brief(system, kq, [read(N.EV_ADD | N.EV_DISPATCH)]), []);
  write(3);
  assert.deepEqual(brief(system, kq), [[id, N.EV_DISPATCH, 3n]], "delivered once");
  write(2);
  assert.deepEqual(brief(system, kq), [], "disabled by its delivery");
  assert.deepEqual(brief(system, kq, [read(N.EV_ENABLE)]), [[id, N.EV_DISPATCH, 5n]]);
  assert.deepEqual(brief(system, kq, [read(N.EV_DELETE), read(N.EV_ADD | N.EV_CLEAR)]), [
    [id, N.EV_CLEAR, 5n],
  ]);
  assert.deepEqual(brief(system, kq), [], "an edge is reported once");
  system.read(reader, 1);
  assert.deepEqual(brief(system, kq), [[id, N.EV_CLEAR, 4n]], "a read is an edge too");
  write(1);
  write(1);
  assert.deepEqual(brief(system, kq), [[id, N.EV_CLEAR, 6n]], "two writes are one event");
  assert.deepEqual(brief(system, kq, [read(N.EV_DELETE), read(N.EV_ADD | N.EV_ONESHOT)]), [
    [id, N.EV_ONESHOT, 6n],
  ]);
  assert.equal(kevent(system, kq, [read(0)], 0), -N.ENOENT, "a one-shot is gone");
  assert.deepEqual(brief(system, kq, [read(N.EV_ADD)]), [[id, 0, 6n]]);
  assert.deepEqual(brief(system, kq), [[id, 0, 6n]], "a level is reported again");
  system.close(writer);
  assert.deepEqual(brief(system, kq), [[id, N.EV_EOF, 6n]], "end of file with data left");
  for (const fd of [kq, reader]) system.close(fd);
}

/** A pipe is writable from PIPE_BUF free bytes on, or from the low-water mark (spec 3.2). */
function pipes(system: System): void {
  const { kq, reader, writer } = fresh(system);
  const id = BigInt(writer);
  const watch: Fields = { ident: id, filter: N.EVFILT_WRITE, flags: N.EV_ADD };
  assert.deepEqual(brief(system, kq, [watch]), [[id, 0, 65536n]]);
  assert.equal(system.write(writer, new Uint8Array(65025)), 65025);
  assert.deepEqual(brief(system, kq), [], "511 bytes are too few");
  assert.equal(system.write(writer, new Uint8Array(512)), -N.EAGAIN, "whole or not at all");
  assert.equal(system.write(writer, new Uint8Array(513)), 511, "as much as fits");
  assert.equal(system.write(writer, new Uint8Array(513)), -N.EAGAIN);
  system.read(reader, 512);
  assert.deepEqual(brief(system, kq), [[id, 0, 512n]]);
  const mark: Fields = { ...watch, fflags: N.NOTE_LOWAT, data: 600n };
  assert.deepEqual(brief(system, kq, [mark]), [], "below the mark");
  system.read(reader, 100);
  assert.deepEqual(brief(system, kq), [[id, 0, 612n]]);
  system.close(reader);
  assert.deepEqual(brief(system, kq), [[id, N.EV_EOF, 0n]]);
  assert.equal(system.write(writer, new Uint8Array(1)), -N.EPIPE);
  assert.equal(kevent(system, kq, [{ ...watch, flags: N.EV_DELETE }, watch], 0), -N.EPIPE);
  for (const fd of [kq, writer]) system.close(fd);
}

/** Counted expirations, re-adding, absolute times (spec 3.9). */
function timers(system: System, wallMs: number): void {
  const kq = system.kqueue();
  const timer = (flags: number, fields: Fields = {}): Fields => {
    return { ident: 1n, filter: N.EVFILT_TIMER, flags, data: 10n, ...fields };
  };
  assert.deepEqual(brief(system, kq, [timer(N.EV_ADD)]), []);
  system.advance(9);
  assert.deepEqual(brief(system, kq), [], "never early");
  system.advance(16);
  assert.deepEqual(brief(system, kq), [[1n, N.EV_CLEAR, 2n]], "at 10 and 20");
  system.advance(5);
  assert.deepEqual(brief(system, kq), [[1n, N.EV_CLEAR, 1n]], "at 30: no drift");
  system.advance(10);
  assert.deepEqual(brief(system, kq, [timer(N.EV_ADD, { data: 60n })]), [], "forgotten");
  assert.equal(kevent(system, kq, [timer(N.EV_ADD, { data: -1n })], 0), -N.EINVAL);
  system.advance(60);
  assert.deepEqual(brief(system, kq), [[1n, N.EV_CLEAR, 1n]], "a refused change changes nothing");
  const now = BigInt(wallMs + 100);
  const absolute = timer(N.EV_ADD, { ident: 2n, fflags: N.NOTE_ABSTIME, data: now + 7n });
  assert.deepEqual(brief(system, kq, [timer(N.EV_DELETE), absolute]), []);
  system.advance(7);
  assert.deepEqual(brief(system, kq), [[2n, 0, 1n]]);
  assert.deepEqual(brief(system, kq), [[2n, 0, 1n]], "an absolute timer stays");
  const atOnce = timer(N.EV_ADD | N.EV_ONESHOT, { ident: 3n, data: 0n });
  assert.deepEqual(brief(system, kq, [{ ...absolute, flags: N.EV_DELETE }, atOnce]), [
    [3n, N.EV_ONESHOT | N.EV_CLEAR, 1n],
  ]);
  system.close(kq);
}

/** Eventfd limits and queues in queues (spec 4.7; spec/notify.md B.3, B.6). */
function nesting(system: System): void {
  const [outer, inner] = [system.kqueue(), system.kqueue()];
  const fd = system.eventfd(0, N.O_NONBLOCK);
  const watch = (ident: number, filter: number): Fields => {
    return { ident: BigInt(ident), filter, flags: N.EV_ADD };
  };
  assert.deepEqual(brief(system, inner, [watch(fd, N.EVFILT_WRITE)]), [[BigInt(fd), 0, N.I64_MAX]]);
  assert.equal(system.eventfdWrite(fd, N.U64_MAX), -N.EINVAL);
  assert.equal(system.eventfdWrite(fd, N.EVENTFD_TOP), 0);
  assert.equal(system.eventfdWrite(fd, 1n), -N.EAGAIN);
  assert.deepEqual(brief(system, inner, [watch(fd, N.EVFILT_READ)]), [[BigInt(fd), 0, N.I64_MAX]]);
  assert.deepEqual(brief(system, outer, [watch(inner, N.EVFILT_READ)]), [[BigInt(inner), 0, 1n]]);
  assert.equal(kevent(system, inner, [watch(outer, N.EVFILT_READ)], 0), -N.EINVAL, "a cycle");
  assert.equal(kevent(system, outer, [watch(outer, N.EVFILT_READ)], 0), -N.EINVAL, "itself");
  const again = system.dup(fd);
  system.close(fd);
  assert.deepEqual(brief(system, outer), [], "closing the number took the knotes");
  assert.deepEqual(system.eventfdRead(again), { ret: 0, value: N.EVENTFD_TOP });
  for (const each of [outer, inner, again]) system.close(each);
}

export const DIRECTED: readonly [string, (system: System, wallMs: number) => void][] = [
  ["errors and receipts", placement],
  ["dispatch, clear and oneshot", delivery],
  ["pipe readiness", pipes],
  ["timers", timers],
  ["eventfd and nested queues", nesting],
];
