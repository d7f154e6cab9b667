// SPDX-License-Identifier: ISC
/** Queues: one wait for any number of sources. */
import { turn } from "#host";
import { clockMonotonic } from "../sync/clock.js";
import { watchRead } from "../sys/port.js";
import {
  argument,
  badArgument,
  checkBoolean,
  checkInteger,
  checkOptions,
  checkSignal,
  checkString,
  checkTimeout,
} from "./check.js";
import type { Core } from "./core.js";
import { EventList, lengthSet, slotsOf } from "./event-list.js";
import { NEVER } from "./loop.js";
import { KernelObject, type ObjectState } from "./object.js";
import { type AnyEvent, QueueCore, QueueWait } from "./queue-core.js";
import { isSource, objectSource, type Source, specOf } from "./source.js";

/**
 * What a wait gives. `T` maps the tags of the queue to the types of their values, so comparing
 * `tag` tells the type of `value`. An event with `ended: true` is the last of its source, which
 * the queue has forgotten already, and has no value. `flags` is that of a user event's trigger,
 * otherwise 0.
 */
export type QueueEvent<T> = {
  [K in keyof T & string]:
    | { readonly tag: K; readonly value: T[K]; readonly ended: false; readonly flags: number }
    | { readonly tag: K; readonly value: undefined; readonly ended: true; readonly flags: number };
}[keyof T & string];

/** How to add a source. */
export interface AddOptions {
  /** The queue forgets the source after its first event. */
  readonly once?: boolean;
  /**
   * Report changes only (true), or the state for as long as it lasts (false). Timers, rings and
   * user events are changes unless you say otherwise; room and contents of pipes are states.
   * Where an event takes what it reports, such as a message, true is refused.
   */
  readonly edge?: boolean;
}

/** How to wait without blocking. */
export interface WaitOptions {
  /** Ends the wait: it throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds to wait at most, 0 to look only; for ever if left out. */
  readonly timeoutMs?: number | undefined;
  /** Events to return at most, 1 to 4096; 64 if left out. Each source gives one at most. */
  readonly max?: number | undefined;
}

/** How to wait in the thread. */
export type WaitSyncOptions = Omit<WaitOptions, "signal">;
/** How to iterate. */
export type EventsOptions = Omit<WaitOptions, "max">;

/** How to trigger a user event. */
export interface TriggerOptions {
  /** Data, -(2^53 - 1) to 2^53 - 1; becomes the event's value. As it was if left out. */
  readonly data?: number | undefined;
  /** 24 bits; 0 if left out. */
  readonly flags?: number | undefined;
}

const MAX_DEFAULT = 64;
const MAX_MAX = 4096;
const FLAGS_MAX = 0xffffff;
/** Waits that end at once, in a row, before the event loop gets a turn. */
const AT_ONCE_MAX = 64;

const OPTIONS = argument("kevent", "wait", "options");
const LIST = argument("kevent", "wait", "list");
const MAX = argument("kevent", "wait", "max");
const NUMBER = argument("kevent", "trigger", "number");
const TRIGGER = argument("kevent", "trigger", "options");
const DATA = argument("kevent", "trigger", "data");
const FLAGS = argument("kevent", "trigger", "flags");
const MOST = Number.MAX_SAFE_INTEGER;

function checkMax(value: unknown): number {
  return value === undefined ? MAX_DEFAULT : checkInteger(MAX, value, 1, MAX_MAX);
}

/**
 * A queue waits for any number of sources at once: messages, counters, rings, timers, pipes, user
 * events, ends of workers. It belongs to the thread that made it. Made by `kernel.queue()`.
 *
 * @example
 * ```js
 * import { after, boot } from "knell";
 * const kernel = boot();
 * const words = kernel.channel();
 * const queue = kernel.queue().add("word", words.receive()).add("late", after(10_000));
 * words.send("hello");
 * for await (const event of queue.events()) {
 *   if (event.tag === "word") console.log(event.value);
 *   break;
 * }
 * kernel.close();
 * ```
 * ```text output
 * hello
 * ```
 */
export class Queue<T extends object = Record<never, never>> extends KernelObject {
  readonly #inner: QueueCore;
  #atOnce = 0;

  /** @internal */
  constructor(core: Core, state: ObjectState) {
    super(state);
    this.#inner = new QueueCore(core, state);
  }

