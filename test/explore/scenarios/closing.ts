// SPDX-License-Identifier: ISC
/** Descriptors that are closed while others use them. */
import assert from "node:assert/strict";
import { EAGAIN, EBADF, EFD_NONBLOCK, EINVAL, EV_CLEAR, EV_ONESHOT, O_NONBLOCK } from "knell/abi";
import type { Scenario } from "../engine/scenario.js";
import {
  collect,
  fdOf,
  kqOf,
  made,
  poll,
  queue,
  registered,
  trigger,
  userEvent,
  watchReadable,
} from "./support.js";

export const closeWaiter: Scenario = {
  name: "close-waiter",
  text: "closing a queue wakes who waits on it with EBADF",
  threads: [
    { name: "waiter", run: (stage) => collect(stage, kqOf(stage), 4, null) },
    { name: "closer", run: (stage) => [stage.s.close(kqOf(stage))] },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    return { kq };
  },
  check({ returned, s }) {
    assert.deepEqual(returned, [[-EBADF], [0]]);
    assert.equal(s.userEventCount(), 0);
  },
};

export const closeKeventReuse: Scenario = {
  name: "close-kevent-reuse",
  text: "kevent on a number that stops naming a queue and names an eventfd: EBADF or EINVAL",
  threads: [
    { name: "poller", run: (stage) => poll(stage, kqOf(stage)) },
    { name: "closer", run: (stage) => [stage.s.close(kqOf(stage)), stage.s.eventfd(5, 0)] },
  ],
  setup: (stage) => ({ kq: queue(stage) }),
  check(outcome) {
    const [got, closer] = outcome.returned as [number[], number[]];
    assert.ok(got.length === 0 || got[0] === -EBADF || got[0] === -EINVAL, `kevent said ${got}`);
    assert.deepEqual(closer, [0, kqOf(outcome)]);
    const value = new BigUint64Array(1);
    assert.equal(outcome.s.eventfd_read(kqOf(outcome), value), 0);
    assert.equal(value[0], 5n);
  },
};

export const closeReadReuse: Scenario = {
  name: "close-read-reuse",
  text: "a non-blocking read of a number that becomes a pipe's: of the one or of the other",
  threads: [
    {
      name: "reader",
      run: ({ s, shared }) => [s.read(shared["fd"] as number, new Uint8Array(8))],
    },
    {
      name: "closer",
      run({ s, shared }) {
        return [s.close(shared["fd"] as number), s.pipe2(new Int32Array(2), O_NONBLOCK)];
      },
    },
  ],
  setup: (stage) => ({ fd: made(stage.s.eventfd(1, EFD_NONBLOCK)) }),
  check(outcome) {
    const [[got], closer] = outcome.returned as [number[], number[]];
    assert.ok(got === 8 || got === -EBADF || got === -EAGAIN, `read said ${got}`);
    assert.deepEqual(closer, [0, 0]);
  },
};

export const closeQueueAdd: Scenario = {
  name: "close-queue-add",
  text: "a queue closed while a descriptor is added to it goes, and lets the file go",
  threads: [
    { name: "adder", run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))] },
    { name: "closer", run: (stage) => [stage.s.close(kqOf(stage)), stage.s.kqueue()] },
  ],
  setup: (stage) => ({ kq: queue(stage), fd: made(stage.s.eventfd(1, 0)) }),
  check(outcome) {
    const [[added], closer] = outcome.returned as [number[], number[]];
    assert.ok(added === 0 || added === -EBADF, `EV_ADD said ${added}`);
    assert.deepEqual(closer, [0, kqOf(outcome)]);
  },
};

export const closeScan: Scenario = {
  name: "close-scan",
  text: "a descriptor closed during a poll is delivered before, or not at all",
  threads: [
    {
      name: "poller",
      run: (stage) => [...poll(stage, kqOf(stage)), ...poll(stage, kqOf(stage))],
    },
    {
      name: "closer",
      run: (stage) => [
        stage.s.close(fdOf(stage)),
        stage.s.eventfd(0, 0),
        ...poll(stage, kqOf(stage)),
      ],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(1, 0));
    made(watchReadable(stage, kq, fd));
    return { kq, fd };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, fdOf(outcome)], "nothing comes after close");
    assert.equal(registered(outcome, kqOf(outcome), fdOf(outcome)), false);
  },
};

export const closeReuse: Scenario = {
  name: "close-reuse",
  text: "a number that is taken again at once, and watched, keeps its new registration",
  threads: [
    { name: "closer", run: (stage) => [stage.s.close(fdOf(stage))] },
    {
      name: "opener",
      run(stage) {
        const fd = made(stage.s.eventfd(1, 0));
        return [fd, watchReadable(stage, kqOf(stage), fd)];
      },
    },
  ],
  setup: closeScan.setup,
  check(outcome) {
    const [closer, [fd, added]] = outcome.returned as [number[], number[]];
    assert.deepEqual([closer, added], [[0], 0]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [fd]);
  },
};

export const closeWrite: Scenario = {
  name: "close-write",
  text: "a write that notifies a registration while its number is closed",
  threads: [
    { name: "writer", run: ({ s, shared }) => [s.eventfd_write(shared["otherFd"] as number, 1)] },
    { name: "closer", run: (stage) => [stage.s.close(fdOf(stage)), ...poll(stage, kqOf(stage))] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(0, 0));
    const otherFd = made(stage.s.dup(fd));
    made(watchReadable(stage, kq, fd, EV_CLEAR));
    return { kq, fd, otherFd };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
  },
};

