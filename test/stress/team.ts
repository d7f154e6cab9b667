// SPDX-License-Identifier: ISC
/**
 * A kernel and a team of workers that put it under stress. This thread makes the kernel, starts
 * the workers, and waits without blocking, so that it can tell what an arena looks like in which
 * somebody hangs, and end it. Afterwards the arena must be sound and the safety net unused.
 *
 * KNELL_SEED repeats a run; KNELL_SOAK=n makes every scenario n times as long.
 */
import assert from "node:assert/strict";
import { Worker } from "node:worker_threads";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { dump } from "#src/inspect/dump.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { usage } from "#src/inspect/usage.js";
import type { BootShape } from "#src/kern/attach.js";
import { type Sys, sys } from "#src/sys/face.js";
import { bootThread, SEED } from "../unit/support.js";
import type { Args, Message, RoleName } from "./member.js";

export { SEED };

/** How much longer than usual. */
export const SOAK = Math.max(1, Number(process.env["KNELL_SOAK"] ?? 1));

/** Workers of every scenario, at least. */
export const MEMBERS = 8;

/** A scenario that takes longer than this hangs: it is meant to take a few seconds. */
const HANG_MS = 40_000 * SOAK;

/** Words that the members share besides the arena. */
const BOARD_WORDS = 1 << 16;

export interface Part {
  readonly role: RoleName;
  readonly args: Args;
}

export class Team {
  readonly k: Kthread;
  readonly s: Sys;
  readonly board = new Int32Array(new SharedArrayBuffer(BOARD_WORDS * 4));

  constructor(shape: Partial<BootShape> = {}) {
    this.k = bootThread({
      arenaBytes: 16 << 20,
      threads: 32,
      descriptors: 1024,
      manualClock: false,
      spin: true,
      ...shape,
    });
    this.s = sys({ thread: this.k });
  }

  /** Run all parts at once, each in a worker; what each returned. Fails if one fails or hangs. */
  async run(parts: readonly Part[]): Promise<number[]> {
    assert.ok(parts.length >= MEMBERS, `a team of ${parts.length}`);
    const workers = parts.map((part, index) => this.#start(part, index, parts.length));
    let timer: NodeJS.Timeout | undefined;
    const hang = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error(`a member hangs:\n${this.describe()}`)), HANG_MS);
    });
    try {
      const all = Promise.all(workers.map(({ result }) => result));
      return await Promise.race([all, hang]);
    } finally {
      clearTimeout(timer);
      await Promise.all(workers.map(({ worker }) => worker.terminate()));
    }
  }

  #start(part: Part, index: number, count: number): { worker: Worker; result: Promise<number> } {
    const workerData: Message = {
      ...part,
      index,
      count,
      arena: this.k.a.buffer as SharedArrayBuffer,
      board: this.board,
      seed: SEED * 1000 + index,
    };
    const worker = new Worker(new URL("./member.js", import.meta.url), { workerData });
    const result = new Promise<number>((resolve, reject) => {
      worker.on("message", resolve);
      worker.on("error", (error) => {
        const what = `${part.role} ${index}, KNELL_SEED=${SEED}: ${error.stack}`;
        reject(new Error(`${what}\n${this.describe()}`));
      });
    });
    // Told by `run`, or not at all if another member failed first.
    result.catch(() => {});
    return { worker, result };
  }

  /** The arena as it is, for a report. */
  describe(): string {
    return `${dump(this.k)}\n${checkInvariants(this.k).join("\n")}`;
  }

  /** Nothing is wrong with the arena, nobody was saved by the net, all members have left. */
  check(): void {
    assert.deepEqual(checkInvariants(this.k), [], this.describe());
    assert.equal(Super.netHits.load(this.k, SUPER), 0, "wakes that were lost");
    assert.equal(usage(this.k).threads, 1);
  }

  /** As `check`, and closing every number leaves nothing. */
  finish(): void {
    this.check();
    for (let fd = 0; usage(this.k).descriptors > 0; fd++) this.s.close(fd);
    this.check();
    const left = usage(this.k);
    const things = [left.files, left.queues, left.knotes, left.userEvents, left.timers];
    things.push(left.eventfds, left.pipes, left.sources, left.filters);
    assert.deepEqual(things, [0, 0, 0, 0, 0, 0, 0, 0, 0]);
  }
}