  /**
   * Wait for a source too, from now on. What it has to say already is an event at once.
   *
   * @param tag name of the source in events of this queue; no two have the same
   * @param source what to wait for
   * @param options.once forget the source after its first event
   * @param options.edge report changes only, or the state as long as it lasts
   * @returns this queue, with the tag among its types
   * @throws {KernelError} EEXIST if the tag or the source is there already; EBADF if the queue or
   * the source's object is closed; ENOMEM if the arena is full or a limit is reached; EINVAL for a
   * wrong argument, or a source of another kernel or thread; EPIPE for room in a pipe that nobody
   * reads
   * Behaves as kevent with EV_ADD. May sleep for a moment, on locks.
   * @example
   * ```js
   * import { boot, userEvent } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("stop", userEvent(1), { once: true });
   * queue.trigger(1);
   * console.log(queue.waitSync().length, queue.tags());
   * kernel.close();
   * ```
   * ```text output
   * 1 []
   * ```
   */
  add<const K extends string, V>(
    tag: K,
    source: Source<V>,
    options?: AddOptions,
  ): Queue<T & { readonly [key in K]: V }> {
    const named = checkString(argument("kevent", "add a source", "tag"), tag);
    if (!isSource(source)) {
      throw badArgument(argument("kevent", "add a source", "source"), "a source", source);
    }
    const given = checkOptions(argument("kevent", "add a source", "options"), options);
    const once = checkBoolean(argument("kevent", "add a source", "once"), given.once, false);
    const { edge } = given;
    if (edge !== undefined) checkBoolean(argument("kevent", "add a source", "edge"), edge, false);
    this.#inner.add(named, specOf(source), { once, edge });
    return this as unknown as Queue<T & { readonly [key in K]: V }>;
  }

  /**
   * Wait for a source no longer. Events of it that nobody collected are gone.
   *
   * @throws {KernelError} ENOENT if there is no such tag; EBADF if the queue is closed
   * Behaves as kevent with EV_DELETE. May sleep for a moment, on locks.
   * @example
   * ```js
   * import { boot, every } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("tick", every(1));
   * queue.remove("tick");
   * console.log(queue.tags());
   * kernel.close();
   * ```
   * ```text output
   * []
   * ```
   */
  remove(tag: keyof T & string): this {
    this.#inner.remove(checkString(argument("kevent", "remove a source", "tag"), tag));
    return this;
  }

  /** Tags of the sources that the queue has now. Never sleeps. */
  tags(): string[] {
    return this.#inner.tags();
  }

  /**
   * Wait without blocking the thread. Several waits may be pending; each event goes to one. While
   * a wait is pending the process stays alive, unless `unref` was called.
   *
   * @returns events, at least one and each source's at most once; [] when the time is up
   * @throws the signal's reason if it aborts, and then nothing is left of the wait; {KernelError}
   * EBADF if the queue is closed, also meanwhile; EBADMSG if a message is damaged; ENOMEM if the
   * arena is full; RangeError or {KernelError} EINVAL for a wrong argument
   * @example
   * ```js
   * import { boot, userEvent } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("never", userEvent(1));
   * console.log(await queue.wait({ timeoutMs: 5 }));
   * const signal = AbortSignal.abort(new Error("enough"));
   * await queue.wait({ signal }).catch((error) => console.log(error.message));
   * kernel.close();
   * ```
   * ```text output
   * []
   * enough
   * ```
   */
  wait(options?: WaitOptions): Promise<QueueEvent<T>[]> {
    return this.#wait(options, false);
  }

