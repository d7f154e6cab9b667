// SPDX-License-Identifier: ISC
/** A taste of `npm run test:explore` for every run of the tests: few scenarios, a small bound. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import * as chosen from "#atomics";
import * as exploring from "#src/sync/atomics-explore.js";
import { ROOT } from "../../tools/tree.js";

const SCENARIOS = [
  "toy-mended",
  "lost-wake",
  "timeout-claim",
  "close-add",
  "level-pollers",
  "eventfd-read-write",
];
const CANARY = "toy-broken";

interface Line {
  readonly scenario: string;
  readonly schedules: number;
  readonly exhausted: boolean;
  readonly found: { readonly failure: string } | null;
}

function run(conditions: readonly string[]): Line[] {
  const program = join(ROOT, "build/test/explore/main.js");
  const child = spawnSync(
    process.execPath,
    [...conditions, program, "--json", ...SCENARIOS, CANARY],
    {
      cwd: ROOT,
      encoding: "utf8",
      timeout: 30_000,
      env: {
        ...process.env,
        KNELL_EXPLORE_PREEMPTIONS: "1",
        KNELL_EXPLORE_OUT: "build/explore/smoke",
      },
    },
  );
  assert.equal(child.stderr, "");
  const lines = child.stdout.split("\n").filter((line) => line !== "");
  return lines.map((line) => JSON.parse(line) as Line);
}

test("the seam is the plain one here", () => {
  assert.notEqual(chosen.atomicLoad, exploring.atomicLoad);
});

test("under --conditions=explore, scenarios hold at bound 1 and the canary fails", () => {
  const lines = run(["--conditions=explore"]);
  assert.equal(lines.length, SCENARIOS.length + 1);
  for (const { scenario, found, exhausted, schedules } of lines) {
    if (scenario === CANARY) {
      assert.ok(found !== null, "the explorer is blind");
      continue;
    }
    assert.equal(found, null, `${scenario}: ${found?.failure}`);
    assert.ok(exhausted && schedules > 5, `${scenario}: ${schedules} schedules`);
  }
});
