// SPDX-License-Identifier: ISC
/** The checked build refuses what the guards forbid, and allows what they allow. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const GUARDED = /^KernelPanic kqueue\.fresh of \d+ touched by thread \d+: guarded by queue lock/;

/** What the child tries, and what it must be told. */
const EXPECTED: readonly (readonly [string, RegExp])[] = [
  ["checks", /^allowed/],
  ["read without the lock", GUARDED],
  ["write without the lock", GUARDED],
  ["add without the lock", GUARDED],
  ["u64 without the lock", /^KernelPanic object\.exactRead .*object lock/],
  ["immutable without the lock", /^allowed/],
  ["null pointer", /^KernelPanic kqueue\.table .*bad pointer/],
  ["hint through a null pointer", /^KernelPanic kqueue\.count .*bad pointer/],
  ["racy without the lock", /^allowed/],
  ["read with the lock", /^allowed/],
  ["read with the lock held by another", GUARDED],
  ["another queue's field", GUARDED],
  ["the same lock again", /^KernelPanic .* which it holds/],
  ["a lock of the same rank", /^KernelPanic .* of rank 8 under lock \d+ of rank 8/],
  ["a lock of a lower rank", /^KernelPanic .* of rank 6 under lock \d+ of rank 8/],
  ["a lock not held", /^KernelPanic .* which it does not hold/],
  ["a lock of a higher rank", /^allowed/],
  ["a slot in limbo", /^allowed/],
  ["a slot in another's limbo", /^KernelPanic fdtable\.limit/],
  ["a slot that left limbo", /^KernelPanic fdtable\.limit .*table lock/],
  ["a knote that is none", /^KernelPanic knote\.data/],
  ["abandon twice", /^KernelPanic .*not in limbo/],
];

test("the checked build says what is wrong", () => {
  const child = fileURLToPath(new URL("./guards-child.js", import.meta.url));
  const run = spawnSync(process.execPath, ["--conditions=checks", child], { encoding: "utf8" });
  assert.equal(run.status, 0, run.stderr);
  const lines = run.stdout.trimEnd().split("\n");
  for (const [i, [name, text]] of EXPECTED.entries()) {
    const line = lines[i] ?? "";
    assert.ok(line.startsWith(`${name}: `), `${name}, received ${line}`);
    assert.match(line.slice(name.length + 2), text, name);
  }
  assert.equal(lines.length, EXPECTED.length);
});

test("the ordinary build checks nothing and costs nothing", async () => {
  const { CHECKS, lockWanted } = await import("#src/arena/field.js");
  assert.equal(CHECKS, false);
  assert.equal(lockWanted({} as never, 1, 1), undefined);
});
