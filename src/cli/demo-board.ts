// SPDX-License-Identifier: ISC
/** What the workers that are to be ended share with the thread that ends them. */
import type { Channel } from "../api/index.js";

/** What a worker says instead of the number of a job. */
export const READY = -1;
export const DRAINED = -2;

/** The objects of the kernel that all threads have. */
export type MortalTools = {
  jobs: Channel<number>;
  /** Jobs that are sent a second time. */
  again: Channel<number>;
  /** The worker, and the job or what else it says. */
  answers: Channel<readonly [number, number]>;
};

export interface MortalData {
  readonly workerData: { readonly worker: number; readonly words: Float64Array<SharedArrayBuffer> };
}

/** What each worker notes, in words that only it writes; and where the burst of jobs began. */
export class Board {
  readonly words: Float64Array<SharedArrayBuffer>;

  constructor(words: Float64Array<SharedArrayBuffer>) {
    this.words = words;
  }

  static for(workers: number): Board {
    return new Board(new Float64Array(new SharedArrayBuffer(8 * (2 * workers + 1))).fill(-1));
  }

  /** The worker has this job in its hands. */
  note(worker: number, job: number): void {
    this.words[2 * worker] = job;
  }

  noted(worker: number): number {
    return this.words[2 * worker] as number;
  }

  /** From one answer of the worker to the next it took so long. */
  stood(worker: number, ms: number): void {
    if (ms > (this.words[2 * worker + 1] as number)) this.words[2 * worker + 1] = ms;
  }

  /** Longest time between two answers of one worker. */
  get longestMs(): number {
    return this.words.reduce((longest, ms, at) => (at % 2 === 1 && ms > longest ? ms : longest), 0);
  }

  /** First job of the burst that goes on. Before it there were none for a while. */
  get burst(): number {
    return this.words[this.words.length - 1] as number;
  }

  set burst(job: number) {
    this.words[this.words.length - 1] = job;
  }
}
