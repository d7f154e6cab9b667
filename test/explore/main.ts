// SPDX-License-Identifier: ISC
/**
 * Explore scenarios and print a table; what fails is written to a file and told.
 *
 *   node build/test/explore/main.js [--json] [--mutant=NAME] [scenario...]
 *
 * Without names, all scenarios are explored. Limits are set by the environment: see
 * engine/limits.ts. Exit status: 0 nothing failed, 1 something did.
 */
import { parseArgs } from "node:util";
import { explore, replay } from "./engine/explore.js";
import { tableHead, tableLine } from "./engine/report.js";
import { scheduleWrite } from "./engine/schedule.js";
import { runsElsewhere } from "./mutants/build.js";
import { scenarioNamed, scenarios } from "./scenarios/index.js";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { json: { type: "boolean", default: false }, mutant: { type: "string" } },
});

async function main(): Promise<void> {
  const json = values.json === true;
  const chosen = positionals.length > 0 ? positionals.map(scenarioNamed) : scenarios;
  if (!json) console.log(tableHead());
  for (const scenario of chosen) {
    const report = await explore(scenario);
    let file: string | null = null;
    let story: readonly string[] = [];
    if (report.found !== null) {
      file = scheduleWrite(scenario, report.found, values.mutant);
      story = (await replay(scenario, report.found.decisions)).lines;
      process.exitCode = 1;
    }
    if (json) {
      console.log(JSON.stringify({ ...report, file, story }));
      continue;
    }
    console.log(tableLine(report));
    if (report.found === null) continue;
    console.log(`\n${report.found.failure}\n\n${story.join("\n")}\n\nschedule: ${file}\n`);
  }
}

if (!runsElsewhere(values.mutant, "main.js")) await main();
