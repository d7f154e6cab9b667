// SPDX-License-Identifier: ISC
/** Errors of the JavaScript face. */
import { errnoName, errnoText } from "../abi/errno.js";

/**
 * An operation failed. It has the shape of Node's system errors, with FreeBSD's error numbers, and
 * its message says what could not be done and why: "Cannot send: the channel was ended (EPIPE)".
 *
 * @example
 * ```js
 * import { boot, KernelError } from "knell";
 * const kernel = boot();
 * const channel = kernel.channel();
 * channel.end();
 * try {
 *   channel.send("late");
 * } catch (error) {
 *   console.log(error instanceof KernelError, error.code, error.errno, error.syscall);
 * }
 * kernel.close();
 * ```
 * ```text output
 * true EPIPE 32 write
 * ```
 */
export class KernelError extends Error {
  override readonly name = "KernelError";
  /** Name of the error, such as "EBADF". */
  readonly code: string;
  /** Its number, positive, as FreeBSD has it. */
  readonly errno: number;
  /** The call that failed, by the name of its manual page. */
  readonly syscall: string;

  /**
   * @param errno positive number of the error
   * @param syscall name of the call
   * @param action what could not be done: "send"
   * @param reason why; the error's own words if left out
   */
  constructor(errno: number, syscall: string, action: string, reason?: string) {
    const code = errnoName(errno);
    super(`Cannot ${action}: ${reason ?? inWords(errno)} (${code})`);
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** The meaning of an error as the middle of a sentence. */
function inWords(errno: number): string {
  const text = errnoText(errno).replace(/\.$/, "");
  return text.charAt(0).toLowerCase() + text.slice(1);
}
