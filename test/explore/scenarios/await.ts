// SPDX-License-Identifier: ISC
/** Threads that await a queue, beside others that block on it. */
import assert from "node:assert/strict";
import { KEVENT_WORDS } from "#src/abi/event.js";
import { kqueueAwait, kqueueAwaitCancel, PARKED } from "#src/event/await.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { Kqueue, type KqueuePtr } from "#src/event/structs.js";
import { fdHint } from "#src/kern/fdtable.js";
import { firedTake } from "#src/sys/async.js";
import type { Scenario } from "../engine/scenario.js";
import { awaitOne, withRecord } from "./await-support.js";
import { collect, kqOf, poll, queue, THREE_THREADS, trigger, userEvent } from "./support.js";

export const awaitTrigger: Scenario = {
  name: "await-trigger",
  text: "a trigger reaches a thread that awaits, or is about to",
  threads: [
    {
      name: "awaiter",
      run: withRecord((stage, rec) => awaitOne(stage, rec, Number.POSITIVE_INFINITY)),
    },
    { name: "trigger", run: (stage) => [trigger(stage, kqOf(stage), 7)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    return { kq };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[7], [0]]);
  },
};

export const awaitBlock: Scenario = {
  name: "await-block",
  text: "of two events, one reaches who blocks and one who awaits, or one of them both in turn",
  threads: [
    {
      name: "awaiter",
      run: withRecord((stage, rec) => awaitOne(stage, rec, Number.POSITIVE_INFINITY)),
    },
    { name: "waiter", run: (stage) => collect(stage, kqOf(stage), 1, null) },
    {
      name: "trigger",
      run: (stage) => [trigger(stage, kqOf(stage), 1), trigger(stage, kqOf(stage), 2)],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 1);
    userEvent(stage, kq, 2);
    return { kq };
  },
  check(outcome) {
    const [awaiter, waiter] = outcome.returned as [number[], number[]];
    assert.deepEqual([...awaiter, ...waiter].sort(), [1, 2]);
  },
  limits: THREE_THREADS,
};

export const awaitCancel: Scenario = {
  name: "await-cancel",
  text: "an event fired at a wait that is being cancelled reaches the one who blocks",
  threads: [
    {
      name: "canceller",
      run: withRecord(({ k, ...rest }, rec) => {
        const stage = { k, ...rest };
        const kq = fileKqueue(k, fdHint(k, kqOf(stage))) as KqueuePtr;
        const generation = Kqueue.generation.load(k, kq);
        const n = kqueueAwait(k, kq, generation, new Int32Array(KEVENT_WORDS), 1, rec, Infinity);
        if (n === PARKED) kqueueAwaitCancel(k, kq, rec);
        firedTake(k, []);
        return [n === PARKED ? 0 : n];
      }),
    },
    { name: "waiter", run: (stage) => collect(stage, kqOf(stage), 1, 100) },
    { name: "trigger", run: (stage) => [trigger(stage, kqOf(stage), 7)] },
  ],
  timeouts: "choice",
  setup: awaitTrigger.setup,
  check(outcome) {
    const [[cancelled], waiter] = outcome.returned as [number[], number[]];
    const left = poll(outcome, kqOf(outcome));
    assert.equal((cancelled as number) + waiter.length + left.length, 1);
  },
  limits: THREE_THREADS,
};
