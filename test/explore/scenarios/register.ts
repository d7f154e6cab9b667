// SPDX-License-Identifier: ISC
/** Registrations that meet: added, deleted, delivered by two threads at once. */
import assert from "node:assert/strict";
import {
  EINVAL,
  ENOENT,
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISPATCH,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_USER,
  NOTE_TRIGGER,
} from "knell/abi";
import { KeventList } from "knell/sys";
import type { Scenario, Stage } from "../engine/scenario.js";
import {
  change,
  collect,
  fdOf,
  kqOf,
  made,
  poll,
  queue,
  registered,
  THREE_THREADS,
  trigger,
  userEvent,
  watchReadable,
} from "./support.js";

export const triggerDelete: Scenario = {
  name: "trigger-delete",
  text: "a trigger meets the event or its absence, and what is deleted is not delivered",
  threads: [
    { name: "trigger", run: (stage) => [trigger(stage, kqOf(stage), 7)] },
    {
      name: "deleter",
      run: (stage) => [
        change(stage, kqOf(stage), 7, EVFILT_USER, EV_DELETE),
        ...poll(stage, kqOf(stage)),
      ],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    return { kq };
  },
  check(outcome) {
    const [[triggered], deleted] = outcome.returned as [number[], number[]];
    assert.ok(triggered === 0 || triggered === -ENOENT);
    assert.deepEqual(deleted, [0]);
    assert.equal(outcome.s.userEventCount(), 0);
  },
};

export const oneshotDelete: Scenario = {
  name: "oneshot-delete",
  text: "a one-shot event is delivered, or deleted, never both",
  threads: [
    { name: "poller", run: (stage) => poll(stage, kqOf(stage)) },
    {
      name: "deleter",
      run: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_DELETE)],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(1, 0));
    made(watchReadable(stage, kq, fd, EV_ONESHOT));
    return { kq, fd };
  },
  check(outcome) {
    const [got, [deleted]] = outcome.returned as [number[], number[]];
    assert.deepEqual([got.length, deleted], got.length === 1 ? [1, -ENOENT] : [0, 0]);
    assert.equal(registered(outcome, kqOf(outcome), fdOf(outcome)), false);
  },
};

export const oneshotPollers: Scenario = {
  name: "oneshot-pollers",
  text: "a one-shot event of a descriptor reaches exactly one of two pollers",
  threads: [
    { name: "left", run: (stage) => poll(stage, kqOf(stage)) },
    { name: "right", run: (stage) => poll(stage, kqOf(stage)) },
  ],
  setup: oneshotDelete.setup,
  check(outcome) {
    assert.deepEqual(outcome.returned.flat(), [fdOf(outcome)]);
  },
};

export const dispatchWaiters: Scenario = {
  name: "dispatch-waiters",
  text: "an EV_DISPATCH event triggered twice is delivered once until it is enabled",
  timeouts: "choice",
  threads: [
    { name: "left", run: (stage) => collect(stage, kqOf(stage), 4, 100) },
    { name: "right", run: (stage) => collect(stage, kqOf(stage), 4, 100) },
    {
      name: "trigger",
      run: (stage) => [trigger(stage, kqOf(stage), 7), trigger(stage, kqOf(stage), 7)],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7, EV_DISPATCH);
    return { kq };
  },
  check(outcome) {
    const got = outcome.returned.slice(0, 2).flat();
    assert.deepEqual([...got, ...poll(outcome, kqOf(outcome))], [7]);
  },
  limits: THREE_THREADS,
};

export const addAdd: Scenario = {
  name: "add-add",
  text: "two threads add the same registration: there is one, and both succeed",
  threads: [
    { name: "left", run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))] },
    { name: "right", run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))] },
  ],
  setup(stage) {
    return { kq: queue(stage), fd: made(stage.s.eventfd(1, 0)) };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [fdOf(outcome)]);
  },
};

