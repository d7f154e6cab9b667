// SPDX-License-Identifier: ISC
/** What every way of running the tables has in common. */
import type { Case, Gate, TargetName } from "../case.js";
import type { Machine } from "../run.js";

export interface Target {
  readonly name: TargetName;
  /** Why this target as a whole cannot run here, or null. */
  unavailable(): Promise<string | null>;
  /** Why this row has no form on this target, or null. Gates of the row itself come on top. */
  gate(one: Case): string | null;
  open(one: Case): Promise<Machine>;
  /** Ends the threads or processes that the target kept. */
  stop(): Promise<void>;
}

/** The reason for which a row does not run on a target: the row's own gate, or the target's. */
export function gateOf(target: Target, one: Case): string | null {
  const own: Gate | undefined = one.gates?.find((gate) => gate.target === target.name);
  return own?.reason ?? target.gate(one);
}

/** No call of a case takes longer than this; a call that does is reported as stuck. */
export const CALL_DEADLINE_MS = 20_000;

/** The promise, or a rejection that names what was waited for when the deadline has passed. */
export async function withDeadline<T>(
  what: string,
  promise: Promise<T>,
  ms: number = CALL_DEADLINE_MS,
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not return within ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
