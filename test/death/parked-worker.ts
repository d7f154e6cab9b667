// SPDX-License-Identifier: ISC
/**
 * Two workers of one module. The first waits until the main thread is parked, starts the second,
 * which takes a lock and stands still with it, has it ended, and then needs that lock.
 */
import { workerData } from "node:worker_threads";
import { attach, type Channel, type Kernel, type SharedQueue } from "knell";
import { callEnter } from "#src/kern/thread.js";
import { mutexLock } from "#src/sync/mutex.js";

/** A call that takes the lock of a case. */
export type Need = "trigger" | "counter" | "filter" | "exits" | "nest";

interface Given {
  readonly kernel: Kernel;
  readonly inbox: SharedQueue;
  readonly done: Channel<[number, number]>;
}

interface Told {
  readonly need: Need;
  /** The lock, and its rank. */
  readonly word: number;
  readonly rank: number;
  /** Where the second worker says that it has it; the first has none. */
  readonly taken?: Int32Array;
}

const CALL = 362;
const HANDSHAKE_MS = 10_000;

function hold(kernel: Kernel, { word, rank }: Told, taken: Int32Array): void {
  callEnter(kernel.thread, CALL);
  mutexLock(kernel.thread, word, rank);
  Atomics.store(taken, 0, 1);
  Atomics.notify(taken, 0);
  Atomics.wait(taken, 0, 1);
}

const calls: Record<Need, (given: Given) => void> = {
  trigger: ({ inbox }) => inbox.trigger(1),
  counter: ({ kernel }) => kernel.counter().close(),
  filter: ({ kernel }) => void kernel.filter("after"),
  exits: ({ kernel }) => void kernel.queue().add("gone", kernel.exits()),
  nest: ({ kernel }) => void kernel.queue().add("inner", kernel.queue().ready()),
};

function witness(given: Given, told: Told): void {
  const { kernel, done } = given;
  while (kernel.usage().waiters === 0);
  const taken = new Int32Array(new SharedArrayBuffer(4));
  const doomed = kernel.spawn(new URL(import.meta.url), { workerData: { ...told, taken } });
  if (Atomics.wait(taken, 0, 0, HANDSHAKE_MS) === "timed-out") throw new Error("nobody takes it");
  const owner = Atomics.load(kernel.thread.a, told.word);
  doomed.terminate();
  const before = performance.now();
  calls[told.need](given);
  done.send([owner, performance.now() - before]);
}

const told = workerData.workerData as Told;
const given = attach(workerData) as unknown as Given;
if (told.taken === undefined) witness(given, told);
else hold(given.kernel, told, told.taken);
