// SPDX-License-Identifier: ISC

/**
 * Question: what does it cost to trigger a user event and to collect it, in one thread?
 *
 * Goals (goals.ts, user-event/*): two kevent calls at most 1.8 times two lock pairs, with 4
 * Atomics calls, and 14 times as fast as eventfd write + epoll_wait; Queue methods at most 1.4
 * times, allocating nothing; one kevent call at most 2.5 times one lock pair, with 2 Atomics
 * calls; 64 at once at most twice the same loop in C. EventEmitter stands beside them for scale: it
 * tells somebody, but nobody could wait for it.
 */

import { userEvent } from "knell";
import { EVFILT_USER, NOTE_TRIGGER } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import { oneLockPair, twoLockPairs } from "./floors.js";
import type { Question } from "./harness.js";
import { algorithmBatch, algorithmTwoCalls, eventfdEpoll, eventfdEpollBatch } from "./native.js";
import { addUserEvents, expect, kernel, ours, poll, queueWithOne, userTrigger } from "./ours.js";
import { emit } from "./peers/event-emitter.js";
import { runAlone } from "./run.js";

const twoCalls = ours("user-event/two-calls", () => {
  const s = sys(kernel());
  const kq = queueWithOne(s);
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
});

const queueMethods = ours("user-event/queue", () => {
  const queue = kernel().queue().add("go", userEvent(1), { edge: true });
  const list = queue.eventList();
  const options = { timeoutMs: 0 };
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) {
      queue.trigger(1);
      got += queue.waitSyncInto(list, options);
    }
    expect("events", got, count);
  };
});

const oneCall = ours("user-event/one-call", () => {
  const s = sys(kernel());
  const kq = queueWithOne(s);
  const trigger = userTrigger(1);
  const events = new KeventList(64);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) got += s.kevent(kq, trigger, 1, events, 64, poll);
    expect("events", got, count);
  };
});

const batch = ours("user-event/batch", () => {
  const s = sys(kernel());
  const kq = s.kqueue();
  addUserEvents(s, kq, 1, 64);
  const triggers = new KeventList(64);
  for (let i = 0; i < 64; i++) triggers.set(i, i + 1, EVFILT_USER, 0, NOTE_TRIGGER);
  const events = new KeventList(64);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i += 64) {
      s.kevent(kq, triggers, 64, null, 0, null);
      got += s.kevent(kq, null, 0, events, 64, poll);
    }
    expect("events", got, count);
  };
});

export const question: Question = {
  name: "user-event",
  text: "what does it cost to trigger a user event and to collect it, in one thread?",
  rows: () => [
    {
      goal: "user-event/two-calls",
      ours: twoCalls,
      floor: twoLockPairs,
      peers: [eventfdEpoll, algorithmTwoCalls, emit],
    },
    { goal: "user-event/queue", ours: queueMethods, floor: twoLockPairs, peers: [eventfdEpoll] },
    { goal: "user-event/one-call", ours: oneCall, floor: oneLockPair, peers: [eventfdEpoll] },
    {
      goal: "user-event/batch",
      ours: batch,
      floor: algorithmBatch,
      peers: [eventfdEpollBatch],
    },
  ],
};

await runAlone(import.meta.url, question);
