// SPDX-License-Identifier: ISC
/**
 * Values as bytes: a subset of CBOR (RFC 8949), which many languages can read.
 *
 *   string             text string
 *   bytes              byte string; received as a Uint8Array
 *   number             integer if it is one and safe, otherwise a 64-bit float (-0 too)
 *   bigint             tag 2 or 3, so that it comes back as a bigint
 *   Date               tag 1, seconds since 1970 as a float: exact up to the year 100,000
 *   null, true, false, undefined (inside of something), array, plain object
 *
 * Encoded are definite lengths only, and only they are decoded. Objects keep the order of their
 * keys; a symbol as a key is passed over, as JSON does. Everything is converted before the kernel
 * is entered, so getters and the like run outside of it.
 */
import { EBADMSG, EINVAL } from "../abi/errno.js";
import { bytesOf } from "./check.js";
import { KernelError } from "./errors.js";

const UNSIGNED = 0;
const NEGATIVE = 1;
const BYTES = 2;
const TEXT = 3;
const ARRAY = 4;
const MAP = 5;
const TAG = 6;

const FALSE = 0xf4;
const TRUE = 0xf5;
const NULL = 0xf6;
const UNDEFINED = 0xf7;
const FLOAT16 = 0xf9;
const FLOAT32 = 0xfa;
const FLOAT64 = 0xfb;

const TAG_DATE = 1;
const TAG_POSITIVE = 2;
const TAG_NEGATIVE = 3;

/** A byte string whose length is in the next byte. */
const SHORT_BYTES = (BYTES << 5) | 24;

/** Arrays and objects inside of each other, at most. A cycle is as deep as can be. */
const DEPTH_MAX = 64;
/** Text of at most this many characters is converted by a loop, which beats the encoder's call. */
const SHORT_TEXT = 24;
/** Up to this many bytes a loop beats the set-up of a bulk copy. */
const SHORT_COPY = 48;
const TWO_32 = 4_294_967_296;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Turns values into bytes in a buffer that it keeps and that grows. */
export class Encoder {
  /** What was encoded last is at its start. */
  bytes: Uint8Array = new Uint8Array(1024);
  /** The same memory as words. */
  words: Int32Array = new Int32Array(this.bytes.buffer);
  #view = new DataView(this.bytes.buffer);
  #at = 0;

  /** Bytes that the last value took. */
  get length(): number {
    return this.#at;
  }

  /**
   * Encode a value. Returns its length; the bytes are in `bytes` until the next call.
   * @throws {KernelError} EINVAL if the value cannot be encoded; the message says which part
   */
  encode(value: unknown): number {
    this.#at = 0;
    if (typeof value === "string") this.#text(value);
    else if (value instanceof Uint8Array) this.#bytes(value);
    else this.#value(value, "value", 0);
    return this.#at;
  }

