// SPDX-License-Identifier: ISC
/**
 * The 64-bit values of a knote: low words in the hot line, high words in the cold line, which
 * exists only if some high word is not the one that a missing line means (0). All functions expect
 * the queue lock.
 */
import type { Kthread } from "../arena/kthread.js";
import { Kncold, Knote, type KnotePtr } from "./structs.js";

const TWO_32 = 4_294_967_296;

/** Set the delivered data. Callers that may set a high word have a cold line. */
export function dataSet(k: Kthread, kn: KnotePtr, lo: number, hi: number): void {
  Knote.data.set(k, kn, lo);
  const cold = Knote.cold.get(k, kn);
  if (cold !== 0) Kncold.dataHi.set(k, cold, hi);
}

/** Set the delivered data from a non-negative number. */
export function dataSetNumber(k: Kthread, kn: KnotePtr, value: number): void {
  dataSet(k, kn, value | 0, value < TWO_32 ? 0 : Math.floor(value / TWO_32) | 0);
}

export function dataHi(k: Kthread, kn: KnotePtr): number {
  const cold = Knote.cold.get(k, kn);
  return cold === 0 ? 0 : Kncold.dataHi.get(k, cold);
}

export function dataNumber(k: Kthread, kn: KnotePtr): number {
  return dataHi(k, kn) * TWO_32 + (Knote.data.get(k, kn) >>> 0);
}

export function sdataSet(k: Kthread, kn: KnotePtr, lo: number, hi: number): void {
  Knote.sdata.set(k, kn, lo);
  const cold = Knote.cold.get(k, kn);
  if (cold !== 0) Kncold.sdataHi.set(k, cold, hi);
}

/** The data asked for, as a signed number. */
export function sdataNumber(k: Kthread, kn: KnotePtr): number {
  const cold = Knote.cold.get(k, kn);
  const hi = cold === 0 ? 0 : Kncold.sdataHi.get(k, cold);
  return hi * TWO_32 + (Knote.sdata.get(k, kn) >>> 0);
}

export function udataSet(k: Kthread, kn: KnotePtr, lo: number, hi: number): void {
  Knote.udata.set(k, kn, lo);
  const cold = Knote.cold.get(k, kn);
  if (cold !== 0) Kncold.udataHi.set(k, cold, hi);
}

export function udataHi(k: Kthread, kn: KnotePtr): number {
  const cold = Knote.cold.get(k, kn);
  return cold === 0 ? 0 : Kncold.udataHi.get(k, cold);
}
