// SPDX-License-Identifier: ISC

/**
 * Question: how many events per second go from one thread to another, and do two threads that have
 * nothing to do with each other stay out of each other's way?
 *
 * Goals (goals.ts, throughput/*): one producer that triggers 1,024 user events in turn and one
 * consumer that collects up to 64 at a time deliver at least 0.6 times the events of the same
 * program in C, 6 times those of eventfd + epoll and 12 times those of a MessagePort, with at most
 * one wake in twenty events; two threads on two queues of one kernel do at least 1.8 times the
 * work of one. A trigger that finds its event still pending is no event and is not counted, here
 * and in C.
 */

import { attach, boot, type Kernel } from "knell";
import { KeventList, type Sys, sys } from "knell/sys";
import { lockPairsTwoThreads } from "./floors.js";
import { goals } from "./goals.js";
import { type Loop, loopVariant, type Question } from "./harness.js";
import { algorithmStream, eventfdEpollStream } from "./native.js";
import { addUserEvents, expect, poll, queueWithOne, userTrigger } from "./ours.js";
import { type Control, Partner, type Work } from "./partner.js";
import { streamObject } from "./peers/message-port.js";
import { runAlone } from "./run.js";
import { bothVariant, receiveStream, streamVariant, workLoop } from "./two-threads.js";

const SOURCES = 1024;

interface Shared {
  readonly share: unknown;
  readonly kq: number;
}

function sharedSys(data: unknown): { s: Sys; kq: number } {
  const { share, kq } = data as Shared;
  return { s: sys(attach(share).kernel), kq };
}

export function consumer(control: Control, data: unknown): Work {
  const { s, kq } = sharedSys(data);
  const events = new KeventList(64);
  const receive = receiveStream(control, (count) => {
    let got = 0;
    while (got < count) got += s.kevent(kq, null, 0, events, 64, null);
  });
  return (count) => {
    while (s.kevent(kq, null, 0, events, 64, poll) > 0); // left over from the last round
    return receive(count);
  };
}

const stream = streamVariant(
  "knell",
  "knell/throughput/stream",
  goals["throughput/stream"].operation,
  async () => {
    const kernel = boot();
    const s = sys(kernel);
    const kq = s.kqueue();
    addUserEvents(s, kq, 1, SOURCES);
    const triggers = Array.from({ length: SOURCES }, (_, i) => userTrigger(i + 1));
    const data: Shared = { share: kernel.share(), kq };
    const partner = await Partner.start(import.meta.url, "consumer", data);
    return {
      partner,
      send() {
        while (!partner.isDone()) {
          for (const trigger of triggers) s.kevent(kq, trigger, 1, null, 0, null);
        }
      },
    };
  },
);

function triggerAndCollect(s: Sys, kq: number): Loop {
  const trigger = userTrigger(1);
  const events = new KeventList(64);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) {
      s.kevent(kq, trigger, 1, null, 0, null);
      got += s.kevent(kq, null, 0, events, 64, poll);
    }
    expect("events", got, count);
  };
}

let pair: Kernel | undefined;

/** Both variants use the same kernel, so that only the second thread differs. */
function kernelOfPair(): Kernel {
  pair ??= boot();
  return pair;
}

const oneQueue = loopVariant("knell", "knell/one-queue", "one thread on one queue", () => {
  const s = sys(kernelOfPair());
  return triggerAndCollect(s, queueWithOne(s));
});

export function second(control: Control, data: unknown): Work {
  const { s, kq } = sharedSys(data);
  return workLoop(control, triggerAndCollect(s, kq));
}

const twoQueues = bothVariant(
  "knell",
  "knell/throughput/two-queues",
  goals["throughput/two-queues"].operation,
  async () => {
    const kernel = kernelOfPair();
    const s = sys(kernel);
    const data: Shared = { share: kernel.share(), kq: queueWithOne(s) };
    return {
      partner: await Partner.start(import.meta.url, "second", data),
      loop: triggerAndCollect(s, queueWithOne(s)),
    };
  },
);

export const question: Question = {
  name: "throughput",
  text: "how many events go between two threads, and do two threads get in each other's way?",
  rows: () => [
    {
      goal: "throughput/stream",
      ours: stream,
      floor: algorithmStream,
      peers: [eventfdEpollStream, streamObject],
    },
    {
      goal: "throughput/two-queues",
      ours: twoQueues,
      floor: lockPairsTwoThreads,
      peers: [oneQueue],
    },
  ],
};

await runAlone(import.meta.url, question);
