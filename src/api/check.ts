// SPDX-License-Identifier: ISC
/**
 * Arguments of the JavaScript face. A value of the wrong type is a KernelError EINVAL, a number
 * out of range a RangeError; both name the argument. All of it happens before the first lock.
 */
import { EINVAL } from "../abi/errno.js";
import { KernelError } from "./errors.js";

/** How a value is shown in a message. */
function shown(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value.slice(0, 40));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol" || typeof value === "function") return `a ${typeof value}`;
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" && value !== null ? "an object" : String(value);
}

/** What an argument check has to know for its message. */
export interface Argument {
  readonly syscall: string;
  readonly action: string;
  readonly name: string;
}

export function argument(syscall: string, action: string, name: string): Argument {
  return { syscall, action, name };
}

/** An argument that is not what it must be. */
export function badArgument(of: Argument, must: string, value: unknown): KernelError {
  const reason = `${of.name} must be ${must}, received ${shown(value)}`;
  return new KernelError(EINVAL, of.syscall, of.action, reason);
}

function outOfRange(of: Argument, must: string, value: unknown): RangeError {
  return new RangeError(
    `Cannot ${of.action}: ${of.name} must be ${must}, received ${shown(value)}`,
  );
}

/** An integer from `min` to `max`. */
export function checkInteger(of: Argument, value: unknown, min: number, max: number): number {
  if (typeof value !== "number") throw badArgument(of, "a number", value);
  if (Number.isInteger(value) && value >= min && value <= max) return value;
  throw outOfRange(of, `an integer from ${min} to ${max}`, value);
}

/** A number from `min` to `max`, fractions included. */
export function checkNumber(of: Argument, value: unknown, min: number, max: number): number {
  if (typeof value !== "number") throw badArgument(of, "a number", value);
  if (value >= min && value <= max) return value;
  throw outOfRange(of, `a number from ${min} to ${max}`, value);
}

export function checkBoolean(of: Argument, value: unknown, otherwise: boolean): boolean {
  if (value === undefined) return otherwise;
  if (typeof value !== "boolean") throw badArgument(of, "true or false", value);
  return value;
}

export function checkString(of: Argument, value: unknown): string {
  if (typeof value !== "string") throw badArgument(of, "a string", value);
  return value;
}

/** One of a few words. */
export function checkChoice<T extends string>(
  of: Argument,
  value: unknown,
  choices: readonly T[],
): T {
  for (const choice of choices) if (value === choice) return choice;
  throw badArgument(of, choices.map((choice) => JSON.stringify(choice)).join(" or "), value);
}

/** An options object; undefined is an empty one. */
export function checkOptions<T extends object>(of: Argument, value: T | undefined): Partial<T> {
  if (value === undefined) return {};
  if (typeof value !== "object" || value === null) throw badArgument(of, "an object", value);
  return value;
}

/** Bytes: a Uint8Array as it is, other views and buffers as one on their memory. */
export function checkBytes(of: Argument, value: unknown): Uint8Array {
  const bytes = bytesOf(value);
  if (bytes === null) throw badArgument(of, "a Uint8Array, another view or an ArrayBuffer", value);
  return bytes;
}

/** The bytes of a view or buffer, null if it is none. */
export function bytesOf(value: unknown): Uint8Array | null {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  }
  const isBuffer = value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
  return isBuffer ? new Uint8Array(value) : null;
}

/** Longest time that can be named, in milliseconds: 2^62 nanoseconds. */
export const MS_MAX = Math.floor(2 ** 62 / 1e6);

/** A time-out in milliseconds; undefined is Infinity, for ever. */
export function checkTimeout(syscall: string, action: string, value: unknown): number {
  if (value === undefined || value === Number.POSITIVE_INFINITY) return Number.POSITIVE_INFINITY;
  if (typeof value === "number" && value >= 0 && value <= MS_MAX) return value;
  return checkNumber(argument(syscall, action, "timeoutMs"), value, 0, MS_MAX);
}

/** An AbortSignal, or undefined. */
export function checkSignal(
  syscall: string,
  action: string,
  value: unknown,
): AbortSignal | undefined {
  if (value === undefined) return undefined;
  const signal = value as Partial<AbortSignal> | null;
  const like = typeof signal?.addEventListener === "function" && "aborted" in signal;
  if (!like) throw badArgument(argument(syscall, action, "signal"), "an AbortSignal", value);
  return signal as AbortSignal;
}
