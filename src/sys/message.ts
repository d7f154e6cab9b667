// SPDX-License-Identifier: ISC
/** Channels, counters and bells for their JavaScript objects, which own the file they work on. */
import { EBADF } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import { type BellPtr, bellRing } from "../fd/bell.js";
import {
  CHANNEL_END,
  CHANNEL_SHORT,
  channelEnd,
  channelNeed,
  channelReceive,
  channelSend,
  exitsWatch,
} from "../fd/channel.js";
import { counterRead, counterWrite, type EventfdPtr, type Taken } from "../fd/eventfd.js";
import { pipeRead, pipeWrite } from "../fd/pipe.js";
import type { PipePtr } from "../fd/pipe-ring.js";
import { File, fileDrop, fileHoldStale } from "../kern/file.js";
import { callEnter, callLeave } from "../kern/thread.js";
import { SYS } from "./calls.js";
import type { Handle } from "./handle.js";

export { CHANNEL_END, CHANNEL_SHORT };

/**
 * Run a call on a handle's file. One that may sleep holds a reference of its own meanwhile, because
 * another thread may close the handle's number; -EBADF if that has happened already.
 */
function held(k: Kthread, h: Handle, nonblock: boolean, call: () => number): number {
  if (!nonblock && !fileHoldStale(k, h.fp, h.generation)) return -EBADF;
  const result = call();
  if (!nonblock) fileDrop(k, h.fp);
  return result;
}

/**
 * Send `length` bytes as a message; as channelSend. `words` is the memory of `bytes` as words, or
 * null. May sleep unless `nonblock`.
 */
export function messageSend(
  k: Kthread,
  h: Handle,
  nonblock: boolean,
  bytes: Uint8Array,
  length: number,
  words: Int32Array | null = null,
): number {
  callEnter(k, SYS.write);
  const p = h.obj as PipePtr;
  const { fp } = h;
  const result = nonblock
    ? channelSend(k, p, fp, true, bytes, length, words)
    : held(k, h, false, () => channelSend(k, p, fp, false, bytes, length, words));
  callLeave(k);
  return result;
}

/** Receive a message; as channelReceive, with `words` as for messageSend. May sleep as it may. */
export function messageReceive(
  k: Kthread,
  h: Handle,
  nonblock: boolean,
  into: Uint8Array,
  words: Int32Array | null = null,
): number {
  callEnter(k, SYS.read);
  const p = h.obj as PipePtr;
  const { fp } = h;
  const result = nonblock
    ? channelReceive(k, p, fp, true, into, words)
    : held(k, h, false, () => channelReceive(k, p, fp, false, into, words));
  callLeave(k);
  return result;
}

/** Length of the next message, 0 if there is none. */
export function messageNeed(k: Kthread, h: Handle): number {
  callEnter(k, SYS.read);
  const length = channelNeed(k, h.obj as PipePtr);
  callLeave(k);
  return length;
}

/** No more messages. 0 or -EBADF. */
export function messagesEnd(k: Kthread, h: Handle): number {
  callEnter(k, SYS.write);
  const result = channelEnd(k, h.obj as PipePtr, h.fp);
  callLeave(k);
  return result;
}

/** From now on the channel gets a message for every worker that ends. */
export function messagesOfExits(k: Kthread, h: Handle): void {
  callEnter(k, SYS.write);
  exitsWatch(k, h.obj as PipePtr);
  callLeave(k);
}

/** Room that a message of `length` bytes needs, as the channel reports its room. */
export function messageRoom(length: number): number {
  return Math.max(4, (length + 3) & ~3);
}

/** Add to a counter, in two words; 8, -EAGAIN, -EINVAL, -EBADF. */
export function countAdd(k: Kthread, h: Handle, lo: number, hi: number): number {
  callEnter(k, SYS.write);
  const result = counterWrite(k, h.obj as EventfdPtr, h.fp, true, lo, hi);
  callLeave(k);
  return result;
}

/** Take from a counter; 8, -EAGAIN, -EBADF. May sleep unless `nonblock`. */
export function countTake(k: Kthread, h: Handle, nonblock: boolean, into: Taken): number {
  callEnter(k, SYS.read);
  const p = h.obj as EventfdPtr;
  const result = nonblock
    ? counterRead(k, p, h.fp, true, into)
    : held(k, h, false, () => counterRead(k, p, h.fp, false, into));
  callLeave(k);
  return result;
}

/** Ring a bell; 0 or -EBADF. */
export function ring(k: Kthread, h: Handle): number {
  callEnter(k, SYS.write);
  const result = bellRing(k, h.obj as BellPtr, h.fp);
  callLeave(k);
  return result;
}

/** The handle's reference keeps its file, and so the generation. */
function generationOf(k: Kthread, h: Handle): number {
  return File.generation.hint(k, h.fp);
}

/** Read from a pipe; as pipeRead. May sleep unless `nonblock`. */
export function bytesRead(
  k: Kthread,
  h: Handle,
  nonblock: boolean,
  into: Uint8Array,
  room: number,
): number {
  callEnter(k, SYS.read);
  const p = h.obj as PipePtr;
  const generation = generationOf(k, h);
  const result = held(k, h, nonblock, () => pipeRead(k, p, h.fp, generation, nonblock, into, room));
  callLeave(k);
  return result;
}

/** Write to a pipe; as pipeWrite. May sleep unless `nonblock`. */
export function bytesWrite(
  k: Kthread,
  h: Handle,
  nonblock: boolean,
  bytes: Uint8Array,
  length: number,
): number {
  callEnter(k, SYS.write);
  const p = h.obj as PipePtr;
  const generation = generationOf(k, h);
  const result = held(k, h, nonblock, () =>
    pipeWrite(k, p, h.fp, generation, nonblock, bytes, length),
  );
  callLeave(k);
  return result;
}

export type { Taken };
