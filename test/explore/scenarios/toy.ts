// SPDX-License-Identifier: ISC
/**
 * Toys.
 *
 * The first is one of the wait protocol, with no kernel in it but two spare words of its memory. In
 * the broken one the waiter says that it sleeps and then does not look again: a flag raised in
 * between is seen by nobody. The explorer must find that, or it finds nothing.
 *
 * The next are a plain store that races, one that is published without telling anybody, and the
 * same behind a flag, which is right. No order of steps shows the first two.
 *
 * The last is a lock whose owner may die. Who reaps it has to free the lock, and in the broken
 * one forgets the case that the owner had it.
 */
import assert from "node:assert/strict";
import {
  atomicCas,
  atomicLoad,
  atomicNotify,
  atomicStore,
  atomicWait,
  racyPoint,
  readPoint,
  writePoint,
} from "#src/sync/atomics-explore.js";
import type { Dead, Scenario, Shared, Stage } from "../engine/scenario.js";
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

type Send = (a: Int32Array, data: number, flag: number) => void;
type Take = (a: Int32Array, data: number, flag: number) => number;

function plainly(a: Int32Array, at: number, value: number): void {
  writePoint(a, at);
  a[at] = value;
}

function message(name: string, text: string, canary: boolean, send: Send, take: Take): Scenario {
  return {
    name,
    text,
    threads: [
      {
        name: "sender",
        run({ k, shared }) {
          send(k.a, shared["data"] as number, shared["flag"] as number);
          return [];
        },
      },
      {
        name: "receiver",
        run: ({ k, shared }) => [take(k.a, shared["data"] as number, shared["flag"] as number)],
      },
    ],
    canary,
    setup: ({ k }) => ({ data: spareWords(k), flag: spareWords(k) + 1 }),
    check({ returned }) {
      const [, [got]] = returned as [number[], number[]];
      assert.ok(got === 0 || got === 7);
    },
    labels: ({ data, flag }) => ({ [data as number]: "data", [flag as number]: "flag" }),
  };
}

function takePlain(a: Int32Array, data: number): number {
  readPoint(a, data);
  return a[data] as number;
}

function takeFlagged(a: Int32Array, data: number, flag: number): number {
  return atomicLoad(a, flag) === 1 ? takePlain(a, data) : 0;
}

export const messageRacing = message(
  "toy-race",
  "a word is read by who has been told of it (it is not)",
  true,
  (a, data, flag) => {
    atomicStore(a, flag, 1);
    plainly(a, data, 7);
  },
  takeFlagged,
);

export const messageUntold = message(
  "toy-untold",
  "what is published is told of (it is not)",
  true,
  (a, data) => {
    racyPoint(a, data);
    a[data] = 7;
  },
  (a, data) => {
    racyPoint(a, data, true);
    return a[data] as number;
  },
);

export const messageOrdered = message(
  "toy-ordered",
  "a word is read by who has been told of it",
  false,
  (a, data, flag) => {
    plainly(a, data, 7);
    atomicStore(a, flag, 1);
  },
  takeFlagged,
);

const FREE = 0;

/** Take a lock that holds the number of its owner, add to a counter under it, and free it. */
function addLocked({ k, shared }: Stage, owner: number): readonly number[] {
  const { lock, counter } = shared as { lock: number; counter: number };
  for (;;) {
    const found = atomicCas(k.a, lock, FREE, owner);
    if (found === FREE) break;
    atomicWait(k.a, lock, found, Number.POSITIVE_INFINITY);
  }
  const count = atomicLoad(k.a, counter) + 1;
  atomicStore(k.a, counter, count);
  freeLock(k.a, lock);
  return [count];
}

function freeLock(a: Int32Array, lock: number): void {
  atomicStore(a, lock, FREE);
  atomicNotify(a, lock, 1);
}

const VICTIM = 1;
const BYSTANDER = 2;

function lockToy(name: string, text: string, frees: boolean): Scenario {
  return {
    name,
    text,
    threads: [
      { name: "victim", mayDie: "anywhere", run: (stage) => addLocked(stage, VICTIM) },
      { name: "bystander", run: (stage) => addLocked(stage, BYSTANDER) },
    ],
    canary: !frees,
    setup: ({ k }) => ({ lock: spareWords(k), counter: spareWords(k) + 1 }),
    reap({ buffer }: Dead, { lock = 0 }: Shared) {
      const a = new Int32Array(buffer);
      if (frees && atomicLoad(a, lock) === VICTIM) freeLock(a, lock);
      // It may have died between freeing the lock and telling.
      atomicNotify(a, lock, 1);
    },
    check(outcome) {
      const [, [count]] = outcome.returned as [number[], number[]];
      assert.ok(count === 1 || count === 2);
    },
    labels: ({ lock, counter }) => ({ [lock as number]: "lock", [counter as number]: "counter" }),
  };
}

export const deathBroken = lockToy("toy-death-broken", "a dead owner's lock is freed (not)", false);
export const deathMended = lockToy("toy-death-mended", "a dead owner's lock is freed", true);
