// SPDX-License-Identifier: ISC
/** Clocks of threads that are not quite the same: no timer is early, whoever arms and runs it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EV_ONESHOT, EVFILT_TIMER, NOTE_NSECONDS } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import type { Kthread, ThreadHost } from "#src/arena/kthread.js";
import { threadHost } from "#src/host/node.js";
import { clockMonotonic } from "#src/sync/clock.js";
import { kernelAttach } from "#src/sys/kernel.js";
import { bootThread } from "./support.js";

const ERROR = 4000;
const SPAN = 10_000;
const STEP = 250;
const ZERO = { sec: 0, nsec: 0 };

/** What time it is, on the scale that all threads know up to their error. */
let time = 1e9;

/** A thread whose clock is off by some nanoseconds. */
function hostOff(byNs: number): ThreadHost {
  assert.ok(Math.abs(byNs) <= ERROR);
  const scale = { monotonicNs: () => time + byNs, wallNs: () => time + 1.7e18 };
  return { ...scale, clockErrorNs: ERROR, processors: threadHost.processors, canBlock: true };
}

function pair(one: number, other: number): [Kthread, Kthread] {
  const k = bootThread({ manualClock: false }, hostOff(one));
  const joined = kernelAttach(k.a.buffer as SharedArrayBuffer, hostOff(other));
  assert.ok(typeof joined !== "number");
  return [k, joined];
}

/** Nanoseconds until a poll of `runs` sees the timer. */
function firesAfter(arms: Kthread, runs: Kthread): number {
  const kq = sys({ thread: arms }).kqueue();
  const list = new KeventList(1);
  list.set(0, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, NOTE_NSECONDS, SPAN);
  assert.equal(sys({ thread: arms }).kevent(kq, list, 1, null, 0, ZERO), 0);
  const armed = time;
  const polls = sys({ thread: runs });
  while (polls.kevent(kq, null, 0, list, 1, ZERO) === 0) {
    time += STEP;
    assert.ok(time - armed < 10 * SPAN, "it never fires");
  }
  return time - armed;
}

const OFFSETS = [-ERROR, -1000, 0, 1000, ERROR];

for (const arming of OFFSETS) {
  for (const running of OFFSETS) {
    test(`a timer armed at ${arming} ns and run at ${running} ns is not early`, () => {
      const [arms, runs] = pair(arming, running);
      const after = firesAfter(arms, runs);
      assert.ok(after >= SPAN, `${after} ns after it was armed for ${SPAN}`);
      assert.ok(after <= SPAN + 4 * ERROR + STEP, `${after} ns: later than both errors explain`);
    });
  }
}

test("no thread's clock is ahead of the scale, and the booting one's starts at 0 or later", () => {
  for (const off of OFFSETS) {
    const before = time;
    const [k, joined] = pair(off, -off);
    assert.ok(clockMonotonic(k) >= 0);
    time += 1e6;
    for (const thread of [k, joined])
      assert.ok(clockMonotonic(thread) <= time - before + ERROR * 2);
  }
});

test("the host has measured its error, and it is small", () => {
  assert.ok(threadHost.clockErrorNs >= 0);
  assert.ok(threadHost.clockErrorNs < 1e6, `${threadHost.clockErrorNs} ns`);
});
