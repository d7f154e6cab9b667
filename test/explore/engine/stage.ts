// SPDX-License-Identifier: ISC
/**
 * A scenario set up and ready to run, again and again: an arena with a snapshot of it, a worker for
 * each thread, and the control they share. `run` follows one schedule and says how it went. The
 * calling thread sleeps during a run, so a watchdog outside must guard against a defect here.
 */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import { Sys } from "knell/sys";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { kernelBoot } from "#src/sys/kernel.js";
import { type Footprint, NO_FOOTPRINT } from "./accesses.js";
import { apply, choose, LEAVE } from "./choose.js";
import {
  BUDGET,
  CHANCE,
  Control,
  CULPRIT,
  CUT,
  DEADLOCK,
  DEATHS,
  DIED,
  DIVERGED,
  FREE_TIMEOUTS,
  INSPECT,
  LOCK_NETS,
  NETS,
  RACED,
  RAN,
  RNG,
  RUNAWAY,
  STEP,
  STEPS_MAX,
  STOP,
  SWITCHES,
  TELLING,
  THREW,
  VERDICT,
} from "./control.js";
import { checkInvariants } from "./invariants.js";
import type { Limits } from "./limits.js";
import { Names } from "./names.js";
import { accessName } from "./races.js";
import { NOBODY, ROW_START } from "./rows.js";
import type { Scenario, Shared } from "./scenario.js";
import type { WorkerOrders } from "./worker.js";
import { CLOCK_START_NS, hostOf, renewed, SHAPE, Snapshot } from "./world.js";

/** A run that takes longer than this has met no step for as long. */
const STUCK_MS = 10_000;

/** Where a run departs from the default. */
export interface Decision {
  readonly step: number;
  readonly choice: number;
  /** What the preempted thread's next step touches; see accesses.ts. */
  readonly footprint?: Footprint;
}

/** Dice for the steps that no decision names. */
export interface Dice {
  readonly seed: number;
  /** Chance of a preemption at a step. */
  readonly chance: number;
  readonly preemptions: number;
}

export interface Run {
  /** Why the run failed, or null. */
  readonly failure: string | null;
  /** The schedule does not fit the program. */
  readonly diverged: boolean;
  /** The run was broken off, because the rest of it is explored elsewhere. */
  readonly cut: boolean;
  /** Two accesses race; `race` of Explored tells of them. */
  readonly raced: boolean;
  readonly steps: number;
  readonly switches: number;
}

/** Setup and check run in the controller, which has no event loop to go back to. */
function park(): never {
  throw new Error("only threads of a scenario can park");
}

export class Explored {
  readonly scenario: Scenario;
  readonly control: Control;
  readonly names: Names;
  readonly shared: Shared;
  readonly #limits: Limits;
  readonly #k: Kthread;
  readonly #snapshot: Snapshot;
  readonly #workers: readonly Worker[];

  private constructor(
    scenario: Scenario,
    limits: Limits,
    control: Control,
    k: Kthread,
    names: Names,
    shared: Shared,
    workers: readonly Worker[],
  ) {
    this.scenario = scenario;
    this.control = control;
    this.names = names;
    this.shared = shared;
    this.#limits = limits;
    this.#k = k;
    this.#snapshot = new Snapshot(k);
    this.#workers = workers;
  }

  /** Set up a scenario. */
  static async open(scenario: Scenario, limits: Limits): Promise<Explored> {
    if (scenario.threads.length > limits.threads) throw new RangeError("too many threads");
    const control = Control.make(limits.steps, SHAPE.arenaBytes / 4);
    control.reset(scenario.threads.length, CLOCK_START_NS);
    const booted = kernelBoot(SHAPE, hostOf(control));
    if (typeof booted === "number") throw new Error(`boot said ${booted}`);
    const names = new Names(booted);
    const shared = names.watch(booted, () => {
      return scenario.setup({ k: booted, s: new Sys(booted), shared: {}, park });
    });
    const workers: Worker[] = [];
    for (const [me, thread] of scenario.threads.entries()) {
      workers.push(await started(control, booted, scenario, shared, me));
      names.thread(booted, me, thread.name);
    }
    names.label(scenario.labels?.(shared) ?? {});
    names.markRacy(control.races);
    return new Explored(scenario, limits, control, booted, names, shared, workers);
  }

