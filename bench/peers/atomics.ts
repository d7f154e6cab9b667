// SPDX-License-Identifier: ISC

/** Atomics.wait, Atomics.waitAsync and spinning, bare: what any wake-up in JavaScript rests on. */

import { type Control, Partner, type Work } from "../partner.js";
import {
  answerBlocking,
  sleepAsync,
  sleepBlocking,
  tripVariant,
  wakeVariant,
} from "../two-threads.js";

const THERE = 0;
const BACK = 16;

function words(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(256));
}

function wordsOf(data: unknown): Int32Array {
  return new Int32Array(data as SharedArrayBuffer);
}

function send(at: Int32Array, index: number): void {
  Atomics.store(at, index, 1);
  Atomics.notify(at, index, 1);
}

function receive(at: Int32Array, index: number): void {
  while (Atomics.exchange(at, index, 0) === 0) Atomics.wait(at, index, 0);
}

export function waitSleeper(control: Control, data: unknown): Work {
  const at = wordsOf(data);
  return sleepBlocking(control, () => receive(at, THERE));
}

export const waitWake = wakeVariant("floor", "atomics/wait-wake", "bare Atomics.wait", async () => {
  const at = words();
  return {
    partner: await Partner.start(import.meta.url, "waitSleeper", at.buffer),
    send: () => send(at, THERE),
  };
});

export function waitAsyncSleeper(control: Control, data: unknown): Work {
  const at = wordsOf(data);
  return sleepAsync(control, async () => {
    while (Atomics.exchange(at, THERE, 0) === 0) await Atomics.waitAsync(at, THERE, 0).value;
  });
}

export const waitAsyncWake = wakeVariant(
  "floor",
  "atomics/wait-async-wake",
  "bare Atomics.waitAsync",
  async () => {
    const at = words();
    return {
      partner: await Partner.start(import.meta.url, "waitAsyncSleeper", at.buffer),
      send: () => send(at, THERE),
    };
  },
);

export function waitAnswerer(control: Control, data: unknown): Work {
  const at = wordsOf(data);
  return answerBlocking(control, () => {
    receive(at, THERE);
    send(at, BACK);
  });
}

export const waitTrip = tripVariant(
  "floor",
  "atomics/wait-trip",
  "bare Atomics.wait round trip",
  async () => {
    const at = words();
    return {
      partner: await Partner.start(import.meta.url, "waitAnswerer", at.buffer),
      ask() {
        send(at, THERE);
        receive(at, BACK);
      },
    };
  },
);

function spin(at: Int32Array, index: number): void {
  while (Atomics.load(at, index) === 0);
  Atomics.store(at, index, 0);
}

export function spinAnswerer(control: Control, data: unknown): Work {
  const at = wordsOf(data);
  return answerBlocking(control, () => {
    spin(at, THERE);
    Atomics.store(at, BACK, 1);
  });
}

export const spinTrip = tripVariant("floor", "atomics/spin-trip", "bare spinning", async () => {
  const at = words();
  return {
    partner: await Partner.start(import.meta.url, "spinAnswerer", at.buffer),
    ask() {
      Atomics.store(at, THERE, 1);
      spin(at, BACK);
    },
  };
});