export const addDelete: Scenario = {
  name: "add-delete",
  text: "deleting what is being added finds it whole or not at all",
  threads: [
    { name: "adder", run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))] },
    {
      name: "deleter",
      run: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_DELETE)],
    },
  ],
  setup: addAdd.setup,
  check(outcome) {
    const [[added], [deleted]] = outcome.returned as [number[], number[]];
    assert.equal(added, 0);
    assert.ok(deleted === 0 || deleted === -ENOENT);
    assert.deepEqual(poll(outcome, kqOf(outcome)), deleted === 0 ? [] : [fdOf(outcome)]);
  },
};

/** In one call: delete one registration, make a new one, and touch another. */
function swap(stage: Stage, out: number, made: number, into: number): number[] {
  const list = new KeventList(3);
  list.set(0, out, EVFILT_READ, EV_DELETE);
  list.set(1, made, EVFILT_READ, EV_ADD);
  list.set(2, into, EVFILT_READ, EV_ADD);
  return [stage.s.kevent(kqOf(stage), list, 3, null, 0, null)];
}

export const swapSwap: Scenario = {
  name: "swap-swap",
  text: "two threads each delete one registration and add the other's: none waits for ever",
  threads: [
    {
      name: "left",
      run(stage) {
        const { fd, otherFd, leftFd } = stage.shared as Record<string, number>;
        return swap(stage, fd as number, leftFd as number, otherFd as number);
      },
    },
    {
      name: "right",
      run(stage) {
        const { fd, otherFd, rightFd } = stage.shared as Record<string, number>;
        return swap(stage, otherFd as number, rightFd as number, fd as number);
      },
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(1, 0));
    const otherFd = made(stage.s.eventfd(1, 0));
    made(watchReadable(stage, kq, fd));
    made(watchReadable(stage, kq, otherFd));
    const leftFd = made(stage.s.eventfd(1, 0));
    return { kq, fd, otherFd, leftFd, rightFd: made(stage.s.eventfd(1, 0)) };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
  },
};

export const triggerTrigger: Scenario = {
  name: "trigger-trigger",
  text: "two queues, two threads: each trigger is delivered on its queue",
  threads: [
    {
      name: "left",
      run(stage) {
        const kq = kqOf(stage);
        return [trigger(stage, kq, 1), ...collect(stage, kq, 4, 0)];
      },
    },
    {
      name: "right",
      run(stage) {
        const kq = kqOf(stage);
        return [trigger(stage, kq, 2), ...collect(stage, kq, 4, 0)];
      },
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 1, EV_CLEAR);
    userEvent(stage, kq, 2, EV_ONESHOT);
    return { kq };
  },
  check(outcome) {
    const [left, right] = outcome.returned as [number[], number[]];
    assert.deepEqual([left[0], right[0]], [0, 0]);
    assert.deepEqual([...left.slice(1), ...right.slice(1)].sort(), [1, 2]);
  },
};

export const triggerSame: Scenario = {
  name: "trigger-same",
  text: "two threads trigger one event: it is queued once, and delivered once",
  threads: ["left", "right"].map((name) => ({
    name,
    run: (stage: Stage) => [trigger(stage, kqOf(stage), 7)],
  })),
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    return { kq };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [7]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
  },
};

export const userAddAdd: Scenario = {
  name: "user-add-add",
  text: "two threads add and trigger the same new user event: it exists once and is delivered",
  threads: ["left", "right"].map((name) => ({
    name,
    run: (stage: Stage) => [change(stage, kqOf(stage), 7, EVFILT_USER, EV_ADD, NOTE_TRIGGER)],
  })),
  setup: (stage) => ({ kq: queue(stage) }),
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
    assert.equal(outcome.s.userEventCount(), 1);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [7]);
  },
};

export const nestCycle: Scenario = {
  name: "nest-cycle",
  text: "two queues that would watch each other: one registration is refused",
  threads: [
    {
      name: "left",
      run: (stage) => [watchReadable(stage, kqOf(stage), stage.shared["kq2"] as number)],
    },
    {
      name: "right",
      run: (stage) => [watchReadable(stage, stage.shared["kq2"] as number, kqOf(stage))],
    },
  ],
  setup: (stage) => ({ kq: queue(stage), kq2: queue(stage) }),
  check({ returned }) {
    assert.deepEqual(returned.flat().sort(), [-EINVAL, 0].sort());
  },
};