  /** Run one schedule. */
  run(decisions: readonly Decision[], dice?: Dice, telling = false): Run {
    const { control } = this;
    this.#snapshot.restore();
    control.reset(this.scenario.threads.length, CLOCK_START_NS);
    control.set(STEPS_MAX, this.#limits.steps);
    control.set(FREE_TIMEOUTS, this.scenario.timeouts === "choice" ? 1 : 0);
    control.set(DEATHS, this.scenario.deaths ?? 1);
    control.set(INSPECT, this.#limits.inspect);
    control.set(TELLING, telling ? 1 : 0);
    if (dice !== undefined) {
      control.set(RNG, dice.seed | 0 || 1);
      control.set(CHANCE, Math.round(dice.chance * 65536));
      control.set(BUDGET, dice.preemptions);
    }
    control.decide(
      decisions.map(({ step }) => step),
      decisions.map(({ choice }) => choice),
    );
    control.accesses.reset(decisions.map(({ footprint }) => footprint ?? NO_FOOTPRINT));
    control.races.reset(this.#limits.races === 1);
    this.#go();
    if (control.get(VERDICT) === RACED && this.#exempted())
      return this.run(decisions, dice, telling);
    return {
      failure: this.#verdict(),
      diverged: control.get(VERDICT) === DIVERGED,
      cut: control.get(VERDICT) === CUT,
      raced: control.get(VERDICT) === RACED,
      steps: control.get(STEP),
      switches: control.get(SWITCHES),
    };
  }

  /** Whether there are racy words that were not known as such when the run carved them. */
  #exempted(): boolean {
    this.settle();
    return this.names.markRacy(this.control.races);
  }

  /** A race as a text; runs the schedule again to learn where the first access was made. */
  race(decisions: readonly Decision[], telling = false): string {
    const { control, scenario } = this;
    const race = control.races.race;
    const { word, first, second, firstThread } = race;
    const name = (thread: number): string => scenario.threads[thread]?.name ?? "?";
    const here = `${name(control.get(CULPRIT))} ${accessName(second)} it\n${control.text}`;
    control.races.watch(race);
    this.run(decisions, undefined, telling);
    control.races.unwatch();
    const there = `${name(firstThread)} ${accessName(first)} it\n${control.text}`;
    const text = this.names.place(word).text;
    return `race: nothing orders two accesses to ${text}\n${there}\n${here}`;
  }

  #go(): void {
    const { control } = this;
    const controller = this.scenario.threads.length;
    const first = choose(control, controller - 1, LEAVE);
    if (first < 0) return;
    control.row(ROW_START, NOBODY, 0, 0, 0, first);
    control.open(apply(control, NOBODY, first));
    if (!control.enter(controller, STUCK_MS)) {
      throw new Error(`${this.scenario.name}: no step for ${STUCK_MS / 1000} s`);
    }
  }

  #verdict(): string | null {
    const { control } = this;
    const who = this.scenario.threads[control.get(CULPRIT)]?.name ?? "nobody";
    const nets = control.get(NETS);
    switch (control.get(VERDICT)) {
      case THREW:
        return `${who}: ${control.text}`;
      case DEADLOCK:
        return `deadlock: ${control.text}`;
      case RUNAWAY:
      case DIVERGED:
        return control.text;
      case CUT:
        return null;
      case RACED:
        return `race at ${this.names.place(control.races.race.word).text}`;
      case RAN:
        if (nets + (control.get(DIED) === 0 ? control.get(LOCK_NETS) : 0) > 0)
          return `lost wake: only the safety net got on with it, ${nets} times`;
        return this.#judge();
    }
    return "no verdict";
  }

  /** Whether everything holds that must hold after a run that came to its end. */
  #judge(): string | null {
    const k = renewed(this.#k);
    try {
      const returned = this.scenario.threads.map((_, me) => this.control.returned(me));
      const dead = this.control.get(DIED);
      const died = this.scenario.threads.map((_, me) => (dead & (1 << me)) !== 0);
      assert.equal(Super.netHits.load(k, SUPER), 0, "safety-net wakes that found work");
      checkInvariants(k);
      this.scenario.check({ k, s: new Sys(k), shared: this.shared, park, returned, died });
      return null;
    } catch (error) {
      return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    }
  }

  /** Learn the names of what the last run allocated. */
  settle(): void {
    this.names.newest(this.#k);
  }

  async close(): Promise<void> {
    this.control.set(STOP, 1);
    for (let me = 0; me < this.#workers.length; me++) this.control.open(me);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

async function started(
  control: Control,
  k: Kthread,
  scenario: Scenario,
  shared: Shared,
  me: number,
): Promise<Worker> {
  const arena = k.a.buffer as SharedArrayBuffer;
  const orders: WorkerOrders = {
    control: control.buffer,
    accesses: control.accesses.buffer,
    races: control.races.buffer,
    arena,
    scenario: scenario.name,
    shared,
    me,
  };
  const worker = new Worker(new URL("worker.js", import.meta.url), { workerData: orders });
  await new Promise((resolve, reject) => {
    worker.once("message", resolve);
    worker.once("error", reject);
    worker.once("exit", () => reject(new Error("a worker ended before it began")));
  });
  return worker;
}
