// SPDX-License-Identifier: ISC

/** ringbuf.js: one producer, one consumer, records of 32 bytes of a byte ring. */

import { RingBuffer } from "ringbuf.js";
import { loopVariant } from "../harness.js";
import { type Control, Partner, type Work } from "../partner.js";
import { receiveStream, streamVariant } from "../two-threads.js";

/** The part that is used; the package's own types do not compile. */
interface Ring {
  push(bytes: Uint8Array): number;
  pop(bytes: Uint8Array): number;
  available_write(): number;
  available_read(): number;
}

const RECORD = 32;

interface RingConstructor {
  new (buffer: SharedArrayBuffer, type: typeof Uint8Array): Ring;
  getStorageForCapacity(capacity: number, type: typeof Uint8Array): SharedArrayBuffer;
}

const Ring = RingBuffer as unknown as RingConstructor;

function storage(): SharedArrayBuffer {
  return Ring.getStorageForCapacity(32 * 1024, Uint8Array);
}

export const sameThread = loopVariant(
  "peer",
  "ringbuf/same-thread",
  "ringbuf.js push + pop, 32 bytes",
  () => {
    const ring = new Ring(storage(), Uint8Array);
    const [from, to] = [new Uint8Array(RECORD), new Uint8Array(RECORD)];
    return (count) => {
      for (let i = 0; i < count; i++) {
        if (ring.push(from) !== RECORD || ring.pop(to) !== RECORD) throw new Error("out of step");
      }
    };
  },
);

export function popper(control: Control, data: unknown): Work {
  const ring = new Ring(data as SharedArrayBuffer, Uint8Array);
  const to = new Uint8Array(RECORD);
  return receiveStream(control, (count) => {
    for (let i = 0; i < count; i++) {
      while (ring.available_read() < RECORD);
      ring.pop(to);
    }
  });
}

export const stream = streamVariant(
  "peer",
  "ringbuf/stream",
  "ringbuf.js, two threads, 32 bytes",
  async () => {
    const buffer = storage();
    const ring = new Ring(buffer, Uint8Array);
    const from = new Uint8Array(RECORD);
    return {
      partner: await Partner.start(import.meta.url, "popper", buffer),
      send(count) {
        for (let i = 0; i < count; i++) {
          while (ring.available_write() < RECORD);
          ring.push(from);
        }
      },
    };
  },
);
