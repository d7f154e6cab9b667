// SPDX-License-Identifier: ISC
/** The proof that the explorer finds things: it must find a canary's defect, and every mutant's. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { explore, replay } from "./engine/explore.js";
import { tableHead, tableLine } from "./engine/report.js";
import type { Report } from "./engine/search.js";
import { runIn } from "./mutants/build.js";
import { mutants } from "./mutants/index.js";
import { canaries, scenarioNamed } from "./scenarios/index.js";

console.log(tableHead());

for (const canary of canaries) {
  test(`the canary ${canary.name} fails, and so does its replay`, async () => {
    const report = await explore(canary);
    console.log(tableLine(report));
    assert.ok(report.found !== null, "the explorer is blind");
    const run = await replay(canary, report.found.decisions);
    assert.equal(run.failure, report.found.failure);
  });
}

for (const mutant of mutants) {
  test(`killed: ${mutant.name}, ${mutant.text}`, () => {
    assert.equal(scenarioNamed(mutant.scenario).defect, undefined, "its scenario fails anyway");
    const args = ["--json", `--mutant=${mutant.name}`, mutant.scenario];
    const { status, output } = runIn(mutant, "main.js", args, true);
    assert.equal(status, 1, `the mutant lives:\n${output}`);
    const report = JSON.parse(output) as Report;
    assert.ok(report.found !== null);
    console.log(tableLine({ ...report, scenario: mutant.name }));
  });
}
