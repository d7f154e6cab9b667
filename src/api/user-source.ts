// SPDX-License-Identifier: ISC
/** Sources of a program's own: what queues find there is what its owner has set. */
import { EAGAIN, ENXIO, EPERM } from "../abi/errno.js";
import { SRC_EOF, SRC_READY } from "../abi/source.js";
import { type Watch, watchNamed, watchRead, watchWritable } from "../sys/port.js";
import {
  handleSourceDestroy,
  handleSourceGone,
  handleSourceSet,
  type SourceState,
} from "../sys/source.js";
import { argument, badArgument, checkBoolean, checkInteger, checkOptions } from "./check.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";
import { KernelObject, ObjectState, stateOf } from "./object.js";
import { type Opened, type Source, sourceMake } from "./source.js";

/** The state of one direction of a source. */
export interface DirectionOptions {
  /** Whether it is ready; true if left out. */
  readonly ready?: boolean | undefined;
  /** `value` of its events, 0 to 2^53 - 1; 1 if left out. */
  readonly data?: number | undefined;
  /** `flags` of its events, such as an error number, 0 to 2^32 - 1; 0 if left out. */
  readonly flags?: number | undefined;
  /** Whether it has ended: it is ready for good, and without data that is its last event. */
  readonly ended?: boolean | undefined;
}

/** What to set: true, or a number other than 0, is ready with such data; false and 0 are not. */
export interface SourceSetOptions {
  readonly readable?: boolean | number | DirectionOptions | undefined;
  readonly writable?: boolean | number | DirectionOptions | undefined;
}

/** How to destroy a source. */
export interface DestroyOptions {
  /** Nobody is told; false if left out. */
  readonly silent?: boolean | undefined;
  /** `flags` of the last event, such as an error number, 0 to 2^32 - 1; 0 if left out. */
  readonly flags?: number | undefined;
}

/** How to make a source. */
export interface UserSourceOptions {
  /** Whether a forked copy of a queue keeps what watches the source; true if left out. */
  readonly copyOnFork?: boolean | undefined;
}

const UINT32_MAX = 2 ** 32 - 1;
const SILENT = null;

function failure(errno: number, syscall: string, action: string): KernelError {
  if (errno === ENXIO) return new KernelError(errno, syscall, action, "the source was destroyed");
  if (errno !== EPERM) return new KernelError(errno, syscall, action);
  return new KernelError(errno, syscall, action, "the source belongs to another thread");
}

/** A direction as the kernel has it; null if it is to stay. */
function direction(name: string, given: SourceSetOptions["readable"]): SourceState | null {
  if (given === undefined) return null;
  const of = (part: string) => argument("source_set", "set a source", `${name}${part}`);
  if (typeof given === "boolean") return state(given ? SRC_READY : 0, 0, given ? 1 : 0);
  if (typeof given === "number") {
    const data = checkInteger(of(""), given, 0, Number.MAX_SAFE_INTEGER);
    return state(data > 0 ? SRC_READY : 0, 0, data);
  }
  if (given === null || typeof given !== "object") {
    throw badArgument(of(""), "true, false, a number or an object", given);
  }
  const ended = checkBoolean(of(".ended"), given.ended, false);
  const ready = checkBoolean(of(".ready"), given.ready, !ended || given.data !== undefined);
  const { data = ready ? 1 : 0, flags = 0 } = given;
  checkInteger(of(".data"), data, 0, Number.MAX_SAFE_INTEGER);
  checkInteger(of(".flags"), flags, 0, UINT32_MAX);
  return state((ready ? SRC_READY : 0) | (ended ? SRC_EOF : 0), flags, data);
}

function state(flags: number, fflags: number, data: number): SourceState {
  const dataHi = Math.floor(data / (UINT32_MAX + 1));
  return { flags, fflags: fflags | 0, dataLo: data | 0, dataHi };
}

/** The state of a source's object: closing what the thread owns destroys it first. */
export class UserSourceState extends ObjectState {
  readonly owned: boolean;

  constructor(core: Core, handle: ObjectState["handle"], owned: boolean) {
    super(core, "source", handle);
    this.owned = owned;
  }

  override close(): void {
    if (!this.closed && this.owned) {
      let result: number;
      do {
        result = handleSourceDestroy(this.core.k, this.handle, 0);
      } while (result === -EAGAIN && !this.core.open);
    }
    super.close();
  }
}