  #wait(options: WaitOptions | undefined, untilEmpty: boolean): Promise<QueueEvent<T>[]> {
    return new Promise<AnyEvent[]>((resolve, reject) => {
      this.#begin(options, untilEmpty, resolve, reject);
    }) as Promise<QueueEvent<T>[]>;
  }

  /** What an executor throws rejects its promise. */
  #begin(
    options: WaitOptions | undefined,
    untilEmpty: boolean,
    resolve: (events: AnyEvent[]) => void,
    reject: (error: unknown) => void,
  ): void {
    const inner = this.#inner;
    const given = checkOptions(OPTIONS, options);
    const max = checkMax(given.max);
    const timeoutMs = checkTimeout("kevent", "wait", given.timeoutMs);
    const signal = checkSignal("kevent", "wait", given.signal);
    inner.check("wait");
    if (signal?.aborted) throw signal.reason;
    const forever = timeoutMs === Number.POSITIVE_INFINITY;
    const deadline = forever ? NEVER : clockMonotonic(inner.core.k) + timeoutMs * 1e6;
    let atOnce = true;
    const abort = (): void => {
      inner.core.loop.cancel(wait);
      wait.fail(signal?.reason);
    };
    const done = (events: AnyEvent[]): void => {
      signal?.removeEventListener("abort", abort);
      if (atOnce && ++this.#atOnce >= AT_ONCE_MAX) {
        this.#atOnce = 0;
        void turn().then(() => resolve(events));
      } else {
        if (!atOnce) this.#atOnce = 0;
        resolve(events);
      }
    };
    const failed = (error: unknown): void => {
      signal?.removeEventListener("abort", abort);
      reject(error);
    };
    const wait = new QueueWait(inner, this, { max, deadline, untilEmpty }, done, failed);
    inner.begin(wait);
    atOnce = false;
    if (inner.waits.has(wait)) signal?.addEventListener("abort", abort, { once: true });
  }

  /**
   * Wait in the thread, which does nothing else meanwhile: no timers of the host, no messages, no
   * promises. Made for workers; Node's main thread may do it too, a browser's may not.
   *
   * @returns events, at least one and each source's at most once; [] when the time is up
   * @throws {KernelError} EBADF if the queue is closed; EDEADLK if it has no source and no
   * time-out; EOPNOTSUPP where the thread may not block; EBADMSG if a message is damaged;
   * RangeError or {KernelError} EINVAL for a wrong argument
   * Behaves as kevent. Sleeps.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const counter = kernel.counter({ initial: 3 });
   * const queue = kernel.queue().add("count", counter.takes());
   * for (const { tag, value } of queue.waitSync({ timeoutMs: 100 })) console.log(tag, value);
   * kernel.close();
   * ```
   * ```text output
   * count 3
   * ```
   */
  waitSync(options?: WaitSyncOptions): QueueEvent<T>[] {
    const given = checkOptions(OPTIONS, options);
    const max = checkMax(given.max);
    const timeoutMs = checkTimeout("kevent", "wait", given.timeoutMs);
    return this.#inner.waitSync(max, timeoutMs) as QueueEvent<T>[];
  }

  /**
   * A list for `waitSyncInto`, with the types of this queue's events as it is now.
   *
   * @param capacity events that fit, 1 to 4096; 64 if left out
   * @throws RangeError or {KernelError} EINVAL for a wrong capacity. Never sleeps.
   */
  eventList(capacity?: number): EventList<T> {
    return new EventList<T>(capacity);
  }

  /**
   * As `waitSync`, into a list that is used again and again: a loop that waits so allocates nothing
   * while events are ready.
   *
   * @param list gets the events over those that it had
   * @returns how many, at most what fits the list; 0 when the time is up
   * @throws as `waitSync`
   * Behaves as kevent. Sleeps.
   * @example
   * ```js
   * import { boot, userEvent } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("go", userEvent(1));
   * const list = queue.eventList();
   * queue.trigger(1, { data: 7 });
   * if (queue.waitSyncInto(list) === 1) console.log(list.at(0).tag, list.at(0).value);
   * kernel.close();
   * ```
   * ```text output
   * go 7
   * ```
   */
  waitSyncInto(list: EventList<T>, options?: WaitSyncOptions): number {
    if (!(list instanceof EventList)) throw badArgument(LIST, "an EventList", list);
    const given = checkOptions(OPTIONS, options);
    const slots = slotsOf(list);
    const max = Math.min(checkMax(given.max), slots.length);
    const timeoutMs = checkTimeout("kevent", "wait", given.timeoutMs);
    lengthSet(list, 0);
    const count = this.#inner.waitSyncInto(slots, max, timeoutMs);
    lengthSet(list, count);
    return count;
  }

  /**
   * Events one by one, without blocking the thread. None is collected before you ask for it, so
   * leaving the loop loses nothing. The loop ends when the queue is closed, when it has no source
   * left, and when nothing happened for `timeoutMs`.
   *
   * @throws as `wait`, besides the end of the queue
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const numbers = kernel.channel();
   * for (let i = 1; i <= 3; i++) numbers.send(i);
   * numbers.end();
   * const queue = kernel.queue().add("number", numbers.receive());
   * for await (const { value, ended } of queue.events()) console.log(value, ended);
   * kernel.close();
   * ```
   * ```text output
   * 1 false
   * 2 false
   * 3 false
   * undefined true
   * ```
   */
  async *events(options?: EventsOptions): AsyncGenerator<QueueEvent<T>, void, undefined> {
    const given: WaitOptions = { ...checkOptions(OPTIONS, options), max: 1 };
    this.#inner.check("wait");
    while (!this.closed && !this.#inner.empty) {
      let events: QueueEvent<T>[];
      try {
        events = await this.#wait(given, true);
      } catch (error) {
        if (this.closed) return;
        throw error;
      }
      if (events.length === 0) return;
      yield* events;
    }
  }

  /**
   * Events one by one, with the thread asleep in between. None is collected before you ask for
   * it. The loop ends when the queue is closed, when it has no source left, and when nothing
   * happened for `timeoutMs`.
   *
   * @throws as `waitSync`, besides the end of the queue. Sleeps.
   * @example
   * ```js
   * import { boot, every } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("tick", every(1));
   * for (const { tag } of queue.eventsSync()) {
   *   console.log(tag);
   *   break;
   * }
   * kernel.close();
   * ```
   * ```text output
   * tick
   * ```
   */
  *eventsSync(options?: Omit<EventsOptions, "signal">): Generator<QueueEvent<T>, void, undefined> {
    const given: WaitSyncOptions = { ...checkOptions(OPTIONS, options), max: 1 };
    this.#inner.check("wait");
    while (!this.closed && !this.#inner.empty) {
      const events = this.waitSync(given);
      if (events.length === 0) return;
      yield* events;
    }
  }

  /**
   * Trigger a user event of this queue. To trigger from another thread, share the queue.
   *
   * @param number as given to `userEvent`
   * @param options.data becomes the event's value; as it was if left out
   * @param options.flags 24 bits for the event's `flags`
   * @throws {KernelError} ENOENT if the queue has no such user event; EBADF if it is closed;
   * RangeError or {KernelError} EINVAL for a wrong argument
   * Behaves as kevent with NOTE_TRIGGER and NOTE_FFCOPY. May sleep for a moment, on locks.
   * @example
   * ```js
   * import { boot, userEvent } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("progress", userEvent(1));
   * queue.trigger(1, { data: 50, flags: 3 });
   * console.log(queue.waitSync());
   * kernel.close();
   * ```
   * ```text output
   * [ { tag: 'progress', value: 50, ended: false, flags: 3 } ]
   * ```
   */
  trigger(number: number, options?: TriggerOptions): void {
    triggerIn(this.#inner, number, options);
  }

  /**
   * A source that is ready while this queue has events, for another queue: `value` is their
   * number. Nothing is collected by it, and so events that have come to nothing meanwhile (what
   * they would take was taken) are counted until somebody waits on this queue. Queues may watch
   * queues to any depth, but not in a circle.
   *
   * @example
   * ```js
   * import { boot, userEvent } from "knell";
   * const kernel = boot();
   * const inner = kernel.queue().add("go", userEvent(1));
   * const outer = kernel.queue().add("inner", inner.ready());
   * inner.trigger(1);
   * console.log(outer.waitSync()[0].value);
   * kernel.close();
   * ```
   * ```text output
   * 1
   * ```
   */
  ready(): Source<number> {
    return objectSource(this, this.#inner.state, "state", watchRead(this.fd));
  }

  /** Pending waits keep the process alive; that is so unless `unref` was called. Never sleeps. */
  ref(): this {
    this.#inner.setHeld(true);
    return this;
  }

  /**
   * Pending waits, and later ones, do not keep the process alive. Never sleeps.
   * @example
   * ```js
   * import { boot, every } from "knell";
   * const kernel = boot();
   * const queue = kernel.queue().add("tick", every(1000)).unref();
   * void queue.wait(); // the program ends all the same
   * console.log("end");
   * ```
   * ```text output
   * end
   * ```
   */
  unref(): this {
    this.#inner.setHeld(false);
    return this;
  }
}

/** Check the arguments of a trigger, and trigger. */
export function triggerIn(
  inner: Pick<QueueCore, "trigger">,
  number: number,
  options: TriggerOptions | undefined,
): void {
  checkInteger(NUMBER, number, 0, MOST);
  if (options === undefined) {
    inner.trigger(number, null, 0);
    return;
  }
  const { data, flags } = checkOptions(TRIGGER, options);
  if (data !== undefined) checkInteger(DATA, data, -MOST, MOST);
  if (flags !== undefined) checkInteger(FLAGS, flags, 0, FLAGS_MAX);
  inner.trigger(number, data ?? null, flags ?? 0);
}
