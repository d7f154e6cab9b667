// SPDX-License-Identifier: ISC
/**
 * The search. A schedule is the list of its departures from the default; each run shows at which
 * later steps one more departure was possible, and these are its children. So every schedule is
 * run at most once. The search is depth first among schedules of equal cost, cheapest cost first:
 * what it finds has as few preemptions as any, and nothing is kept but schedules not yet run.
 *
 * **Sleep sets.** A thread is preempted before a step, others do something, and it goes on. If
 * nothing that they did has to do with what the step touches, then preempting the thread one step
 * later comes to the same, with the same steps by the others, and costs no more: the thread can be
 * preempted there, or sleeps or has ended, and then the switch is free. So where a preempted thread
 * is to go on and nobody has touched what its step touches, the run is cut off; departures before
 * that place are its children all the same. Each cut moves a step of some thread to an earlier
 * block of that thread's steps, so following from each schedule to the one that stands for it
 * comes to an end, at one that is run to its end. Only the preempted thread's own step is put to
 * sleep, and not also the steps of others explored before, as usual: that could cost one
 * preemption more.
 *
 * What a step touches is known from the run in which it was not preempted: words by fields and by
 * index, in the accesses' log. What the kernel touches otherwise (bytes of buffers, fills of fresh
 * slots) is under a lock or private all the while that the thread is preempted.
 */
import { type Footprint, independent, NO_FOOTPRINT } from "./accesses.js";
import { CHOICE_TIMEOUT, NO_CHOICE } from "./control.js";
import type { Limits } from "./limits.js";
import { rowsOf } from "./rows.js";
import type { Decision, Explored, Run } from "./stage.js";
import { type Departure, shifted, Trace, type Window } from "./windows.js";

/** A schedule not yet run: its parent's departures and one more. */
interface Plan {
  readonly parent: Plan | null;
  readonly step: number;
  readonly choice: number;
  readonly cost: number;
  /** If the last departure preempts a thread: what its step touches, and its next step. */
  readonly footprint: Footprint;
  readonly nextStep: number;
  /** What followed departures from this schedule; see windows.ts. */
  windows: Map<number, Window> | null;
}

const ROOT: Plan = {
  parent: null,
  step: -1,
  choice: 0,
  cost: 0,
  footprint: NO_FOOTPRINT,
  nextStep: -1,
  windows: null,
};

function decisionsOf(plan: Plan): Decision[] {
  const decisions: Decision[] = [];
  for (let at = plan; at.parent !== null; at = at.parent) {
    decisions.push({ step: at.step, choice: at.choice, footprint: at.footprint });
  }
  return decisions.reverse();
}

/** Decisions without what only the search needs. */
function bare(decisions: readonly Decision[]): Decision[] {
  return decisions.map(({ step, choice }) => ({ step, choice }));
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
  /** Schedules broken off, and not even begun, because the rest is explored elsewhere. */
  readonly cut: number;
  readonly foreseen: number;
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
  cut = 0;
  foreseen = 0;

  count(run: Run): void {
    if (this.schedules === 0) this.points = run.steps;
    this.schedules++;
    this.pointsMax = Math.max(this.pointsMax, run.steps);
    this.switches += run.switches;
    if (run.cut) this.cut++;
  }
  get milliseconds(): number {
    return performance.now() - this.start;
  }
}

function adopt(plans: Plan[][], parent: Plan, departure: Departure): void {
  const cost = parent.cost + departure.cost;
  plans[cost]?.push({ ...departure, parent, cost, windows: null });
}

/** Add the children of a schedule that has just been run to the plans of their cost. */
function expand(explored: Explored, plan: Plan, plans: Plan[][], reduce: boolean): void {
  const trace = new Trace(explored.control, reduce);
  for (const departure of trace.departures(plan.step)) adopt(plans, plan, departure);
  if (!reduce || plan.parent === null || plan.footprint.length === 0) return;
  noteWindow(plan, plan.parent, trace.window(plan.step));
}

const keyOf = (step: number, choice: number): number => step * 1024 + choice;

function noteWindow(plan: Plan, parent: Plan, window: Window): void {
  parent.windows ??= new Map();
  parent.windows.set(keyOf(plan.step, plan.choice), window);
}

/**
 * Whether running the schedule would show nothing new. It preempts a thread; the same preemption
 * one step later has been run, and what the others did then until the thread was back has nothing
 * to do with what the step touches. So here they would do the same, and then the thread would be
 * cut. Its children are those of that other schedule, shifted; true if so.
 */
function foreseen(plan: Plan, plans: Plan[][]): boolean {
  const { parent, footprint } = plan;
  if (parent === null || footprint.length === 0) return false;
  const later = parent.windows?.get(keyOf(plan.nextStep, plan.choice));
  if (later === undefined || later.opaque) return false;
  if (!independent(footprint, later.touched)) return false;
  const window = shifted(later, plan.step - plan.nextStep);
  for (const departure of window.departures) adopt(plans, plan, departure);
  noteWindow(plan, parent, window);
  return true;
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

/** A failing run; a race is told with both of its accesses. */
function told(
  explored: Explored,
  run: Run,
  decisions: readonly Decision[],
  preemptions: number,
): Found {
  const failure = run.raced ? explored.race(decisions) : (run.failure ?? "");
  return { decisions, preemptions, failure };
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
      if (foreseen(plan, plans)) {
        tally.foreseen++;
        continue;
      }
      const decisions = decisionsOf(plan);
      const run = explored.run(decisions);
      tally.count(run);
      if (run.failure === null) expand(explored, plan, plans, limits.reduce === 1);
      else found = told(explored, run, bare(decisions), plan.cost);
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
    cut: tally.cut,
    foreseen: tally.foreseen,
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
    return told(explored, run, decisions, chosen.length);
  }
  return null;
}