/** A source of queues that reports a state with flags. */
export function stateSource(
  core: Core,
  watch: Watch,
  owner: object | null,
  of: ObjectState | null,
): Source<number> {
  const opened: Opened = {
    watch,
    manner: "state",
    state: of,
    take: null,
    dropped: null,
    owner,
    flags: true,
  };
  return sourceMake({
    core,
    open() {
      of?.check("kevent", "add a source");
      return opened;
    },
  });
}

/**
 * Something to wait for of the program's own. The thread that made it owns it: it alone sets its
 * state and destroys it, while any thread that has it watches, in both directions. Made by
 * `kernel.source()`, or by a Filter; shared with other threads by `share`.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const sensor = kernel.source();
 * const queue = kernel.queue().add("reading", sensor.readable());
 * sensor.set({ readable: 21 });
 * console.log(queue.waitSync());
 * sensor.destroy();
 * console.log(queue.waitSync());
 * kernel.close();
 * ```
 * ```text output
 * [ { tag: 'reading', value: 21, ended: false, flags: 0 } ]
 * [ { tag: 'reading', value: undefined, ended: true, flags: 0 } ]
 * ```
 */
export class UserSource extends KernelObject {
  /** Whether it was destroyed, or closed in this thread. May sleep for a moment, on locks. */
  get destroyed(): boolean {
    const { closed, core, handle } = stateOf(this);
    return closed || handleSourceGone(core.k, handle);
  }

  /**
   * Set the state of one direction, or of both at once, and tell everybody who watches. What is
   * left out stays.
   *
   * @throws {KernelError} ENXIO if it was destroyed; EPERM in another thread than its owner's;
   * EBADF if it is closed; RangeError or EINVAL for a wrong argument
   * May sleep for a moment, on locks.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const line = kernel.source();
   * const queue = kernel.queue().add("in", line.readable()).add("out", line.writable());
   * line.set({ readable: { data: 5, flags: 54 }, writable: true });
   * console.log(queue.waitSync().map(({ tag, value, flags }) => `${tag} ${value} ${flags}`));
   * kernel.close();
   * ```
   * ```text output
   * [ 'out 1 0', 'in 5 54' ]
   * ```
   */
  set(options: SourceSetOptions): void {
    const of = argument("source_set", "set a source", "options");
    if (options === undefined) throw badArgument(of, "an object", options);
    const given = checkOptions(of, options);
    this.#apply(direction("readable", given.readable), direction("writable", given.writable));
  }

  /**
   * Tell everybody who watches, as if it had been set again: each time is news to a queue that
   * was added with `edge: true`.
   *
   * @throws {KernelError} as `set`
   */
  notify(): void {
    this.#apply(null, null);
  }

  #apply(read: SourceState | null, write: SourceState | null): void {
    const own = stateOf(this);
    own.check("source_set", "set a source");
    const result = handleSourceSet(own.core.k, own.handle, read, write);
    if (result < 0) throw failure(-result, "source_set", "set a source");
  }

  /**
   * Destroy it. Each registration of it, in any queue of any thread, gets one last event with
   * `ended: true`, and is gone; those that are added later fail with ENXIO. A thread that leaves
   * the kernel or ends destroys its sources, and so does `close()` in the owner's thread.
   *
   * @param options.silent tell nobody: what watches it never hears of it again
   * @param options.flags of the last event
   * @throws {KernelError} ENXIO if that was done already; otherwise as `set`
   * May sleep for a moment, until calls of other threads have done with it.
   */
  destroy(options?: DestroyOptions): void {
    const action = "destroy a source";
    const of = (name: string) => argument("source_destroy", action, name);
    const given = checkOptions(of("options"), options);
    const silent = checkBoolean(of("silent"), given.silent, false);
    const { flags = 0 } = given;
    checkInteger(of("flags"), flags, 0, UINT32_MAX);
    const own = stateOf(this);
    own.check("source_destroy", action);
    const result = handleSourceDestroy(own.core.k, own.handle, silent ? SILENT : flags);
    if (result < 0) throw failure(-result, "source_destroy", action);
  }

  /**
   * A source for queues: ready while the owner says that it is readable. `value` is the data,
   * `flags` the flags that were set with them.
   */
  readable(): Source<number> {
    const own = stateOf(this);
    return stateSource(own.core, watchRead(own.handle.fd), this, own);
  }

  /** As `readable`, of the other direction. */
  writable(): Source<number> {
    const own = stateOf(this);
    return stateSource(own.core, watchWritable(own.handle.fd), this, own);
  }
}

/** The source of a named filter's identifier. */
export function namedSource(core: Core, filter: number, ident: number): Source<number> {
  return stateSource(core, watchNamed(filter, ident), null, null);
}
