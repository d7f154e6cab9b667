// SPDX-License-Identifier: ISC
/** Room for events that a loop uses again and again, so that it allocates nothing per event. */
import { argument, checkInteger } from "./check.js";
import type { QueueEvent } from "./queue.js";
import type { AnyEvent } from "./queue-core.js";

const CAPACITY = argument("kevent", "make an event list", "capacity");
const INDEX = argument("kevent", "look at an event", "i");
const CAPACITY_DEFAULT = 64;
const CAPACITY_MAX = 4096;

/** The event objects of a list, and how many of them hold events; inside of the face. */
export let slotsOf: <T extends object>(list: EventList<T>) => AnyEvent[];
export let lengthSet: <T extends object>(list: EventList<T>, length: number) => void;

/**
 * Events of the last `queue.waitSyncInto`. The objects are the list's own and are written over by
 * the next wait into it: copy what is to be kept. Made by `queue.eventList()`, for one thread.
 *
 * @example
 * ```js
 * import { boot, userEvent } from "knell";
 * const kernel = boot();
 * const queue = kernel.queue().add("go", userEvent(1)).add("stop", userEvent(2));
 * const list = queue.eventList(8);
 * queue.trigger(2);
 * queue.trigger(1);
 * const count = queue.waitSyncInto(list);
 * for (let i = 0; i < count; i++) console.log(list.at(i).tag);
 * kernel.close();
 * ```
 * ```text output
 * stop
 * go
 * ```
 */
export class EventList<T extends object = Record<never, never>> {
  readonly #slots: AnyEvent[] = [];
  #length = 0;

  static {
    slotsOf = (list) => list.#slots;
    lengthSet = (list, length) => {
      list.#length = length;
    };
  }

  /** @internal */
  constructor(capacity: number = CAPACITY_DEFAULT) {
    checkInteger(CAPACITY, capacity, 1, CAPACITY_MAX);
    for (let i = 0; i < capacity; i++) {
      this.#slots.push({ tag: "", value: undefined, ended: false, flags: 0 });
    }
  }

  /** Events that fit. Never sleeps. */
  get capacity(): number {
    return this.#slots.length;
  }

  /** Events that the last wait brought. Never sleeps. */
  get length(): number {
    return this.#length;
  }

  /**
   * One of them, oldest first.
   *
   * @param i 0 to length - 1
   * @throws RangeError or {KernelError} EINVAL for a wrong index. Never sleeps.
   */
  at(i: number): QueueEvent<T> {
    if (this.#length === 0) throw new RangeError("Cannot look at an event: the list has none");
    return this.#slots[checkInteger(INDEX, i, 0, this.#length - 1)] as QueueEvent<T>;
  }

  /** All of them, oldest first. Never sleeps. */
  *[Symbol.iterator](): Generator<QueueEvent<T>, void, undefined> {
    for (let i = 0; i < this.#length; i++) yield this.#slots[i] as QueueEvent<T>;
  }
}
