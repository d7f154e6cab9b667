// SPDX-License-Identifier: ISC
/** First part of the demo: waiting for any of several things, without Knell and with it. */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { hasWaitAsync } from "#atomics";
import { knellThefts, knellWaits } from "./demo-cancel.js";
import { type Leak, naiveThefts, naiveWaits, type Thefts } from "./demo-naive.js";
import { type Run, turn } from "./demo-run.js";
import { lane } from "./screen.js";
import { bytes, plural, whole } from "./stats.js";
import { table } from "./table.js";

const WAITS = 5000;
const WARM_UP_WAITS = 2000;
const JOBS = 25;
const PAINT_MS = 50;

/** Collects all garbage; null where the runtime does not let us. */
const collectGarbage: (() => void) | null = (() => {
  try {
    setFlagsFromString("--expose-gc");
    return runInNewContext("gc") as () => void;
  } catch {
    return null;
  }
})();

/** Bytes of the heap that are in use, after what is due to be collected is. */
async function heapBytes(): Promise<number> {
  for (let i = 0; i < 3; i++) {
    collectGarbage?.();
    await turn();
  }
  return process.memoryUsage().heapUsed;
}

interface Measured extends Leak {
  readonly name: string;
  /** What the heap has grown by, without garbage. */
  readonly keptBytes: number;
}

type Waits = (waits: number) => Promise<() => Promise<Leak>>;

/** Steps of a part, with a bar that shows how many were taken. */
function steps(run: Run, name: string, total: number, noun: string): () => void {
  const { screen } = run;
  let done = 0;
  let painted = 0;
  return () => {
    done++;
    const now = performance.now();
    if (now - painted < PAINT_MS) return;
    painted = now;
    screen.paint([lane(screen, name, done / total, plural(done, noun), "")]);
  };
}

async function measureWaits(name: string, waitOften: Waits): Promise<Measured> {
  await (await waitOften(WARM_UP_WAITS))();
  const before = await heapBytes();
  const count = await waitOften(WAITS);
  const keptBytes = Math.max(0, (await heapBytes()) - before);
  return { name, keptBytes, ...(await count()) };
}

const NAIVE = "Promise.race over Atomics.waitAsync";

function showWaits(run: Run, rows: readonly Measured[]): void {
  const { screen } = run;
  table(
    screen,
    [
      { title: "" },
      { title: "left behind", align: "right" },
      { title: "per wait", align: "right" },
      { title: "heap kept", align: "right" },
    ],
    rows.map(({ name, waits, left, keptBytes }) => [
      name,
      left === 0 ? screen.green("0") : screen.red(whole(left)),
      (left / waits).toFixed(0),
      collectGarbage === null ? "-" : bytes(keptBytes),
    ]),
  );
}

function showThefts(run: Run, rows: readonly (readonly [string, Thefts])[]): void {
  const { screen } = run;
  table(
    screen,
    [
      { title: "" },
      { title: "wakes", align: "right" },
      { title: "heard", align: "right" },
      { title: "stolen", align: "right" },
    ],
    rows.map(([name, { jobs, heard, stolen }]) => [
      name,
      whole(jobs),
      whole(heard),
      stolen === 0 ? screen.green("0") : screen.red(whole(stolen)),
    ]),
  );
}

async function leaks(run: Run): Promise<void> {
  const { screen } = run;
  screen.text(
    `A thread waits for a job, a reload, a stop or a tick, ${whole(WAITS)} times, and each time ` +
      "a job comes. When nobody waits any more, every word in memory is notified: who wakes now " +
      "was left behind.",
  );
  screen.line();
  const step = steps(run, "waiting", 3 * (WAITS + WARM_UP_WAITS), "wait");
  const rows: Measured[] = [];
  if (hasWaitAsync()) {
    rows.push(await measureWaits(NAIVE, (waits) => naiveWaits(run, waits, step)));
  }
  const woken = await measureWaits("Knell, queue.wait()", (n) => knellWaits(run, n, false, step));
  const name = "Knell, each wait cancelled by AbortSignal";
  const cancelled = await measureWaits(name, (n) => knellWaits(run, n, true, step));
  showWaits(run, [...rows, woken, cancelled]);
  screen.line();
  const left = woken.left + cancelled.left;
  const waits = whole(woken.waits + cancelled.waits);
  run.check(left === 0, `Knell left ${whole(left)} of ${waits} waiters behind`);
}

async function thefts(run: Run): Promise<void> {
  const { screen } = run;
  screen.text(
    "What is left behind does harm. A thread waited for a job or a tick, and is done. Then a " +
      "worker sleeps until there is a job, and one sleeper is woken, " +
      `${plural(JOBS, "time")}. Does the worker hear it?`,
  );
  screen.line();
  const step = steps(run, "waking", 2 * JOBS, "wake");
  const rows: [string, Thefts][] = [];
  if (hasWaitAsync()) rows.push([NAIVE, await naiveThefts(run, JOBS, step)]);
  const ours = await knellThefts(run, JOBS, step);
  rows.push(["Knell, queue.wait()", ours]);
  showThefts(run, rows);
  screen.line();
  const heard = `${whole(ours.heard)} of ${plural(ours.jobs, "wake")}`;
  run.check(ours.stolen === 0, `Knell brought ${heard} to the worker that sleeps`);
}

export async function raceDemo(run: Run): Promise<void> {
  const { screen } = run;
  screen.heading(1, "Waiting for whatever comes first");
  if (!hasWaitAsync()) screen.text("(This runtime has no Atomics.waitAsync to compare with.)");
  run.doing = "waiting for any of four things";
  await leaks(run);
  screen.line();
  run.doing = "waking a worker once for each job";
  await thefts(run);
}