  #room(more: number): void {
    const needed = this.#at + more;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array((Math.max(needed, this.bytes.length * 2) + 3) & ~3);
    larger.set(this.bytes);
    this.bytes = larger;
    this.words = new Int32Array(larger.buffer);
    this.#view = new DataView(larger.buffer);
  }

  #head(major: number, value: number): void {
    this.#room(9);
    const first = major << 5;
    const { bytes } = this;
    if (value < 24) {
      bytes[this.#at++] = first | value;
    } else if (value < 0x100) {
      bytes[this.#at++] = first | 24;
      bytes[this.#at++] = value;
    } else if (value < 0x10000) {
      bytes[this.#at] = first | 25;
      this.#view.setUint16(this.#at + 1, value);
      this.#at += 3;
    } else if (value < TWO_32) {
      bytes[this.#at] = first | 26;
      this.#view.setUint32(this.#at + 1, value);
      this.#at += 5;
    } else {
      bytes[this.#at] = first | 27;
      this.#view.setUint32(this.#at + 1, Math.floor(value / TWO_32));
      this.#view.setUint32(this.#at + 5, value % TWO_32);
      this.#at += 9;
    }
  }

  #simple(byte: number): void {
    this.#room(1);
    this.bytes[this.#at++] = byte;
  }

  #text(text: string): void {
    if (text.length <= SHORT_TEXT && this.#ascii(text)) return;
    // A character is at most three bytes, so the length's own size is known beforehand.
    this.#room(9 + text.length * 3);
    const start = this.#at;
    this.#head(TEXT, text.length * 3);
    const written = encoder.encodeInto(text, this.bytes.subarray(this.#at)).written;
    const from = this.#at;
    this.#at = start;
    this.#head(TEXT, written);
    // The head may be shorter than the one that was reserved.
    if (this.#at !== from) this.bytes.copyWithin(this.#at, from, from + written);
    this.#at += written;
  }

  /** Short text of plain characters; false if there is another one, with nothing written. */
  #ascii(text: string): boolean {
    const start = this.#at;
    this.#head(TEXT, text.length);
    this.#room(SHORT_TEXT);
    const { bytes } = this;
    for (let i = 0; i < text.length; i++) {
      const c = text.charCodeAt(i);
      if (c > 0x7f) {
        this.#at = start;
        return false;
      }
      bytes[this.#at++] = c;
    }
    return true;
  }

  #value(value: unknown, path: string, depth: number): void {
    switch (typeof value) {
      case "string":
        this.#text(value);
        return;
      case "number":
        this.#number(value);
        return;
      case "boolean":
        this.#simple(value ? TRUE : FALSE);
        return;
      case "bigint":
        this.#bigint(value);
        return;
      case "undefined":
        if (depth === 0) throw cannot(path, "undefined");
        this.#simple(UNDEFINED);
        return;
      case "object":
        if (value === null) this.#simple(NULL);
        else this.#object(value, path, depth);
        return;
      default:
        throw cannot(path, `a ${typeof value}`);
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(UNSIGNED, value);
      else this.#head(NEGATIVE, -1 - value);
      return;
    }
    this.#float(value);
  }

  #float(value: number): void {
    this.#room(9);
    this.bytes[this.#at] = FLOAT64;
    this.#view.setFloat64(this.#at + 1, value);
    this.#at += 9;
  }

  #bigint(value: bigint): void {
    this.#head(TAG, value >= 0n ? TAG_POSITIVE : TAG_NEGATIVE);
    const digits = (value >= 0n ? value : -1n - value).toString(16);
    const even = digits.length % 2 === 0 ? digits : `0${digits}`;
    const length = digits === "0" ? 0 : even.length / 2;
    this.#head(BYTES, length);
    this.#room(length);
    for (let i = 0; i < length; i++) {
      this.bytes[this.#at++] = Number.parseInt(even.slice(2 * i, 2 * i + 2), 16);
    }
  }

  #bytes(from: Uint8Array): void {
    const { length } = from;
    this.#head(BYTES, length);
    this.#room(length);
    const { bytes } = this;
    const at = this.#at;
    this.#at = at + length;
    if (length > SHORT_COPY) bytes.set(from, at);
    else for (let i = 0; i < length; i++) bytes[at + i] = from[i] as number;
  }

  #object(value: object, path: string, depth: number): void {
    const bytes = bytesOf(value);
    if (bytes !== null) {
      this.#bytes(bytes);
      return;
    }
    if (depth >= DEPTH_MAX) throw cannot(path, "too deep, or contains itself");
    if (Array.isArray(value)) {
      this.#head(ARRAY, value.length);
      for (let i = 0; i < value.length; i++) {
        this.#value(value[i], `${path}[${i}]`, depth + 1);
      }
    } else if (value instanceof Date) {
      this.#head(TAG, TAG_DATE);
      this.#float(value.getTime() / 1000);
    } else {
      this.#plain(value, path, depth);
    }
  }

  #plain(value: object, path: string, depth: number): void {
    const prototype: unknown = Object.getPrototypeOf(value);
    if (prototype !== null && prototype !== Object.prototype && !foreignPlain(prototype)) {
      throw cannot(path, `a ${value.constructor?.name || "class instance"}`);
    }
    const keys = Object.keys(value);
    this.#head(MAP, keys.length);
    for (const key of keys) {
      this.#text(key);
      this.#value((value as Record<string, unknown>)[key], `${path}.${key}`, depth + 1);
    }
  }
}

/** Whether this is Object.prototype of another realm, such as a vm context. */
function foreignPlain(prototype: unknown): boolean {
  return (
    Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype as object, "isPrototypeOf")
  );
}

function cannot(path: string, what: string): KernelError {
  const can = "strings, bytes and plain data can be sent";
  return new KernelError(EINVAL, "write", "encode", `${path} is ${what}; ${can}`);
}

/**
 * The value that the first `length` bytes encode. Bytes in the result are copies.
 * @throws {KernelError} EBADMSG if they are no such encoding
 */
export function decode(bytes: Uint8Array, length: number): unknown {
  // The most usual messages, without more ado: a small number, short bytes.
  const first = bytes[0] as number;
  if (length === 1 && first < 24) return first;
  if (first === SHORT_BYTES && length > 2 && bytes[1] === length - 2) {
    if (length > SHORT_COPY) return bytes.slice(2, length);
    const short = new Uint8Array(length - 2);
    for (let i = 2; i < length; i++) short[i - 2] = bytes[i] as number;
    return short;
  }
  const reader = new Reader(bytes, length);
  const value = reader.value(0);
  if (reader.at !== length) throw damaged("bytes are left over");
  return value;
}

function damaged(why: string): KernelError {
  return new KernelError(EBADMSG, "read", "decode", `the message is damaged: ${why}`);
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;
  readonly #end: number;
  #lazyView: DataView | null = null;

  constructor(bytes: Uint8Array, end: number) {
    this.#bytes = bytes;
    this.#end = end;
  }

  get #view(): DataView {
    const { buffer, byteOffset } = this.#bytes;
    this.#lazyView ??= new DataView(buffer, byteOffset, this.#end);
    return this.#lazyView;
  }

  /** Step over `n` bytes; returns where they start. */
  #take(n: number): number {
    const from = this.at;
    if (n > this.#end - from) throw damaged("it ends too early");
    this.at = from + n;
    return from;
  }

  /** The number in the head whose first byte was read. */
  #argument(info: number): number {
    if (info < 24) return info;
    switch (info) {
      case 24:
        return this.#bytes[this.#take(1)] as number;
      case 25:
        return this.#view.getUint16(this.#take(2));
      case 26:
        return this.#view.getUint32(this.#take(4));
      case 27: {
        const from = this.#take(8);
        return this.#view.getUint32(from) * TWO_32 + this.#view.getUint32(from + 4);
      }
      default:
        throw damaged("a length is not given");
    }
  }

  value(depth: number): unknown {
    if (depth > DEPTH_MAX) throw damaged("it is too deep");
    const first = this.#bytes[this.#take(1)] as number;
    const major = first >> 5;
    if (major === 7) return this.#other(first);
    const from = this.at;
    const n = this.#argument(first & 31);
    switch (major) {
      case UNSIGNED:
        return n <= Number.MAX_SAFE_INTEGER ? n : this.#view.getBigUint64(from);
      case NEGATIVE:
        return n < Number.MAX_SAFE_INTEGER ? -1 - n : -1n - this.#view.getBigUint64(from);
      case BYTES:
        return this.#slice(n);
      case TEXT:
        return this.#text(n);
      case ARRAY:
        return this.#array(n, depth);
      case MAP:
        return this.#map(n, depth);
      default:
        return this.#tagged(n, depth);
    }
  }

  #slice(n: number): Uint8Array {
    const from = this.#take(n);
    return this.#bytes.slice(from, from + n);
  }

  #text(n: number): string {
    const from = this.#take(n);
    if (n <= SHORT_TEXT) {
      let text = "";
      for (let i = from; i < from + n; i++) {
        const c = this.#bytes[i] as number;
        if (c > 0x7f) return this.#decoded(from, n);
        text += String.fromCharCode(c);
      }
      return text;
    }
    return this.#decoded(from, n);
  }

  #decoded(from: number, n: number): string {
    try {
      return decoder.decode(this.#bytes.subarray(from, from + n));
    } catch {
      throw damaged("text is not UTF-8");
    }
  }

  #array(n: number, depth: number): unknown[] {
    // Each element has a byte at least: a length beyond the end is not believed.
    if (n > this.#end - this.at) throw damaged("it ends too early");
    const array: unknown[] = [];
    for (let i = 0; i < n; i++) array.push(this.value(depth + 1));
    return array;
  }

  #map(n: number, depth: number): Record<string, unknown> {
    if (2 * n > this.#end - this.at) throw damaged("it ends too early");
    const object: Record<string, unknown> = {};
    for (let i = 0; i < n; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "string") throw damaged("a key is no text");
      const value = this.value(depth + 1);
      // Assigning to __proto__ would set the prototype instead.
      if (key !== "__proto__") object[key] = value;
      else {
        Object.defineProperty(object, key, {
          value,
          writable: true,
          enumerable: true,
          configurable: true,
        });
      }
    }
    return object;
  }

  #tagged(tag: number, depth: number): unknown {
    const value = this.value(depth + 1);
    if (tag === TAG_DATE && typeof value === "number") return new Date(Math.round(value * 1000));
    if ((tag === TAG_POSITIVE || tag === TAG_NEGATIVE) && value instanceof Uint8Array) {
      let digits = "0x0";
      for (const byte of value) digits += byte.toString(16).padStart(2, "0");
      const n = BigInt(digits);
      return tag === TAG_POSITIVE ? n : -1n - n;
    }
    throw damaged(`tag ${tag} is unknown`);
  }

  #other(first: number): unknown {
    switch (first) {
      case FALSE:
        return false;
      case TRUE:
        return true;
      case NULL:
        return null;
      case UNDEFINED:
        return undefined;
      case FLOAT16:
        return this.#half();
      case FLOAT32:
        return this.#view.getFloat32(this.#take(4));
      case FLOAT64:
        return this.#view.getFloat64(this.#take(8));
      default:
        throw damaged(`byte ${first} is unknown`);
    }
  }

  #half(): number {
    const half = this.#view.getUint16(this.#take(2));
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  }
}
