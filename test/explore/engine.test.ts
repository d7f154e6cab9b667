// SPDX-License-Identifier: ISC
/** The explorer itself: the same schedule does the same, searches are complete, files replay. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import type * as seam from "#src/sync/atomics.js";
import * as exploring from "#src/sync/atomics-explore.js";
import { explore, replay } from "./engine/explore.js";
import { limitsOf } from "./engine/limits.js";
import { instrumented } from "./engine/points.js";
import { rowsOf } from "./engine/rows.js";
import { decisionsIn, ROOT, scheduleRead, scheduleWrite } from "./engine/schedule.js";
import { departures, search } from "./engine/search.js";
import { Explored } from "./engine/stage.js";
import { scenarioNamed } from "./scenarios/index.js";
import {
  deathBroken,
  messageOrdered,
  messageRacing,
  messageUntold,
  toyBroken,
  toyMended,
} from "./scenarios/toy.js";

test("the exploring door has every operation of the plain one", async () => {
  // Compiles only if each has the same type there.
  const door: typeof seam = exploring;
  const plain = await import("#src/sync/atomics.js");
  for (const name of Object.keys(plain)) assert.ok(name in door, name);
});

test("accesses by index are told, and where a thread may end", () => {
  const kernel = `export function f(k, a, p, n) {
    a[p] = 1;
    if (n === 0)
        a[a[p]] |= 2;
    for (let i = 0; i < n; i++)
        a[p + i] = "a[0] = 1" === n;
    while (g(k)) {
        if (n)
            continue;
        k.each((x) => {
            a[k.n++] = { b: x };
        });
    }
    do {
        n--;
    } while (n > 0);
    return a[p] === 2; // a[p] = 3
}`;
  assert.equal(
    instrumented(kernel),
    `import { indexRead, indexWrite, endPoint } from "#atomics"; ` +
      `export function f(k, a, p, n) { endPoint();
    a[indexWrite(a, p)] = 1;
    if (n === 0)
        a[indexWrite(a, a[indexRead(a, p)])] |= 2;
    for (let i = 0; i < n; i++)
        { a[indexWrite(a, p + i)] = "a[0] = 1" === n; endPoint(); }
    while (g(k)) {
        if (n)
            { endPoint(); continue; }
        k.each((x) => { endPoint();
            a[indexWrite(a, k.n++)] = { b: x };
        });
    endPoint(); }
    do {
        n--;
    endPoint(); } while (n > 0);
    return a[indexRead(a, p)] === 2; // a[p] = 3
}`,
  );
});

test("a schedule does the same every time, at random too", async () => {
  const scenario = scenarioNamed("timeout-claim");
  const explored = await Explored.open(scenario, limitsOf());
  try {
    const dice = { seed: 7, chance: 0.3, preemptions: 9 };
    explored.run([], dice);
    const rows = rowsOf(explored.control);
    const decisions = departures(explored);
    explored.run([]);
    assert.notDeepEqual(rowsOf(explored.control), rows, "the dice changed something");
    explored.run([], dice);
    assert.deepEqual(rowsOf(explored.control), rows, "the same seed");
    explored.run(decisions);
    assert.deepEqual(rowsOf(explored.control), rows, "the decisions that the dice made");
  } finally {
    await explored.close();
  }
});

test("a search runs every schedule within its bound, and none twice", async () => {
  const limits = limitsOf({ preemptions: 3 });
  const explored = await Explored.open(toyMended, limits);
  const seen = new Set<string>();
  const run = explored.run.bind(explored);
  explored.run = (decisions, dice) => {
    const result = run(decisions, dice);
    const order = rowsOf(explored.control).map(({ thread, kind, word }) => [thread, kind, word]);
    seen.add(JSON.stringify(order));
    return result;
  };
  try {
    const report = search(explored, limits);
    assert.equal(report.found, null);
    assert.ok(report.exhausted);
    assert.equal(seen.size, report.schedules, "each schedule is another order of operations");
    assert.ok(report.schedules > 30, `${report.schedules} schedules`);
  } finally {
    await explored.close();
  }
});

test("the smallest number of preemptions is found first", async () => {
  const report = await explore(toyBroken, { preemptions: 3 });
  assert.equal(report.found?.preemptions, 1);
});

test("random runs find the canary's defect, and their schedule replays it", async () => {
  const report = await explore(toyBroken, { preemptions: 0, random: 500 });
  assert.ok(report.found !== null);
  assert.ok(report.random > 0);
  assert.equal((await replay(toyBroken, report.found.decisions)).failure, report.found.failure);
});

test("a death is found as a choice, kept in a file, and told", async () => {
  const report = await explore(deathBroken);
  assert.ok(report.found !== null);
  assert.equal(report.found.preemptions, 1, "the death alone");
  const file = scheduleRead(scheduleWrite(deathBroken, report.found));
  assert.equal(file.decisions.filter(({ death }) => death === true).length, 1);
  const run = await replay(deathBroken, decisionsIn(file, deathBroken));
  assert.equal(run.failure, report.found.failure);
  assert.match(run.lines.join("\n"), /-- victim DIES --\n.*reaper +has ended/);
});

test("a race is told with both of its accesses, by the name of the word", async () => {
  const report = await explore(messageRacing);
  const failure = report.found?.failure ?? "";
  assert.match(failure, /^race: nothing orders two accesses to data\n/);
  assert.match(failure, /sender stores to it\n {2}in plainly, .*toy\.[jt]s:\d+/);
  assert.match(failure, /receiver reads it\n {2}in takePlain, .*toy\.[jt]s:\d+/);
  assert.equal((await explore(messageRacing, { races: 0 })).found, null, "no order shows it");
});

test("a published word that nobody is told of is a complaint", async () => {
  const report = await explore(messageUntold);
  assert.match(report.found?.failure ?? "", /sender: .*and no atomic store tells of it/);
  assert.equal((await explore(messageUntold, { races: 0 })).found, null, "no order shows it");
});

test("what a flag tells of does not race", async () => {
  const report = await explore(messageOrdered);
  assert.equal(report.found, null, report.found?.failure);
});

test("deaths are found at random, too", async () => {
  const report = await explore(deathBroken, { preemptions: 0, random: 500 });
  assert.ok(report.found !== null);
  assert.equal((await replay(deathBroken, report.found.decisions)).failure, report.found.failure);
});

test("a schedule that does not fit is told from one that fails", async () => {
  const run = await replay(toyMended, [{ step: 3, choice: 3 }]);
  assert.ok(run.diverged);
});

test("limits are checked, and the environment has the last word", () => {
  assert.equal(limitsOf({ preemptions: 3 }, { preemptions: 4 }).preemptions, 4);
  process.env["KNELL_EXPLORE_STEPS"] = "17";
  assert.equal(limitsOf({ steps: 5 }).steps, 17);
  process.env["KNELL_EXPLORE_STEPS"] = "many";
  assert.throws(() => limitsOf(), RangeError);
  delete process.env["KNELL_EXPLORE_STEPS"];
});

test("a run that goes in circles is stopped", async () => {
  const report = await explore(scenarioNamed("lost-wake"), { steps: 20 });
  assert.match(report.found?.failure ?? "", /more than 20 steps/);
});

test("a schedule file is replayed by name and told as a story", async () => {
  const report = await explore(toyBroken);
  assert.ok(report.found !== null);
  const path = scheduleWrite(toyBroken, report.found);
  const program = join(ROOT, "build/test/explore/replay.js");
  const { status, stdout } = spawnSync(process.execPath, [program, path], { encoding: "utf8" });
  assert.equal(status, 1, stdout);
  assert.match(stdout, /-- waiter is preempted; raiser goes on --/);
  assert.match(stdout, /waiter {2}sleeps on sleeper\n\ndeadlock/);
});

const folder = join(ROOT, "test/explore/schedules");
for (const name of readdirSync(folder).filter((file) => file.endsWith(".json"))) {
  const file = scheduleRead(join(folder, name));
  const scenario = scenarioNamed(file.scenario);
  const todo = scenario.defect === undefined ? {} : { todo: scenario.defect };
  test(`the kept schedule ${name}`, todo, async () => {
    const run = await replay(scenario, decisionsIn(file, scenario));
    if (scenario.canary) assert.equal(run.failure, file.failure);
    else assert.ok(run.failure === null || run.diverged, run.failure ?? "");
  });
}
