// SPDX-License-Identifier: ISC
/** Every row of every table on every target; see case.ts for what a row is. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import * as abi from "knell/abi";
import { DEVIATIONS } from "./deviations.js";
import { abiDisagreements } from "./numbers.js";
import { makeTargets, type Outcome, runRow, summaryText } from "./suite.js";
import { PAGE, renderSupport } from "./support.js";
import { TABLES } from "./tables/index.js";

const outcomes: Outcome[] = [];

test("the tables and knell/abi have the same numbers", () => {
  assert.deepEqual(abiDisagreements(abi), []);
});

test("every row has a name of its own, and every deviation a row", () => {
  const ids = TABLES.flatMap((table) => table.cases.map((one) => one.id));
  assert.deepEqual(
    ids.filter((id, index) => ids.indexOf(id) !== index),
    [],
  );
  const known = new Set(ids);
  assert.deepEqual(
    DEVIATIONS.filter(({ id }) => !known.has(id)),
    [],
  );
});

for (const target of makeTargets()) {
  test(target.name, async (t) => {
    for (const table of TABLES) {
      for (const one of table.cases) {
        const outcome = await runRow(target, table.name, one);
        outcomes.push(outcome);
        if (outcome.result !== "passed" && outcome.result !== "failed") continue;
        await t.test(one.id, () => {
          if (outcome.result === "failed") assert.fail(outcome.reason);
        });
      }
    }
    await target.stop();
    console.log(summaryText(target.name, outcomes));
    const missing = await target.unavailable();
    if (missing !== null) await t.test("all rows", { skip: missing });
  });
}

test("the committed support table is what the tables give", async (t) => {
  const skipped = outcomes.find(({ result }) => result === "skipped");
  if (skipped !== undefined) return t.skip(`${skipped.target}: ${skipped.reason}`);
  const committed = await readFile(PAGE, "utf8").catch(() => "");
  assert.equal(committed, renderSupport(outcomes), "run support.js --write");
});
