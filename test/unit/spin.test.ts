// SPDX-License-Identifier: ISC
/**
 * How a thread learns whether spinning pays. The host's clock moves by a microsecond at every look,
 * so the time that a thread spins is counted, not measured; a wake is a store by the clock itself.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Kthread, ThreadHost } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { threadHost } from "#src/host/node.js";
import { SPIN_MISSES_MAX, SPIN_NS_MAX, SPIN_REST_MAX, SPIN_REST_MIN } from "#src/limits.js";
import { SLEPT_WOKEN, sleepUntil, sleepWord } from "#src/sync/sleep.js";
import { WORD_SPINNING, WORD_WOKEN } from "#src/sync/wait.js";
import { bootThread } from "./support.js";

class Sleeper {
  time = 1e9;
  looks = 0;
  /** Looks at the clock after which the wake comes to who spins, and to who sleeps. */
  spinWake = Number.POSITIVE_INFINITY;
  sleepWake = Number.POSITIVE_INFINITY;
  #wakeAfter = Number.POSITIVE_INFINITY;
  readonly k: Kthread;

  constructor(processors = 4) {
    const host: ThreadHost = {
      ...threadHost,
      processors,
      clockErrorNs: 0,
      monotonicNs: () => {
        this.time += 1000;
        if (++this.looks > this.#wakeAfter) Atomics.store(this.k.a, this.k.syncWord, WORD_WOKEN);
        return this.time;
      },
    };
    this.k = bootThread({ spin: true, manualClock: false }, host);
  }

  /** One sleep; returns the microseconds that it spun, -1 if it did not. */
  sleep(): number {
    const { k } = this;
    const word = sleepWord(k, true);
    const spins = word === WORD_SPINNING;
    Atomics.store(k.a, k.syncWord, word);
    this.looks = 0;
    this.#wakeAfter = spins ? this.spinWake : this.sleepWake;
    const before = this.time;
    // Soon enough that a sleep which nobody ends takes no time to speak of.
    const result = sleepUntil(k, this.time + k.clockOffsetNs + 100_000);
    assert.equal(Super.spinners.load(k, SUPER), 0);
    if (this.#wakeAfter < 50) assert.equal(result, SLEPT_WOKEN);
    this.#wakeAfter = Number.POSITIVE_INFINITY;
    return spins ? (this.time - before) / 1000 : -1;
  }

  /** Sleeps until it spins; how many did not. */
  rest(): number {
    for (let skipped = 0; ; skipped++) {
      assert.ok(skipped <= 2 * SPIN_REST_MAX, "it never spins again");
      if (this.sleep() >= 0) return skipped;
    }
  }
}

test("a thread that spins for nothing soon stops, for as long as its sleeps are long", () => {
  const sleeper = new Sleeper();
  const spun = Array.from({ length: 600 }, () => sleeper.sleep());
  assert.equal(
    spun.findIndex((us) => us < 0),
    SPIN_MISSES_MAX,
  );
  assert.ok(
    spun.slice(SPIN_MISSES_MAX).every((us) => us < 0),
    "and does not spin again",
  );
  const total = spun.slice(0, SPIN_MISSES_MAX).reduce((sum, us) => sum + us, 0);
  assert.ok(total < (3 * SPIN_NS_MAX) / 1000, `${total} us in all, each half of the one before`);
});

test("short sleeps bring probes, each in vain twice as many sleeps after the last", () => {
  const sleeper = new Sleeper();
  sleeper.sleepWake = 1;
  for (let i = 0; i < SPIN_MISSES_MAX; i++) assert.ok(sleeper.sleep() >= 0);
  const rests: number[] = [];
  while (rests.at(-1) !== SPIN_REST_MAX || rests.length < 8) {
    rests.push(sleeper.rest());
    assert.ok(rests.length < 20, `${rests}`);
  }
  for (const [i, rest] of rests.entries()) {
    const before = rests[i - 1];
    if (before !== undefined) assert.equal(rest, Math.min(2 * before, SPIN_REST_MAX), `${rests}`);
  }
});

test("a probe that pays brings spinning back, and the rests are short again", () => {
  const sleeper = new Sleeper();
  sleeper.sleepWake = 1;
  for (let i = 0; i < 3000; i++) sleeper.sleep();
  // A partner that has to be woken itself answers after this time.
  sleeper.spinWake = 45;
  sleeper.rest();
  for (let i = 0; i < 20; i++) assert.ok(sleeper.sleep() >= 0, "it spins from now on");
  sleeper.spinWake = Number.POSITIVE_INFINITY;
  for (let i = 0; i < SPIN_MISSES_MAX; i++) assert.ok(sleeper.sleep() >= 0);
  assert.ok(sleeper.rest() <= 2 * SPIN_REST_MIN);
});

test("a miss now and then only shortens the budget", () => {
  const sleeper = new Sleeper();
  for (let i = 0; i < 400; i++) {
    sleeper.spinWake = i % 3 === 0 ? 4 : Number.POSITIVE_INFINITY;
    assert.ok(sleeper.sleep() >= 0, `sleep ${i}`);
  }
});

test("nobody spins on one processor, beside another waiter, or where it is switched off", () => {
  assert.equal(new Sleeper(1).sleep(), -1);
  const { k } = new Sleeper();
  assert.equal(sleepWord(k, true), WORD_SPINNING);
  assert.notEqual(sleepWord(k, false), WORD_SPINNING);
  const off = bootThread({ spin: false }, { ...threadHost, processors: 4 });
  assert.notEqual(sleepWord(off, true), WORD_SPINNING);
});
