// SPDX-License-Identifier: ISC
/** Threads that block in kevent, and triggers. */
import assert from "node:assert/strict";
import type { Outcome, Scenario } from "../engine/scenario.js";
import { A_WHILE_MS, collect, poll, queue, trigger, userEvent } from "./support.js";

/** All events triggered, by who got them, and what is left in the queue. */
function accounted(outcome: Outcome, waiters: number): { got: number[][]; left: number[] } {
  const got = outcome.returned.slice(0, waiters).map((idents) => [...idents]);
  return { got, left: poll(outcome, outcome.shared["kq"] as number) };
}

export const lostWake: Scenario = {
  name: "lost-wake",
  text: "a trigger reaches a thread that waits, or is about to, or has not begun to",
  threads: [
    { name: "waiter", run: (stage) => collect(stage, stage.shared["kq"] as number, 4, null) },
    { name: "trigger", run: (stage) => [trigger(stage, stage.shared["kq"] as number, 7)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    return { kq };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[7], [0]]);
    assert.deepEqual(poll(outcome, outcome.shared["kq"] as number), []);
  },
};

export const timeoutClaim: Scenario = {
  name: "timeout-claim",
  text: "a waiter that times out while a trigger claims it has the event, or leaves it there",
  timeouts: "choice",
  threads: [
    { name: "waiter", run: (stage) => collect(stage, stage.shared["kq"] as number, 4, A_WHILE_MS) },
    { name: "trigger", run: (stage) => [trigger(stage, stage.shared["kq"] as number, 7)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    return { kq };
  },
  check(outcome) {
    const { got, left } = accounted(outcome, 1);
    assert.deepEqual([...(got[0] as number[]), ...left], [7]);
  },
};

export const passOn: Scenario = {
  name: "pass-on",
  text: "a wake claimed by a waiter that leaves is passed on to the next one",
  timeouts: "choice",
  threads: [
    { name: "brief", run: (stage) => collect(stage, stage.shared["kq"] as number, 1, A_WHILE_MS) },
    { name: "patient", run: (stage) => collect(stage, stage.shared["kq"] as number, 1, null) },
    {
      name: "trigger",
      run(stage) {
        const kq = stage.shared["kq"] as number;
        return [trigger(stage, kq, 1), trigger(stage, kq, 2)];
      },
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 1);
    userEvent(stage, kq, 2);
    return { kq };
  },
  check(outcome) {
    const { got, left } = accounted(outcome, 2);
    const [brief, patient] = got as [number[], number[]];
    assert.equal(patient.length, 1, "the patient waiter has one event");
    assert.deepEqual([...brief, ...patient, ...left].sort(), [1, 2], "each event once");
  },
};
