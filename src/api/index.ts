// SPDX-License-Identifier: ISC
/**
 * `knell`: one wait for many things, in any number of threads. Boot a kernel in one thread, attach
 * to it from others, make objects, and wait for them with queues.
 */
import { atomicWait } from "#atomics";
import { hostThread, threadHost } from "#host";
import { EAGAIN, EINVAL } from "../abi/errno.js";
import { BOOTABLE_PROFILES, type BootableProfile, PROFILES } from "../abi/profile.js";
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { slotLeave } from "../kern/attach.js";
import {
  ARENA_BYTES_DEFAULT,
  ARENA_BYTES_MAX,
  ARENA_BYTES_MIN,
  DESCRIPTORS_DEFAULT,
  DESCRIPTORS_MAX,
  KNOTE_LIMIT_MAX,
  THREADS_MAX,
  TIMERS_DEFAULT,
  USER_EVENTS_DEFAULT,
} from "../limits.js";
import { threadIntroduce } from "../sys/exits.js";
import { kernelAttach, kernelBoot } from "../sys/kernel.js";
import { arenaAttached, arenaCopied } from "./arenas.js";
import { argument, checkBoolean, checkChoice, checkInteger, checkOptions } from "./check.js";
import { Core, made } from "./core.js";
import { KernelError } from "./errors.js";
import { Kernel } from "./kernel.js";
import { reopenAll, type SharedAs } from "./share.js";
import { contentsIn, type ShareHandle } from "./share-contents.js";

export type { Usage } from "../sys/usage.js";
export { Bell } from "./bell.js";
export { Channel, type Message } from "./channel.js";
export type { Clock } from "./clock.js";
export { Counter } from "./counter.js";
export { KernelError } from "./errors.js";
export type { EventList } from "./event-list.js";
export { Filter } from "./filter.js";
export { type BytesOptions, type CounterOptions, Kernel } from "./kernel.js";
export { Pipe, type ReadOptions } from "./pipe.js";
export {
  type AddOptions,
  type EventsOptions,
  Queue,
  type QueueEvent,
  type TriggerOptions,
  type WaitOptions,
  type WaitSyncOptions,
} from "./queue.js";
export type { Shareable, Shareables, SharedAs } from "./share.js";
export type { ShareHandle } from "./share-contents.js";
export { SharedQueue } from "./shared-queue.js";
export { after, at, every, Source, userEvent } from "./source.js";
export {
  type DestroyOptions,
  type DirectionOptions,
  type SourceSetOptions,
  UserSource,
  type UserSourceOptions,
} from "./user-source.js";
export { WorkerHandle } from "./worker-handle.js";
export type { ReapOptions, SpawnOptions, WorkerExit } from "./workers.js";

/** Threads of a kernel unless more are asked for. */
const THREADS_DEFAULT = 64;

/** What can be said about a kernel when it is booted. */
export interface BootOptions {
  /** Size of the arena in bytes, 262144 to 2^30, rounded up to a multiple of 64; 64 MiB if left
   * out. Memory that is never touched costs nothing. It never grows. */
  readonly arenaBytes?: number | undefined;
  /** Whose behaviour where systems differ. Only "knell" for now. */
  readonly profile?: BootableProfile | undefined;
  /** "real", or "manual" for clocks that move only when told; see Clock. */
  readonly clock?: "real" | "manual" | undefined;
  readonly limits?:
    | {
        /** User events of the process, 1 to 2^22; 1024 if left out. */
        readonly userEvents?: number | undefined;
        /** Descriptors of the process, 1 to 16384; 4096 if left out. */
        readonly descriptors?: number | undefined;
        /** Timers of the kernel, 1 to 2^22; 4096 if left out. */
        readonly timers?: number | undefined;
        /** Threads attached at a time, 1 to 1024; 64 if left out. */
        readonly threads?: number | undefined;
      }
    | undefined;
  /** Whether a thread about to sleep may spin for some microseconds first; true if left out. */
  readonly spin?: boolean | undefined;
}

function limit(name: string, value: number | undefined, otherwise: number, max: number): number {
  if (value === undefined) return otherwise;
  return checkInteger(argument("boot", "boot", `limits.${name}`), value, 1, max);
}

/** A random 31-bit number. */
function randomId(): number {
  const words = crypto.getRandomValues(new Uint32Array(1));
  return (words[0] as number) >>> 1;
}

/**
 * Make a kernel, and attach this thread to it.
 *
 * @param options size of its memory, its clocks, its limits
 * @returns the thread's attachment
 * @throws {KernelError} EINVAL for a wrong argument; ENOMEM if the arena is too small for the
 * limits; RangeError for a number out of range
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot({ arenaBytes: 1 << 20, limits: { threads: 8 } });
 * console.log(kernel.usage().arenaBytes);
 * kernel.close();
 * ```
 * ```text output
 * 1048576
 * ```
 */
