// SPDX-License-Identifier: ISC
/** Sources: what a queue can wait for. Objects make them, and here are those without an object. */
import { type Watch, watchAt, watchSpan, watchUser } from "../sys/port.js";
import { argument, badArgument, checkInteger, checkNumber, MS_MAX } from "./check.js";
import type { Core } from "./core.js";
import type { ObjectState } from "./object.js";

/** Nothing was there to take after all: another thread had it. */
export const NOTHING: unique symbol = Symbol("nothing");
/** There will be nothing more to take. */
export const ENDED: unique symbol = Symbol("ended");

/**
 * How a source speaks: `news` is reported once (timers, rings), `state` for as long as it lasts
 * (room to write), and what can be `taken` is taken before it is reported, so that an event
 * carries it and no other thread has it (messages, counts).
 */
export type Manner = "news" | "state" | "taken";

/** A source that was opened for one queue. */
export interface Opened {
  readonly watch: Watch;
  readonly manner: Manner;
  /** The object watched, null for timers and user events. */
  readonly state: ObjectState | null;
  /** For what can be taken: a value, NOTHING or ENDED. Never sleeps. */
  readonly take: (() => unknown) | null;
  /** The program's object, which stays open as long as its source is in use. */
  readonly owner: object | null;
  /** The registration is gone. */
  readonly dropped: (() => void) | null;
  /** Whether its events have flags of their own. */
  readonly flags?: true;
}

/** What it takes to open a source; null where it needs no kernel. */
export interface SourceSpec {
  /** Kernel whose queues alone can have it, null for any. */
  readonly core: Core | null;
  open(core: Core): Opened;
}

/** The inside of a source. */
export let specOf: (source: Source<unknown>) => SourceSpec;
/** Make a source. */
export let sourceMake: <V>(spec: SourceSpec) => Source<V>;

declare const valueType: unique symbol;

/**
 * Something that a queue can wait for, as `queue.add` takes it. `V` is the type of the `value` of
 * its events. A source can be added to several queues of the thread; it needs no closing.
 */
export class Source<out V> {
  declare readonly [valueType]: V;
  readonly #spec: SourceSpec;

  static {
    specOf = (source) => source.#spec;
    sourceMake = (spec) => new Source(spec);
  }

  private constructor(spec: SourceSpec) {
    this.#spec = spec;
  }
}

/** Whether a value is a source. */
export function isSource(value: unknown): value is Source<unknown> {
  return value instanceof Source;
}

function plain<V>(watch: Watch): Source<V> {
  const opened: Opened = {
    watch,
    manner: "news",
    state: null,
    take: null,
    dropped: null,
    owner: null,
  };
  return sourceMake({ core: null, open: () => opened });
}

/**
 * A source of an object. It keeps the object from being forgotten, and with it, being closed: a
 * program may have nothing else of it than the source in a queue.
 */
export function objectSource<V>(
  owner: object,
  state: ObjectState,
  manner: Manner,
  watch: Watch,
  take: (() => unknown) | null = null,
): Source<V> {
  const opened: Opened = { watch, manner, state, take, dropped: null, owner };
  return sourceMake({
    core: state.core,
    open() {
      state.check("kevent", "add a source");
      return opened;
    },
  });
}

/**
 * A timer that expires every `ms` milliseconds after it was added to a queue. Its due times do not
 * drift; expirations that nobody collected are counted: `value` is their number.
 *
 * @param ms more than 0; fractions count, down to a nanosecond
 * @throws {RangeError} if `ms` is out of range; {KernelError} EINVAL if it is no number
 * Behaves as EVFILT_TIMER of FreeBSD. Needs no kernel, never sleeps.
 * @example
 * ```js
 * import { boot, every } from "knell";
 * const kernel = boot({ clock: "manual" });
 * const queue = kernel.queue().add("tick", every(1000));
 * kernel.clock.advance(3500);
 * console.log(queue.waitSync());
 * kernel.close();
 * ```
 * ```text output
 * [ { tag: 'tick', value: 3, ended: false, flags: 0 } ]
 * ```
 */
export function every(ms: number): Source<number> {
  const of = argument("kevent", "make a timer", "ms");
  return plain(watchSpan(checkNumber(of, ms, 1e-6, MS_MAX), true));
}

/**
 * A timer that expires once, `ms` milliseconds after it was added to a queue; then the queue
 * forgets it. `value` is 1.
 *
 * @param ms 0 or more; fractions count, down to a nanosecond
 * @throws {RangeError} if `ms` is out of range; {KernelError} EINVAL if it is no number
 * Behaves as EVFILT_TIMER with EV_ONESHOT. Needs no kernel, never sleeps.
 * @example
 * ```js
 * import { after, boot } from "knell";
 * const kernel = boot({ clock: "manual" });
 * const queue = kernel.queue().add("late", after(250));
 * kernel.clock.advance(250);
 * console.log(queue.waitSync()[0].tag);
 * kernel.close();
 * ```
 * ```text output
 * late
 * ```
 */
export function after(ms: number): Source<number> {
  const of = argument("kevent", "make a timer", "ms");
  return plain(watchSpan(checkNumber(of, ms, 0, MS_MAX), false));
}

/** Longest time value of a Date. */
const DATE_MAX = 8.64e15;

/**
 * A timer that expires once, at a point of the kernel's wall clock; at once if that is past. Then
 * the queue forgets it. The point is converted when the timer is added: setting the wall clock
 * later does not move it. `value` is 1.
 *
 * @param when a Date, or milliseconds since 1970, from 0
 * @throws {RangeError} if it is out of range; {KernelError} EINVAL if it is neither
 * Behaves as EVFILT_TIMER with NOTE_ABSTIME and EV_ONESHOT. Needs no kernel, never sleeps.
 * @example
 * ```js
 * import { at, boot } from "knell";
 * const kernel = boot({ clock: "manual" });
 * kernel.clock.setWall(Date.UTC(2030, 0, 1));
 * const queue = kernel.queue().add("new year", at(new Date("2031-01-01")));
 * kernel.clock.advance(365 * 24 * 3600 * 1000);
 * console.log(queue.waitSync().length);
 * kernel.close();
 * ```
 * ```text output
 * 1
 * ```
 */
export function at(when: Date | number): Source<number> {
  const of = argument("kevent", "make a timer", "when");
  const ms: unknown = when instanceof Date ? when.getTime() : when;
  if (typeof ms !== "number") throw badArgument(of, "a Date or a number", when);
  return plain(watchAt(checkNumber(of, ms, 0, DATE_MAX)));
}

/**
 * A user event: an event with a number that the program triggers itself, with `queue.trigger`.
 * `value` is the data of the trigger, `flags` its flags. Triggers that nobody collected in time
 * become one event, with the last data.
 *
 * @param number 0 to 2^53 - 1; each queue has its own numbers
 * @throws {RangeError} if it is out of range; {KernelError} EINVAL if it is no number
 * Behaves as EVFILT_USER with EV_CLEAR of OpenBSD. Needs no kernel, never sleeps.
 * @example
 * ```js
 * import { boot, userEvent } from "knell";
 * const kernel = boot();
 * const queue = kernel.queue().add("go", userEvent(7));
 * queue.trigger(7, { data: 42 });
 * console.log(queue.waitSync()[0].value);
 * kernel.close();
 * ```
 * ```text output
 * 42
 * ```
 */
export function userEvent(number: number): Source<number> {
  const of = argument("kevent", "make a user event", "number");
  return plain(watchUser(checkInteger(of, number, 0, Number.MAX_SAFE_INTEGER)));
}
