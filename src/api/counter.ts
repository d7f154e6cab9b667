// SPDX-License-Identifier: ISC
/** Counters: add in one thread, take in another. */
import { EAGAIN } from "../abi/errno.js";
import { countAdd, countTake, type Taken } from "../sys/message.js";
import { watchRead } from "../sys/port.js";
import { argument, badArgument, checkInteger } from "./check.js";
import { KernelError } from "./errors.js";
import { takeAsync } from "./gate.js";
import { KernelObject, type ObjectState, stateOf } from "./object.js";
import type { EventsOptions } from "./queue.js";
import { NOTHING, objectSource, type Source } from "./source.js";

const TWO_32 = 4_294_967_296;
/** The counter goes up to here: 2^64 - 2. */
const TOP = 2n ** 64n - 2n;
const LOW = 0xffffffffn;
const N = argument("write", "add", "n");

const taken: Taken = { lo: 0, hi: 0 };

/** What was taken: a number where that is exact, otherwise a bigint. */
function takenValue(): number | bigint {
  const hi = taken.hi >>> 0;
  const value = hi * TWO_32 + (taken.lo >>> 0);
  if (value <= Number.MAX_SAFE_INTEGER) return value;
  return BigInt(hi) * BigInt(TWO_32) + BigInt(taken.lo >>> 0);
}

/** Take what is there; NOTHING if that is nothing. */
function take(state: ObjectState): number | bigint | typeof NOTHING {
  const result = countTake(state.core.k, state.handle, true, taken);
  if (result === -EAGAIN) return NOTHING;
  if (result < 0) throw new KernelError(-result, "read", "take");
  return takenValue();
}

/**
 * A 64-bit counter: `add` raises it, taking gives its whole value to one taker and leaves 0, or
 * gives 1 and leaves the rest if it was made with `semaphore: true`. Values are numbers up to
 * 2^53 - 1 and bigints beyond. Made by `kernel.counter()`; shared with other threads by `share`.
 *
 * Behaves as eventfd(2) of Linux.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const counter = kernel.counter();
 * counter.add(2);
 * counter.add(3n);
 * console.log(counter.tryTake(), counter.tryTake());
 * kernel.close();
 * ```
 * ```text output
 * 5 0
 * ```
 */
export class Counter extends KernelObject {
  /**
   * Add to the counter.
   *
   * @param n 0 to 2^53 - 1, or a bigint up to 2^64 - 2
   * @throws {KernelError} EAGAIN if the counter would go beyond 2^64 - 2; EBADF if it is closed;
   * RangeError or {KernelError} EINVAL for a wrong argument
   * May sleep for a moment, on locks; safe from any thread that has the counter.
   */
  add(n: number | bigint): void {
    const state = stateOf(this);
    state.check("write", "add");
    let result: number;
    if (typeof n === "bigint") {
      if (n < 0n || n > TOP) {
        throw new RangeError(`Cannot add: n must be from 0 to 2^64 - 2, received ${n}n`);
      }
      result = countAdd(state.core.k, state.handle, Number(n & LOW) | 0, Number(n >> 32n) | 0);
    } else {
      if (typeof n !== "number") throw badArgument(N, "a number or a bigint", n);
      checkInteger(N, n, 0, Number.MAX_SAFE_INTEGER);
      result = countAdd(state.core.k, state.handle, n | 0, Math.floor(n / TWO_32) | 0);
    }
    if (result >= 0) return;
    const { canBlock } = state.core.k.host;
    const full = canBlock ? "the counter is full" : "the counter is full, or in use";
    const why = result === -EAGAIN ? full : undefined;
    throw new KernelError(-result, "write", "add", why);
  }

  /**
   * Take what is there; 0 if that is nothing. Never waits.
   *
   * @throws {KernelError} EBADF if the counter is closed
   */
  tryTake(): number | bigint {
    const state = stateOf(this);
    state.check("read", "take");
    const value = take(state);
    return value === NOTHING ? 0 : value;
  }

  /**
   * Take what is there, and wait for it without blocking the thread.
   *
   * @param options as for `queue.wait`
   * @returns what was taken; 0 when the time is up
   * @throws the signal's reason if it aborts; {KernelError} EBADF if the counter is closed, also
   * meanwhile; ENOMEM; RangeError or {KernelError} EINVAL for a wrong argument
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const counter = kernel.counter();
   * setTimeout(() => counter.add(5), 1);
   * console.log(await counter.take());
   * kernel.close();
   * ```
   * ```text output
   * 5
   * ```
   */
  async take(options?: EventsOptions): Promise<number | bigint> {
    const state = stateOf(this);
    state.check("read", "take");
    const value = await takeAsync(state, this.takes(), () => take(state), "take", options);
    return value === NOTHING ? 0 : (value as number | bigint);
  }

  /**
   * Take what is there, with the thread asleep until there is something.
   *
   * @throws {KernelError} EBADF if the counter is closed; EOPNOTSUPP where the thread may not block
   * Sleeps.
   */
  takeSync(): number | bigint {
    const state = stateOf(this);
    state.check("read", "take");
    const at = take(state);
    if (at !== NOTHING) return at;
    const { core, handle } = state;
    core.checkMayBlock("read", "take");
    return core.loop.blocking(() => {
      const result = countTake(core.k, handle, false, taken);
      if (result < 0) throw new KernelError(-result, "read", "take");
      return takenValue();
    });
  }

  /**
   * A source that takes: `value` is what the event took from the counter, which no other thread
   * has then.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const slots = kernel.counter({ initial: 2, semaphore: true });
   * const queue = kernel.queue().add("slot", slots.takes());
   * console.log((await queue.wait())[0].value, slots.tryTake(), slots.tryTake());
   * kernel.close();
   * ```
   * ```text output
   * 1 1 0
   * ```
   */
  takes(): Source<number | bigint> {
    const state = stateOf(this);
    return objectSource(this, state, "taken", watchRead(state.handle.fd), () => take(state));
  }
}
