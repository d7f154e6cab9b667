// SPDX-License-Identifier: ISC
/**
 * What threads and the warden say to each other. The warden is a worker that starts the workers
 * that `spawn` asks for and hears of their end, since only a running event loop hears that, and a
 * thread that spawned may be parked. It makes no kernel call but to reap, and never blocks.
 *
 * The thread that keeps it has its port. Others reach it by a broadcast channel named after the
 * arena, which nobody may listen to yet: such a request carries a word of shared memory, which the
 * warden changes from ASKED to TAKEN, once, whatever number of times it is sent, or its sender to
 * WITHDRAWN. Two more words are for the end of the worker.
 */

export const ASKED = 0;
export const TAKEN = 1;
export const WITHDRAWN = 2;

/** Words of that memory: the state, whether the worker has ended, and its exit code. */
export const CLAIM_STATE = 0;
export const CLAIM_ENDED = 1;
export const CLAIM_CODE = 2;
export const CLAIM_WORDS = 3;

/** What the warden is started with. */
export interface WardenStart {
  readonly buffer: SharedArrayBuffer;
  readonly channel: string;
}

/** Start a worker. */
export interface SpawnRequest {
  readonly kind: "spawn";
  readonly worker: number;
  readonly name: string;
  readonly url: string;
  readonly data: unknown;
  /** Whether it keeps the process alive while it runs. */
  readonly held: boolean;
  readonly claim: Int32Array | null;
}

/** Something about a worker that was started. */
export interface WorkerRequest {
  readonly kind: "terminate" | "hold" | "release";
  readonly worker: number;
}

/** No thread keeps the warden any more: end when the last worker has. */
export interface EndRequest {
  readonly kind: "end";
}

export type Ask = SpawnRequest | WorkerRequest | EndRequest;

/**
 * What the warden tells its keeper: how many workers keep the process alive, counting those of the
 * first `seen` requests of the keeper's own; and who ended.
 */
export type WardenNews =
  | { readonly kind: "held"; readonly count: number; readonly seen: number }
  | {
      readonly kind: "ended";
      readonly worker: number;
      readonly name: string;
      readonly code: number;
      readonly error: string;
    };

/** What a thread can do with the warden that it keeps. */
export interface Warden {
  ask(request: Ask): void;
  /** Its workers keep this process alive. */
  hold(): void;
  /** They do not. */
  release(): void;
}

/** Name of the broadcast channel of an arena. */
export function wardenChannel(id: number): string {
  return `knell ${id}`;
}
