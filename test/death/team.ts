// SPDX-License-Identifier: ISC
/**
 * Workers that are ended at random moments, one after the other, while others go on. This thread
 * hears of the ends and reaps. Whoever is left must go on within a second of any end.
 */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { threadHost } from "#src/host/node.js";
import { workerReap } from "#src/host/reap.js";
import { dump } from "#src/inspect/dump.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { lockOrder } from "#src/sync/order.js";
import { recoveries } from "#src/sys/exits.js";
import { type Sys, sys } from "#src/sys/face.js";
import { bootThread, Random, SEED } from "../unit/support.js";
import { type Shared, sharedMake } from "./acts.js";
import type { Trade } from "./trade.js";
import type { Told } from "./worker.js";

export { SEED };

/** How many times as many deaths as usual. */
export const SOAK = Math.max(1, Number(process.env["KNELL_SOAK"] ?? 1));
/** No thread may stand still for longer, whoever was ended. */
const HANG_MS = 1000;
/** Another thread may have the reaper's place, or hold what it needs, for a moment. */
const AGAIN_MS = 5;
const BOARD_WORDS = 1 << 20;

export interface Member {
  readonly worker: Worker;
  readonly index: number;
  readonly ended: Promise<void>;
}

export class Team {
  readonly k: Kthread;
  readonly s: Sys;
  readonly shared: Shared;
  readonly board = new Int32Array(new SharedArrayBuffer(BOARD_WORDS * 4));
  readonly random = new Random(SEED);
  readonly members = new Set<Member>();
  /** Longest time from the end of a thread to the next step of each that was left. */
  slowestMs = 0;
  #count = 0;

  constructor() {
    this.k = bootThread({
      arenaBytes: 16 << 20,
      threads: 16,
      descriptors: 512,
      manualClock: false,
      spin: true,
    });
    this.s = sys({ thread: this.k });
    this.shared = sharedMake(this.s);
  }

  /** Start a worker and wait until it is at work. */
  async start(trade: Trade | null = null): Promise<Member> {
    const index = this.#count++ % 64;
    Atomics.store(this.board, index, trade?.from ?? 0);
    const told: Told = {
      arena: this.k.a.buffer as SharedArrayBuffer,
      board: this.board,
      index,
      seed: SEED * 1000 + this.#count,
      shared: this.shared,
      trade,
    };
    const worker = new Worker(new URL("./worker.js", import.meta.url), { workerData: told });
    const hostThread = worker.threadId;
    let failed: unknown = null;
    worker.on("error", (error) => {
      failed = error;
    });
    const ended = new Promise<void>((resolve, reject) => {
      worker.on("exit", (code) => {
        const ending = { hostThread, worker: 0, name: "", code, error: "", relatives: [] };
        const reap = (): void => {
          try {
            if (!workerReap(this.k.a.buffer as SharedArrayBuffer, threadHost, ending)) {
              setTimeout(reap, AGAIN_MS);
            } else if (failed !== null) reject(failed);
            else resolve();
          } catch (error) {
            reject(error);
          }
        };
        reap();
      });
    });
    ended.catch(() => {});
    const member = { worker, index, ended };
    this.members.add(member);
    await Promise.race([
      new Promise((resolve) => worker.once("message", resolve)),
      ended.then(() => Promise.reject(failed ?? new Error("ended early"))),
    ]);
    return member;
  }

  /** End workers at moments within the next milliseconds, and see that the others go on. */
  async kill(doomed: readonly Member[], othersGoOn = true): Promise<void> {
    const ends: Promise<unknown>[] = [];
    for (const member of doomed) {
      const until = performance.now() + this.random.below(3000) / 1000;
      while (performance.now() < until);
      this.members.delete(member);
      ends.push(member.worker.terminate());
    }
    await Promise.all(ends);
    const start = performance.now();
    await Promise.all(doomed.map(({ ended }) => this.#alive(ended, start)));
    const others = othersGoOn ? [...this.members] : [];
    await Promise.all(others.map((other) => this.#goesOn(other, start)));
    this.slowestMs = Math.max(this.slowestMs, performance.now() - start);
  }

  async #alive(promise: Promise<void>, start: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(this.#hang("the reaping", start))), HANG_MS * 5);
    });
    await Promise.race([promise, late]);
    clearTimeout(timer);
  }

  async #goesOn(member: Member, start: number): Promise<void> {
    const seen = Atomics.load(this.board, member.index);
    while (Atomics.load(this.board, member.index) === seen) {
      if (performance.now() - start > HANG_MS * 5) throw new Error(this.#hang("a worker", start));
      await new Promise((resolve) => setTimeout(resolve, 0));
    }
  }

  #hang(who: string, start: number): string {
    const ms = Math.round(performance.now() - start);
    const wrong = checkInvariants(this.k).slice(0, 40).join("\n");
    return `${who} stands still for ${ms} ms, KNELL_SEED=${SEED}\n${wrong}\n${dump(this.k)}`;
  }

  /** End all that are left; what remains must be sound, and closing everything leaves nothing. */
  async finish(): Promise<void> {
    for (const member of [...this.members]) {
      this.members.delete(member);
      await member.worker.terminate();
      await this.#alive(member.ended, performance.now());
    }
    this.check();
    for (let fd = 0; fd < 512; fd++) this.s.close(fd);
    this.check();
    assert.equal(Super.threads.load(this.k, SUPER), 1);
    assert.equal(Super.spinners.load(this.k, SUPER), 0);
    assert.equal(Super.timers.load(this.k, SUPER), 0);
    assert.equal(this.s.userEventCount(), 0);
  }

  /** End what is left of a run that failed, or the process would go on for ever. */
  async abandon(): Promise<void> {
    for (const { worker } of this.members) await worker.terminate();
  }

  /** No worker runs: the arena is sound. */
  check(): void {
    assert.deepEqual(checkInvariants(this.k), [], `KNELL_SEED=${SEED}\n${dump(this.k)}`);
  }
}

/** How many of the dead were found with a lock, for each class of locks. */
export function report(): string {
  const { threads, locked, ranks } = recoveries;
  const classes = lockOrder.map(({ name, rank }) => `${name} ${ranks[rank] ?? 0}`).join(", ");
  return `${threads} ended, ${locked} with a lock: ${classes}`;
}
