// SPDX-License-Identifier: ISC
/** One thread of a scenario: attaches once, then runs its function whenever it is let in. */
import { parentPort, workerData } from "node:worker_threads";
import { Sys } from "knell/sys";
import type { Kthread } from "#src/arena/kthread.js";
import { exploreInstall } from "#src/sync/atomics-explore.js";
import { kernelAttach } from "#src/sys/kernel.js";
import { scenarioNamed } from "../scenarios/index.js";
import { apply, choose } from "./choose.js";
import { EXPLORING } from "./condition.js";
import {
  ABORT,
  Aborted,
  Control,
  NO_CHOICE,
  RETURNS_MAX,
  STOP,
  THREADS,
  THREW,
} from "./control.js";
import { ROW_END } from "./rows.js";
import type { ScenarioThread, Shared } from "./scenario.js";
import { complaintOf, ThreadTurnstile } from "./turnstile.js";
import { attached, hostOf, leftovers, renewed } from "./world.js";

/** What the controller starts a worker with. */
export interface WorkerOrders {
  readonly control: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
  readonly scenario: string;
  readonly shared: Shared;
  readonly me: number;
}

function runOnce(control: Control, me: number, thread: ScenarioThread, k: Kthread, shared: Shared) {
  let returned: readonly number[] = [];
  if (control.get(ABORT) === 0) {
    const fresh = renewed(k);
    const turnstile = new ThreadTurnstile(control, me);
    const park = (timeoutMs: number): void => void turnstile.park(timeoutMs);
    exploreInstall(turnstile);
    try {
      returned = thread.run({ k: fresh, s: new Sys(fresh), shared, park });
      turnstile.settle();
      if (returned.length > RETURNS_MAX) throw new RangeError("a thread returns too much");
      const left = leftovers(fresh);
      if (left !== null) control.fail(THREW, me, left);
    } catch (error) {
      if (!(error instanceof Aborted)) control.fail(THREW, me, complaintOf(error));
    }
    exploreInstall(null);
  }
  control.finish(me, returned);
}

/** The thread has ended: somebody else goes on, at last the controller. */
function passOn(control: Control, me: number): void {
  const controller = control.get(THREADS);
  let next = control.undone();
  if (next < 0) {
    control.row(ROW_END, me, 0, control.get(ABORT), 0, NO_CHOICE);
    control.open(controller);
    return;
  }
  if (control.get(ABORT) === 0) {
    const choice = choose(control, me, false);
    if (choice >= 0) {
      control.row(ROW_END, me, 0, 0, 0, choice);
      next = apply(control, me, choice);
    }
  }
  control.open(next);
}

function serve({ control: buffer, arena, scenario, shared, me }: WorkerOrders): void {
  const control = new Control(buffer);
  const thread = scenarioNamed(scenario).threads[me] as ScenarioThread;
  const k = attached(kernelAttach(arena, hostOf(control)));
  parentPort?.postMessage("ready");
  for (;;) {
    control.enter(me);
    if (control.get(STOP) === 1) return;
    runOnce(control, me, thread, k, shared);
    passOn(control, me);
  }
}

if (!EXPLORING) throw new Error("a worker of the explorer runs without --conditions=explore");
serve(workerData as WorkerOrders);
