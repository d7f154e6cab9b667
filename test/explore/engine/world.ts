// SPDX-License-Identifier: ISC
/**
 * The kernel of an exploration as its threads get it: small, on a clock that only moves when a
 * sleep times out, on one processor (nobody spins), and as new for every run.
 */
import { Kthread, type ThreadHost } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import type { BootShape } from "#src/kern/attach.js";
import { layersInstall, upperLayers } from "#src/kern/file.js";
import { LINE_WORDS } from "#src/limits.js";
import type { Control } from "./control.js";

/** What the clock shows when a run begins. */
export const CLOCK_START_NS = 1e9;
const WALL_OFFSET_NS = 1.7e18;

/** A host whose time is the control's. */
export function hostOf(control: Control): ThreadHost {
  return {
    monotonicNs: () => control.clockNs,
    clockErrorNs: 0,
    wallNs: () => control.clockNs + WALL_OFFSET_NS,
    processors: 1,
    canBlock: true,
  };
}

export const SHAPE: BootShape = {
  arenaBytes: 1 << 20,
  threads: 8,
  descriptors: 64,
  userEvents: 64,
  timers: 64,
  profile: 0,
  manualClock: false,
  spin: false,
  wallNs: 0,
  id: 1,
};

/** A thread of the kernel, or an error that says what a negative result of boot or attach means. */
export function attached(result: Kthread | number): Kthread {
  if (typeof result === "number") throw new Error(`the kernel said ${result}`);
  return result;
}

/** The same thread with its private state as new: what a run left behind does not matter. */
export function renewed(k: Kthread): Kthread {
  const places = {
    thread: k.thread,
    locks: k.locksAt,
    limbo: k.limboAt,
    syncWord: k.syncWord,
    asyncWord: k.asyncWord,
    fired: k.firedAt,
    call: k.callAt,
    spinning: k.spinningAt,
  };
  const { clockOffsetNs, manualClock, spinNs } = k;
  const fresh = new Kthread(k.a.buffer as SharedArrayBuffer, k.host, places, k.owner, {
    clockOffsetNs,
    manualClock,
    spinNs,
  });
  fresh.proc = k.proc;
  layersInstall(fresh, upperLayers(k));
  return fresh;
}

/** What a thread must not leave behind when its calls have returned; null if it is clean. */
export function leftovers(k: Kthread): string | null {
  if (k.lockDepth !== 0) return `holds ${k.lockDepth} locks after its last call`;
  if (k.limboCount !== 0) return `has ${k.limboCount} slots in limbo after its last call`;
  if (k.deferred !== 0) return `put off work for ever: deferred is ${k.deferred}`;
  if (k.dropHead !== 0) return "has knotes to drop after its last call";
  return null;
}

/** First of a line of words that no kernel uses, 0 when a run begins: for toys. */
export function spareWords(k: Kthread): number {
  return k.a.length - LINE_WORDS;
}

/** The arena as it is now, to be brought back before every run. */
export class Snapshot {
  readonly #k: Kthread;
  readonly #words: Int32Array;

  constructor(k: Kthread) {
    this.#k = k;
    this.#words = k.a.slice(0, k.a[Super.brk.at(SUPER)]);
  }

  restore(): void {
    const a = this.#k.a;
    const used = a[Super.brk.at(SUPER)] as number;
    a.set(this.#words);
    if (used > this.#words.length) a.fill(0, this.#words.length, used);
    a.fill(0, spareWords(this.#k));
  }
}
