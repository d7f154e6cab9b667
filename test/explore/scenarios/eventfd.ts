// SPDX-License-Identifier: ISC
/** Blocking reads and writes of an eventfd. */
import assert from "node:assert/strict";
import { EFD_NONBLOCK, EFD_SEMAPHORE } from "knell/abi";
import type { Scenario, Stage } from "../engine/scenario.js";
import { fdOf, made } from "./support.js";

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

/** The largest count whose high word is 0. */
const LOW_FULL = 2n ** 32n - 1n;

export const eventfdCarry: Scenario = {
  name: "eventfd-carry",
  text: "an addition that carries into the high word is read whole, or not at all",
  threads: [
    { name: "reader", run: takeWords },
    { name: "writer", run: ({ s, shared }) => [s.eventfd_write(shared["fd"] as number, 1)] },
  ],
  setup({ s }) {
    const fd = made(s.eventfd(0, EFD_NONBLOCK));
    made(s.eventfd_write(fd, LOW_FULL));
    return { fd };
  },
  check(outcome) {
    const [[result, lo, hi], written] = outcome.returned as [number[], number[]];
    assert.deepEqual([result, written], [0, [0]]);
    const got = BigInt(hi as number) * 2n ** 32n + BigInt((lo as number) >>> 0);
    const value = new BigUint64Array(1);
    const left = outcome.s.eventfd_read(fdOf(outcome), value) === 0 ? (value[0] as bigint) : 0n;
    assert.ok(got === LOW_FULL || got === LOW_FULL + 1n, `the reader got ${got}`);
    assert.equal(got + left, LOW_FULL + 1n);
  },
};

/** What eventfd_read says, and the value in two words. */
function takeWords({ s, shared }: Stage): number[] {
  const value = new BigUint64Array(1);
  const result = s.eventfd_read(shared["fd"] as number, value);
  return [result, ...new Int32Array(value.buffer)];
}
