// SPDX-License-Identifier: ISC

/**
 * Question: what does a counter (eventfd) cost, watched and unwatched, in one thread?
 *
 * Goals (goals.ts, counter/*): add + take of an unwatched counter through its own handle at most
 * 1.3 times two compare-and-swaps, and 35 times as fast as a native eventfd; eventfd write and
 * collecting it as EVFILT_READ EV_CLEAR at most 1.4 times three lock pairs, with 6 Atomics calls,
 * and 12 times as fast as eventfd write + epoll_wait. The way over the descriptor number has no
 * goal of its own; it says what the table look-up costs.
 */

import { EV_ADD, EV_CLEAR, EVFILT_READ } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import { threeLockPairs, twoLockPairs, twoSwaps } from "./floors.js";
import type { Question } from "./harness.js";
import { eventfdEpoll, eventfdWriteRead } from "./native.js";
import { expect, kernel, ours, poll } from "./ours.js";
import { runAlone } from "./run.js";

const ownHandle = ours("counter/own-handle", () => {
  const counter = kernel().counter({ semaphore: true });
  return (count) => {
    let missed = 0;
    for (let i = 0; i < count; i++) {
      counter.add(1);
      if (!counter.tryTake()) missed++;
    }
    expect("misses", missed, 0);
  };
});

const descriptor = ours("counter/descriptor", () => {
  const s = sys(kernel());
  const fd = s.eventfd(0, 0);
  const value = new BigUint64Array(1);
  return (count) => {
    let failed = 0;
    for (let i = 0; i < count; i++) {
      failed += s.eventfd_write(fd, 1);
      failed += s.eventfd_read(fd, value);
    }
    expect("failures", failed, 0);
  };
});

const watched = ours("counter/watched", () => {
  const s = sys(kernel());
  const fd = s.eventfd(0, 0);
  const kq = s.kqueue();
  const add = new KeventList(1).set(0, fd, EVFILT_READ, EV_ADD | EV_CLEAR);
  expect("kevent", s.kevent(kq, add, 1, null, 0, null), 0);
  const events = new KeventList(64);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) {
      s.eventfd_write(fd, 1);
      got += s.kevent(kq, null, 0, events, 64, poll);
    }
    expect("events", got, count);
  };
});

export const question: Question = {
  name: "counter",
  text: "what does a counter (eventfd) cost, watched and unwatched, in one thread?",
  rows: () => [
    { goal: "counter/own-handle", ours: ownHandle, floor: twoSwaps, peers: [eventfdWriteRead] },
    {
      goal: "counter/descriptor",
      ours: descriptor,
      floor: twoLockPairs,
      peers: [eventfdWriteRead],
    },
    { goal: "counter/watched", ours: watched, floor: threeLockPairs, peers: [eventfdEpoll] },
  ],
};

await runAlone(import.meta.url, question);
