// SPDX-License-Identifier: ISC
/** Two who hear of one death. */
import assert from "node:assert/strict";
import { SUPER, Super } from "#src/arena/superblock.js";
import { atomicLoad, atomicStore } from "#src/sync/atomics-explore.js";
import { type Ending, workerEnded } from "#src/sys/exits.js";
import type { Dead, Scenario, Stage } from "../engine/scenario.js";
import { HOST_THREAD } from "../engine/sizes.js";
import { spareWords } from "../engine/world.js";
import { kqOf, poll, queue, trigger, userEvent } from "./support.js";

/** Threads of the runtime that hear of it. */
const WARDEN = 2001;
const OTHER = 2002;

function ending(): Ending {
  return { hostThread: HOST_THREAD, worker: 1, name: "victim", code: 1, error: "", relatives: [] };
}

/** It has ended, say both; what the one has in hand, the other leaves alone. */
function wardenReaps({ buffer, host }: Dead, shared: Stage["shared"]): void {
  atomicStore(new Int32Array(buffer), shared["heard"] as number, 1);
  assert.ok(
    workerEnded(buffer, { ...host, hostThread: WARDEN }, ending()),
    "the warden is the one",
  );
}

export const reapTwice: Scenario = {
  name: "reap-twice",
  text: "a thread whose end two others hear of is recovered once",
  threads: [
    {
      name: "victim",
      mayDie: "anywhere",
      run: (stage) => [trigger(stage, kqOf(stage), 7)],
    },
    {
      name: "other",
      run({ k, shared }) {
        if (atomicLoad(k.a, shared["heard"] as number) === 0) return [0];
        const buffer = k.a.buffer as SharedArrayBuffer;
        return [workerEnded(buffer, { ...k.host, hostThread: OTHER }, ending()) ? 1 : 2];
      },
    },
  ],
  reap: wardenReaps,
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    userEvent(stage, kq, 8);
    return { kq, heard: spareWords(stage.k) };
  },
  check(outcome) {
    const attached = outcome.died[0] === true ? 2 : 3;
    assert.equal(Super.threads.load(outcome.k, SUPER), attached, "attached threads");
    assert.equal(trigger(outcome, kqOf(outcome), 8), 0);
    const got = poll(outcome, kqOf(outcome));
    assert.ok(got.includes(8));
    if (outcome.died[0] !== true) assert.deepEqual(got, [7, 8]);
  },
  // Who hears of an end glances at the thread table without its lock: see sys/exits.ts.
  limits: { races: 0 },
};
