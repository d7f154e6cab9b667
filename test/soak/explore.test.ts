// SPDX-License-Identifier: ISC
/**
 * The explorer for longer than `npm run test:explore` has: scenarios of three threads to bound 3,
 * as far as the time goes, and all scenarios at random, with more preemptions than any search.
 *
 * KNELL_SOAK=n multiplies time and runs, KNELL_SEED repeats the random ones. Below 10 only n
 * tenths of the scenarios are taken, from a place that the seed says.
 */
import type { Scenario } from "../explore/engine/scenario.js";
import { scenarios } from "../explore/scenarios/index.js";
import { exploring } from "../explore/suite.js";

const SOAK = Math.max(1, Number(process.env["KNELL_SOAK"] ?? 1));
const SEED = Number(process.env["KNELL_SEED"] ?? Date.now() % 1_000_000);

/** Time of one search, and random runs of one scenario, for each unit of KNELL_SOAK. */
const SEARCH_MS = 1000;
const RUNS = 25;

console.log(`KNELL_SEED=${SEED} KNELL_SOAK=${SOAK}`);

function share(all: readonly Scenario[]): Scenario[] {
  const count = Math.ceil(all.length * Math.min(1, SOAK / 10));
  return Array.from({ length: count }, (_, i) => all[(SEED + i) % all.length] as Scenario);
}

exploring(share(scenarios.filter(({ threads }) => threads.length > 2)), {
  KNELL_EXPLORE_PREEMPTIONS: "3",
  KNELL_EXPLORE_SCHEDULES: "100000000",
  KNELL_EXPLORE_MILLISECONDS: String(SEARCH_MS * SOAK),
  KNELL_EXPLORE_RANDOM: "0",
});

exploring(share(scenarios), {
  KNELL_EXPLORE_SCHEDULES: "1",
  KNELL_EXPLORE_MILLISECONDS: "7200000",
  KNELL_EXPLORE_RANDOM: String(RUNS * SOAK),
  KNELL_EXPLORE_SEED: String(SEED),
});
