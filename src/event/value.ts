// SPDX-License-Identifier: ISC
/**
 * The 64-bit values of a knote: low words in the hot line, high words in the cold line, which
 * exists only if some high word is not the one that a missing line means (0). All functions expect
 * the queue lock, which the checked build verifies where they are called.
 */
import type { Kthread } from "../arena/kthread.js";
import { Kncold, Knote, type KnotePtr } from "./structs.js";

const TWO_32 = 4_294_967_296;
// Constants of this module are folded into the code; imported ones are loads.
const COLD = Knote.cold.offset;
const DATA = Knote.data.offset;
const SDATA = Knote.sdata.offset;
const UDATA = Knote.udata.offset;
const DATA_HI = Kncold.dataHi.offset;
const SDATA_HI = Kncold.sdataHi.offset;
const UDATA_HI = Kncold.udataHi.offset;

function set(a: Int32Array, kn: number, at: number, lo: number, atHi: number, hi: number): void {
  a[kn + at] = lo;
  const cold = a[kn + COLD] as number;
  if (cold !== 0) a[cold + atHi] = hi;
}

function high(a: Int32Array, kn: number, atHi: number): number {
  const cold = a[kn + COLD] as number;
  return cold === 0 ? 0 : (a[cold + atHi] as number);
}

/** Set the delivered data. Callers that may set a high word have a cold line. */
export function dataSet(k: Kthread, kn: KnotePtr, lo: number, hi: number): void {
  set(k.a, kn, DATA, lo, DATA_HI, hi);
}

/** Set the delivered data from a non-negative number. */
export function dataSetNumber(k: Kthread, kn: KnotePtr, value: number): void {
  dataSet(k, kn, value | 0, value < TWO_32 ? 0 : Math.floor(value / TWO_32) | 0);
}

export function dataHi(k: Kthread, kn: KnotePtr): number {
  return high(k.a, kn, DATA_HI);
}

export function dataNumber(k: Kthread, kn: KnotePtr): number {
  return high(k.a, kn, DATA_HI) * TWO_32 + ((k.a[kn + DATA] as number) >>> 0);
}

export function sdataSet(k: Kthread, kn: KnotePtr, lo: number, hi: number): void {
  set(k.a, kn, SDATA, lo, SDATA_HI, hi);
}

/** The data asked for, as a signed number. */
export function sdataNumber(k: Kthread, kn: KnotePtr): number {
  return high(k.a, kn, SDATA_HI) * TWO_32 + ((k.a[kn + SDATA] as number) >>> 0);
}

export function udataSet(k: Kthread, kn: KnotePtr, lo: number, hi: number): void {
  set(k.a, kn, UDATA, lo, UDATA_HI, hi);
}

export function udataHi(k: Kthread, kn: KnotePtr): number {
  return high(k.a, kn, UDATA_HI);
}
