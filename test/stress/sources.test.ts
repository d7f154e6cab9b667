// SPDX-License-Identifier: ISC
/** Sources under stress: destroyed while others watch, scan, add, delete, close and duplicate. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { MEMBERS, type Part, SEED, SOAK, Team } from "./team.js";

test(`whoever has added a source gets one end of it, KNELL_SEED=${SEED}`, async () => {
  const team = new Team();
  const args = { turns: 150 * SOAK };
  const parts: Part[] = [{ role: "sourceOwner", args }];
  for (let i = 1; i < MEMBERS; i++) parts.push({ role: "sourceWatcher", args });
  const [destroyed, ...added] = await team.run(parts);
  assert.equal(destroyed, args.turns);
  const sum = added.reduce((all, n) => all + n, 0);
  assert.ok(sum > 0, "nobody was in time");
  assert.ok(sum < args.turns * added.length, "nobody was late");
  team.finish();
});

test("make, set, destroy, watch, scan, duplicate and close, all at once", async () => {
  const team = new Team({ descriptors: 64 });
  const queues = 4;
  const kq = team.s.kqueue();
  for (let i = 1; i < queues; i++) team.s.kqueue();
  const args = { rounds: 12 * SOAK, turns: 1000, kq, queues };
  const parts: Part[] = Array.from({ length: MEMBERS }, () => ({ role: "sourceChurn", args }));
  const done = await team.run(parts);
  assert.ok(done.every((n) => n > 0));
  team.finish();
});
