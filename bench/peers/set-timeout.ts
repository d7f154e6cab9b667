// SPDX-License-Identifier: ISC

/** The runtime's own timers. */

import { nowNs, spinNs } from "../clock.js";
import { loopVariant, type Options, type Variant } from "../harness.js";

const hour = 3600e3;
const nothing = (): void => {};

export const addClear = loopVariant(
  "peer",
  "set-timeout/add-clear",
  "setTimeout + clearTimeout",
  () => addAndClear,
);

function addAndClear(count: number): void {
  for (let i = 0; i < count; i++) clearTimeout(setTimeout(nothing, hour));
}

/** The same while `count` others are armed, with a thousand different delays. */
export function addClearOutstanding(outstanding: number): Variant {
  return {
    id: "set-timeout/outstanding",
    label: `setTimeout + clearTimeout, ${outstanding / 1000}k armed`,
    kind: "peer",
    async prepare() {
      const timers = Array.from({ length: outstanding }, (_, i) =>
        setTimeout(nothing, hour + (i % 1000)),
      );
      const loop = loopVariant("peer", "", "", () => (count) => {
        for (let i = 0; i < count; i++) clearTimeout(setTimeout(nothing, hour + (i % 1000)));
      });
      const prepared = await loop.prepare();
      return {
        round: (budgetNs) => prepared.round(budgetNs),
        close() {
          for (const timer of timers) clearTimeout(timer);
        },
      };
    },
  };
}

/** From the first callback to the last, over timers that are all due when the loop looks. */
export function expiry(timers: number, spreadMs: number): Variant {
  return {
    id: "set-timeout/expiry",
    label: `setTimeout, ${timers / 1000}k due`,
    kind: "peer",
    prepare: () => ({
      round: () =>
        new Promise((resolve) => {
          let ran = 0;
          let start = 0;
          const run = (): void => {
            if (ran++ === 0) start = nowNs();
            if (ran === timers) resolve((nowNs() - start) / timers);
          };
          for (let i = 0; i < timers; i++) setTimeout(run, 1 + (i % spreadMs));
          spinNs((spreadMs + 5) * 1e6);
        }),
    }),
  };
}

/** How many timers the expiry benchmarks arm, and over how many milliseconds they are spread. */
export function expirySize(options: Options): { timers: number; spreadMs: number } {
  return options.smoke ? { timers: 20_000, spreadMs: 20 } : { timers: 100_000, spreadMs: 50 };
}
