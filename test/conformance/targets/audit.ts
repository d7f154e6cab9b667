// SPDX-License-Identifier: ISC
/** What must hold at the end of every row, whatever the row was about. */
import type { Kernel } from "knell";
import { sys } from "knell/sys";
import { SUPER, Super } from "#src/arena/superblock.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { usage } from "#src/inspect/usage.js";

/** What is left when every descriptor is closed: the thread, the process and the arena. */
const NOTHING_OF = [
  "descriptors",
  "files",
  "queues",
  "knotes",
  "userEvents",
  "timers",
  "eventfds",
  "pipes",
  "bells",
] as const;

/** Far above any number that a row uses, unless it fills the table. */
const NUMBERS_MAX = 1 << 15;

/**
 * The arena is sound, nobody was saved by the safety net, and closing every descriptor leaves
 * nothing behind. No thread may be in a call. Returns what is wrong, one line each.
 */
export function audit(kernel: Kernel): string[] {
  const faults = checkInvariants(kernel);
  const hits = Super.netHits.load(kernel.thread, SUPER);
  if (hits !== 0) faults.push(`${hits} wakes were lost and found by the safety net`);
  const calls = sys(kernel);
  for (let fd = 0; fd < NUMBERS_MAX && usage(kernel).descriptors > 0; fd++) calls.close(fd);
  faults.push(...checkInvariants(kernel));
  const left = usage(kernel);
  for (const kind of NOTHING_OF) {
    if (left[kind] !== 0) faults.push(`${left[kind]} ${kind} are left when all is closed`);
  }
  return faults;
}
