// SPDX-License-Identifier: ISC
/** Pipes with blocking readers and writers, and timers. */
import assert from "node:assert/strict";
import { EPIPE, EV_ADD, EV_DELETE, EV_ONESHOT, EVFILT_TIMER, O_DIRECT } from "knell/abi";
import type { Scenario, Stage } from "../engine/scenario.js";
import {
  change,
  collect,
  kqOf,
  made,
  poll,
  queue,
  THREE_THREADS,
  trigger,
  userEvent,
  watchReadable,
} from "./support.js";

function pipe({ s }: Stage, flags: number): { fd: number; writeFd: number } {
  const fds = new Int32Array(2);
  made(s.pipe2(fds, flags));
  return { fd: fds[0] as number, writeFd: fds[1] as number };
}

function readAll({ s, shared }: Stage, max: number): number[] {
  const buffer = new Uint8Array(max);
  const n = s.read(shared["fd"] as number, buffer);
  return [n, ...buffer.subarray(0, Math.max(n, 0))];
}

export const pipeEnd: Scenario = {
  name: "pipe-end",
  text: "a blocked reader gets what is written, and then the end",
  threads: [
    { name: "reader", run: (stage) => [...readAll(stage, 4), ...readAll(stage, 4)] },
    {
      name: "writer",
      run({ s, shared }) {
        const fd = shared["writeFd"] as number;
        return [s.write(fd, new Uint8Array([1, 2])), s.close(fd)];
      },
    },
  ],
  setup: (stage) => pipe(stage, 0),
  check({ returned }) {
    assert.deepEqual(returned, [
      [2, 1, 2, 0],
      [2, 0],
    ]);
  },
};

export const pipeBroken: Scenario = {
  name: "pipe-broken",
  text: "a writer blocked on a full pipe goes on, or hears EPIPE when the reader is gone",
  threads: [
    {
      name: "writer",
      run: ({ s, shared }) => [s.write(shared["writeFd"] as number, new Uint8Array(512))],
    },
    {
      name: "reader",
      run: ({ s, shared }) => {
        const fd = shared["fd"] as number;
        return [s.read(fd, new Uint8Array(256)), s.close(fd)];
      },
    },
  ],
  setup(stage) {
    const ends = pipe(stage, 0);
    made(stage.s.write(ends.writeFd, new Uint8Array(65536)));
    return ends;
  },
  check({ returned }) {
    assert.deepEqual(returned, [[-EPIPE], [256, 0]]);
  },
};

export const packetReaders: Scenario = {
  name: "packet-readers",
  text: "each record of a packet pipe goes to one of two blocked readers",
  threads: [
    { name: "left", run: (stage) => readAll(stage, 4) },
    { name: "right", run: (stage) => readAll(stage, 4) },
    {
      name: "writer",
      run({ s, shared }) {
        const fd = shared["writeFd"] as number;
        return [s.write(fd, new Uint8Array([1])), s.write(fd, new Uint8Array([2]))];
      },
    },
  ],
  setup: (stage) => pipe(stage, O_DIRECT),
  check({ returned }) {
    const [left, right] = returned as [number[], number[]];
    assert.deepEqual([left, right].sort(), [
      [1, 1],
      [1, 2],
    ]);
  },
  limits: THREE_THREADS,
};

export const pipeTwoReaders: Scenario = {
  name: "pipe-two-readers",
  text: "two bytes and the end reach two blocked readers",
  threads: [
    { name: "left", run: (stage) => readAll(stage, 1) },
    { name: "right", run: (stage) => readAll(stage, 1) },
    {
      name: "writer",
      run({ s, shared }) {
        const fd = shared["writeFd"] as number;
        return [s.write(fd, new Uint8Array([1])), s.close(fd)];
      },
    },
  ],
  setup: (stage) => pipe(stage, 0),
  check({ returned }) {
    const [left, right] = returned as [number[], number[]];
    assert.deepEqual([left, right].sort(), [[0], [1, 1]]);
  },
  limits: THREE_THREADS,
};