export function boot(options?: BootOptions): Kernel {
  const of = (name: string) => argument("boot", "boot", name);
  const given = checkOptions(of("options"), options);
  const limits = checkOptions(of("limits"), given.limits);
  const { arenaBytes = ARENA_BYTES_DEFAULT, profile = "knell", clock = "real" } = given;
  checkInteger(of("arenaBytes"), arenaBytes, ARENA_BYTES_MIN, ARENA_BYTES_MAX);
  checkChoice(of("profile"), profile, BOOTABLE_PROFILES);
  checkChoice(of("clock"), clock, ["real", "manual"]);
  const id = randomId();
  const shape = {
    arenaBytes: Math.ceil(arenaBytes / 64) * 64,
    threads: limit("threads", limits.threads, THREADS_DEFAULT, THREADS_MAX),
    descriptors: limit("descriptors", limits.descriptors, DESCRIPTORS_DEFAULT, DESCRIPTORS_MAX),
    userEvents: limit("userEvents", limits.userEvents, USER_EVENTS_DEFAULT, KNOTE_LIMIT_MAX),
    timers: limit("timers", limits.timers, TIMERS_DEFAULT, KNOTE_LIMIT_MAX),
    profile: PROFILES.indexOf(profile),
    manualClock: clock === "manual",
    spin: checkBoolean(of("spin"), given.spin, true),
    wallNs: Date.now() * 1e6,
    id,
  };
  const k = kernelBoot(shape, threadHost);
  if (k === -EINVAL) {
    const why = `arenaBytes of ${arenaBytes} are too few for ${shape.threads} threads`;
    throw new KernelError(EINVAL, "boot", "boot", why);
  }
  const thread = made(k, "boot", "boot");
  threadIntroduce(thread, hostThread, 0);
  arenaAttached(id, thread);
  return new Kernel(new Core(thread, thread.a.buffer as SharedArrayBuffer, id));
}

/** Nobody writes to it: for short sleeps. */
const pause = new Int32Array(new SharedArrayBuffer(4));

/** What `attach` gives: the thread's kernel, and the shared objects by name. */
export type Attached<T extends object> = { readonly kernel: Kernel } & SharedAs<T>;

/**
 * Join a kernel from another thread, and open the objects that were shared with it. Each call is
 * an attachment of its own, which `kernel.close()` ends.
 *
 * @param handle what `kernel.share()` gave, or the workerData of a worker that `kernel.spawn()`
 * started
 * @returns the thread's attachment as `kernel`, and the objects under their names
 * @throws {KernelError} EINVAL if it is no handle, or one that was changed, or its buffer no arena
 * of this version of the package; RangeError for a number in it that is out of range; ESTALE if an
 * object is gone; EAGAIN if as many threads are attached as may be; EMFILE; ENOMEM. Nothing remains
 * of an attachment that failed. May sleep for a moment, on locks.
 * @example
 * ```js file=main.mjs
 * import { boot } from "knell";
 * const kernel = boot();
 * const words = kernel.channel();
 * kernel.spawn(new URL("worker.mjs", import.meta.url), { share: { words } });
 * console.log(await words.receiveAsync());
 * kernel.close();
 * ```
 * ```js file=worker.mjs
 * import { workerData } from "node:worker_threads";
 * import { attach } from "knell";
 * attach(workerData).words.send("hello");
 * ```
 */
export function attach<T extends object>(handle: ShareHandle<T>): Attached<T>;
export function attach(handle: unknown): Attached<Record<never, never>>;
export function attach(handle: unknown): Attached<object> {
  const contents = contentsIn(handle);
  if (arenaCopied(contents.arena, contents.buffer)) {
    throw new KernelError(EINVAL, "attach", "attach", "the buffer is a copy of an arena");
  }
  const k = attachThread(contents.buffer);
  const id = Super.id.get(k, SUPER);
  if (id !== contents.arena) {
    slotLeave(k);
    throw new KernelError(EINVAL, "attach", "attach", "the handle is another arena's");
  }
  threadIntroduce(k, hostThread, contents.warden);
  arenaAttached(id, k);
  const core = new Core(k, contents.buffer, id);
  const kernel = new Kernel(core);
  try {
    return { ...reopenAll(core, contents), kernel };
  } catch (error) {
    kernel.close();
    throw error;
  }
}

/** Attempts to find a free slot while threads come and go. */
const ATTEMPTS = 10;

function attachThread(buffer: SharedArrayBuffer): Kthread {
  let k = kernelAttach(buffer, threadHost);
  // A slot may be taken for a moment, by who tells of an end.
  for (let i = 1; i < ATTEMPTS && k === -EAGAIN && threadHost.canBlock; i++) {
    atomicWait(pause, 0, 0, 1);
    k = kernelAttach(buffer, threadHost);
  }
  if (typeof k !== "number") return k;
  let why: string | undefined;
  if (k === -EINVAL) why = "the buffer is no arena of this version of knell";
  if (k === -EAGAIN) why = "as many threads are attached as the kernel may have";
  throw new KernelError(-k, "attach", "attach", why);
}
