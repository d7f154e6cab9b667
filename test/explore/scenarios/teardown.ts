// SPDX-License-Identifier: ISC
/** Teardown in the middle of calls that go on afterwards. */
import assert from "node:assert/strict";
import { EBADF, EV_ADD, EV_DELETE, EVFILT_READ } from "knell/abi";
import { KeventList } from "knell/sys";
import type { Scenario } from "../engine/scenario.js";
import {
  collect,
  fdOf,
  kqOf,
  made,
  queue,
  registered,
  THREE_THREADS,
  watchReadable,
} from "./support.js";

export const closeAddWait: Scenario = {
  name: "close-add-wait",
  text: "add and wait in one call on a queue that is closed: EBADF",
  threads: [
    {
      name: "adder",
      run: (stage) => {
        const ch = new KeventList(1).set(0, fdOf(stage), EVFILT_READ, EV_ADD);
        return [stage.s.kevent(kqOf(stage), ch, 1, new KeventList(1), 1, { sec: 1, nsec: 0 })];
      },
    },
    { name: "closer", run: (stage) => [stage.s.close(kqOf(stage))] },
  ],
  setup: (stage) => ({ kq: queue(stage), fd: made(stage.s.eventfd(0, 0)) }),
  check(outcome) {
    assert.deepEqual(outcome.returned, [[-EBADF], [0]]);
  },
};
export const dupSameFile: Scenario = {
  name: "dup2-same-file-add",
  text: "a number replaced by another of the same file while it is added",
  threads: [
    {
      name: "replacer",
      run: ({ s, shared }) => [s.dup2(shared["other"] as number, shared["fd"] as number)],
    },
    { name: "adder", run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(1, 0));
    return { kq, fd, other: made(stage.s.dup(fd)) };
  },
  check(outcome) {
    const fd = fdOf(outcome);
    assert.equal(outcome.s.close(fd), 0);
    assert.equal(registered(outcome, kqOf(outcome), fd), false, "closed number still registered");
    assert.deepEqual(collect(outcome, kqOf(outcome), 4, 0), [], "event for a closed number");
  },
};
export const deleteWaitChild: Scenario = {
  name: "delete-wait-child",
  text: "last reference of a nested queue goes in a call that then waits",
  limits: THREE_THREADS,
  threads: [
    {
      name: "waiter",
      run: (stage) => {
        const ch = new KeventList(1).set(
          0,
          stage.shared["child"] as number,
          EVFILT_READ,
          EV_DELETE,
        );
        return [stage.s.kevent(kqOf(stage), ch, 1, new KeventList(1), 1, { sec: 0, nsec: 100e6 })];
      },
    },
    { name: "closer", run: (stage) => [stage.s.close(stage.shared["child"] as number)] },
    {
      name: "adder",
      run: (stage) => [watchReadable(stage, stage.shared["child"] as number, fdOf(stage))],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const child = queue(stage);
    const fd = made(stage.s.eventfd(0, 0));
    made(watchReadable(stage, kq, child));
    return { kq, fd, child };
  },
  check() {},
};
