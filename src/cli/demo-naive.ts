// SPDX-License-Identifier: ISC
/**
 * Waiting for any of several words as one would write it without Knell: Promise.race over
 * Atomics.waitAsync. A wait cannot be cancelled, so each race leaves a waiter behind on every word
 * that lost, and a later notification for one waiter wakes that waiter in place of a thread that
 * really waits.
 */
import { Worker } from "node:worker_threads";
import { atomicLoad, atomicNotify, atomicStore, atomicWait, atomicWaitAsync } from "#atomics";
import { Late, type Run, sleep, turn } from "./demo-run.js";

/** One word for each thing that is waited for; they keep the value 0, only notifications matter. */
export const WORDS = { job: 0, reload: 1, stop: 2, tick: 3 } as const;
const WAITED_FOR = Object.values(WORDS);
/** Words with which the sleeping worker and its maker keep in step. */
const ASLEEP = 4;
const HEARD = 5;
const TURN = 6;
const WORD_COUNT = 7;

const PATIENCE_MS = 2000;

function newWords(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(WORD_COUNT * 4));
}

/** A promise for a notification of the word. */
function notified(words: Int32Array, at: number): Promise<unknown> {
  return atomicWaitAsync(words, at, 0) ?? Promise.reject(new Error("the word has changed"));
}

export interface Leak {
  readonly waits: number;
  /** Waiters that a notification of every word still found when nobody waited. */
  readonly left: number;
}

/** Wait for any word, again and again; it is always a job that comes. */
export async function naiveWaits(
  run: Run,
  waits: number,
  waited: () => void,
): Promise<() => Promise<Leak>> {
  const words = newWords();
  for (let i = 0; i < waits; i++) {
    const any = Promise.race(WAITED_FOR.map((at) => notified(words, at)));
    atomicNotify(words, WORDS.job, Number.POSITIVE_INFINITY);
    await any;
    waited();
    run.ctrlC.check();
  }
  return async () => {
    let left = 0;
    for (const at of WAITED_FOR) left += atomicNotify(words, at, Number.POSITIVE_INFINITY);
    await turn();
    return { waits, left };
  };
}

export interface Thefts {
  /** Jobs for which a notification of one waiter said that it woke one. */
  readonly jobs: number;
  /** Of these, jobs that the sleeping worker heard of, and jobs whose wake a dead waiter took. */
  readonly heard: number;
  readonly stolen: number;
}

/** What the worker does, once for each turn: sleep until there is a job, and say so. */
export function sleeperMain(words: Int32Array): void {
  for (let turns = 0; ; turns++) {
    atomicWait(words, TURN, turns, Number.POSITIVE_INFINITY);
    atomicStore(words, ASLEEP, turns + 1);
    atomicWait(words, WORDS.job, 0, Number.POSITIVE_INFINITY);
    atomicStore(words, HEARD, turns + 1);
  }
}

async function until(run: Run, what: string, done: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!done()) {
    run.ctrlC.check();
    if (performance.now() > deadline) throw new Late(what);
    await turn();
  }
}

/**
 * This thread waits for a job or a tick, gets its tick, and is done waiting. Then a worker sleeps
 * until there is a job, and one waiter is notified that there is one. Who hears it?
 */
export async function naiveThefts(run: Run, jobs: number, woken: () => void): Promise<Thefts> {
  const words = newWords();
  const worker = new Worker(new URL("./demo-peers.js", import.meta.url), {
    workerData: { role: "sleeper", words },
  });
  let stolen = 0;
  let heard = 0;
  try {
    for (let i = 0; i < jobs; i++) {
      let overdue = 0;
      const job = notified(words, WORDS.job);
      const any = Promise.race([job, notified(words, WORDS.tick)]);
      atomicNotify(words, WORDS.tick, 1);
      await any;
      void job.then(() => overdue++);

      atomicStore(words, TURN, i + 1);
      atomicNotify(words, TURN, 1);
      await until(run, "a worker to fall asleep", () => atomicLoad(words, ASLEEP) === i + 1);
      await sleep(1);
      const workerHeard = (): boolean => atomicLoad(words, HEARD) === i + 1;
      await until(run, "a waiter to notify", () => atomicNotify(words, WORDS.job, 1) === 1);
      await until(run, "anybody to wake", () => overdue > 0 || workerHeard());
      if (overdue > 0) stolen++;
      else heard++;
      atomicNotify(words, WORDS.job, Number.POSITIVE_INFINITY);
      await until(run, "the worker to wake", workerHeard);
      woken();
    }
  } finally {
    await worker.terminate();
  }
  return { jobs, heard, stolen };
}
