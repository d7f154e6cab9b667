// SPDX-License-Identifier: ISC
/**
 * Random programs: a few atomic and plain operations of each thread on a few words. Nothing has to
 * hold; they are there to compare searches by the final states that they reach. A program is made
 * from its name, random-SEED-THREADS-OPERATIONS, so that workers find the same one.
 */
import {
  atomicAdd,
  atomicCas,
  atomicExchange,
  atomicLoad,
  atomicNotify,
  atomicStore,
  atomicWait,
  readPoint,
  writePoint,
} from "#src/sync/atomics-explore.js";
import type { Scenario } from "../engine/scenario.js";
import { spareWords } from "../engine/world.js";
import { A_WHILE_MS } from "./support.js";

/** Words that the programs use. */
export const RANDOM_WORDS = 3;

type Operation = (a: Int32Array, at: number, x: number) => number;

const operations: readonly Operation[] = [
  (a, at) => atomicLoad(a, at),
  (a, at) => atomicLoad(a, at),
  (a, at, x) => {
    atomicStore(a, at, x);
    return 0;
  },
  (a, at, x) => atomicAdd(a, at, x),
  (a, at, x) => atomicExchange(a, at, x),
  (a, at, x) => atomicCas(a, at, 0, x),
  (a, at, x) => atomicCas(a, at, x, 0),
  (a, at) => (atomicWait(a, at, 0, A_WHILE_MS) === "ok" ? 1 : 2),
  (a, at) => atomicNotify(a, at, 1),
  (a, at, x) => {
    readPoint(a, at);
    const old = a[at] as number;
    writePoint(a, at);
    a[at] = old * 3 + x;
    return old;
  },
];

/** A row of numbers from a seed. */
function numbers(seed: number): () => number {
  let state = Math.imul(seed + 1, 0x9e3779b1) | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return state >>> 0;
  };
}

function program(next: () => number, length: number): [Operation, number, number][] {
  return Array.from({ length }, () => {
    const operation = operations[next() % operations.length] as Operation;
    return [operation, next() % RANDOM_WORDS, 1 + (next() % 2)];
  });
}

export function randomProgram(seed: number, threads: number, length: number): Scenario {
  const next = numbers(seed);
  const programs = Array.from({ length: threads }, () => program(next, length));
  return {
    name: `random-${seed}-${threads}-${length}`,
    text: "whatever happens",
    threads: programs.map((steps, n) => ({
      name: `thread ${n}`,
      run: ({ k, shared }) => {
        return steps.map(([operation, word, x]) =>
          operation(k.a, (shared["first"] ?? 0) + word, x),
        );
      },
    })),
    setup: ({ k }) => ({ first: spareWords(k) }),
    check() {},
  };
}

/** The program of a name, or undefined if the name is of something else. */
export function randomNamed(name: string): Scenario | undefined {
  const [, seed, threads, length] = /^random-(\d+)-(\d+)-(\d+)$/.exec(name) ?? [];
  if (seed === undefined) return undefined;
  return randomProgram(Number(seed), Number(threads), Number(length));
}
