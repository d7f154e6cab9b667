// SPDX-License-Identifier: ISC

/**
 * Question: what does it cost to look at a queue in which nothing is ready?
 *
 * Goals (goals.ts, poll-empty/*): one Atomics call, 18 times as fast as epoll_wait; with a timer
 * armed a clock read more, 2.4 times. No bound is set on the ratio to the floor; it is printed.
 */

import { EV_ADD, EVFILT_TIMER } from "knell/abi";
import { KeventList, type Sys, sys } from "knell/sys";
import { loadAndClock, oneLoad } from "./floors.js";
import type { Loop, Question } from "./harness.js";
import { epollWaitEmpty } from "./native.js";
import { expect, kernel, ours, poll, queueWithOne } from "./ours.js";
import { runAlone } from "./run.js";

function polling(s: Sys, kq: number): Loop {
  const events = new KeventList(64);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) got += s.kevent(kq, null, 0, events, 64, poll);
    expect("events", got, 0);
  };
}

const withoutTimer = ours("poll-empty/no-timer", () => {
  const s = sys(kernel());
  return polling(s, queueWithOne(s));
});

const withTimer = ours("poll-empty/timer", () => {
  const s = sys(kernel());
  const kq = queueWithOne(s);
  const hour = new KeventList(1).set(0, 1, EVFILT_TIMER, EV_ADD, 0, 3600e3);
  expect("kevent", s.kevent(kq, hour, 1, null, 0, null), 0);
  return polling(s, kq);
});

export const question: Question = {
  name: "poll-empty",
  text: "what does it cost to look at a queue in which nothing is ready?",
  rows: () => [
    { goal: "poll-empty/no-timer", ours: withoutTimer, floor: oneLoad, peers: [epollWaitEmpty] },
    { goal: "poll-empty/timer", ours: withTimer, floor: loadAndClock, peers: [epollWaitEmpty] },
  ],
};

await runAlone(import.meta.url, question);
