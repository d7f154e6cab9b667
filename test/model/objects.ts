// SPDX-License-Identifier: ISC
/**
 * Eventfd and pipe as plain objects: what read and write do, and what a knote sees.
 * Rules: spec/notify.md B.2, B.3, B.6 and spec/kqueue.md 3.2, 3.7.
 */

import type { Knote, Kqueue } from "./kqueue.js";
import * as N from "./numbers.js";
import type { Mutants } from "./rules.js";
import { SLEEPS } from "./system.js";

export interface OpenFile {
  readonly object: Eventfd | Pipe | Kqueue;
  readonly access: number;
  /** O_NONBLOCK, shared by all descriptors of this open file. */
  nonblock: boolean;
  refs: number;
}

export interface ReadResult {
  readonly ret: number;
  readonly bytes: Uint8Array;
}

export const NOTHING = new Uint8Array(0);

function failed(errno: number): ReadResult {
  return { ret: -errno, bytes: NOTHING };
}

function clamp(value: bigint): bigint {
  return value > N.I64_MAX ? N.I64_MAX : value;
}

/** The low-water mark that a registration asks for, or what holds without one. */
function lowat(kn: Knote, otherwise: bigint): bigint {
  return (kn.sfflags & N.NOTE_LOWAT) !== 0 ? kn.sdata : otherwise;
}

export class Eventfd {
  readonly kind = "eventfd";
  readonly klist: Knote[] = [];
  readonly semaphore: boolean;
  readonly mutants: Mutants;
  count: bigint;

  constructor(initval: number, semaphore: boolean, mutants: Mutants) {
    this.count = BigInt(initval);
    this.semaphore = semaphore;
    this.mutants = mutants;
  }

  get top(): bigint {
    return this.mutants.has("eventfd allows 2^64-1") ? N.U64_MAX : N.EVENTFD_TOP;
  }

  read(length: number, nonblock: boolean): ReadResult {
    if (length < 8) return failed(N.EINVAL);
    if (this.count === 0n) return nonblock ? failed(N.EAGAIN) : { ret: SLEEPS, bytes: NOTHING };
    const one = this.semaphore && !this.mutants.has("semaphore reads everything");
    const value = one ? 1n : this.count;
    this.count -= value;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    return { ret: 8, bytes };
  }

  write(bytes: Uint8Array, nonblock: boolean): number {
    if (bytes.length < 8) return -N.EINVAL;
    const value = new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true);
    if (value === N.U64_MAX && this.top < value) return -N.EINVAL;
    if (this.count + value > this.top) return nonblock ? -N.EAGAIN : SLEEPS;
    this.count += value;
    return 8;
  }

  evaluate(kn: Knote): boolean {
    if (kn.filter === N.EVFILT_READ) {
      kn.data = clamp(this.count);
      return this.count > 0n;
    }
    const extra = this.mutants.has("eventfd write data counts one more") ? 1n : 0n;
    kn.data = clamp(this.top - this.count + extra);
    return this.count < this.top;
  }
}

export class Pipe {
  readonly kind = "pipe";
  readonly klist: Knote[] = [];
  readonly capacity: number;
  readonly packets: boolean;
  readonly mutants: Mutants;
  /** What was written and not read: in packet mode a record each. */
  chunks: Uint8Array[] = [];
  readerOpen = true;
  writerOpen = true;

  constructor(capacity: number, packets: boolean, mutants: Mutants) {
    this.capacity = capacity;
    this.packets = packets;
    this.mutants = mutants;
  }

  get count(): number {
    return this.chunks.reduce((sum, chunk) => sum + chunk.length, 0);
  }

  get free(): number {
    return this.capacity - this.count;
  }

  read(length: number, nonblock: boolean): ReadResult {
    if (length === 0) return { ret: 0, bytes: NOTHING };
    if (this.chunks.length === 0) {
      if (!this.writerOpen) return { ret: 0, bytes: NOTHING };
      return nonblock ? failed(N.EAGAIN) : { ret: SLEEPS, bytes: NOTHING };
    }
    const bytes = new Uint8Array(Math.min(length, this.packets ? Infinity : this.count));
    let filled = 0;
    do {
      const chunk = this.chunks.shift() as Uint8Array;
      const part = chunk.subarray(0, bytes.length - filled);
      bytes.set(part, filled);
      filled += part.length;
      const keep = !this.packets || this.mutants.has("packet remainder is kept");
      if (keep && part.length < chunk.length) this.chunks.unshift(chunk.subarray(part.length));
    } while (!this.packets && filled < bytes.length);
    return { ret: filled, bytes: bytes.subarray(0, filled) };
  }

  write(bytes: Uint8Array, nonblock: boolean): number {
    if (bytes.length === 0) return 0;
    if (!this.readerOpen) return -N.EPIPE;
    if (bytes.length > this.free && !nonblock) return SLEEPS;
    const whole =
      bytes.length <= N.PIPE_BUF || this.mutants.has("big pipe write is all or nothing");
    const room = whole && this.free < bytes.length ? 0 : this.free;
    if (room === 0) return -N.EAGAIN;
    const part = bytes.slice(0, room);
    this.chunks.push(part);
    return part.length;
  }

  evaluate(kn: Knote): boolean {
    if (kn.filter === N.EVFILT_READ) {
      kn.data = BigInt(this.count);
      if (!this.writerOpen) kn.flags |= N.EV_EOF;
      return !this.writerOpen || kn.data >= lowat(kn, 1n);
    }
    if (!this.readerOpen) {
      kn.data = 0n;
      kn.flags |= N.EV_EOF;
      return true;
    }
    const least = this.mutants.has("write readiness from one byte") ? 1 : N.PIPE_BUF;
    kn.data = BigInt(this.free);
    return kn.data >= lowat(kn, BigInt(least));
  }
}
