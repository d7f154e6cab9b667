// SPDX-License-Identifier: ISC
/**
 * The lock order, in one list, outermost first. A thread may take a lock only if its rank is
 * higher than the ranks of all locks it holds; the checked build refuses anything else, and
 * ARCHITECTURE.md prints this table as the lock tree.
 *
 * Nothing is locked under a queue. Two locks of one rank are never held at once.
 */
export interface LockClass {
  readonly name: string;
  readonly rank: number;
  readonly text: string;
}

export const RANK_FILTERS = 0;
export const RANK_CLOCK = 1;
export const RANK_THREADS = 2;
export const RANK_NEST = 3;
export const RANK_TABLE = 4;
export const RANK_PROC = 5;
export const RANK_OBJECT = 6;
export const RANK_MEMORY = 7;
export const RANK_QUEUE = 8;

export const lockOrder: readonly LockClass[] = [
  { name: "filters", rank: RANK_FILTERS, text: "named filters, and the list of sources" },
  { name: "clock", rank: RANK_CLOCK, text: "moving the manual clocks" },
  { name: "threads", rank: RANK_THREADS, text: "the table of attached threads; exit watchers" },
  { name: "nest", rank: RANK_NEST, text: "who watches whom among queues: cycle check and link" },
  { name: "table", rank: RANK_TABLE, text: "a descriptor table and its list of queues" },
  { name: "proc", rank: RANK_PROC, text: "a process: limits, counts, children" },
  {
    name: "object",
    rank: RANK_OBJECT,
    text: "a watched object: eventfd, pipe, bell, source, queue as source",
  },
  { name: "memory", rank: RANK_MEMORY, text: "free lists of zones and of byte buffers" },
  { name: "queue", rank: RANK_QUEUE, text: "a kqueue: knotes, ready list, timers, waiters" },
];
