// SPDX-License-Identifier: ISC
/** Ends under stress: queues closed under sleepers, numbers reused, timers that come and go. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EVFILT_TIMER, EVFILT_USER, NOTE_USECONDS } from "#src/abi/event.js";
import { EFD_NONBLOCK } from "#src/abi/fcntl.js";
import { clockMonotonic } from "#src/sync/clock.js";
import { KeventList } from "#src/sys/face.js";
import { COLLECTED, PERIODIC, PERIODS, STOP } from "./roles/timers.js";
import { MEMBERS, type Part, SEED, SOAK, Team } from "./team.js";

const ZERO = { sec: 0, nsec: 0 };

test(`closing a queue ends every wait with EBADF, KNELL_SEED=${SEED}`, async () => {
  const team = new Team();
  const { s } = team;
  const turns = 300 * SOAK;
  const args = { turns, fd: s.eventfd(1, 0), parent: s.kqueue() };
  const parts: Part[] = [{ role: "closer", args }];
  for (let i = 1; i < MEMBERS; i++) parts.push({ role: "sleeper", args });
  const [counted, ...ended] = await team.run(parts);
  assert.equal(counted, turns * (MEMBERS - 1));
  assert.ok(ended.every((n) => n === turns));
  team.finish();
});

test("close, add and delete on numbers that are reused at once", async () => {
  const team = new Team({ descriptors: 64 });
  const args = { rounds: 25 * SOAK, turns: 1000 };
  const parts: Part[] = Array.from({ length: MEMBERS }, () => ({ role: "churn", args }));
  const done = await team.run(parts);
  assert.ok(done.every((n) => n > 0));
  team.finish();
});

test("change lists that delete and add the same registrations of one queue", async () => {
  const team = new Team();
  const { s } = team;
  const kq = s.kqueue();
  const count = 5;
  const fds = Array.from({ length: count - 1 }, () => s.eventfd(1, EFD_NONBLOCK));
  const first = fds[0] as number;
  assert.equal(s.dup(first), first + count - 1);
  const args = { kq, first, count, turns: 2000 * SOAK };
  const parts: Part[] = Array.from({ length: MEMBERS }, () => ({ role: "lists", args }));
  const applied = await team.run(parts);
  assert.ok(applied.every((n) => n > 0));
  team.finish();
});

test("a call on a closed number never reaches what took the place of its file", async () => {
  const team = new Team({ descriptors: 256 });
  const parts: Part[] = [];
  for (let i = 0; i < 4; i++) {
    const args = { number: 100 + i, queue: i % 2, turns: 4000 * SOAK, swappers: 4 };
    parts.push({ role: "swapper", args }, { role: "straggler", args });
  }
  await team.run(parts);
  team.finish();
});

test("timers with blocked waiters: each once, none early, periods as time passes", async () => {
  const team = new Team();
  const { k, s } = team;
  const kq = s.kqueue();
  const [setters, waiters, turns] = [3, 5, 1500 * SOAK];
  const period = 700_000;
  const list = new KeventList(2)
    .set(0, STOP, EVFILT_USER, EV_ADD)
    .set(1, PERIODIC, EVFILT_TIMER, EV_ADD, NOTE_USECONDS, period / 1000);
  const before = clockMonotonic(k);
  assert.equal(s.kevent(kq, list, 2, null, 0, ZERO), 0);
  const after = clockMonotonic(k);
  const parts: Part[] = [];
  for (let setter = 0; setter < setters; setter++) {
    parts.push({ role: "timerSetter", args: { kq, turns, setter, most: 20_000 } });
  }
  const total = setters * turns;
  for (let i = 0; i < waiters; i++) parts.push({ role: "timerWaiter", args: { kq, total } });
  const results = await team.run(parts);
  assert.equal(team.board[COLLECTED], total);
  assert.equal(
    results.slice(setters).reduce((sum, n) => sum + n, 0),
    total,
  );
  // What is due by now is collected here.
  const least = clockMonotonic(k);
  const n = s.kevent(kq, null, 0, list, 2, ZERO);
  const most = clockMonotonic(k);
  let periods = team.board[PERIODS] as number;
  for (let i = 0; i < n; i++) if (list.ident(i) === PERIODIC) periods += list.data(i);
  assert.ok(periods >= Math.floor((least - after) / period), `${periods} periods are too few`);
  assert.ok(periods <= Math.floor((most - before) / period), `${periods} periods are too many`);
  team.finish();
});
