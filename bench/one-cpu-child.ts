// SPDX-License-Identifier: ISC

/** Round trips between two threads of a process that has one processor; see wake-one-cpu.ts. */

import { serve } from "./driven.js";
import type { Variant } from "./harness.js";
import { keventTrip } from "./kevent-trip.js";
import { waitTrip } from "./peers/atomics.js";

/** A round of a fixed time; what is asked for is the time of `count` operations. */
function operation(variant: Variant): (count: number) => Promise<number> {
  const prepared = Promise.resolve(variant.prepare());
  prepared.catch(() => {}); // reported by the call
  return async (count) => {
    const ns = await (await prepared).round(count * assumedTripNs);
    return ns * count;
  };
}

const assumedTripNs = 10e3;

await serve({ knell: operation(keventTrip("wake/one-cpu")), wait: operation(waitTrip) });
