// SPDX-License-Identifier: ISC
/** Look-up of a registration by identifier and filter. */
import { assertHeld } from "#field";
import {
  EVFILT_AIO,
  EVFILT_LIO,
  EVFILT_READ,
  EVFILT_SENDFILE,
  EVFILT_SYSCOUNT,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
} from "../abi/event.js";
import { hashBucket } from "../arena/hash.js";
import type { Kthread } from "../arena/kthread.js";
import { KN_WIDE, Kncold, Knote, type KnotePtr, Kqueue, type KqueuePtr } from "./structs.js";

/** What a filter number of a change stands for. */
export const FILTER_UNKNOWN = 0;
/** In FreeBSD's table, but nothing implements it. */
export const FILTER_UNLOADED = 1;
/** Identifiers are the program's own. */
export const FILTER_PLAIN = 2;
/** Identifiers are descriptor numbers. */
export const FILTER_DESCRIPTOR = 3;
/** Perhaps a filter that a program has registered (event/registry.ts). */
export const FILTER_NAMED = 4;

const kinds = new Uint8Array(EVFILT_SYSCOUNT + 1);
for (const filter of [EVFILT_AIO, EVFILT_LIO, EVFILT_SENDFILE]) kinds[-filter] = FILTER_UNLOADED;
for (const filter of [EVFILT_USER, EVFILT_TIMER]) kinds[-filter] = FILTER_PLAIN;
for (const filter of [EVFILT_READ, EVFILT_WRITE]) kinds[-filter] = FILTER_DESCRIPTOR;

const DESCRIPTOR = FILTER_DESCRIPTOR;

/** FILTER_* of a filter number. */
export function filterKind(filter: number): number {
  if (filter > 0) return FILTER_NAMED;
  return kinds[-filter] ?? FILTER_UNKNOWN;
}

// Constants of this module are folded into the code; imported ones are loads.
const HASH = Kqueue.hash.offset;
const HASH_BITS = Kqueue.hashBits.offset;
const IDENT = Knote.ident.offset;
const FILTER_OPS = Knote.filter.offset;
const STATUS_FLAGS = Knote.status.offset;
const COLD = Knote.cold.offset;
const IDENT_HI = Kncold.identHi.offset;
const HASH_NEXT = Knote.hashNext.offset;
const WIDE = KN_WIDE;

/** The registration of an identifier and filter, or NIL; queue lock held. */
export function knoteFindLocked(
  k: Kthread,
  kq: KqueuePtr,
  ident: number,
  identHi: number,
  filter: number,
): KnotePtr {
  assertHeld(k, Kqueue.lock.at(kq));
  const a = k.a;
  const bits = a[kq + HASH_BITS] as number;
  const bucket = hashBucket(ident, filter, bits, filterKind(filter) !== DESCRIPTOR);
  let kn = a[(a[kq + HASH] as number) + bucket] as number;
  while (kn !== 0) {
    if (a[kn + IDENT] === ident && ((a[kn + FILTER_OPS] as number) << 16) >> 16 === filter) {
      const wide = ((a[kn + STATUS_FLAGS] as number) & WIDE) !== 0;
      const hi = wide ? (a[(a[kn + COLD] as number) + IDENT_HI] as number) : 0;
      if (hi === identHi) break;
    }
    kn = a[kn + HASH_NEXT] as number;
  }
  return kn as KnotePtr;
}
