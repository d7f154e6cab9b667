// SPDX-License-Identifier: ISC
/** Awaiting a queue as the JavaScript face does. */
import { KEVENT_WORDS } from "#src/abi/event.js";
import { kqueueAwait, PARKED } from "#src/event/await.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { Kqueue, type KqueuePtr } from "#src/event/structs.js";
import { fdHint } from "#src/kern/fdtable.js";
import type { WaitrecPtr } from "#src/sync/wait.js";
import { asyncArm, asyncDisarm, firedAny, firedTake, recordMake } from "#src/sys/async.js";
import type { Stage } from "../engine/scenario.js";
import { kqOf } from "./support.js";

/** Await one event with a deadline, as an event loop would. Returns identifiers or [-errno]. */
export function awaitOne(stage: Stage, rec: WaitrecPtr, deadlineMs: number): number[] {
  const { k } = stage;
  const kq = fileKqueue(k, fdHint(k, kqOf(stage))) as KqueuePtr;
  const generation = Kqueue.generation.load(k, kq);
  const events = new Int32Array(KEVENT_WORDS);
  const deadline = k.host.monotonicNs() + k.clockOffsetNs + deadlineMs * 1e6;
  for (;;) {
    const n = kqueueAwait(k, kq, generation, events, 1, rec, deadline);
    if (n !== PARKED) return n < 0 ? [n] : n === 0 ? [] : [events[0] as number];
    if (!firedAny(k) && asyncArm(k) !== null) {
      // A record that fired before the wait was armed was not notified for.
      if (!firedAny(k)) stage.park(deadlineMs);
    }
    asyncDisarm(k);
    firedTake(k, []);
  }
}

/** The awaiting threads' records are made beforehand, by the threads that `setup` cannot be. */
export function withRecord(
  run: (stage: Stage, rec: WaitrecPtr) => number[],
): (stage: Stage) => number[] {
  return (stage) => run(stage, recordMake(stage.k));
}
