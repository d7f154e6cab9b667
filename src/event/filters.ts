// SPDX-License-Identifier: ISC
/** The table of filter operations: slot n holds operation n, which is checked when it loads. */
import { kassert } from "../arena/kthread.js";
import {
  bellFilter,
  eventfdReadFilter,
  eventfdWriteFilter,
  kqueueReadFilter,
  nopDescriptorFilter,
  nopFilter,
  pipeReadFilter,
  pipeWriteFilter,
  silentFilter,
} from "./filt/descriptor.js";
import { sourceNamedFilter, sourceReadFilter, sourceWriteFilter } from "./filt/source.js";
import { timerFilter } from "./filt/timer.js";
import { userFilter } from "./filt/user.js";
import type { Filterops } from "./filterops.js";

/** Slot 0 is no filter; it stands here so that numbers can be used as they are. */
const none: Filterops = { ...nopFilter, id: 0, name: "NONE" };

export const filterops: readonly Filterops[] = [
  none,
  userFilter,
  timerFilter,
  pipeReadFilter,
  pipeWriteFilter,
  eventfdReadFilter,
  eventfdWriteFilter,
  kqueueReadFilter,
  bellFilter,
  silentFilter,
  nopDescriptorFilter,
  nopFilter,
  sourceReadFilter,
  sourceWriteFilter,
  sourceNamedFilter,
];

for (const [i, ops] of filterops.entries()) kassert(ops.id === i, "filter operations in order");

/** Touch runs under the queue lock and is for filters without an object; see filterops.ts. */
for (const ops of filterops) {
  kassert(ops.touch === null || !ops.isDescriptor, "only filters without an object have touch");
}
