// SPDX-License-Identifier: ISC
/** A thread's attachment to a kernel: where its objects are made. */

import { ENOENT } from "../abi/errno.js";
import { EFD_SEMAPHORE } from "../abi/fcntl.js";
import type { Kthread } from "../arena/kthread.js";
import { slotLeave } from "../kern/attach.js";
import {
  FILTER_NAME_BYTES,
  FILTERS_MAX,
  PIPE_BYTES_DEFAULT,
  PIPE_BYTES_MAX,
  PIPE_BYTES_MIN,
} from "../limits.js";
import {
  handleBell,
  handleChannel,
  handleCounter,
  handlePipe,
  handleQueue,
} from "../sys/handle.js";
import {
  sysKfilterByfilter,
  sysKfilterByname,
  sysKfilterRegister,
  threadSourcesEnd,
} from "../sys/source.js";
import { type Usage, usage } from "../sys/usage.js";
import { Bell } from "./bell.js";
import { Channel, type Message } from "./channel.js";
import { argument, checkBoolean, checkInteger, checkOptions, checkString } from "./check.js";
import { Clock } from "./clock.js";
import { type Core, made } from "./core.js";
import { Counter } from "./counter.js";
import { KernelError } from "./errors.js";
import { Filter, madeSource } from "./filter.js";
import { DISPOSE, ObjectState } from "./object.js";
import { Pipe } from "./pipe.js";
import { Queue } from "./queue.js";
import { type Shareables, shareContents } from "./share.js";
import type { ShareHandle } from "./share-contents.js";
import type { Source } from "./source.js";
import type { UserSource, UserSourceOptions } from "./user-source.js";
import type { WorkerHandle } from "./worker-handle.js";
import { type ReapOptions, type SpawnOptions, type WorkerExit, Workers } from "./workers.js";

/** How much a channel or a pipe holds. */
export interface BytesOptions {
  /** Bytes, 4096 to 2^26, rounded up to a multiple of 4; 65536 if left out. */
  readonly bytes?: number | undefined;
}

/** How a counter begins. */
export interface CounterOptions {
  /** Value to begin with, 0 to 2^32 - 1; 0 if left out. */
  readonly initial?: number | undefined;
  /** Taking gives 1 and leaves the rest, instead of the whole value. */
  readonly semaphore?: boolean | undefined;
}

function checkCapacity(action: string, options: BytesOptions | undefined): number {
  const given = checkOptions(argument("pipe2", action, "options"), options);
  const { bytes = PIPE_BYTES_DEFAULT } = given;
  const of = argument("pipe2", action, "bytes");
  return Math.ceil(checkInteger(of, bytes, PIPE_BYTES_MIN, PIPE_BYTES_MAX) / 4) * 4;
}

/**
 * A thread's attachment to a kernel, made by `boot` or `attach`. It makes objects, shares them,
 * starts workers, and keeps the clocks. A Kernel belongs to the thread that made it, as do the
 * objects it makes.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const channel = kernel.channel({ bytes: 4096 });
 * channel.send("hello");
 * console.log(channel.tryReceive());
 * kernel.close();
 * ```
 * ```text output
 * hello
 * ```
 */
export class Kernel {
  /** The thread as the inside of the kernel knows it; `knell/sys` needs it. */
  readonly thread: Kthread;
  /** The kernel's clocks. */
  readonly clock: Clock;
  readonly #core: Core;
  readonly #workers: Workers;

  /** @internal */
  constructor(core: Core) {
    this.#core = core;
    this.thread = core.k;
    this.clock = new Clock(core);
    this.#workers = new Workers(core);
  }

  /** Whether `close` was called. */
  get closed(): boolean {
    return !this.#core.open;
  }

  /**
   * A new queue, with no source yet.
   *
   * @throws {KernelError} EMFILE if the process has as many descriptors as it may have; ENOMEM if
   * the arena is full; EBADF if the kernel is closed
   */
  queue(): Queue {
    const core = this.#core;
    core.check("kqueue", "make a queue");
    const handle = made(handleQueue(core.k), "kqueue", "make a queue");
    return new Queue(core, new ObjectState(core, "queue", handle));
  }

  /**
   * A new channel.
   *
   * @param options.bytes what it holds, messages and 4 to 7 bytes for each
   * @throws {KernelError} as `queue`; RangeError or EINVAL for a wrong argument
   */
  channel<M = Message>(options?: BytesOptions): Channel<M> {
    const core = this.#core;
    core.check("pipe2", "make a channel");
    const bytes = checkCapacity("make a channel", options);
    const handle = made(handleChannel(core.k, bytes), "pipe2", "make a channel");
    return new Channel<M>(new ObjectState(core, "channel", handle));
  }

