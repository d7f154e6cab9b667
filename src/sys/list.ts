// SPDX-License-Identifier: ISC
/** Event lists of kevent: flat memory, nothing allocated per event. */
import {
  KE_DATA,
  KE_DATA_HI,
  KE_EXT,
  KE_FFLAGS,
  KE_FILTER_FLAGS,
  KE_IDENT,
  KE_IDENT_HI,
  KE_UDATA,
  KE_UDATA_HI,
  KEVENT_WORDS,
} from "../abi/event.js";

const TWO_32 = 4_294_967_296;
/** Turns 64-bit values into words and back without allocating more than the bigint. */
const scratch64 = new BigInt64Array(1);
const scratch32 = new Int32Array(scratch64.buffer);

/**
 * A list of kevent records, each 16 words in FreeBSD's struct kevent layout. Used for changes and
 * for events, and may be both at once. Numbers are exact up to 2^53; the Big forms always are.
 *
 * @example
 * ```js
 * import { EV_ADD, EV_CLEAR, EVFILT_USER } from "knell/abi";
 * import { KeventList } from "knell/sys";
 * const list = new KeventList(1).set(0, 7, EVFILT_USER, EV_ADD | EV_CLEAR);
 * console.log(list.ident(0));
 * ```
 */
export class KeventList {
  /** The records, 16 words each. */
  readonly words: Int32Array;
  /** Records that fit. */
  readonly capacity: number;

  /** @param capacity records, 1 to 2^24 */
  constructor(capacity: number) {
    if (!Number.isInteger(capacity) || capacity < 1 || capacity > 2 ** 24) {
      throw new RangeError(`capacity must be an integer from 1 to 2^24, received ${capacity}`);
    }
    this.capacity = capacity;
    this.words = new Int32Array(capacity * KEVENT_WORDS);
  }

  /**
   * Fill record i; ext becomes 0. Values beyond 32 bits are kept whole.
   * @throws {RangeError} for what is no integer or does not fit its field
   */
  set(
    i: number,
    ident: number | bigint,
    filter: number,
    flags: number,
    fflags = 0,
    data: number | bigint = 0,
    udata: number | bigint = 0,
  ): this {
    const w = this.words;
    const at = this.#at(i);
    checkWhole("filter", filter, -0x8000, 0x7fff);
    checkWhole("flags", flags, 0, 0xffff);
    checkWhole("fflags", fflags, -0x80000000, 0xffffffff);
    checkWords(ident);
    checkWords(data);
    checkWords(udata);
    putWords(w, at + KE_IDENT, ident);
    w[at + KE_FILTER_FLAGS] = (filter & 0xffff) | (flags << 16);
    w[at + KE_FFLAGS] = fflags;
    putWords(w, at + KE_DATA, data);
    putWords(w, at + KE_UDATA, udata);
    w.fill(0, at + KE_EXT, at + KEVENT_WORDS);
    return this;
  }

  ident(i: number): number {
    const at = this.#at(i);
    return unsigned(this.words, at + KE_IDENT, at + KE_IDENT_HI);
  }
  filter(i: number): number {
    return ((this.words[this.#at(i) + KE_FILTER_FLAGS] as number) << 16) >> 16;
  }
  flags(i: number): number {
    return (this.words[this.#at(i) + KE_FILTER_FLAGS] as number) >>> 16;
  }
  fflags(i: number): number {
    return (this.words[this.#at(i) + KE_FFLAGS] as number) >>> 0;
  }
  data(i: number): number {
    const at = this.#at(i);
    const hi = this.words[at + KE_DATA_HI] as number;
    return hi * TWO_32 + ((this.words[at + KE_DATA] as number) >>> 0);
  }
  udata(i: number): number {
    const at = this.#at(i);
    return unsigned(this.words, at + KE_UDATA, at + KE_UDATA_HI);
  }
  identBig(i: number): bigint {
    return BigInt.asUintN(64, getBig(this.words, this.#at(i) + KE_IDENT));
  }
  dataBig(i: number): bigint {
    return getBig(this.words, this.#at(i) + KE_DATA);
  }
  udataBig(i: number): bigint {
    return BigInt.asUintN(64, getBig(this.words, this.#at(i) + KE_UDATA));
  }
  /** ext[j] of record i, 0 <= j <= 3. */
  ext(i: number, j: number): bigint {
    checkWhole("j", j, 0, 3);
    return BigInt.asUintN(64, getBig(this.words, this.#at(i) + KE_EXT + 2 * j));
  }
  setExt(i: number, j: number, value: bigint): this {
    checkWhole("j", j, 0, 3);
    checkWords(value);
    putWords(this.words, this.#at(i) + KE_EXT + 2 * j, value);
    return this;
  }

  #at(i: number): number {
    if (!(Number.isInteger(i) && i >= 0 && i < this.capacity)) {
      throw new RangeError(`record ${i} is outside of a list of ${this.capacity}`);
    }
    return i * KEVENT_WORDS;
  }
}

function unsigned(w: Int32Array, lo: number, hi: number): number {
  return ((w[hi] as number) >>> 0) * TWO_32 + ((w[lo] as number) >>> 0);
}

function checkWhole(name: string, value: number, min: number, max: number): void {
  if (Number.isInteger(value) && value >= min && value <= max) return;
  throw new RangeError(`${name} must be an integer from ${min} to ${max}, received ${value}`);
}

/** Refuse what does not fit 64 bits, signed or unsigned, before anything is written. */
function checkWords(value: number | bigint): void {
  const whole = typeof value === "bigint" || Number.isInteger(value);
  if (whole && value >= -(2 ** 63) && value < 2 ** 64) return;
  const shown = typeof value === "symbol" ? "a symbol" : `${value}`;
  throw new RangeError(`a value of a record must be an integer of 64 bits, received ${shown}`);
}

function putWords(w: Int32Array, at: number, value: number | bigint): void {
  if (typeof value === "number") {
    w[at] = value;
    w[at + 1] = Math.floor(value / TWO_32);
    return;
  }
  scratch64[0] = value;
  w[at] = scratch32[0] as number;
  w[at + 1] = scratch32[1] as number;
}

function getBig(w: Int32Array, at: number): bigint {
  scratch32[0] = w[at] as number;
  scratch32[1] = w[at + 1] as number;
  return scratch64[0] as bigint;
}
