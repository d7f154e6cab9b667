// SPDX-License-Identifier: ISC

/**
 * A second thread for the benchmarks. A role is an exported function of the module that also
 * holds the other side: it is called once in the partner thread and returns the work, which is
 * called for every round with a count. The two sides find each other by words in shared memory: an
 * announcement ("I have begun", "I am about to sleep for the nth time") and a stamp ("I ran again
 * at this time"). Nothing is synchronised by sleeping.
 */

import { type TransferListItem, Worker } from "node:worker_threads";
import { nowNs } from "./clock.js";
import { cpuCount, nthCpu } from "./pin.js";

export type Work = (count: number) => void | Promise<void>;
export type Role = (control: Control, data: unknown) => Work | Promise<Work>;

const DONE = 0;
const ANNOUNCED = 16;
const STAMPED = 32;
const STAMP = 24; // in doubles
const CONTROL_BYTES = 256;
const LIMIT_NS = 30e9;

export class Control {
  readonly buffer: SharedArrayBuffer;
  readonly words: Int32Array;
  readonly doubles: Float64Array;

  constructor(buffer = new SharedArrayBuffer(CONTROL_BYTES)) {
    this.buffer = buffer;
    this.words = new Int32Array(buffer);
    this.doubles = new Float64Array(buffer);
  }

  announce(value: number): void {
    publish(this.words, ANNOUNCED, value);
  }

  awaitAnnounced(value: number): void {
    awaitWord(this.words, ANNOUNCED, value);
  }

  /** Notes that the thread runs for the nth time. */
  stamp(value: number): void {
    this.doubles[STAMP] = nowNs();
    publish(this.words, STAMPED, value);
  }

  awaitStamp(value: number): number {
    awaitWord(this.words, STAMPED, value);
    return this.doubles[STAMP]!;
  }

  /** Before a round, while the partner is idle: what the last one said is forgotten. */
  clear(): void {
    Atomics.store(this.words, ANNOUNCED, 0);
    Atomics.store(this.words, STAMPED, 0);
  }

  done(value: number): void {
    publish(this.words, DONE, value);
  }

  awaitDone(value: number): void {
    const end = nowNs() + LIMIT_NS;
    for (;;) {
      const seen = Atomics.load(this.words, DONE);
      if (seen === value) return;
      Atomics.wait(this.words, DONE, seen, 1000);
      if (nowNs() > end) throw new Error("the partner thread did not answer");
    }
  }
}

function publish(words: Int32Array, index: number, value: number): void {
  Atomics.store(words, index, value);
  Atomics.notify(words, index);
}

/** Spins, since a waiting thread would have to be woken; with one processor it must wait. */
export function awaitWord(words: Int32Array, index: number, value: number): void {
  const end = nowNs() + LIMIT_NS;
  for (;;) {
    for (let i = 0; i < 10_000; i++) {
      const seen = Atomics.load(words, index);
      if (seen === value) return;
      if (cpuCount === 1) Atomics.wait(words, index, seen, 100);
    }
    if (nowNs() > end) throw new Error("the partner thread did not answer");
  }
}

/** What the partner thread is started with. */
export interface PartnerStart {
  readonly module: string;
  readonly role: string;
  readonly data: unknown;
  readonly control: SharedArrayBuffer;
  readonly cpus: readonly number[];
}

export class Partner {
  readonly control = new Control();
  readonly worker: Worker;
  #begun = 0;
  #finished = 0;
  #failure: Error | undefined;
  #wake: () => void = () => {};

  private constructor(start: Omit<PartnerStart, "control">, transfer: readonly TransferListItem[]) {
    const workerData: PartnerStart = { ...start, control: this.control.buffer };
    this.worker = new Worker(new URL("partner-thread.js", import.meta.url), {
      workerData,
      transferList: [...transfer],
    });
    this.worker.on("message", (finished: number) => {
      this.#finished = finished;
      this.#wake();
    });
    this.worker.on("error", (error) => {
      this.#failure = error as Error;
      this.#wake();
    });
  }

  /** Starts a thread that plays `role`, an export of the module; `data` may carry transferables. */
  static async start(
    module: string,
    role: string,
    data: unknown = undefined,
    transfer: readonly TransferListItem[] = [],
  ): Promise<Partner> {
    const partner = new Partner({ module, role, data, cpus: nthCpu(1) }, transfer);
    await partner.finish(); // the thread reports round 0 when it is ready
    return partner;
  }

  /** Lets the partner do its work once. */
  begin(count: number): void {
    this.#begun++;
    this.control.clear();
    this.worker.postMessage(count);
  }

  /** Resolves when the work that was begun is done. */
  async finish(): Promise<void> {
    while (this.#finished !== this.#begun || !this.#ready()) {
      if (this.#failure !== undefined) throw this.#failure;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  #ready(): boolean {
    return this.#begun > 0 || Atomics.load(this.control.words, DONE) === -1;
  }

  /** The same for a thread that does not return to its event loop. */
  finishSync(): void {
    this.control.awaitDone(this.#begun);
  }

  /** Whether the work that was begun is done. */
  isDone(): boolean {
    return Atomics.load(this.control.words, DONE) === this.#begun;
  }

  async close(): Promise<void> {
    await this.worker.terminate();
  }
}
