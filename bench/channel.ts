// SPDX-License-Identifier: ISC

/**
 * Question: what does it cost to hand 32 bytes to a channel and to take them out?
 *
 * Goals (goals.ts, channel/*): in one thread at most twice two lock pairs with the two copies, and
 * 10 times as fast as a MessagePort; between two threads at most twice a ring under one lock, and
 * 12 times as fast. ringbuf.js, which needs no lock because it allows only one thread at each
 * end, is printed beside.
 */

import { attach, boot } from "knell";
import { lockedRing, lockedRingStream } from "./floors.js";
import { goals } from "./goals.js";
import type { Question } from "./harness.js";
import { expect, kernel, ours } from "./ours.js";
import { type Control, Partner, type Work } from "./partner.js";
import {
  sameThreadBytes,
  sameThreadNumber,
  sameThreadObject,
  streamBytes,
  streamNumber,
} from "./peers/message-port.js";
import { sameThread as ringbufSameThread, stream as ringbufStream } from "./peers/ringbuf.js";
import { runAlone } from "./run.js";
import { receiveStream, streamVariant } from "./two-threads.js";

const oneThread = ours("channel/one-thread", () => {
  const channel = kernel().channel();
  const bytes = new Uint8Array(32);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) {
      channel.trySend(bytes);
      if (channel.tryReceive() !== undefined) got++;
    }
    expect("messages", got, count);
  };
});

export function receiver(control: Control, data: unknown): Work {
  const { channel } = attach(data) as ReturnType<typeof attach> & {
    channel: { receiveSync(): unknown };
  };
  return receiveStream(control, (count) => {
    for (let i = 0; i < count; i++) channel.receiveSync();
  });
}

const twoThreads = streamVariant(
  "knell",
  "knell/channel/two-threads",
  goals["channel/two-threads"].operation,
  async () => {
    const kernel = boot();
    const channel = kernel.channel();
    const bytes = new Uint8Array(32);
    return {
      partner: await Partner.start(import.meta.url, "receiver", kernel.share({ channel })),
      send(count) {
        for (let i = 0; i < count; i++) channel.send(bytes);
      },
    };
  },
);

export const question: Question = {
  name: "channel",
  text: "what does it cost to hand 32 bytes to a channel and to take them out?",
  rows: () => [
    {
      goal: "channel/one-thread",
      ours: oneThread,
      floor: lockedRing,
      peers: [sameThreadBytes, sameThreadObject, sameThreadNumber, ringbufSameThread],
    },
    {
      goal: "channel/two-threads",
      ours: twoThreads,
      floor: lockedRingStream,
      peers: [streamBytes, streamNumber, ringbufStream],
    },
  ],
};

await runAlone(import.meta.url, question);
