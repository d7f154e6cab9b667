// SPDX-License-Identifier: ISC

/**
 * Floors: the least that an operation must do if it is to be safe between threads, and nothing
 * else. A lock is a compare-and-swap that puts the owner in and an exchange that takes it out and
 * learns by that whether somebody waits.
 */

import { type Loop, loopVariant, type Variant } from "./harness.js";
import { type Control, Partner, type Work } from "./partner.js";
import { bothVariant, receiveStream, streamVariant, workLoop } from "./two-threads.js";

const OWNER = 0x101;
const LINE = 16; // words of a cache line

function lockSlow(words: Int32Array, at: number): void {
  while (Atomics.compareExchange(words, at, 0, OWNER) !== 0) Atomics.wait(words, at, OWNER, 0.01);
}

function lock(words: Int32Array, at: number): void {
  if (Atomics.compareExchange(words, at, 0, OWNER) !== 0) lockSlow(words, at);
}

function unlock(words: Int32Array, at: number): void {
  if (Atomics.exchange(words, at, 0) !== OWNER) Atomics.notify(words, at, 1);
}

/** What a lock protects, so that nothing can be moved out of it. */
function touch(words: Int32Array, at: number): void {
  words[at + 1]! += 1;
}

function lockPairs(count: 1 | 2 | 3): Variant {
  const names = ["", "one lock pair", "two lock pairs", "three lock pairs"];
  return loopVariant("floor", `floor/lock-pairs-${count}`, names[count]!, () => {
    const words = new Int32Array(new SharedArrayBuffer(4096));
    return lockPairLoops(words)[count - 1]!;
  });
}

/** Written out: a loop over the locks would be part of what is measured. */
function lockPairLoops(words: Int32Array): Loop[] {
  const [first, second] = [0, 4 * LINE];
  const pair = (at: number): void => {
    lock(words, at);
    touch(words, at);
    unlock(words, at);
  };
  return [
    (count) => {
      for (let i = 0; i < count; i++) pair(first);
    },
    (count) => {
      for (let i = 0; i < count; i++) {
        pair(first);
        pair(first);
      }
    },
    (count) => {
      for (let i = 0; i < count; i++) {
        pair(second);
        pair(first);
        pair(first);
      }
    },
  ];
}

/**
 * The same with what counts: registrations of user events are limited per process, exactly, so each
 * adds to a word that all queues of the process share, and each deletion takes from it.
 */
function countedPairs(count: 1 | 2): Variant {
  const names = ["", "one lock pair + two counts", "two lock pairs + two counts"];
  return loopVariant("floor", `floor/counted-pairs-${count}`, names[count]!, () => {
    const words = shared();
    const counter = 8 * LINE;
    const add = (n: number): void => {
      if (Atomics.add(words, counter, n) > 1) throw new Error("out of count");
    };
    const one = (at: number): void => {
      lock(words, at);
      touch(words, at);
      add(1);
      add(-1);
      unlock(words, at);
    };
    const two = (at: number): void => {
      lock(words, at);
      touch(words, at);
      add(1);
      unlock(words, at);
      lock(words, at);
      touch(words, at);
      add(-1);
      unlock(words, at);
    };
    const step = count === 1 ? one : two;
    return (times) => {
      for (let i = 0; i < times; i++) step(0);
    };
  });
}

export const oneCountedPair = countedPairs(1);
export const twoCountedPairs = countedPairs(2);

export const oneLockPair = lockPairs(1);
export const twoLockPairs = lockPairs(2);
export const threeLockPairs = lockPairs(3);

export function lockPairWorker(control: Control, data: unknown): Work {
  return workLoop(control, lockPairLoops(new Int32Array(data as SharedArrayBuffer))[1]!);
}

export const lockPairsTwoThreads = bothVariant(
  "floor",
  "floor/lock-pairs-two-threads",
  "two lock pairs, on two threads",
  async () => ({
    partner: await Partner.start(import.meta.url, "lockPairWorker", shared().buffer),
    loop: lockPairLoops(shared())[1]!,
  }),
);

function shared(): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4096));
}

export const oneLoad = loopVariant("floor", "floor/load", "one Atomics.load", () => {
  const words = shared();
  return (count) => {
    for (let i = 0; i < count; i++) {
      if (Atomics.load(words, 0) !== 0) throw new Error("the word is not 0");
    }
  };
});

export const loadAndClock = loopVariant(
  "floor",
  "floor/load-clock",
  "a load + a clock read",
  () => {
    const words = shared();
    const due = performance.now() + 3600e3;
    return (count) => {
      for (let i = 0; i < count; i++) {
        if (Atomics.load(words, 0) !== 0) throw new Error("the word is not 0");
        if (performance.now() > due) throw new Error("this took an hour");
      }
    };
  },
);

