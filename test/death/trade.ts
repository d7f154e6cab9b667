// SPDX-License-Identifier: ISC
/**
 * Messages that are counted: some workers send numbers into a channel, others take them, and note
 * on the board what they have done. Whoever is ended in between leaves one message at most of which
 * is not known whether it was sent, or that was taken and not noted.
 */
import type { Kthread } from "#src/arena/kthread.js";
import { channelReceive, channelSend } from "#src/fd/channel.js";
import type { PipePtr } from "#src/fd/pipe-ring.js";
import type { FilePtr } from "#src/kern/file.js";
import { callEnter, callLeave } from "#src/kern/thread.js";

export interface Trade {
  readonly channel: number;
  readonly file: number;
  readonly role: "send" | "take";
  /** First of the board's words where takers count what they took, one per sender's number. */
  readonly taken: number;
  /** First number that this sender sends. */
  readonly from: number;
  /** How many numbers it has. */
  readonly room: number;
}

const CALL = 4;

/** Send or take for ever. */
export function exchange(k: Kthread, board: Int32Array, index: number, trade: Trade): never {
  const bytes = new Uint8Array(8);
  const word = new Int32Array(bytes.buffer);
  const p = trade.channel as PipePtr;
  const fp = trade.file as FilePtr;
  for (let next = trade.from; ; ) {
    callEnter(k, CALL);
    if (trade.role === "send" && next < trade.from + trade.room) {
      word[0] = next;
      const sent = channelSend(k, p, fp, true, bytes, 8, word);
      if (sent === 0) Atomics.store(board, index, ++next);
    } else if (trade.role === "take") {
      const n = channelReceive(k, p, fp, true, bytes, word);
      if (n === 8) Atomics.add(board, trade.taken + (word[0] as number), 1);
      Atomics.add(board, index, 1);
    }
    callLeave(k);
  }
}
