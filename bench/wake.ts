// SPDX-License-Identifier: ISC

/**
 * Question: how soon does another thread run that sleeps on a queue, and how soon if it still
 * spins?
 *
 * Goals (goals.ts, wake/*): a sleeping thread wakes within 1.10 times a bare Atomics.wait, or 1.15
 * times a bare Atomics.waitAsync, which makes it a tie with a MessagePort: the operating system
 * takes the time. A round trip in which both sides find each other spinning takes at most 2.5
 * times the same program in C and is 20 times as fast as a MessagePort.
 */

import { attach, type Bell, boot } from "knell";
import { KeventList, sys } from "knell/sys";
import { goals } from "./goals.js";
import type { Question } from "./harness.js";
import { keventTrip } from "./kevent-trip.js";
import {
  algorithmPingPong,
  eventfdEpollPingPong,
  eventfdEpollWake,
  futexPingPong,
  futexWake,
} from "./native.js";
import { queueWithOne, userTrigger } from "./ours.js";
import { type Control, Partner, type Work } from "./partner.js";
import { spinTrip, waitAsyncWake, waitTrip, waitWake } from "./peers/atomics.js";
import { wake as portWake, roundTrip } from "./peers/message-port.js";
import { runAlone } from "./run.js";
import { sleepAsync, sleepBlocking, wakeVariant } from "./two-threads.js";

/** Descriptor numbers are the process's, so both threads use the same. */
interface Shared {
  readonly share: unknown;
  readonly kq: number;
}

export function sleeper(control: Control, data: unknown): Work {
  const { share, kq } = data as Shared;
  const s = sys(attach(share).kernel);
  const events = new KeventList(1);
  return sleepBlocking(control, () => {
    while (s.kevent(kq, null, 0, events, 1, null) !== 1);
  });
}

const blocking = wakeVariant(
  "knell",
  "knell/wake/blocking",
  goals["wake/blocking"].operation,
  async () => {
    const kernel = boot();
    const s = sys(kernel);
    const kq = queueWithOne(s);
    const trigger = userTrigger(1);
    const data: Shared = { share: kernel.share(), kq };
    return {
      partner: await Partner.start(import.meta.url, "sleeper", data),
      send: () => void s.kevent(kq, trigger, 1, null, 0, null),
    };
  },
);

export function asyncSleeper(control: Control, data: unknown): Work {
  const { kernel, bell } = attach(data) as ReturnType<typeof attach> & { bell: Bell };
  const queue = kernel.queue().add("bell", bell.rings());
  return sleepAsync(control, () => queue.wait());
}

const async = wakeVariant("knell", "knell/wake/async", goals["wake/async"].operation, async () => {
  const kernel = boot();
  const bell = kernel.bell();
  return {
    partner: await Partner.start(import.meta.url, "asyncSleeper", kernel.share({ bell })),
    send: () => bell.ring(),
  };
});

export const question: Question = {
  name: "wake",
  text: "how soon does another thread run that sleeps, or spins, on a queue?",
  rows: () => [
    {
      goal: "wake/blocking",
      ours: blocking,
      floor: waitWake,
      peers: [portWake, futexWake, eventfdEpollWake],
    },
    { goal: "wake/async", ours: async, floor: waitAsyncWake, peers: [portWake] },
    {
      goal: "wake/spinning",
      ours: keventTrip("wake/spinning"),
      floor: algorithmPingPong,
      peers: [roundTrip, eventfdEpollPingPong, futexPingPong, waitTrip, spinTrip],
    },
  ],
};

await runAlone(import.meta.url, question);
