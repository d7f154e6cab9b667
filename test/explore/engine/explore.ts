// SPDX-License-Identifier: ISC
/** Exploring a scenario, and replaying a schedule of it, from beginning to end. */
import { type Limits, limitsOf } from "./limits.js";
import { rowsOf } from "./rows.js";
import type { Scenario } from "./scenario.js";
import { type Report, search } from "./search.js";
import { type Decision, Explored, type Run } from "./stage.js";
import { story } from "./story.js";

/** Search a scenario within its limits. `wish` goes before what the scenario asks for. */
export async function explore(scenario: Scenario, wish?: Partial<Limits>): Promise<Report> {
  const limits = limitsOf(scenario.limits, wish);
  const explored = await Explored.open(scenario, limits);
  try {
    return search(explored, limits);
  } finally {
    await explored.close();
  }
}

export interface Replay extends Run {
  readonly lines: readonly string[];
}

/** Run one schedule and tell it. */
export async function replay(scenario: Scenario, decisions: readonly Decision[]): Promise<Replay> {
  const explored = await Explored.open(scenario, limitsOf(scenario.limits));
  try {
    const run = explored.run(decisions, undefined, true);
    const rows = rowsOf(explored.control);
    explored.settle();
    const failure = run.raced ? explored.race(decisions, true) : run.failure;
    const threads = scenario.threads.map(({ name }) => name);
    return { ...run, failure, lines: story(rows, threads, explored.names) };
  } finally {
    await explored.close();
  }
}
