// SPDX-License-Identifier: ISC
/**
 * That the search leaves nothing out but what comes to the same: with and without sleep sets it
 * reaches the same final states within the same bound, in random programs and in the kernel; and
 * what they save, as numbers.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { SUPER, Super } from "#src/arena/superblock.js";
import { explore } from "./engine/explore.js";
import type { Limits } from "./engine/limits.js";
import type { Outcome, Scenario } from "./engine/scenario.js";
import type { Report } from "./engine/search.js";
import { spareWords } from "./engine/world.js";
import { scenarioNamed } from "./scenarios/index.js";
import { RANDOM_WORDS, randomProgram } from "./scenarios/random.js";

/** The whole final state of a run: what was returned, who died, and every word in use. */
function stateOf({ k, returned, died }: Outcome): string {
  const words = k.a.subarray(0, k.a[Super.brk.at(SUPER)] as number);
  const spare = k.a.subarray(spareWords(k), spareWords(k) + RANDOM_WORDS);
  const hash = createHash("sha256").update(words).update(spare);
  return hash.update(JSON.stringify([returned, died])).digest("base64");
}

interface Reached {
  readonly states: Set<string>;
  readonly report: Report;
}

async function reached(scenario: Scenario, limits: Partial<Limits>): Promise<Reached> {
  const states = new Set<string>();
  const noting: Scenario = {
    ...scenario,
    check(outcome) {
      states.add(stateOf(outcome));
      scenario.check(outcome);
    },
  };
  const report = await explore(noting, { random: 0, races: 0, ...limits });
  assert.equal(report.found, null, report.found?.failure ?? "");
  assert.ok(report.exhausted);
  return { states, report };
}

/** Compare the two searches; returns how many schedules each ran. */
async function compare(scenario: Scenario, preemptions: number): Promise<[number, number]> {
  const whole = await reached(scenario, { preemptions, reduce: 0 });
  const reduced = await reached(scenario, { preemptions, reduce: 1 });
  const missing = [...whole.states].filter((state) => !reduced.states.has(state));
  assert.equal(missing.length, 0, `${missing.length} of ${whole.states.size} states not reached`);
  assert.equal(reduced.states.size, whole.states.size, "a state that cannot be");
  assert.ok(reduced.report.schedules <= whole.report.schedules);
  return [whole.report.schedules, reduced.report.schedules];
}

/** Programs of each shape; KNELL_SOAK multiplies them. */
const PROGRAMS = 6 * Number(process.env["KNELL_SOAK"] ?? 1);

for (const [threads, length, bound] of [
  [2, 5, 3],
  [3, 3, 1],
  [3, 3, 2],
  [3, 4, 2],
  [4, 2, 1],
] as const) {
  test(`random programs of ${threads} threads, ${length} steps each, bound ${bound}`, async () => {
    let [whole, reduced] = [0, 0];
    for (let seed = 1; seed <= PROGRAMS; seed++) {
      const [w, r] = await compare(randomProgram(seed, threads, length), bound);
      whole += w;
      reduced += r;
    }
    console.log(
      `random, ${threads} threads, bound ${bound}: ${whole} schedules, reduced ${reduced}`,
    );
    assert.ok(reduced < whole, "nothing is saved");
  });
}

for (const [name, bound] of [
  ["lost-wake", 2],
  ["timeout-claim", 2],
  ["add-add", 2],
  ["close-add", 2],
  ["trigger-delete", 3],
  ["toy-death-mended", 3],
  ["death-parked", 1],
  ["pass-on", 1],
  ["await-block", 1],
] as const) {
  test(`${name}, bound ${bound}`, async () => {
    const [whole, reduced] = await compare(scenarioNamed(name), bound);
    console.log(`${name}, bound ${bound}: ${whole} schedules, reduced ${reduced}`);
    assert.ok(reduced < whole, "nothing is saved");
  });
}
