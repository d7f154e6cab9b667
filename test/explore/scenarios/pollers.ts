// SPDX-License-Identifier: ISC
/** Two threads that poll one queue. */
import assert from "node:assert/strict";
import { EV_CLEAR } from "knell/abi";
import type { Scenario, Stage } from "../engine/scenario.js";
import { poll, queue, trigger, userEvent } from "./support.js";

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
