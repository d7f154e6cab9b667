// SPDX-License-Identifier: ISC
/** Whether the kernel was loaded with the exploring seam; if not, the program starts over. */
import { spawnSync } from "node:child_process";
import * as chosen from "#atomics";
import * as exploring from "#src/sync/atomics-explore.js";

/** Whether this process runs under `--conditions=explore`. */
export const EXPLORING = chosen.atomicLoad === exploring.atomicLoad;

/** True under the condition; otherwise the program is run once more with it, and this is false. */
export function explored(): boolean {
  if (EXPLORING) return true;
  const args = ["--conditions=explore", "--enable-source-maps", ...process.argv.slice(1)];
  const child = spawnSync(process.execPath, args, { stdio: "inherit" });
  process.exitCode = child.status ?? 1;
  return false;
}
