// SPDX-License-Identifier: ISC
/** Objects of one thread as other threads of a scenario have them. */
import assert from "node:assert/strict";
import type { FilePtr } from "#src/kern/file.js";
import type { Handle } from "#src/sys/handle.js";
import type { Stage } from "../engine/scenario.js";

/** A handle as numbers, for the other threads. */
export function handle(
  h: Handle | number,
): Record<"fd" | "file" | "object" | "generation", number> {
  assert.ok(typeof h !== "number", `the kernel said ${h}`);
  return { fd: h.fd, file: h.fp, object: h.obj, generation: h.generation };
}

export const fileOf = ({ shared }: Stage): FilePtr => shared["file"] as FilePtr;
