// SPDX-License-Identifier: ISC

/**
 * Question: what does it cost to make a registration and to remove it, or to change one?
 *
 * Goals (goals.ts, register/*): register + delete at most twice its lock pairs and counts (user
 * events are limited per process, which costs an addition each way), 17 times as fast
 * as epoll_ctl ADD + DEL in two calls and 23 times in one; a modification at most 1.8 times one
 * lock pair and 9 times as fast as epoll_ctl MOD. The native side has its eventfd already; making
 * and closing it would be three times as much again.
 */

import { EV_ADD, EV_CLEAR, EV_DELETE, EVFILT_USER } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import { oneCountedPair, oneLockPair, twoCountedPairs } from "./floors.js";
import type { Question } from "./harness.js";
import { epollAddDel, epollMod } from "./native.js";
import { expect, kernel, ours, queueWithOne, userAdd, userDelete } from "./ours.js";
import { runAlone } from "./run.js";

const twoCalls = ours("register/two-calls", () => {
  const s = sys(kernel());
  const kq = s.kqueue();
  const add = userAdd(1);
  const remove = userDelete(1);
  return (count) => {
    let failed = 0;
    for (let i = 0; i < count; i++) {
      failed += s.kevent(kq, add, 1, null, 0, null);
      failed += s.kevent(kq, remove, 1, null, 0, null);
    }
    expect("failures", failed, 0);
  };
});

const oneCall = ours("register/one-call", () => {
  const s = sys(kernel());
  const kq = s.kqueue();
  const changes = new KeventList(2)
    .set(0, 1, EVFILT_USER, EV_ADD | EV_CLEAR)
    .set(1, 1, EVFILT_USER, EV_DELETE);
  return (count) => {
    let failed = 0;
    for (let i = 0; i < count; i++) failed += s.kevent(kq, changes, 2, null, 0, null);
    expect("failures", failed, 0);
  };
});

const modify = ours("register/modify", () => {
  const s = sys(kernel());
  const kq = queueWithOne(s);
  const again = userAdd(1);
  return (count) => {
    let failed = 0;
    for (let i = 0; i < count; i++) failed += s.kevent(kq, again, 1, null, 0, null);
    expect("failures", failed, 0);
  };
});

export const question: Question = {
  name: "register",
  text: "what does it cost to make, remove and change a registration?",
  rows: () => [
    { goal: "register/two-calls", ours: twoCalls, floor: twoCountedPairs, peers: [epollAddDel] },
    { goal: "register/one-call", ours: oneCall, floor: oneCountedPair, peers: [epollAddDel] },
    { goal: "register/modify", ours: modify, floor: oneLockPair, peers: [epollMod] },
  ],
};

await runAlone(import.meta.url, question);
