// SPDX-License-Identifier: ISC
/** Blocking reads and writes of an eventfd. */
import assert from "node:assert/strict";
import { EFD_SEMAPHORE } from "knell/abi";
import type { Scenario, Stage } from "../engine/scenario.js";
import { made } from "./support.js";

function read({ s, shared }: Stage): number {
  const value = new BigUint64Array(1);
  const result = s.eventfd_read(shared["fd"] as number, value);
  return result === 0 ? Number(value[0]) : -s.errno;
}

export const eventfdReadWrite: Scenario = {
  name: "eventfd-read-write",
  text: "a blocking read gets what was written, and nothing is lost over two writes",
  threads: [
    { name: "reader", run: (stage) => [read(stage)] },
    {
      name: "writer",
      run({ s, shared }) {
        const fd = shared["fd"] as number;
        return [s.eventfd_write(fd, 3), s.eventfd_write(fd, 4)];
      },
    },
  ],
  setup: ({ s }) => ({ fd: made(s.eventfd(0, 0)) }),
  check({ s, shared, returned }) {
    const [got] = returned[0] as [number];
    assert.deepEqual(returned[1], [0, 0]);
    assert.ok(got === 3 || got === 7, `the reader got ${got}`);
    const fd = shared["fd"] as number;
    assert.equal(s.eventfd_write(fd, 1), 0);
    const value = new BigUint64Array(1);
    assert.equal(s.eventfd_read(fd, value), 0);
    assert.equal(Number(value[0]) - 1 + got, 7, "what was read and what is left");
  },
};

/** The counter's largest value. */
const TOP = 2n ** 64n - 2n;

export const eventfdTwoSizes: Scenario = {
  name: "eventfd-two-sizes",
  text: "a blocked write that fits goes on, although one that does not was there before",
  threads: [
    { name: "big", run: ({ s, shared }) => [s.eventfd_write(shared["fd"] as number, 10)] },
    {
      name: "small",
      run(stage) {
        const done = stage.s.eventfd_write(stage.shared["fd"] as number, 1);
        for (let i = 0; i < 10; i++) read(stage);
        return [done];
      },
    },
    { name: "reader", run: (stage) => [read(stage)] },
  ],
  setup({ s }) {
    const fd = made(s.eventfd(0, EFD_SEMAPHORE));
    assert.equal(s.eventfd_write(fd, TOP), 0);
    return { fd };
  },
  check({ returned }) {
    assert.deepEqual(returned, [[0], [0], [1]]);
  },
};
