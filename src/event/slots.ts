// SPDX-License-Identifier: ISC
/** Walking a zone, which is how what a dead thread left behind is found. */
import type { Kthread } from "../arena/kthread.js";
import { chunkBefore, chunkEnd, chunkFirst, type ZoneDef, zoneChunks } from "../arena/zone.js";

/** Look at every slot of a zone, taken or free. What it holds is checked by who looks. */
export function slotsEach(k: Kthread, zone: ZoneDef<string>, look: (slot: number) => void): void {
  const words = zone.struct.words;
  for (let chunk = zoneChunks(k, zone); chunk !== 0; chunk = chunkBefore(k, chunk)) {
    const end = chunkEnd(k, chunk);
    for (let slot = chunkFirst(chunk); slot < end; slot += words) look(slot);
  }
}
