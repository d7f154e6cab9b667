// SPDX-License-Identifier: ISC
/** Named filters: sources by name and number, for every thread of the kernel. */
import { EBUSY, ENOENT, EPERM } from "../abi/errno.js";
import { handleSource } from "../sys/handle.js";
import { sysKfilterUnregister } from "../sys/source.js";
import { argument, checkBoolean, checkInteger, checkOptions } from "./check.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";
import type { Source } from "./source.js";
import { namedSource, UserSource, type UserSourceOptions, UserSourceState } from "./user-source.js";

/** Make a source, under a filter's number if that is not 0. */
export function madeSource(
  core: Core,
  filter: number,
  ident: number,
  options: UserSourceOptions | undefined,
): UserSource {
  const action = "make a source";
  core.check("source", action);
  const given = checkOptions(argument("source", action, "options"), options);
  const copied = checkBoolean(argument("source", action, "copyOnFork"), given.copyOnFork, true);
  const identHi = Math.floor(ident / 2 ** 32);
  const shape = { noFork: !copied, filter, identLo: ident | 0, identHi };
  const handle = handleSource(core.k, shape);
  if (typeof handle !== "number") return new UserSource(new UserSourceState(core, handle, true));
  let why: string | undefined;
  if (handle === -ENOENT) why = "the filter was unregistered";
  if (handle === -EPERM) why = "the filter belongs to another thread";
  throw new KernelError(-handle, "source", action, why);
}

/**
 * A filter that a thread has registered by name: a table of sources, one for each identifier. The
 * owner makes them; every thread of the kernel finds the filter and watches by identifier, without
 * being given the source. Made by `kernel.filter()`, found by `kernel.findFilter()`.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const key = kernel.filter("keys").source(27);
 * const queue = kernel.queue().add("escape", kernel.findFilter("keys").at(27), { edge: true });
 * key.set({ readable: true });
 * console.log(queue.waitSync()[0].tag);
 * kernel.close();
 * ```
 * ```text output
 * escape
 * ```
 */
export class Filter {
  /** The name that it was registered under. */
  readonly name: string;
  /** Its number in records of kevent. */
  readonly number: number;
  readonly #core: Core;

  /** @internal */
  constructor(core: Core, name: string, number: number) {
    this.#core = core;
    this.name = name;
    this.number = number;
  }

  /**
   * A new source for an identifier, which this thread owns.
   *
   * @param ident 0 to 2^53 - 1
   * @throws {KernelError} EEXIST if there is one; EPERM if the filter is another thread's; ENOENT
   * if it was unregistered; as `kernel.source` otherwise
   */
  source(ident: number, options?: UserSourceOptions): UserSource {
    const of = argument("source", "make a source", "ident");
    checkInteger(of, ident, 0, Number.MAX_SAFE_INTEGER);
    return madeSource(this.#core, this.number, ident, options);
  }

  /**
   * A source for queues: that of an identifier, whoever has made it. Adding it to a queue is ENOENT
   * while there is none, and EINVAL if the filter was unregistered.
   *
   * @param ident 0 to 2^53 - 1
   */
  at(ident: number): Source<number> {
    const of = argument("kevent", "add a source", "ident");
    checkInteger(of, ident, 0, Number.MAX_SAFE_INTEGER);
    return namedSource(this.#core, this.number, ident);
  }

  /**
   * Take the filter back. Its sources stay, but are no longer found by it.
   *
   * @throws {KernelError} EBUSY while queues have registrations with it, also such whose source is
   * gone; EPERM if it is another thread's; ENOENT if that was done already; EBADF if the kernel is
   * closed
   */
  unregister(): void {
    const action = `unregister "${this.name}"`;
    this.#core.check("kfilter_unregister", action);
    const result = sysKfilterUnregister(this.#core.k, this.number);
    let why: string | undefined;
    if (result === -EBUSY) why = "queues have registrations with it";
    if (result === -EPERM) why = "it belongs to another thread";
    if (result < 0) throw new KernelError(-result, "kfilter_unregister", action, why);
  }
}
