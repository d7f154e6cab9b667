// SPDX-License-Identifier: ISC
/**
 * What all objects of one attachment share: the thread, its loop, and what is open. It is inside
 * of the face; programs see a Kernel.
 */
import { EBADF, EOPNOTSUPP } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import type { Handle } from "../sys/handle.js";
import { Encoder } from "./cbor.js";
import { KernelError } from "./errors.js";
import { Loop } from "./loop.js";
import type { ObjectState } from "./object.js";

/** Bytes for messages on their way in, to begin with. */
const SCRATCH_BYTES = 4096;

export class Core {
  readonly k: Kthread;
  readonly buffer: SharedArrayBuffer;
  /** Random number of the arena. */
  readonly id: number;
  readonly loop: Loop;
  readonly #encoder = new Encoder();
  #encoding = false;
  /** What messages are received into before they are decoded. */
  scratch: Uint8Array = new Uint8Array(SCRATCH_BYTES);
  /** The same memory as words. */
  scratchWords: Int32Array = new Int32Array(this.scratch.buffer);
  /** Objects that are open. */
  readonly states = new Set<ObjectState>();
  open = true;

  constructor(k: Kthread, buffer: SharedArrayBuffer, id: number) {
    this.k = k;
    this.buffer = buffer;
    this.id = id;
    this.loop = new Loop(k);
  }

  /** Make the scratch hold `length` bytes. */
  growScratch(length: number): void {
    if (length <= this.scratch.length) return;
    this.scratch = new Uint8Array((length + 3) & ~3);
    this.scratchWords = new Int32Array(this.scratch.buffer);
  }

  /** Encode a value. The result is good until the next call. */
  encode(value: unknown): Encoder {
    // A getter of the value may send something itself.
    const encoder = this.#encoding ? new Encoder() : this.#encoder;
    const before = this.#encoding;
    this.#encoding = true;
    try {
      encoder.encode(value);
    } finally {
      this.#encoding = before;
    }
    return encoder;
  }

  /** The kernel must not be closed. */
  check(syscall: string, action: string): void {
    if (!this.open) throw new KernelError(EBADF, syscall, action, "the kernel was closed");
  }

  /** The thread must be one that may sleep. */
  checkMayBlock(syscall: string, action: string): void {
    if (this.k.host.canBlock) return;
    const why = "this thread may not block; use the asynchronous form";
    throw new KernelError(EOPNOTSUPP, syscall, action, why);
  }
}

/** A result of a call that makes something: the thing, or -errno. */
export function made<T extends object>(result: T | number, syscall: string, action: string): T {
  if (typeof result === "number") throw new KernelError(-result, syscall, action);
  return result;
}

export type { Handle };
