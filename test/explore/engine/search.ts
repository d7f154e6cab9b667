// SPDX-License-Identifier: ISC
/**
 * The search. A schedule is the list of its departures from the default; each run shows at which
 * later steps one more departure was possible, and these are its children. So every schedule is
 * run exactly once. The search is depth first among schedules of equal cost, cheapest cost first:
 * what it finds has as few preemptions as any, and nothing is kept but schedules not yet run.
 */
import { CHOICE_TIMEOUT, NO_CHOICE, ROWS } from "./control.js";
import type { Limits } from "./limits.js";
import { alternatives, rowAt, rowsOf } from "./rows.js";
import type { Decision, Explored, Run } from "./stage.js";

/** A schedule not yet run: its parent's departures and one more. */
interface Plan {
  readonly parent: Plan | null;
  readonly step: number;
  readonly choice: number;
  readonly cost: number;
}

const ROOT: Plan = { parent: null, step: -1, choice: 0, cost: 0 };

function decisionsOf(plan: Plan): Decision[] {
  const decisions: Decision[] = [];
  for (let at = plan; at.parent !== null; at = at.parent) {
    decisions.push({ step: at.step, choice: at.choice });
  }
  return decisions.reverse();
}

export interface Found {
  readonly decisions: readonly Decision[];
  readonly preemptions: number;
  readonly failure: string;
}

/** What a search did. */
export interface Report {
  readonly scenario: string;
  readonly preemptions: number;
  /** Steps of the run without departures, and of the longest one. */
  readonly points: number;
  readonly pointsMax: number;
  readonly schedules: number;
  /** Of these, runs with random choices. */
  readonly random: number;
  readonly switches: number;
  readonly milliseconds: number;
  /** Whether every schedule within the bound was run. */
  readonly exhausted: boolean;
  readonly found: Found | null;
}

class Tally {
  readonly start = performance.now();
  points = 0;
  pointsMax = 0;
  schedules = 0;
  random = 0;
  switches = 0;

  count(run: Run): void {
    if (this.schedules === 0) this.points = run.steps;
    this.schedules++;
    this.pointsMax = Math.max(this.pointsMax, run.steps);
    this.switches += run.switches;
  }
  get milliseconds(): number {
    return performance.now() - this.start;
  }
}

/** Add the children of a schedule that has just been run to the plans of their cost. */
function expand(explored: Explored, plan: Plan, plans: Plan[][]): void {
  const { control } = explored;
  const rows = control.get(ROWS);
  let step = -1;
  for (let n = 0; n < rows; n++) {
    const row = rowAt(control, n);
    if (row.choice === NO_CHOICE) continue;
    step++;
    if (step <= plan.step) continue;
    alternatives(row, (choice, cost) => {
      const total = plan.cost + cost;
      plans[total]?.push({ parent: plan, step, choice, cost: total });
    });
  }
}

/** The departures of the last run from the default, whatever made them. */
export function departures(explored: Explored): Decision[] {
  const decisions: Decision[] = [];
  let step = 0;
  for (const row of rowsOf(explored.control)) {
    if (row.choice === NO_CHOICE) continue;
    if (row.choice !== row.thread) decisions.push({ step, choice: row.choice });
    step++;
  }
  return decisions;
}

/** Run all schedules within the limits, then some at random; stops at the first that fails. */
export function search(explored: Explored, limits: Limits): Report {
  const tally = new Tally();
  const plans: Plan[][] = Array.from({ length: limits.preemptions + 1 }, () => []);
  plans[0]?.push(ROOT);
  let found: Found | null = null;
  let exhausted = true;
  for (const level of plans) {
    for (let plan = level.pop(); plan !== undefined && found === null; plan = level.pop()) {
      if (tally.schedules >= limits.schedules || tally.milliseconds > limits.milliseconds) {
        exhausted = false;
        break;
      }
      const decisions = decisionsOf(plan);
      const run = explored.run(decisions);
      tally.count(run);
      if (run.failure === null) expand(explored, plan, plans);
      else found = { decisions, preemptions: plan.cost, failure: run.failure };
    }
  }
  if (found === null) found = randomly(explored, limits, tally);
  return {
    scenario: explored.scenario.name,
    preemptions: limits.preemptions,
    points: tally.points,
    pointsMax: tally.pointsMax,
    schedules: tally.schedules,
    random: tally.random,
    switches: tally.switches,
    milliseconds: tally.milliseconds,
    exhausted: exhausted && found === null,
    found,
  };
}

/** Runs with dice instead of decisions; the seed of each follows from the first. */
function randomly(explored: Explored, limits: Limits, tally: Tally): Found | null {
  const preemptions = 2 * limits.preemptions + 1;
  for (let n = 0; n < limits.random; n++) {
    if (tally.milliseconds > limits.milliseconds) return null;
    const seed = Math.imul(limits.seed + n, 0x9e3779b1);
    const chance = Math.min(1, (2 * preemptions) / Math.max(tally.points, 1));
    const run = explored.run([], { seed, chance, preemptions });
    tally.count(run);
    tally.random++;
    if (run.failure === null) continue;
    const decisions = departures(explored);
    const chosen = decisions.filter(({ choice }) => (choice & CHOICE_TIMEOUT) === 0);
    return { decisions, preemptions: chosen.length, failure: run.failure };
  }
  return null;
}
