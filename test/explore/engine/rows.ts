// SPDX-License-Identifier: ISC
/**
 * The record of a run: one row per operation, switch, sleep and wake, in the order in which they
 * happened. Rows with a choice are the *steps* of the run, numbered from 0: the points at which
 * another thread could have gone on. The search reads there what else could have been chosen.
 */
import {
  CHOICE_DEATH,
  CHOICE_TIMEOUT,
  type Control,
  NO_CHOICE,
  ROWS,
  THREADS_MAX,
} from "./control.js";

/** Kinds of row beyond the operations (OP_* in src/sync/atomics-explore.ts). */
/** The thread was held before its next operation, and another went on. */
export const ROW_SWITCH = 32;
/** It fell asleep. */
export const ROW_SLEEP = 33;
/** Its sleep ended: with a wake, or by time-out. */
export const ROW_WOKE = 34;
/** It waits for the others without sleeping. */
export const ROW_SPIN = 35;
/** Its function has returned. */
export const ROW_END = 36;
/** The run begins: somebody must go first. */
export const ROW_START = 37;
export const ROW_LOCKED = 38;
export const ROW_UNLOCKING = 39;
/** It stored to a guarded word. */
export const ROW_WRITE = 40;
/** It is back, or outside of a call: it may die here, and nothing else can be chosen. */
export const ROW_REST = 41;
/** It has died. What follows under its number is who hears of that, and reaps. */
export const ROW_DIED = 42;

/** The thread number of rows that belong to no thread. */
export const NOBODY = 0xff;

export interface Row {
  readonly kind: number;
  readonly thread: number;
  readonly word: number;
  readonly x: number;
  readonly y: number;
  readonly result: number;
  /** What was chosen, or NO_CHOICE where nothing could be. */
  readonly choice: number;
  /** Threads that could go on. */
  readonly runnable: number;
  /** Sleeping threads whose time-out could be chosen. */
  readonly mortal: number;
  /** Whether the thread could have died. */
  readonly mayDie: boolean;
}

export function rowAt(control: Control, n: number): Row {
  const head = control.rowWord(n, 0);
  return {
    kind: head & 0xff,
    thread: (head >>> 8) & 0xff,
    runnable: (head >>> 16) & 0xf,
    mortal: (head >>> 20) & 0xf,
    mayDie: ((head >>> 24) & 1) === 1,
    word: control.rowWord(n, 1),
    x: control.rowWord(n, 2),
    y: control.rowWord(n, 3),
    result: control.rowWord(n, 4),
    choice: control.rowWord(n, 5),
  };
}

export function rowsOf(control: Control): Row[] {
  return Array.from({ length: control.get(ROWS) }, (_, n) => rowAt(control, n));
}

/** Whether the thread could have gone on by itself, so that another choice is a preemption. */
export function couldStay(row: Row): boolean {
  const { kind } = row;
  const forced = kind === ROW_SLEEP || kind === ROW_END || kind === ROW_START;
  return !forced && kind !== ROW_SPIN && kind !== ROW_DIED;
}

/** What a choice costs of the preemption bound, made at this step. */
export function costOf(row: Row, choice: number): number {
  if ((choice & CHOICE_DEATH) !== 0) return 1;
  if ((choice & CHOICE_TIMEOUT) !== 0) return row.runnable === 0 ? 0 : 1;
  return couldStay(row) && choice !== row.thread ? 1 : 0;
}

/** The choices that there were at a step beside the one made. */
export function alternatives(row: Row, visit: (choice: number, cost: number) => void): void {
  if (row.choice === NO_CHOICE) return;
  const death = row.thread | CHOICE_DEATH;
  if (row.mayDie && row.choice !== death) visit(death, 1);
  if (row.kind === ROW_WRITE || row.kind === ROW_REST) return;
  for (let t = 0; t < THREADS_MAX; t++) {
    if (row.kind === ROW_SPIN && t === row.thread) continue;
    if ((row.runnable & (1 << t)) !== 0 && t !== row.choice) visit(t, costOf(row, t));
    const timeout = t | CHOICE_TIMEOUT;
    if ((row.mortal & (1 << t)) !== 0 && timeout !== row.choice)
      visit(timeout, costOf(row, timeout));
  }
}
