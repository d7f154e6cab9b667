// SPDX-License-Identifier: ISC
/** Scenarios as tests. Each prints its line of the table; a failure is told, and kept as a file. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EXPLORING } from "./engine/condition.js";
import { explore, replay } from "./engine/explore.js";
import { tableHead, tableLine } from "./engine/report.js";
import type { Scenario } from "./engine/scenario.js";
import { scheduleWrite } from "./engine/schedule.js";

export function exploring(scenarios: readonly Scenario[]): void {
  test("the kernel is the exploring one", () => {
    assert.ok(EXPLORING, "run this with --conditions=explore, as npm run test:explore does");
    console.log(tableHead());
  });
  for (const scenario of scenarios) {
    const options = scenario.defect === undefined ? {} : { todo: scenario.defect };
    test(`${scenario.name}: ${scenario.text}`, options, async () => {
      const report = await explore(scenario);
      console.log(tableLine(report));
      if (report.found === null) return;
      const path = scheduleWrite(scenario, report.found);
      const { lines } = await replay(scenario, report.found.decisions);
      assert.fail(`${report.found.failure}\n\n${lines.join("\n")}\n\nschedule: ${path}`);
    });
  }
}
