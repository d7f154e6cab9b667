// SPDX-License-Identifier: ISC
/** The body of a worker of a team: attach, do the part, leave. See team.ts for the other side. */
import assert from "node:assert/strict";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { Kthread } from "#src/arena/kthread.js";
import { threadHost } from "#src/host/node.js";
import { slotLeave } from "#src/kern/attach.js";
import { KeventList, type Sys, sys } from "#src/sys/face.js";
import { kernelAttach } from "#src/sys/kernel.js";
import { Random } from "../unit/support.js";
import { churn } from "./roles/churn.js";
import { closer, sleeper } from "./roles/closing.js";
import { adder, taker } from "./roles/counter.js";
import { consumer, producer } from "./roles/handoff.js";
import { lists } from "./roles/lists.js";
import { packetReader, packetWriter } from "./roles/packets.js";
import { sourceChurn, sourceOwner, sourceWatcher } from "./roles/sources.js";
import { straggler, swapper } from "./roles/straggler.js";
import { timerSetter, timerWaiter } from "./roles/timers.js";

/** What a part is told: numbers only, by name. */
export type Args = Readonly<Record<string, number>>;

const ROLES = {
  adder,
  churn,
  closer,
  consumer,
  lists,
  packetReader,
  packetWriter,
  producer,
  sleeper,
  sourceChurn,
  sourceOwner,
  sourceWatcher,
  straggler,
  swapper,
  taker,
  timerSetter,
  timerWaiter,
};
export type RoleName = keyof typeof ROLES;

export interface Message {
  readonly role: RoleName;
  readonly args: Args;
  readonly index: number;
  readonly count: number;
  readonly arena: SharedArrayBuffer;
  readonly board: Int32Array;
  readonly seed: number;
}

export const ZERO = { sec: 0, nsec: 0 };

/** A member of a team at work. */
export class Member {
  readonly k: Kthread;
  readonly s: Sys;
  readonly board: Int32Array;
  readonly random: Random;
  readonly index: number;
  readonly count: number;
  readonly #args: Args;
  readonly #change = new KeventList(1);

  constructor(k: Kthread, message: Message) {
    this.k = k;
    this.s = sys({ thread: k });
    this.board = message.board;
    this.random = new Random(message.seed);
    this.index = message.index;
    this.count = message.count;
    this.#args = message.args;
  }

  arg(name: string): number {
    const value = this.#args[name];
    assert.ok(value !== undefined, `no argument ${name}`);
    return value;
  }

  /** One change of a queue; 0 or -errno. */
  change(kq: number, ident: number, filter: number, flags: number, fflags = 0, data = 0): number {
    this.#change.set(0, ident, filter, flags, fflags, data);
    return this.s.kevent(kq, this.#change, 1, null, 0, ZERO);
  }

  add(word: number, n = 1): number {
    return Atomics.add(this.board, word, n);
  }

  /** Wait until all members have come here; `word` and the next are for nothing else. */
  meet(word: number): void {
    const round = Atomics.load(this.board, word + 1);
    if (Atomics.add(this.board, word, 1) === this.count - 1) {
      Atomics.store(this.board, word, 0);
      Atomics.add(this.board, word + 1, 1);
      Atomics.notify(this.board, word + 1);
      return;
    }
    while (Atomics.load(this.board, word + 1) === round) {
      Atomics.wait(this.board, word + 1, round, 1000);
    }
  }
}

if (!isMainThread) {
  const message = workerData as Message;
  const k = kernelAttach(message.arena, threadHost);
  if (typeof k === "number") throw new Error(`attach: ${k}`);
  const result = ROLES[message.role](new Member(k, message));
  slotLeave(k);
  parentPort?.postMessage(result);
}