export const twoSwaps = loopVariant("floor", "floor/swaps", "two compare-and-swaps", () => {
  const words = shared();
  return (count) => {
    for (let i = 0; i < count; i++) {
      const value = words[0]!;
      if (Atomics.compareExchange(words, 0, value, value + 1) !== value) throw new Error("lost");
      if (Atomics.compareExchange(words, 0, value + 1, 0) !== value + 1) throw new Error("lost");
    }
  };
});

/** A ring of records of 8 words; one lock guards head, tail and the records. */
const HEAD = 1;
const TAIL = 2;
const SIGNAL = 2 * LINE; // what the receiver reads while it waits
const ROOM = 3 * LINE; // what the sender reads while it waits
const RECORDS = 4 * LINE;
const SLOTS = 1024;
const RECORD_WORDS = 8;

function ringBuffer(): SharedArrayBuffer {
  return new SharedArrayBuffer((RECORDS + SLOTS * RECORD_WORDS) * 4);
}

function push(words: Int32Array, from: Int32Array): boolean {
  lock(words, 0);
  const head = words[HEAD]!;
  const free = SLOTS - ((head - words[TAIL]!) | 0);
  if (free !== 0) {
    const at = RECORDS + (head & (SLOTS - 1)) * RECORD_WORDS;
    for (let i = 0; i < RECORD_WORDS; i++) words[at + i] = from[i]!;
    words[HEAD] = (head + 1) | 0;
    words[SIGNAL] = 1;
    if (free === 1) words[ROOM] = 0;
  }
  unlock(words, 0);
  return free !== 0;
}

function take(words: Int32Array, to: Int32Array): boolean {
  lock(words, 0);
  const tail = words[TAIL]!;
  const used = (words[HEAD]! - tail) | 0;
  if (used !== 0) {
    const at = RECORDS + (tail & (SLOTS - 1)) * RECORD_WORDS;
    for (let i = 0; i < RECORD_WORDS; i++) to[i] = words[at + i]!;
    words[TAIL] = (tail + 1) | 0;
    words[ROOM] = 1;
    if (used === 1) words[SIGNAL] = 0;
  }
  unlock(words, 0);
  return used !== 0;
}

export const lockedRing = loopVariant("floor", "floor/ring", "two lock pairs + two copies", () => {
  const words = new Int32Array(ringBuffer());
  const [from, to] = [new Int32Array(RECORD_WORDS), new Int32Array(RECORD_WORDS)];
  return (count) => {
    for (let i = 0; i < count; i++) {
      if (!push(words, from) || !take(words, to)) throw new Error("the ring is out of step");
    }
  };
});

/** Reads for a while, then sleeps briefly: the word is not notified. */
function awaitChange(words: Int32Array, at: number): void {
  for (let i = 0; i < 2000; i++) if (Atomics.load(words, at) !== 0) return;
  Atomics.wait(words, at, 0, 0.05);
}

export function takeLockedRing(control: Control, data: unknown): Work {
  const words = new Int32Array(data as SharedArrayBuffer);
  const to = new Int32Array(RECORD_WORDS);
  return receiveStream(control, (count) => {
    for (let i = 0; i < count; i++) while (!take(words, to)) awaitChange(words, SIGNAL);
  });
}

export const lockedRingStream = streamVariant(
  "floor",
  "floor/ring-stream",
  "a locked ring, two threads",
  async () => {
    const buffer = ringBuffer();
    const words = new Int32Array(buffer);
    const from = new Int32Array(RECORD_WORDS);
    return {
      partner: await Partner.start(import.meta.url, "takeLockedRing", buffer),
      send(count) {
        for (let i = 0; i < count; i++) while (!push(words, from)) awaitChange(words, ROOM);
      },
    };
  },
);

/** The timer floor: a binary heap of due times under the lock, the clock, a second lock pair. */
export const timerHeap = loopVariant(
  "floor",
  "floor/timer",
  "two lock pairs + a clock read + a heap",
  () => {
    const words = shared();
    const due = new Float64Array(new SharedArrayBuffer(1024));
    return (count) => {
      for (let i = 0; i < count; i++) {
        const now = performance.now();
        lock(words, 0);
        heapAdd(words, due, now + 3600e3);
        unlock(words, 0);
        lock(words, 0);
        words[HEAD]! -= 1;
        unlock(words, 0);
      }
    };
  },
);

function heapAdd(words: Int32Array, due: Float64Array, time: number): void {
  let at = words[HEAD]!;
  words[HEAD] = at + 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (due[parent]! <= time) break;
    due[at] = due[parent]!;
    at = parent;
  }
  due[at] = time;
}
