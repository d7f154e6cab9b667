// SPDX-License-Identifier: ISC
/** One thread of a scenario: attaches once, then runs its function whenever it is let in. */
import { parentPort, workerData } from "node:worker_threads";
import { Sys } from "knell/sys";
import type { Kthread } from "#src/arena/kthread.js";
import { exploreInstall } from "#src/sync/atomics-explore.js";
import { type Ending, threadIntroduce, workerEnded } from "#src/sys/exits.js";
import { slotNumber } from "#src/sys/handle.js";
import { kernelAttach } from "#src/sys/kernel.js";
import { scenarioNamed } from "../scenarios/index.js";
import { Accesses } from "./accesses.js";
import { apply, choose, LEAVE } from "./choose.js";
import { EXPLORING } from "./condition.js";
import {
  ABORT,
  Aborted,
  Control,
  Died,
  NO_CHOICE,
  RETURNS_MAX,
  STOP,
  THREADS,
  THREW,
} from "./control.js";
import { Races } from "./races.js";
import { ROW_END } from "./rows.js";
import type { Dead, Scenario, Shared } from "./scenario.js";
import { HOST_THREAD } from "./sizes.js";
import { complaintOf, ThreadTurnstile } from "./turnstile.js";
import { attached, hostOf, leftovers, renewed } from "./world.js";

/** What the controller starts a worker with. */
export interface WorkerOrders {
  readonly control: SharedArrayBuffer;
  readonly accesses: SharedArrayBuffer;
  readonly races: SharedArrayBuffer;
  readonly arena: SharedArrayBuffer;
  readonly scenario: string;
  readonly shared: Shared;
  readonly me: number;
}

/** What the warden does when it hears that a worker has ended. */
function wardenReap({ buffer, host, hostThread, number, name }: Dead): void {
  const ending: Ending = { hostThread, worker: number, name, code: 1, error: "", relatives: [] };
  if (!workerEnded(buffer, host, ending)) throw new Error("the thread table is full");
}

/** Run the thread's function; null if the thread died. */
function live(turnstile: ThreadTurnstile, { scenario, k, shared, me }: Part): number[] | null {
  const thread = scenario.threads[me];
  if (thread === undefined) throw new RangeError(`there is no thread ${me}`);
  const park = (timeoutMs: number): void => void turnstile.park(timeoutMs);
  try {
    turnstile.expose(thread.mayDie ?? "nowhere");
    turnstile.outside();
    const returned = thread.run({ k, s: new Sys(k), shared, park });
    turnstile.outside();
    turnstile.told();
    if (returned.length > RETURNS_MAX) throw new RangeError("a thread returns too much");
    const left = leftovers(k);
    if (left !== null) throw new Error(left);
    return [...returned];
  } catch (error) {
    if (error instanceof Died) return null;
    throw error;
  }
}

/** Clean up after a thread that died; so does another one, if who does dies, too. */
function reapUntilDone(turnstile: ThreadTurnstile, { scenario, k, shared, me }: Part): void {
  const dead: Dead = {
    buffer: k.a.buffer as SharedArrayBuffer,
    host: k.host,
    number: slotNumber(k),
    hostThread: HOST_THREAD + me,
    name: scenario.threads[me]?.name ?? "",
  };
  for (;;) {
    try {
      turnstile.reaper();
      turnstile.expose((scenario.deaths ?? 1) > 1 ? "anywhere" : "nowhere");
      (scenario.reap ?? wardenReap)(dead, shared);
      turnstile.settle();
      return;
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
  }
}

/** A thread of a scenario in one run. */
interface Part {
  readonly scenario: Scenario;
  readonly k: Kthread;
  readonly shared: Shared;
  readonly me: number;
}

function runOnce(control: Control, part: Part): void {
  let returned: readonly number[] = [];
  if (control.get(ABORT) === 0) {
    const fresh = { ...part, k: renewed(part.k) };
    const turnstile = new ThreadTurnstile(control, part.me, fresh.k);
    exploreInstall(turnstile);
    try {
      const lived = live(turnstile, fresh);
      if (lived === null) reapUntilDone(turnstile, fresh);
      else returned = lived;
    } catch (error) {
      if (!(error instanceof Aborted)) control.fail(THREW, part.me, complaintOf(error));
    }
    exploreInstall(null);
  }
  control.finish(part.me, returned);
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
    const choice = choose(control, me, LEAVE);
    if (choice >= 0) {
      control.row(ROW_END, me, 0, 0, 0, choice);
      next = apply(control, me, choice);
    }
  }
  control.open(next);
}

function serve(orders: WorkerOrders): void {
  const { arena, scenario, shared, me } = orders;
  const [accesses, races] = [new Accesses(orders.accesses), new Races(orders.races)];
  const control = new Control(orders.control, accesses, races);
  const k = attached(kernelAttach(arena, hostOf(control)));
  threadIntroduce(k, HOST_THREAD + me, 0);
  const part: Part = { scenario: scenarioNamed(scenario), k, shared, me };
  parentPort?.postMessage("ready");
  for (;;) {
    control.enter(me);
    if (control.get(STOP) === 1) return;
    runOnce(control, part);
    passOn(control, me);
  }
}

if (!EXPLORING) throw new Error("a worker of the explorer runs without --conditions=explore");
serve(workerData as WorkerOrders);
