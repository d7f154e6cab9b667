// SPDX-License-Identifier: ISC
/** Threads that die, and what the others find. */
import assert from "node:assert/strict";
import type { Scenario } from "../engine/scenario.js";
import {
  collect,
  fdOf,
  kqOf,
  made,
  poll,
  queue,
  trigger,
  userEvent,
  watchReadable,
} from "./support.js";

/** One of two events may have gone with the thread that died: it had been delivered to it. */
function atMostOneLost(got: readonly number[]): void {
  assert.ok(new Set(got).size === got.length, `an event came twice: ${got}`);
  assert.ok(got.length >= 1, "more is lost than what one call had delivered");
}

export const deathParked: Scenario = {
  name: "death-parked",
  text: "a waiter that dies in its sleep strands nobody: the other has the events it had not",
  threads: [
    {
      name: "victim",
      mayDie: "parked",
      run: (stage) => collect(stage, kqOf(stage), 1, null),
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
    const [victim, waiter] = outcome.returned as [number[], number[]];
    const got = [...victim, ...waiter, ...poll(outcome, kqOf(outcome))].sort();
    assert.equal(waiter.length, 1, "the waiter has an event");
    if (outcome.died[0]) atMostOneLost(got);
    else assert.deepEqual(got, [1, 2]);
  },
};

export const deathParkedReader: Scenario = {
  name: "death-parked-reader",
  text: "of two blocked readers of a semaphore one dies in its sleep: the other has the count",
  threads: [
    {
      name: "victim",
      mayDie: "parked",
      run: ({ s, shared }) => [s.read(shared["fd"] as number, new Uint8Array(8))],
    },
    { name: "writer", run: (stage) => [stage.s.eventfd_write(fdOf(stage), 1)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(0, 0));
    made(watchReadable(stage, kq, fd));
    return { kq, fd };
  },
  check(outcome) {
    const [victim, writer] = outcome.returned;
    assert.deepEqual(writer, [0]);
    const left = poll(outcome, kqOf(outcome));
    if (!outcome.died[0]) assert.deepEqual([victim, left], [[8], []]);
  },
};
