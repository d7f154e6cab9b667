// SPDX-License-Identifier: ISC
/** The walk through the arena that every run ends with. */
import type { Kthread } from "#src/arena/kthread.js";

type Walk = (k: Kthread) => unknown;

async function load(): Promise<Walk | null> {
  const path: string = "#src/inspect/invariants.js";
  try {
    return ((await import(path)) as { checkInvariants: Walk }).checkInvariants;
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_MODULE_NOT_FOUND") return null;
    throw error;
  }
}

const walk = await load();

/** Throws if some invariant of the arena does not hold. Nobody is in the middle of a call. */
export function checkInvariants(k: Kthread): void {
  const complaints = walk?.(k);
  if (Array.isArray(complaints) && complaints.length > 0) throw new Error(complaints.join("\n"));
}
