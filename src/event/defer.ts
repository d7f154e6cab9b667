// SPDX-License-Identifier: ISC
/**
 * Work put off until no lock is held: waking claimed waiters, telling queues that watch queues,
 * asking objects, detaching dropped knotes, giving memory back. Every call ends with it. One kind
 * may bring about another, so it goes on until nothing is left.
 */
import {
  DEFER_ASK,
  DEFER_DROP,
  DEFER_FREE,
  DEFER_NEST,
  DEFER_POKE,
  DEFER_WAKE,
  type Kthread,
} from "../arena/kthread.js";
import { wakesFlush } from "../sync/wait.js";
import { asksRun } from "./ask.js";
import { dropsRun } from "./drop.js";
import { freesRun } from "./magazine.js";
import { nestRun, pokesRun } from "./nest.js";

/** Run what was deferred, unless the caller's caller still holds a lock and will do it. */
export function deferredRun(k: Kthread): void {
  if (k.lockDepth !== 0) return;
  while (k.deferred !== 0) {
    if ((k.deferred & DEFER_WAKE) !== 0) wakesFlush(k);
    if ((k.deferred & DEFER_POKE) !== 0) pokesRun(k);
    if ((k.deferred & DEFER_NEST) !== 0) nestRun(k);
    if ((k.deferred & DEFER_ASK) !== 0) asksRun(k);
    if ((k.deferred & DEFER_DROP) !== 0) dropsRun(k);
    if ((k.deferred & DEFER_FREE) !== 0) freesRun(k);
  }
}
