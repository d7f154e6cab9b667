// SPDX-License-Identifier: ISC
/**
 * Threads that die while they destroy a source, ask it, or attach to it. What a dead one has begun
 * is done again by whoever reaps the owner; here, when the run is over.
 */
import assert from "node:assert/strict";
import { ENXIO, EV_CLEAR } from "knell/abi";
import { sourcesEnd } from "#src/fd/source.js";
import type { Outcome, Scenario, ScenarioThread } from "../engine/scenario.js";
import { destroyer, ends, gone, LARGE, poller, ready, scene } from "./source-support.js";
import { fdOf, kqOf, made, queue, registered, watchReadable } from "./support.js";

const DEFECT = "a thread that dies inside a call is not recovered";

function mortal(thread: ScenarioThread): ScenarioThread {
  return { ...thread, mayDie: "anywhere" };
}

/** The owner's end is brought to its end, whoever had begun it. */
function finish(outcome: Outcome): void {
  sourcesEnd(outcome.k, outcome.shared["owner"] as number);
  gone(outcome);
}

export const deathDestroy: Scenario = {
  name: "death-destroy",
  text: "a destroy that is cut off is done again: who watches hears one end",
  threads: [mortal(destroyer), poller(2)],
  setup: (stage) => scene(stage, 5),
  check(outcome) {
    finish(outcome);
    assert.equal(ends(outcome, outcome.returned[1] as readonly number[]), 1, "ends heard");
  },
  defect: DEFECT,
};

export const deathAsk: Scenario = {
  name: "death-ask",
  text: "a scan dies while it asks: its claim ends, and klistFini does not wait for ever",
  threads: [destroyer, mortal(poller(1))],
  setup: (stage) => scene(stage, LARGE, EV_CLEAR),
  check(outcome) {
    finish(outcome);
    const heard = outcome.returned[1] as readonly number[];
    const count = ends(outcome, heard);
    // What a dead thread had collected counts as delivered.
    if (outcome.died[1]) assert.ok(count <= 1, `${count} ends`);
    else assert.equal(count, 1, "ends heard");
  },
  defect: DEFECT,
};

export const deathSourceAdd: Scenario = {
  name: "death-source-add",
  text: "an addition to a source is cut off while it is destroyed: there, and told, or not there",
  threads: [
    destroyer,
    mortal({
      name: "adder",
      run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))],
    }),
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.source(0));
    ready(stage, fd, 5);
    return { kq, fd, owner: stage.k.owner };
  },
  check(outcome) {
    finish(outcome);
    const count = ends(outcome, []);
    if (outcome.died[1]) assert.ok(count <= 1, `${count} ends`);
    else assert.equal(count, outcome.returned[1]?.[0] === -ENXIO ? 0 : 1, "ends heard");
    assert.equal(registered(outcome, kqOf(outcome), fdOf(outcome)), false);
  },
  defect: DEFECT,
};