export const pipeTwoSizes: Scenario = {
  name: "pipe-two-sizes",
  text: "a blocked write that fits goes on, although one that does not was there before",
  threads: [
    {
      name: "big",
      run: ({ s, shared }) => [s.write(shared["writeFd"] as number, new Uint8Array(512))],
    },
    {
      name: "small",
      run({ s, shared }) {
        const done = s.write(shared["writeFd"] as number, new Uint8Array(1));
        return [done, s.read(shared["fd"] as number, new Uint8Array(600))];
      },
    },
    {
      name: "reader",
      run: ({ s, shared }) => [s.read(shared["fd"] as number, new Uint8Array(100))],
    },
  ],
  setup(stage) {
    const ends = pipe(stage, 0);
    made(stage.s.write(ends.writeFd, new Uint8Array(65536)));
    return ends;
  },
  check({ returned }) {
    assert.deepEqual(returned, [[512], [1, 600], [100]]);
  },
};

export const eventfdWatch: Scenario = {
  name: "eventfd-watch",
  text: "a write reaches who waits in kevent, also while the registration is made",
  threads: [
    {
      name: "waiter",
      run(stage) {
        made(watchReadable(stage, kqOf(stage), stage.shared["fd"] as number));
        return collect(stage, kqOf(stage), 4, null);
      },
    },
    { name: "writer", run: ({ s, shared }) => [s.eventfd_write(shared["fd"] as number, 1)] },
  ],
  setup: (stage) => ({ kq: queue(stage), fd: made(stage.s.eventfd(0, 0)) }),
  check(outcome) {
    assert.deepEqual(outcome.returned, [[outcome.shared["fd"]], [0]]);
  },
};

export const semaphoreReaders: Scenario = {
  name: "semaphore-readers",
  text: "a write of two to a semaphore lets two blocked readers go on",
  threads: ["left", "right"]
    .map((name) => ({
      name,
      run: ({ s, shared }: Stage) => [
        s.eventfd_read(shared["fd"] as number, new BigUint64Array(1)),
      ],
    }))
    .concat({
      name: "writer",
      run: ({ s, shared }: Stage) => [s.eventfd_write(shared["fd"] as number, 2)],
    }),
  setup: ({ s }) => ({ fd: made(s.eventfd(0, 1)) }),
  check({ returned }) {
    assert.deepEqual(returned, [[0], [0], [0]]);
  },
  limits: THREE_THREADS,
};

export const timerEarlier: Scenario = {
  name: "timer-earlier",
  text: "a timer armed under a waiter wakes it in time, whoever sleeps",
  timeouts: "choice",
  threads: [
    { name: "waiter", run: (stage) => collect(stage, kqOf(stage), 4, null) },
    {
      name: "armer",
      run: (stage) => [change(stage, kqOf(stage), 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 30)],
    },
  ],
  setup: (stage) => ({ kq: queue(stage) }),
  check(outcome) {
    assert.deepEqual(outcome.returned, [[1], [0]]);
  },
};

export const timerDelete: Scenario = {
  name: "timer-delete",
  text: "a timer is due, or deleted, never both; the waiter is told of something else in any case",
  timeouts: "choice",
  threads: [
    { name: "waiter", run: (stage) => collect(stage, kqOf(stage), 1, null) },
    {
      name: "deleter",
      run: (stage) => [
        change(stage, kqOf(stage), 1, EVFILT_TIMER, EV_DELETE),
        trigger(stage, kqOf(stage), 7),
      ],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    made(change(stage, kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 30));
    return { kq };
  },
  check(outcome) {
    const [got, [deleted, triggered]] = outcome.returned as [number[], number[]];
    assert.equal(triggered, 0);
    assert.deepEqual(got, [deleted === 0 ? 7 : 1]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), deleted === 0 ? [] : [7]);
  },
};

export const timerHandOver: Scenario = {
  name: "timer-hand-over",
  text: "a waiter that leaves hands its timer duty over to the next one",
  timeouts: "choice",
  threads: [
    { name: "brief", run: (stage) => collect(stage, kqOf(stage), 1, 100) },
    { name: "patient", run: (stage) => collect(stage, kqOf(stage), 1, null) },
    { name: "trigger", run: (stage) => [trigger(stage, kqOf(stage), 7)] },
  ],
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    made(change(stage, kq, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 30));
    return { kq };
  },
  check(outcome) {
    const [brief, patient] = outcome.returned as [number[], number[]];
    const left = poll(outcome, kqOf(outcome));
    assert.equal(patient.length, 1);
    assert.deepEqual([...brief, ...patient, ...left].sort(), [1, 7]);
  },
  limits: THREE_THREADS,
};
