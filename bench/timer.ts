// SPDX-License-Identifier: ISC

/**
 * Question: what does a timer cost: to arm and remove it, alone and among many, and to expire?
 *
 * Goals (goals.ts, timer/*): add + delete at most twice two lock pairs with a clock read and a
 * heap, 10 times as fast as arming and disarming a timerfd and 3.3 times as setTimeout +
 * clearTimeout; with 100,000 outstanding at most 3 times the cost at 1,000; expiry 1.5 times as
 * fast as setTimeout, which is quick at it because it keeps timers of the same delay in one list.
 */

import { EV_ADD, EV_DELETE, EV_ONESHOT, EVFILT_TIMER } from "knell/abi";
import { KeventList, type Sys, sys } from "knell/sys";
import { nowNs, spinNs } from "./clock.js";
import { timerHeap } from "./floors.js";
import { goals } from "./goals.js";
import { type Loop, loopVariant, type Question, type Variant } from "./harness.js";
import { timerfdArmDisarm } from "./native.js";
import { expect, kernel, ours, poll } from "./ours.js";
import { addClear, addClearOutstanding, expiry, expirySize } from "./peers/set-timeout.js";
import { runAlone } from "./run.js";

const hour = 3600e3;

/** Arms timers 1..count, the first due in `first` ms, the due times spread over `spread` ms. */
function arm(s: Sys, kq: number, count: number, first: number, spread: number): void {
  for (let at = 0; at < count; at += 64) {
    const length = Math.min(64, count - at);
    const changes = new KeventList(length);
    for (let i = 0; i < length; i++) {
      const due = first + ((at + i) % spread);
      changes.set(i, at + i + 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, due);
    }
    expect("kevent", s.kevent(kq, changes, length, null, 0, null), 0);
  }
}

function addAndDelete(s: Sys, kq: number, ident: number): Loop {
  const add = new KeventList(1).set(0, ident, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, hour + 500);
  const remove = new KeventList(1).set(0, ident, EVFILT_TIMER, EV_DELETE);
  return (count) => {
    let failed = 0;
    for (let i = 0; i < count; i++) {
      failed += s.kevent(kq, add, 1, null, 0, null);
      failed += s.kevent(kq, remove, 1, null, 0, null);
    }
    expect("failures", failed, 0);
  };
}

const alone = ours("timer/add-delete", () => {
  const s = sys(kernel());
  return addAndDelete(s, s.kqueue(), 1);
});

function among(outstanding: number): Loop {
  const s = sys(kernel());
  const kq = s.kqueue();
  arm(s, kq, outstanding, hour, 1000);
  return addAndDelete(s, kq, outstanding + 1);
}

const amongFew = loopVariant("knell", "knell/timer-1k", "add + delete, 1,000 outstanding", () =>
  among(1000),
);
const amongMany = ours("timer/outstanding", () => among(100_000));

/** Collects timers that are all due; arming them and waiting for them is not counted. */
function expire(timers: number, spreadMs: number): Variant {
  return {
    id: "knell/timer/expiry",
    label: goals["timer/expiry"].operation,
    kind: "knell",
    prepare() {
      const s = sys(kernel());
      const kq = s.kqueue();
      const events = new KeventList(64);
      return {
        round() {
          arm(s, kq, timers, 1, spreadMs);
          spinNs((spreadMs + 5) * 1e6);
          const start = nowNs();
          let got = 0;
          let calls = 0;
          while (got < timers && calls++ < timers) got += s.kevent(kq, null, 0, events, 64, poll);
          const elapsed = nowNs() - start;
          expect("timers", got, timers);
          return elapsed / timers;
        },
      };
    },
  };
}

export const question: Question = {
  name: "timer",
  text: "what does a timer cost: to arm and remove it, alone and among many, and to expire?",
  rows(options) {
    const { timers, spreadMs } = expirySize(options);
    return [
      {
        goal: "timer/add-delete",
        ours: alone,
        floor: timerHeap,
        peers: [timerfdArmDisarm, addClear],
      },
      {
        goal: "timer/outstanding",
        ours: amongMany,
        floor: amongFew,
        peers: [addClearOutstanding(100_000)],
      },
      {
        goal: "timer/expiry",
        ours: expire(timers, spreadMs),
        peers: [expiry(timers, spreadMs)],
      },
    ];
  },
};

await runAlone(import.meta.url, question);
