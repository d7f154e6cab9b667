// SPDX-License-Identifier: ISC
/**
 * The sleep itself: what a thread does between dropping the lock under which it linked its wait
 * record and taking it again. See wait.ts for the protocol.
 *
 * Spinning turns a wake of some 45 us into one of 0.2 us when two processors are free, and wastes
 * a time slice when they are not. So a thread spins for a time, not a count; the budget doubles
 * when the wake came while spinning and halves when the thread had to sleep anyway; after a few
 * sleeps in a row that it did not spare, the thread stops spinning at all. From then on it counts
 * the sleeps that were so short that spinning might have spared them, and probes after some of
 * these: each time that it was no use after twice as many, and for long enough to see the answer of
 * a partner that has stopped spinning, too, and has to be woken, since otherwise two such would
 * never come back. Nobody spins on one processor, nor the second waiter of a queue, nor more
 * threads than processors less one.
 */
import { atomicCas, atomicLoad, atomicWait, spinHint } from "#atomics";
import { type Kthread, RecoveryStuck } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import {
  IMPATIENT_MS,
  NET_SLEEP_MS,
  SPIN_MISSES_MAX,
  SPIN_NS_MAX,
  SPIN_NS_PROBE,
  SPIN_NS_START,
  SPIN_REST_MAX,
  SPIN_REST_MIN,
} from "../limits.js";
import { clockMonotonic } from "./clock.js";
import { WORD_SLEEPING, WORD_SPINNING, WORD_WOKEN } from "./wait.js";

/** Nobody wakes us by the clock. */
export const NEVER = Number.POSITIVE_INFINITY;
/** Loads between two looks at the clock: about half a microsecond. */
const LOADS_PER_LOOK = 48;
/** Loads before a spinner counts as one: about two microseconds. */
const BURST_LOADS = 256;

/** Whether a thread about to sleep alone on a queue should spin first; chooses its sync word. */
export function sleepWord(k: Kthread, alone: boolean): number {
  if (!alone || k.host.processors < 2 || Super.spin.get(k, SUPER) === 0) return WORD_SLEEPING;
  if (k.spinNs === 0) {
    if (k.spinShort < k.spinRest) return WORD_SLEEPING;
    // One miss ends a probe.
    k.spinNs = SPIN_NS_PROBE;
    k.spinMisses = SPIN_MISSES_MAX - 1;
  }
  return WORD_SPINNING;
}

/** How a sleep ended, as far as the sleeper itself can tell. */
export const SLEPT_WOKEN = 0;
export const SLEPT_TIMEOUT = 1;
export const SLEPT_NET = 2;

/**
 * Sleep until the sync word is set or the time has come. No lock held. `until` is on the
 * monotonic clock (NEVER for no limit). May return early without a reason: look at the record.
 */
export function sleepUntil(k: Kthread, until: number): number {
  const a = k.a;
  if (atomicLoad(a, k.syncWord) === WORD_SPINNING) {
    if (spinForWake(k, until)) return SLEPT_WOKEN;
    if (atomicCas(a, k.syncWord, WORD_SPINNING, WORD_SLEEPING) !== WORD_SPINNING) {
      return SLEPT_WOKEN;
    }
  }
  const net = Super.threads.load(k, SUPER) > 1 ? NET_SLEEP_MS : NEVER;
  let ms = NEVER;
  if (until !== NEVER && !k.manualClock) {
    ms = (until - clockMonotonic(k)) / 1e6;
    if (ms <= 0) return SLEPT_TIMEOUT;
  }
  const limited = k.impatient ? IMPATIENT_MS : Math.min(ms, net);
  const start = k.spinNs === 0 ? k.host.monotonicNs() : 0;
  if (atomicWait(a, k.syncWord, WORD_SLEEPING, limited) !== "timed-out") {
    if (k.spinNs === 0 && k.host.monotonicNs() - start < SPIN_NS_PROBE) k.spinShort++;
    return SLEPT_WOKEN;
  }
  if (k.impatient) throw new RecoveryStuck("a claim of somebody else");
  return limited < ms ? SLEPT_NET : SLEPT_TIMEOUT;
}

function spinForWake(k: Kthread, until: number): boolean {
  const a = k.a;
  // A burst that is over before a slice is wasted is free for everybody: two threads that answer
  // each other at once need neither the clock nor the line that all spinners write.
  for (let i = 0; i < BURST_LOADS; i++) {
    if (atomicLoad(a, k.syncWord) === WORD_WOKEN) {
      adaptSpin(k, true);
      return true;
    }
    spinHint();
  }
  const others = Super.spinners.fetchAdd(k, SUPER, 1);
  // One run with the count, as where it is taken back: a recovery takes back what is noted here.
  a[k.spinningAt] = 1;
  if (others >= k.host.processors - 1) {
    Super.spinners.fetchAdd(k, SUPER, -1);
    a[k.spinningAt] = 0;
    return false;
  }
  const start = k.host.monotonicNs();
  const end = Math.min(start + k.spinNs, until - k.clockOffsetNs);
  let woken = false;
  do {
    for (let i = 0; i < LOADS_PER_LOOK && !woken; i++) {
      spinHint();
      woken = atomicLoad(a, k.syncWord) === WORD_WOKEN;
    }
  } while (!woken && k.host.monotonicNs() < end);
  Super.spinners.fetchAdd(k, SUPER, -1);
  a[k.spinningAt] = 0;
  adaptSpin(k, woken);
  return woken;
}

function adaptSpin(k: Kthread, paid: boolean): void {
  if (paid) {
    k.spinNs = Math.min(SPIN_NS_MAX, Math.max(SPIN_NS_START, k.spinNs * 2));
    k.spinMisses = 0;
    k.spinRest = SPIN_REST_MIN;
  } else if (++k.spinMisses < SPIN_MISSES_MAX) {
    k.spinNs /= 2;
  } else {
    k.spinNs = 0;
    k.spinShort = 0;
    k.spinRest = Math.min(k.spinRest * 2, SPIN_REST_MAX);
  }
}
