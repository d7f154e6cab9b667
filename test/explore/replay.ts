// SPDX-License-Identifier: ISC
/**
 * Replay a schedule and tell what happened.
 *
 *   node build/test/explore/replay.js build/explore/close-add-1.json
 *   npm run explore:replay -- close-add-1
 *
 * A name stands for the file of that name in build/explore or test/explore/schedules.
 *
 * Exit status: 0 if nothing is wrong any more, 1 if it fails as before, 3 if the code has changed
 * so that the schedule does not fit it.
 */
import { replay } from "./engine/explore.js";
import { decisionsIn, schedulePath, scheduleRead } from "./engine/schedule.js";
import { runsElsewhere } from "./mutants/build.js";
import { scenarioNamed } from "./scenarios/index.js";

async function main(path: string): Promise<void> {
  const file = scheduleRead(path);
  const scenario = scenarioNamed(file.scenario);
  const run = await replay(scenario, decisionsIn(file, scenario));
  console.log(`${scenario.name}: ${scenario.text}\n`);
  console.log(run.lines.join("\n"));
  console.log(`\n${run.failure ?? "nothing is wrong"}`);
  process.exitCode = run.diverged ? 3 : run.failure === null ? 0 : 1;
}

const [given] = process.argv.slice(2);
const path = given === undefined ? null : schedulePath(given);
if (path === null) {
  if (given !== undefined) console.error(`there is no schedule ${given}`);
  console.error("usage: node build/test/explore/replay.js FILE|NAME");
  process.exitCode = 2;
} else if (!runsElsewhere(scheduleRead(path).mutant, "replay.js")) {
  await main(path);
}
