// SPDX-License-Identifier: ISC

/** A round trip between two threads over two queues, by kevent. */

import { attach, boot } from "knell";
import { KeventList, sys } from "knell/sys";
import { type GoalName, goals } from "./goals.js";
import type { Variant } from "./harness.js";
import { queueWithOne, userTrigger } from "./ours.js";
import { type Control, Partner, type Work } from "./partner.js";
import { answerBlocking, tripVariant } from "./two-threads.js";

/** Descriptor numbers are the process's, so both threads use the same. */
interface Shared {
  readonly share: unknown;
  readonly there: number;
  readonly back: number;
}

export function answerer(control: Control, data: unknown): Work {
  const { share, there, back } = data as Shared;
  const s = sys(attach(share).kernel);
  const events = new KeventList(1);
  const trigger = userTrigger(1);
  return answerBlocking(control, () => {
    while (s.kevent(there, null, 0, events, 1, null) !== 1);
    s.kevent(back, trigger, 1, null, 0, null);
  });
}

export function keventTrip(goal: GoalName): Variant {
  return tripVariant("knell", `knell/${goal}`, goals[goal].operation, async () => {
    const kernel = boot();
    const s = sys(kernel);
    const [there, back] = [queueWithOne(s), queueWithOne(s)];
    const trigger = userTrigger(1);
    const events = new KeventList(1);
    const data: Shared = { share: kernel.share(), there, back };
    return {
      partner: await Partner.start(import.meta.url, "answerer", data),
      ask() {
        s.kevent(there, trigger, 1, null, 0, null);
        while (s.kevent(back, null, 0, events, 1, null) !== 1);
      },
    };
  });
}
