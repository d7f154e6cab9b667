// SPDX-License-Identifier: ISC
/**
 * A call that an exception goes through, wherever that is: a time limit of `vm`, or the end of the
 * stack. The thread lives on, and its next call undoes or finishes what was cut off.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Script } from "node:vm";
import { checkInvariants } from "#src/inspect/invariants.js";
import { bootThread, Random, SEED } from "../unit/support.js";
import { Actor, sharedMake } from "./acts.js";

const ABORTS = 60 * Math.max(1, Number(process.env["KNELL_SOAK"] ?? 1));

function machine(): { k: ReturnType<typeof bootThread>; actor: Actor } {
  const k = bootThread({ arenaBytes: 8 << 20, threads: 4, manualClock: false, spin: true });
  const actor = new Actor(k, { queues: [], counters: [], pipes: [], scratch: 0 }, new Random(SEED));
  return { k, actor: new Actor(k, sharedMake(actor.s), new Random(SEED)) };
}

test(`a time limit cuts calls off anywhere, KNELL_SEED=${SEED}`, () => {
  const { k, actor } = machine();
  const holder = globalThis as { act?: () => void };
  holder.act = () => {
    for (;;) actor.act();
  };
  const script = new Script("act()");
  let cut = 0;
  for (let i = 0; i < ABORTS; i++) {
    assert.throws(() => script.runInThisContext({ timeout: 1 + (i % 3) }), /timed out/);
    if (k.a[k.callAt] !== 0) cut++;
    // Any call: here one that reads.
    actor.s.getrlimit(8);
    assert.deepEqual(checkInvariants(k), [], `after ${i}`);
  }
  delete holder.act;
  assert.ok(cut > ABORTS / 20, `${cut} of ${ABORTS} calls were cut off`);
  console.log(`${cut} of ${ABORTS} in a call`);
});

test("the end of the stack cuts calls off anywhere, recoveries too", () => {
  const { k, actor } = machine();
  let cut = 0;
  let tries = 0;
  // At the end of the stack, and then a little above it each time: the recovery that a call begins
  // with is cut off as well.
  const descend = (): void => {
    try {
      descend();
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      if (k.a[k.callAt] !== 0) cut++;
      if (++tries < 40) actor.act();
    }
  };
  for (let i = 0; i < ABORTS; i++) {
    tries = 0;
    descend();
    actor.s.getrlimit(8);
    assert.deepEqual(checkInvariants(k), [], `after ${i}`);
  }
  assert.ok(cut > ABORTS, `${cut} calls were cut off`);
  console.log(`${cut} calls cut off`);
});
