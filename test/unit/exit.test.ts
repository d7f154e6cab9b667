// SPDX-License-Identifier: ISC
/** A process ends with its last thread: descriptors closed, counts 0, nothing leaked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EFD_NONBLOCK, EV_ADD, EVFILT_READ, EVFILT_TIMER, EVFILT_USER } from "knell/abi";
import { usage } from "#src/inspect/usage.js";
import { slotLeave } from "#src/kern/attach.js";
import { KeventList, sys } from "#src/sys/face.js";
import { attachThread, bootThread } from "./support.js";

test("the last thread to leave closes what is open, and the count of user events is 0", () => {
  const first = bootThread();
  const empty = usage(first);
  const second = attachThread(first);
  const s = sys({ thread: second });
  const kq = s.kqueue();
  const fd = s.eventfd(1, EFD_NONBLOCK);
  const list = new KeventList(3)
    .set(0, 1, EVFILT_USER, EV_ADD)
    .set(1, fd, EVFILT_READ, EV_ADD)
    .set(2, 1, EVFILT_TIMER, EV_ADD, 0, 1000);
  assert.equal(s.kevent(kq, list, 3, null, 0, null), 0);
  slotLeave(second);
  const other = sys({ thread: first });
  assert.equal(other.userEventCount(), 1, "another thread of the process still has it");
  assert.equal(other.fcntl(fd, 1), 0);
  slotLeave(first);
  const third = attachThread(first);
  assert.equal(sys({ thread: third }).userEventCount(), 0);
  const left = usage(third);
  for (const what of ["descriptors", "queues", "knotes", "userEvents", "timers"] as const) {
    assert.equal(left[what], empty[what], what);
  }
  slotLeave(third);
});
