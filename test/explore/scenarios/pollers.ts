// SPDX-License-Identifier: ISC
/** Two threads that poll one queue. */
import assert from "node:assert/strict";
import {
  EV_ADD,
  EV_CLEAR,
  EVFILT_TIMER,
  NOTE_ABSTIME,
  NOTE_MONOTONIC,
  NOTE_NSECONDS,
} from "knell/abi";
import type { Scenario, Stage } from "../engine/scenario.js";
import { change, poll, queue, trigger, userEvent, watchReadable } from "./support.js";

const two = (stage: Stage): number[] => {
  const kq = stage.shared["kq"] as number;
  return [...poll(stage, kq), ...poll(stage, kq)];
};
const once = (stage: Stage): number[] => poll(stage, stage.shared["kq"] as number);

export const levelPollers: Scenario = {
  name: "level-pollers",
  text: "each poll of a level-triggered event returns it exactly once",
  threads: [
    { name: "left", run: two },
    { name: "right", run: two },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7, 0);
    trigger(stage, kq, 7);
    return { kq };
  },
  check({ returned }) {
    assert.deepEqual(returned, [
      [7, 7],
      [7, 7],
    ]);
  },
};

export const onlyOnePoller: Scenario = {
  name: "only-one-poller",
  text: "an EV_CLEAR event triggered once goes to one poller; triggered in between, it comes again",
  threads: [
    { name: "left", run: once },
    { name: "right", run: once },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7, EV_CLEAR);
    trigger(stage, kq, 7);
    return { kq };
  },
  check({ returned }) {
    assert.deepEqual(returned.flat(), [7]);
  },
};

/** A timer of an absolute time that has come: due since before the polls, and ready for good. */
function dueTimer(stage: Stage, kq: number): void {
  const fflags = NOTE_ABSTIME | NOTE_MONOTONIC | NOTE_NSECONDS;
  assert.equal(change(stage, kq, 7, EVFILT_TIMER, EV_ADD, fflags, 0), 0);
}

/**
 * A poll looks at two words without the lock, the next due time and the count. Whoever runs the
 * timer between the two looks raises the count before he takes back the due time; looked at the
 * other way round, there was a moment with neither.
 */
export const duePollers: Scenario = {
  name: "due-pollers",
  text: "a timer that is due before two polls begin is found by both",
  threads: [
    { name: "left", run: once },
    { name: "right", run: once },
  ],
  setup(stage) {
    const kq = queue(stage);
    dueTimer(stage, kq);
    return { kq };
  },
  check({ returned }) {
    assert.deepEqual(returned, [[7], [7]]);
  },
};

/**
 * The same through a queue that watches: who runs the child's timers unlocks the parent in between,
 * and meanwhile the parent must look due.
 */
export const dueNestedPollers: Scenario = {
  name: "due-nested-pollers",
  text: "a child's timer that is due before two polls of the parent begin is found by both",
  threads: [
    { name: "left", run: once },
    { name: "right", run: once },
  ],
  setup(stage) {
    const child = queue(stage);
    const kq = queue(stage);
    watchReadable(stage, kq, child);
    dueTimer(stage, child);
    return { kq, child };
  },
  check({ returned, shared }) {
    assert.deepEqual(returned, [[shared["child"]], [shared["child"]]]);
  },
};
