// SPDX-License-Identifier: ISC
/**
 * A toy of the wait protocol, with no kernel in it but two spare words of its memory. In the broken
 * one the waiter says that it sleeps and then does not look again: a flag raised in between is seen
 * by nobody. The explorer must find that, or it finds nothing.
 */
import assert from "node:assert/strict";
import { atomicLoad, atomicNotify, atomicStore, atomicWait } from "#src/sync/atomics-explore.js";
import type { Scenario, Stage } from "../engine/scenario.js";
import { spareWords } from "../engine/world.js";

const AWAKE = 0;
const ASLEEP = 1;

function waitForFlag({ k, shared }: Stage, looksAgain: boolean): readonly number[] {
  const { flag, sleeper } = shared as { flag: number; sleeper: number };
  while (atomicLoad(k.a, flag) === 0) {
    atomicStore(k.a, sleeper, ASLEEP);
    if (looksAgain && atomicLoad(k.a, flag) !== 0) break;
    atomicWait(k.a, sleeper, ASLEEP, Number.POSITIVE_INFINITY);
  }
  return [atomicLoad(k.a, flag)];
}

function raiseFlag({ k, shared }: Stage): readonly number[] {
  const { flag, sleeper } = shared as { flag: number; sleeper: number };
  atomicStore(k.a, flag, 1);
  if (atomicLoad(k.a, sleeper) === ASLEEP) {
    atomicStore(k.a, sleeper, AWAKE);
    atomicNotify(k.a, sleeper, 1);
  }
  return [];
}

function toy(name: string, text: string, looksAgain: boolean): Scenario {
  return {
    name,
    text,
    threads: [
      { name: "waiter", run: (stage) => waitForFlag(stage, looksAgain) },
      { name: "raiser", run: raiseFlag },
    ],
    canary: !looksAgain,
    setup: ({ k }) => ({ flag: spareWords(k), sleeper: spareWords(k) + 1 }),
    check({ returned }) {
      assert.deepEqual(returned[0], [1]);
    },
    labels: ({ flag, sleeper }) => ({ [flag as number]: "flag", [sleeper as number]: "sleeper" }),
  };
}

export const toyBroken = toy("toy-broken", "the waiter hears of the flag (it does not)", false);
export const toyMended = toy("toy-mended", "the waiter hears of the flag", true);
