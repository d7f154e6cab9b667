// SPDX-License-Identifier: ISC
/** Look-up of a registration by identifier and filter. */
import { EVFILT_READ, EVFILT_WRITE } from "../abi/event.js";
import { bucketGet, hashBucket } from "../arena/hash.js";
import type { Kthread } from "../arena/kthread.js";
import type { Change } from "./filterops.js";
import { KN_WIDE, Kncold, Knote, type KnotePtr, Kqueue, type KqueuePtr } from "./structs.js";

/** Whether a filter's identifiers are descriptor numbers. */
export function isDescriptorFilter(filter: number): boolean {
  return filter === EVFILT_READ || filter === EVFILT_WRITE;
}

/** The registration of an identifier and filter, or NIL; queue lock held. */
export function knoteFindLocked(k: Kthread, kq: KqueuePtr, c: Change): KnotePtr {
  const spread = !isDescriptorFilter(c.filter);
  const at = hashBucket(c.identLo, c.filter, Kqueue.hashBits.get(k, kq), spread);
  let kn = bucketGet(k, Kqueue.hash.get(k, kq), at) as KnotePtr;
  while (kn !== 0) {
    if (Knote.ident.get(k, kn) === c.identLo && Knote.filter.get(k, kn) === c.filter) {
      const wide = (Knote.status.get(k, kn) & KN_WIDE) !== 0;
      const hi = wide ? Kncold.identHi.get(k, Knote.cold.get(k, kn)) : 0;
      if (hi === c.identHi) return kn;
    }
    kn = Knote.hashNext.get(k, kn);
  }
  return kn;
}
