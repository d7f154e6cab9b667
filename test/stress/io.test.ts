// SPDX-License-Identifier: ISC
/** Counters and packets under stress: what goes in comes out, once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EV_CLEAR, EVFILT_READ, EVFILT_USER, EVFILT_WRITE } from "#src/abi/event.js";
import { EFD_NONBLOCK, EFD_SEMAPHORE, F_SETFL, O_DIRECT, O_NONBLOCK } from "#src/abi/fcntl.js";
import { KeventList } from "#src/sys/face.js";
import { ADDED, STOP, TAKEN } from "./roles/counter.js";
import { RECORDS } from "./roles/packets.js";
import { type Part, SEED, SOAK, Team } from "./team.js";

const ZERO = { sec: 0, nsec: 0 };

function watch(team: Team, kq: number, ident: number, filter: number, flags: number): void {
  const list = new KeventList(1).set(0, ident, filter, flags);
  assert.equal(team.s.kevent(kq, list, 1, null, 0, ZERO), 0);
}

async function sums(flags: number, most: number, clear: number, turns: number): Promise<void> {
  const team = new Team();
  const { s } = team;
  s.eventfd(0, 0);
  const kq = s.kqueue();
  const fd = s.eventfd(0, EFD_NONBLOCK | flags);
  watch(team, kq, fd, EVFILT_READ, EV_ADD | clear);
  watch(team, kq, STOP, EVFILT_USER, EV_ADD);
  const parts: Part[] = [];
  for (let i = 0; i < 4; i++) {
    parts.push({ role: "adder", args: { fd, most, turns, adders: 4, kq, writeKq: 0 } });
  }
  for (let i = 0; i < 4; i++) parts.push({ role: "taker", args: { fd, kq } });
  const results = await team.run(parts);
  const taken = results.reduce((sum, n) => sum + n, 0);
  assert.equal(taken, team.board[ADDED]);
  assert.equal(team.board[TAKEN], team.board[ADDED]);
  team.finish();
}

test(`a counter: sums agree, level-triggered, KNELL_SEED=${SEED}`, () => {
  return sums(0, 1000, 0, 5000 * SOAK);
});

test("a counter: sums agree, EV_CLEAR", () => sums(0, 1000, EV_CLEAR, 5000 * SOAK));

test("a semaphore: every unit is taken once", () => sums(EFD_SEMAPHORE, 4, 0, 2500 * SOAK));

test("a semaphore: every unit is taken once, EV_CLEAR", () => {
  return sums(EFD_SEMAPHORE, 4, EV_CLEAR, 2500 * SOAK);
});

async function packets(readers: readonly ("read" | "level" | "clear")[]): Promise<void> {
  const team = new Team();
  const { s } = team;
  s.eventfd(0, 0);
  const turns = 1500 * SOAK;
  const writers = 3;
  const fds = new Int32Array(2);
  // The end to read is one file: those who block in read and those who poll differ by a pipe.
  const polled = !readers.includes("read");
  assert.equal(s.pipe2(fds, O_DIRECT | (polled ? O_NONBLOCK : 0)), 0);
  const [fd, end] = fds as unknown as [number, number];
  if (polled) assert.equal(s.fcntl(end, F_SETFL, 0), 0);
  const queues = { read: 0, level: s.kqueue(), clear: s.kqueue() };
  if (polled) {
    watch(team, queues.level, fd, EVFILT_READ, EV_ADD);
    watch(team, queues.clear, fd, EVFILT_READ, EV_ADD | EV_CLEAR);
  }
  const parts: Part[] = [];
  for (let writer = 0; writer < writers; writer++) {
    parts.push({ role: "packetWriter", args: { fd: end, writer, turns, writers } });
  }
  for (const kind of readers) {
    parts.push({ role: "packetReader", args: { fd, kq: queues[kind], turns } });
  }
  const results = await team.run(parts);
  const read = results.slice(writers).reduce((sum, n) => sum + n, 0);
  assert.equal(read, writers * turns);
  const counts = team.board.subarray(RECORDS, RECORDS + writers * turns);
  assert.ok(
    counts.every((n) => n === 1),
    "each record once",
  );
  team.finish();
}

test("packets: readers blocked in read", () => packets(["read", "read", "read", "read", "read"]));

test("packets: readers on a level-triggered queue", () => {
  return packets(["level", "level", "level", "level", "level"]);
});

test("an eventfd that is full: writers wait for room", async () => {
  const team = new Team();
  const { s } = team;
  s.eventfd(0, 0);
  const kq = s.kqueue();
  const writeKq = s.kqueue();
  const fd = s.eventfd(0, EFD_NONBLOCK);
  // Room for little: the counter starts near its top, and one taker takes that.
  assert.equal(s.eventfd_write(fd, 2n ** 64n - 2n - 4000n), 0);
  const first = 2n ** 64n - 2n - 4000n;
  watch(team, writeKq, fd, EVFILT_WRITE, EV_ADD);
  watch(team, kq, fd, EVFILT_READ, EV_ADD);
  watch(team, kq, STOP, EVFILT_USER, EV_ADD);
  const value = new BigUint64Array(1);
  assert.equal(s.eventfd_read(fd, value), 0);
  assert.equal(value[0], first);
  const parts: Part[] = [];
  const args = { fd, most: 900, turns: 2000 * SOAK, adders: 4, kq, writeKq };
  for (let i = 0; i < 4; i++) parts.push({ role: "adder", args });
  for (let i = 0; i < 4; i++) parts.push({ role: "taker", args: { fd, kq } });
  await team.run(parts);
  assert.equal(team.board[TAKEN], team.board[ADDED]);
  team.finish();
});
