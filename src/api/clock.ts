// SPDX-License-Identifier: ISC
/** The clocks of a kernel. */
import { EOPNOTSUPP } from "../abi/errno.js";
import { threadsRouse } from "../kern/rouse.js";
import { clockMonotonic, clockMoveManual, clockWall } from "../sync/clock.js";
import { argument, badArgument, checkNumber, MS_MAX } from "./check.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";

const DATE_MAX = 8.64e15;

/**
 * The two clocks that timers and time-outs of a kernel go by. With `boot({ clock: "manual" })`
 * they stand still until they are moved, by any thread, so that a program can try its timers
 * without waiting. They are `kernel.clock`.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot({ clock: "manual" });
 * kernel.clock.advance(1500);
 * console.log(kernel.clock.manual, kernel.clock.now());
 * kernel.close();
 * ```
 * ```text output
 * true 1500
 * ```
 */
export class Clock {
  readonly #core: Core;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
  }

  /** Whether the clocks move only when told. */
  get manual(): boolean {
    return this.#core.k.manualClock;
  }

  /**
   * Milliseconds since the kernel was booted, with fractions; never goes back.
   * @throws {KernelError} EBADF if the kernel is closed
   */
  now(): number {
    this.#core.check("clock_gettime", "read the clock");
    return clockMonotonic(this.#core.k) / 1e6;
  }

  /**
   * Milliseconds since 1970, with fractions down to a microsecond.
   * @throws {KernelError} EBADF if the kernel is closed
   */
  wall(): number {
    this.#core.check("clock_gettime", "read the clock");
    return Number(clockWall(this.#core.k) / 1000n) / 1e3;
  }

  /**
   * Move both manual clocks on. Every thread whose timers or time-outs come due wakes.
   *
   * @param ms 0 or more, with fractions down to a nanosecond
   * @throws {KernelError} EOPNOTSUPP if the clocks are real; EBADF if the kernel is closed;
   * RangeError or EINVAL for a wrong argument. Safe from any thread.
   * @example
   * ```js
   * import { after, boot } from "knell";
   * const kernel = boot({ clock: "manual" });
   * const wait = kernel.queue().add("hour", after(3_600_000)).wait();
   * kernel.clock.advance(3_600_000);
   * console.log((await wait)[0].tag);
   * kernel.close();
   * ```
   * ```text output
   * hour
   * ```
   */
  advance(ms: number): void {
    const of = argument("clock_settime", "advance the clock", "ms");
    checkNumber(of, ms, 0, MS_MAX);
    this.#checkManual("advance the clock");
    clockMoveManual(this.#core.k, Math.round(ms * 1e6), null);
    threadsRouse(this.#core.k);
  }

  /**
   * Set the manual wall clock. Timers that were added before do not move.
   *
   * @param when a Date, or milliseconds since 1970, from 0
   * @throws as `advance`
   */
  setWall(when: Date | number): void {
    const of = argument("clock_settime", "set the clock", "when");
    const ms: unknown = when instanceof Date ? when.getTime() : when;
    if (typeof ms !== "number") throw badArgument(of, "a Date or a number", when);
    checkNumber(of, ms, 0, DATE_MAX);
    this.#checkManual("set the clock");
    clockMoveManual(this.#core.k, 0, BigInt(Math.round(ms * 1e3)) * 1000n);
    threadsRouse(this.#core.k);
  }

  #checkManual(action: string): void {
    this.#core.check("clock_settime", action);
    if (this.manual) return;
    throw new KernelError(EOPNOTSUPP, "clock_settime", action, "the kernel has real clocks");
  }
}