  /**
   * A new bell.
   *
   * @throws {KernelError} as `queue`
   */
  bell(): Bell {
    const core = this.#core;
    core.check("eventfd", "make a bell");
    const handle = made(handleBell(core.k), "eventfd", "make a bell");
    return new Bell(new ObjectState(core, "bell", handle));
  }

  /**
   * A new counter.
   *
   * @param options.initial value to begin with
   * @param options.semaphore taking gives 1
   * @throws {KernelError} as `queue`; RangeError or EINVAL for a wrong argument
   */
  counter(options?: CounterOptions): Counter {
    const core = this.#core;
    const action = "make a counter";
    core.check("eventfd", action);
    const given = checkOptions(argument("eventfd", action, "options"), options);
    const { initial = 0 } = given;
    checkInteger(argument("eventfd", action, "initial"), initial, 0, 2 ** 32 - 1);
    const one = checkBoolean(argument("eventfd", action, "semaphore"), given.semaphore, false);
    const handle = handleCounter(core.k, initial, one ? EFD_SEMAPHORE : 0);
    return new Counter(new ObjectState(core, "counter", made(handle, "eventfd", action)));
  }

  /**
   * A new source of the program's own, which this thread owns.
   *
   * @param options.copyOnFork whether a forked copy of a queue keeps what watches it
   * @throws {KernelError} as `queue`; EINVAL for a wrong argument
   */
  source(options?: UserSourceOptions): UserSource {
    return madeSource(this.#core, 0, 0, options);
  }

  /**
   * Register a filter under a name, for every thread of the kernel. This thread owns it.
   *
   * @param name 1 to 64 bytes in UTF-8
   * @throws {KernelError} EEXIST if a filter has the name, also a built-in one such as
   * "EVFILT_USER"; ENAMETOOLONG; ENOMEM if there are 256 or the arena is full; EINVAL for an empty
   * name or no string; EBADF if the kernel is closed
   */
  filter(name: string): Filter {
    const action = "register a filter";
    this.#core.check("kfilter_register", action);
    checkString(argument("kfilter_register", action, "name"), name);
    const number = sysKfilterRegister(this.#core.k, name);
    if (number < 0) throw new KernelError(-number, "kfilter_register", `${action} "${name}"`);
    return new Filter(this.#core, name, number);
  }

  /**
   * Find a filter that some thread has registered, by its name or number.
   *
   * @param nameOrNumber a name, or 1 to 256
   * @throws {KernelError} ENOENT if there is none; EINVAL for an empty name, or what is neither a
   * string nor a number; EBADF if the kernel is closed; RangeError for a number out of range
   */
  findFilter(nameOrNumber: string | number): Filter {
    const action = "find a filter";
    const core = this.#core;
    core.check("kfilter_byname", action);
    if (typeof nameOrNumber === "number") {
      const of = argument("kfilter_byfilter", action, "nameOrNumber");
      checkInteger(of, nameOrNumber, 1, FILTERS_MAX);
      const name = new Uint8Array(FILTER_NAME_BYTES);
      const length = sysKfilterByfilter(core.k, nameOrNumber, name);
      if (length < 0) throw new KernelError(-length, "kfilter_byfilter", action);
      return new Filter(core, new TextDecoder().decode(name.subarray(0, length)), nameOrNumber);
    }
    checkString(argument("kfilter_byname", action, "nameOrNumber"), nameOrNumber);
    const number = new Int32Array(1);
    const found = sysKfilterByname(core.k, nameOrNumber, number);
    const [filter = 0] = number;
    if (found === 0 && filter > 0) return new Filter(core, nameOrNumber, filter);
    const errno = found === 0 ? ENOENT : -found;
    throw new KernelError(errno, "kfilter_byname", `${action} "${nameOrNumber}"`);
  }

  /**
   * A new pipe, with both ends open in this thread.
   *
   * @param options.bytes what it holds
   * @throws {KernelError} as `queue`; RangeError or EINVAL for a wrong argument
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const pipe = kernel.pipe();
   * const queue = kernel.queue().add("in", pipe.readable()).add("out", pipe.writable());
   * console.log(queue.waitSync().map(({ tag, value }) => `${tag} ${value}`));
   * kernel.close();
   * ```
   * ```text output
   * [ 'out 65536' ]
   * ```
   */
  pipe(options?: BytesOptions): Pipe {
    const core = this.#core;
    core.check("pipe2", "make a pipe");
    const bytes = checkCapacity("make a pipe", options);
    const { read, write } = made(handlePipe(core.k, bytes), "pipe2", "make a pipe");
    return new Pipe(
      core,
      new ObjectState(core, "pipe's read end", read),
      new ObjectState(core, "pipe's write end", write),
    );
  }

  /**
   * This kernel and some of its objects as data for another thread, which passes it to `attach`.
   * The handle holds no reference: keep the objects open until the other thread has attached.
   *
   * @param objects channels, counters, bells, pipes and queues by name; a queue arrives as a
   * SharedQueue, whose user events can be triggered
   * @throws {KernelError} EINVAL if something cannot be shared; EBADF if it is closed
   * @example
   * ```js file=main.mjs
   * import { Worker } from "node:worker_threads";
   * import { boot } from "knell";
   * const kernel = boot();
   * const jobs = kernel.channel();
   * const file = new URL("worker.mjs", import.meta.url);
   * const worker = new Worker(file, { workerData: kernel.share({ jobs }) });
   * kernel.adopt(worker);
   * jobs.send("work");
   * console.log((await kernel.queue().add("gone", kernel.exits()).wait())[0].value.code);
   * kernel.close();
   * ```
   * ```js file=worker.mjs
   * import { workerData } from "node:worker_threads";
   * import { attach } from "knell";
   * const { jobs } = attach(workerData);
   * process.exitCode = jobs.receiveSync() === "work" ? 0 : 1;
   * ```
   */
  share(): ShareHandle<Record<never, never>>;
  share<const T extends Shareables>(objects: T): ShareHandle<T>;
  share(objects: Shareables = {}): ShareHandle {
    return { knell: shareContents(this.#core, objects, 0) };
  }

  /**
   * Start a worker that shares objects with this thread: `attach(workerData)` there gives them. A
   * module of the kernel's own, the warden, starts it and watches over it, so its end is heard
   * even while this thread is parked. The worker keeps the process alive while it runs. It ends
   * at the latest when the thread does that was the first to spawn, as a worker's worker does.
   *
   * @param url the worker's module: a URL, or the path of a file
   * @param options.share objects by name, as for `share`
   * @param options.workerData cloned to `workerData.workerData` of the worker
   * @param options.name name of the worker
   * @returns a handle to end it; the end is an event of `exits`
   * @throws {KernelError} EINVAL for a wrong argument; EBADF if the kernel is closed; ENOMEM or
   * EMFILE if exits could not be listened for; EAGAIN if the warden does not answer; ENOSYS where
   * workers cannot be started
   * A module that does not exist or throws is no error here, but an exit event. Does not wait for
   * the worker; sleeps some milliseconds if another thread keeps the warden.
   * @example
   * ```js file=main.mjs
   * import { boot } from "knell";
   * const kernel = boot();
   * const done = kernel.channel();
   * kernel.spawn(new URL("worker.mjs", import.meta.url), { share: { done }, workerData: 6 });
   * console.log(await done.receiveAsync());
   * kernel.close();
   * ```
   * ```js file=worker.mjs
   * import { workerData } from "node:worker_threads";
   * import { attach } from "knell";
   * const { done } = attach(workerData);
   * done.send(7 * workerData.workerData);
   * ```
   * ```text output
   * 42
   * ```
   */
  spawn(url: URL | string, options?: SpawnOptions): WorkerHandle {
    return this.#workers.spawn(url, options);
  }

  /**
   * Watch over a worker that this thread has started itself: its end becomes an event of `exits`,
   * and what it held is released. Only a running event loop hears of the end, so a thread that
   * adopts must not block in waits for long; `spawn` has no such condition.
   *
   * @param worker a Worker of `node:worker_threads` that has not ended
   * @param options.name for its exit event
   * @throws {KernelError} EINVAL if it is none, or has ended; as `spawn` otherwise
   */
  adopt(worker: object, options?: { readonly name?: string | undefined }): WorkerHandle {
    const given = checkOptions(argument("adopt", "adopt", "options"), options);
    return this.#workers.adopt(worker, given.name ?? "");
  }

  /**
   * End a worker, wherever it is; it may be parked in a wait, or in the middle of a call, which is
   * finished or undone then. From now on it counts as dying, but nothing is taken from it before
   * its end is confirmed. One that has ended already is only reported.
   *
   * @param worker what `spawn` or `adopt` of this kernel returned, or the Worker that was adopted
   * @returns its exit code, once it has ended and all that it held is released. The process is
   * kept alive until then
   * @throws {KernelError} EINVAL if it is none of these; EBADF if the kernel is closed, now or
   * while it waits; EAGAIN if another thread keeps the warden, which did not tell of the end within
   * 10 seconds. It rejects, and never throws. Does not block
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const forever = "setInterval(() => {}, 1000)";
   * const worker = kernel.spawn(new URL(`data:text/javascript,${forever}`));
   * console.log(await kernel.terminate(worker), await kernel.terminate(worker));
   * kernel.close();
   * ```
   * ```text output
   * 1 1
   * ```
   */
  terminate(worker: WorkerHandle | object): Promise<number> {
    return this.#workers.terminate(worker);
  }

  /**
   * Release what a worker held that the program has started itself, and whose end it has seen: its
   * waits, its objects, its locks, its place. That is only needed where no thread could `adopt` the
   * worker, or before the exit event of an adopted one is delivered. Watchers of `exits` hear of
   * it, with `worker` 0 if it was not adopted.
   *
   * @param worker a handle or Worker that was adopted: nothing is taken from it while it runs; or
   * the `threadId` of any other worker, which is *taken as the caller's word that it has ended*
   * (when its `exit` event comes, the Worker does not know that number any more)
   * @param options.code exit code for the event of a worker that was not adopted
   * @param options.name its name there
   * @returns whether there was anything to release: false for one that runs, that was reaped
   * before or never attached, and for workers of the warden, which reaps them itself. What a lock
   * of another thread is in the way of is released some milliseconds later
   * @throws {KernelError} EINVAL for a wrong argument, the calling thread, and an ended Worker that
   * was not adopted; EBADF if the kernel is closed; RangeError for a number out of range
   * @example
   * ```js file=main.mjs
   * import { once } from "node:events";
   * import { Worker } from "node:worker_threads";
   * import { boot } from "knell";
   * const kernel = boot();
   * const file = new URL("worker.mjs", import.meta.url);
   * const worker = new Worker(file, { workerData: kernel.share() });
   * const { threadId } = worker;
   * await once(worker, "exit");
   * console.log(kernel.reap(threadId), kernel.reap(threadId), kernel.usage().threads);
   * kernel.close();
   * ```
   * ```js file=worker.mjs
   * import { workerData } from "node:worker_threads";
   * import { attach } from "knell";
   * attach(workerData);
   * ```
   * ```text output
   * true false 1
   * ```
   */
  reap(worker: WorkerHandle | object | number, options?: ReapOptions): boolean {
    return this.#workers.reap(worker, options);
  }

  /**
   * A source that reports the end of every worker of the kernel that was spawned or adopted, in
   * whatever thread, each once: `value` is a WorkerExit. It reports ends since this thread's first
   * `spawn`, `adopt` or `exits`; some 1,000 are kept for who does not collect them.
   *
   * @throws {KernelError} EBADF if the kernel is closed; ENOMEM, EMFILE
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * kernel.spawn(new URL("data:text/javascript,process.exit(3)"), { name: "short" });
   * const queue = kernel.queue().add("gone", kernel.exits());
   * const [{ value }] = await queue.wait();
   * console.log(value.name, value.code);
   * kernel.close();
   * ```
   * ```text output
   * short 3
   * ```
   */
  exits(): Source<WorkerExit> {
    return this.#workers.exits();
  }

  /**
   * What the kernel holds now: threads, descriptors, queues, registrations, waiters, bytes. Counts
   * of a moment, for tests and curiosity.
   *
   * @throws {KernelError} EBADF if the kernel is closed
   * @example
   * ```js
   * import { boot, every } from "knell";
   * const kernel = boot();
   * kernel.queue().add("tick", every(1000));
   * const { queues, timers, threads } = kernel.usage();
   * console.log(queues, timers, threads);
   * kernel.close();
   * ```
   * ```text output
   * 1 1 1
   * ```
   */
  usage(): Usage {
    this.#core.check("usage", "read the usage");
    return usage(this.#core.k);
  }

  /**
   * Leave the kernel: this thread's objects are closed, its pending waits fail with EBADF and its
   * loops over events end, and its place is free for another thread. Other threads go on with
   * theirs. Workers that this thread spawned go on too, but keep the process alive no longer.
   * Closing twice does nothing; using anything of the kernel afterwards is EBADF.
   * @example
   * ```js
   * import { boot, userEvent } from "knell";
   * const kernel = boot();
   * const wait = kernel.queue().add("go", userEvent(1)).wait();
   * kernel.close();
   * console.log(await wait.catch(({ code }) => code));
   * ```
   * ```text output
   * EBADF
   * ```
   */
  close(): void {
    const core = this.#core;
    if (!core.open) return;
    this.#workers.end();
    core.open = false;
    // Queues first: who waits hears that its queue was closed, and nothing of the sources.
    const states = [...core.states];
    for (const state of states) if (state.kind === "queue") state.close();
    for (const state of states) state.close();
    threadSourcesEnd(core.k);
    core.loop.end();
    slotLeave(core.k);
  }

  /** As `close`, for `using`. */
  [DISPOSE](): void {
    this.close();
  }
}
