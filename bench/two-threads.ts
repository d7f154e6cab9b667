// SPDX-License-Identifier: ISC

/**
 * The four measurements that take two threads. Each has a side here, in the measuring thread, and
 * a side that becomes the work of a partner:
 *
 *   wake    the partner sleeps; how long until it runs again (the median over many)
 *   trip    both threads answer each other
 *   stream  one thread sends as fast as it can, the other receives
 *   both    two threads do the same, each for itself
 */

import { nowNs, spinNs } from "./clock.js";
import type { Kind, Loop, Prepared, Variant } from "./harness.js";
import type { Control, Partner, Work } from "./partner.js";

/** A thread that announced its sleep is left alone for so long, so that it really sleeps. */
const settleNs = 200e3;

export interface Wake {
  readonly partner: Partner;
  send(): void;
  close?(): void;
}

/** The sleeper's side where receiving blocks. */
export function sleepBlocking(control: Control, receive: () => void): Work {
  return (count) => {
    for (let i = 1; i <= count; i++) {
      control.announce(i);
      receive();
      control.stamp(i);
    }
  };
}

/** The sleeper's side where receiving is awaited. */
export function sleepAsync(control: Control, receive: () => Promise<unknown>): Work {
  return async (count) => {
    for (let i = 1; i <= count; i++) {
      control.announce(i);
      await receive();
      control.stamp(i);
    }
  };
}

function median(values: number[]): number {
  values.sort((a, b) => a - b);
  return values[values.length >> 1]!;
}

export function wakeVariant(
  kind: Kind,
  id: string,
  label: string,
  open: () => Promise<Wake>,
): Variant {
  return {
    id,
    label,
    kind,
    async prepare() {
      const wake = await open();
      const { partner } = wake;
      return {
        round(budgetNs) {
          const count = Math.max(16, Math.round(budgetNs / 250e3));
          const delays: number[] = [];
          partner.begin(count);
          for (let i = 1; i <= count; i++) {
            partner.control.awaitAnnounced(i);
            spinNs(settleNs);
            const start = nowNs();
            wake.send();
            delays.push(partner.control.awaitStamp(i) - start);
          }
          partner.finishSync();
          return median(delays);
        },
        async close() {
          wake.close?.();
          await partner.close();
        },
      };
    },
  };
}

export interface Trip {
  readonly partner: Partner;
  /** Sends one message and blocks until the answer is there. */
  ask(): void;
  close?(): void;
}

/** The side that answers. */
export function answerBlocking(control: Control, answer: () => void): Work {
  return (count) => {
    control.announce(1);
    for (let i = 0; i < count; i++) answer();
  };
}

export function tripVariant(
  kind: Kind,
  id: string,
  label: string,
  open: () => Promise<Trip>,
): Variant {
  return {
    id,
    label,
    kind,
    async prepare() {
      const trip = await open();
      const { partner } = trip;
      const ask = (count: number): number => {
        partner.begin(count);
        partner.control.awaitAnnounced(1);
        const start = nowNs();
        for (let i = 0; i < count; i++) trip.ask();
        const elapsed = nowNs() - start;
        partner.finishSync();
        return elapsed;
      };
      return { round: fitting(ask), close: () => closeBoth(trip) };
    },
  };
}

async function closeBoth(both: { partner: Partner; close?(): void }): Promise<void> {
  both.close?.();
  await both.partner.close();
}

/** Runs as many as fit into the budget, by what the rounds before took. */
function fitting(run: (count: number) => number): (budgetNs: number) => number {
  let estimate = 0;
  return (budgetNs) => {
    if (estimate === 0) estimate = run(64) / 64;
    const count = Math.max(64, Math.round(budgetNs / estimate));
    const perOperation = run(count) / count;
    estimate = Math.sqrt(estimate * perOperation); // one disturbed round says little
    return perOperation;
  };
}

export interface Stream {
  readonly partner: Partner;
  /** Sends until the partner has what it wants; called with the count once it is ready. */
  send(count: number): void;
  close?(): void;
}

/** The receiving side, which has to take `count` messages. */
export function receiveStream(control: Control, receive: (count: number) => void): Work {
  return (count) => {
    control.announce(1);
    receive(count);
  };
}

/** Times from the moment at which both are ready until the partner has everything. */
export function streamVariant(
  kind: Kind,
  id: string,
  label: string,
  open: () => Promise<Stream>,
): Variant {
  return {
    id,
    label,
    kind,
    async prepare(): Promise<Prepared> {
      const stream = await open();
      const { partner } = stream;
      const run = (count: number): number => {
        partner.begin(count);
        partner.control.awaitAnnounced(1);
        const start = nowNs();
        stream.send(count);
        partner.finishSync();
        return nowNs() - start;
      };
      return {
        stream: (count) => void run(count),
        round: fitting(run),
        close: () => closeBoth(stream),
      };
    },
  };
}

export interface Both {
  readonly partner: Partner;
  readonly loop: Loop;
  close?(): void;
}

/** The side of a partner that works for itself. */
export function workLoop(control: Control, loop: Loop): Work {
  return (count) => {
    control.announce(1);
    for (let done = 0; done < count; done += 64) loop(64);
  };
}

/** Time per operation of the two together: at best half of what one operation takes. */
export function bothVariant(
  kind: Kind,
  id: string,
  label: string,
  open: () => Promise<Both>,
): Variant {
  return {
    id,
    label,
    kind,
    async prepare() {
      const both = await open();
      const { partner } = both;
      const run = (count: number): number => {
        const start = nowNs(); // on one processor the partner may be done before this side runs
        partner.begin(count);
        partner.control.awaitAnnounced(1);
        for (let done = 0; done < count; done += 64) both.loop(64);
        partner.finishSync();
        return (nowNs() - start) / 2;
      };
      return { round: fitting(run), close: () => closeBoth(both) };
    },
  };
}
