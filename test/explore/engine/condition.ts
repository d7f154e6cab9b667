// SPDX-License-Identifier: ISC
/** Whether the kernel was loaded with the exploring seam. */
import * as chosen from "#atomics";
import * as exploring from "#src/sync/atomics-explore.js";

/** Whether this process runs under `--conditions=explore`. */
export const EXPLORING = chosen.atomicLoad === exploring.atomicLoad;
