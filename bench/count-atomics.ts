// SPDX-License-Identifier: ISC

/**
 * Loaded by `--import` before everything else in a counted run: puts a counter around each
 * function of the global `Atomics`. Never loaded in a run that measures time.
 */

const names = Object.getOwnPropertyNames(Atomics).filter(
  (name) => typeof Reflect.get(Atomics, name) === "function",
);
const counts = new Float64Array(names.length);

for (const [i, name] of names.entries()) {
  type Any = (a: unknown, b: unknown, c: unknown, d: unknown) => unknown;
  const original = Reflect.get(Atomics, name) as Any;
  const counted: Any = (a, b, c, d) => {
    counts[i]!++;
    return original(a, b, c, d);
  };
  Object.defineProperty(Atomics, name, { value: counted, configurable: true, writable: true });
}

/** How the counted run finds the counters. */
export interface AtomicsCounter {
  reset(): void;
  read(): Record<string, number>;
}

const counter: AtomicsCounter = {
  reset() {
    counts.fill(0);
  },
  read() {
    return Object.fromEntries(
      names.map((name, i) => [name, counts[i]!] as const).filter(([, count]) => count > 0),
    );
  },
};

Reflect.set(globalThis, Symbol.for("knell.bench.atomics"), counter);