export const closeClose: Scenario = {
  name: "close-close",
  text: "two threads close one watched number: one succeeds",
  threads: [
    { name: "left", run: (stage) => [stage.s.close(fdOf(stage))] },
    { name: "right", run: (stage) => [stage.s.close(fdOf(stage))] },
  ],
  setup: closeScan.setup,
  check({ returned }) {
    assert.deepEqual(returned.flat().sort(), [-EBADF, 0].sort());
  },
};

export const closeReader: Scenario = {
  name: "close-reader",
  text: "a read in progress keeps its file when the number is closed and used again",
  threads: [
    {
      name: "reader",
      run({ s, shared }) {
        const value = new BigUint64Array(1);
        const result = s.eventfd_read(shared["fd"] as number, value);
        return [result, result === 0 ? Number(value[0]) : s.errno];
      },
    },
    { name: "closer", run: (stage) => [stage.s.close(fdOf(stage)), stage.s.eventfd(5, 0)] },
  ],
  // A stale reader compares the file of a slot that its next owner is setting up; either is EBADF.
  limits: { races: 0 },
  setup: ({ s }) => ({ fd: made(s.eventfd(1, 0)) }),
  check(outcome) {
    const [[result, value], closer] = outcome.returned as [[number, number], number[]];
    assert.deepEqual(closer, [0, fdOf(outcome)]);
    assert.ok(
      (result === 0 && (value === 1 || value === 5)) || (result === -1 && value === EBADF),
      `read: ${result}, ${value}`,
    );
  },
};

export const nestTrigger: Scenario = {
  name: "nest-trigger",
  text: "a trigger on a child queue reaches who waits on its parent",
  threads: [
    { name: "waiter", run: (stage) => collect(stage, kqOf(stage), 4, null) },
    { name: "trigger", run: (stage) => [trigger(stage, stage.shared["kq2"] as number, 7)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const kq2 = queue(stage);
    userEvent(stage, kq2, 7);
    made(watchReadable(stage, kq, kq2));
    return { kq, kq2 };
  },
  check(outcome) {
    const { kq2 } = outcome.shared as { kq2: number };
    assert.deepEqual(outcome.returned, [[kq2], [0]]);
    assert.deepEqual(poll(outcome, kq2), [7]);
  },
};

export const nestAdd: Scenario = {
  name: "nest-add",
  text: "a child that becomes ready while it is added to its parent is seen there",
  threads: [
    {
      name: "adder",
      run: (stage) => [watchReadable(stage, kqOf(stage), stage.shared["kq2"] as number)],
    },
    { name: "trigger", run: (stage) => [trigger(stage, stage.shared["kq2"] as number, 7)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const kq2 = queue(stage);
    userEvent(stage, kq2, 7);
    return { kq, kq2 };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [outcome.shared["kq2"]]);
  },
};

export const nestCloseParent: Scenario = {
  name: "nest-close",
  text: "a parent queue closed while its child becomes ready",
  threads: [
    { name: "trigger", run: (stage) => [trigger(stage, stage.shared["kq2"] as number, 7)] },
    { name: "closer", run: (stage) => [stage.s.close(kqOf(stage))] },
  ],
  setup: nestTrigger.setup,
  check(outcome) {
    assert.deepEqual(outcome.returned, [[0], [0]]);
    assert.deepEqual(poll(outcome, outcome.shared["kq2"] as number), [7]);
  },
};

export const nestCloseChild: Scenario = {
  name: "nest-close-child",
  text: "a child queue closed while it becomes ready and its parent is polled",
  threads: [
    {
      name: "trigger",
      run: (stage) => [
        trigger(stage, stage.shared["kq2"] as number, 7),
        ...poll(stage, kqOf(stage)),
      ],
    },
    { name: "closer", run: (stage) => [stage.s.close(stage.shared["kq2"] as number)] },
  ],
  setup: nestTrigger.setup,
  check(outcome) {
    const { kq2 } = outcome.shared as { kq2: number };
    const [[triggered], closed] = outcome.returned as [number[], number[]];
    assert.ok(triggered === 0 || triggered === -EBADF);
    assert.deepEqual(closed, [0]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
    assert.equal(registered(outcome, kqOf(outcome), kq2), false);
  },
};

export const oneshotClose: Scenario = {
  name: "oneshot-close",
  text: "a one-shot event delivered while its number is closed",
  threads: [
    { name: "poller", run: (stage) => poll(stage, kqOf(stage)) },
    { name: "closer", run: (stage) => [stage.s.close(fdOf(stage)), stage.s.eventfd(0, 0)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(1, 0));
    made(watchReadable(stage, kq, fd, EV_ONESHOT));
    return { kq, fd };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, fdOf(outcome)]);
    assert.equal(registered(outcome, kqOf(outcome), fdOf(outcome)), false);
  },
};

export const dupDup: Scenario = {
  name: "dup2-dup2",
  text: "two threads replace one watched number at once",
  threads: [
    {
      name: "left",
      run: ({ s, shared }) => [s.dup2(shared["leftFd"] as number, shared["fd"] as number)],
    },
    {
      name: "right",
      run: ({ s, shared }) => [s.dup2(shared["rightFd"] as number, shared["fd"] as number)],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(1, 0));
    made(watchReadable(stage, kq, fd));
    return { kq, fd, leftFd: made(stage.s.eventfd(0, 0)), rightFd: made(stage.s.eventfd(0, 0)) };
  },
  check(outcome) {
    const { fd } = outcome.shared as { fd: number };
    const results = outcome.returned.flat();
    assert.ok(results.includes(fd), `dup2 said ${results}`);
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
    assert.equal(outcome.s.close(fd), 0);
  },
};
