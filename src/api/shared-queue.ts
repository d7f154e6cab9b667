// SPDX-License-Identifier: ISC
/** What another thread has of a queue that was shared with it. */
import { ENOENT } from "../abi/errno.js";
import { Port, watchUser } from "../sys/port.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";
import { KernelObject, type ObjectState, stateOf } from "./object.js";
import { type TriggerOptions, triggerIn } from "./queue.js";
import { noUserEvent } from "./queue-core.js";

/**
 * A queue of another thread: its user events can be triggered, and nothing else. It is what a
 * Queue becomes when it is shared. It holds the queue
 * open: after the Queue is closed in its own thread, events are still triggered, for nobody.
 *
 * @example
 * ```js file=main.mjs
 * import { boot, userEvent } from "knell";
 * const kernel = boot();
 * const queue = kernel.queue().add("progress", userEvent(1));
 * kernel.spawn(new URL("worker.mjs", import.meta.url), { share: { queue } });
 * console.log((await queue.wait())[0].value);
 * kernel.close();
 * ```
 * ```js file=worker.mjs
 * import { workerData } from "node:worker_threads";
 * import { attach } from "knell";
 * const { queue } = attach(workerData);
 * queue.trigger(1, { data: 75 });
 * ```
 */
export class SharedQueue extends KernelObject {
  readonly #port: Port;

  /** @internal */
  constructor(core: Core, state: ObjectState) {
    super(state);
    this.#port = new Port(core.k, state.handle);
  }

  /**
   * Trigger a user event of the queue; as `Queue.trigger`.
   *
   * @throws {KernelError} ENOENT if the queue has no such user event; EBADF if it is closed here;
   * RangeError or {KernelError} EINVAL for a wrong argument
   */
  trigger(number: number, options?: TriggerOptions): void {
    const state = stateOf(this);
    const port = this.#port;
    triggerIn(
      {
        trigger(ident, data, flags) {
          state.check("kevent", "trigger");
          const result = port.trigger(watchUser(ident), data, flags, 0);
          if (result === -ENOENT) throw noUserEvent(ident);
          if (result < 0) throw new KernelError(-result, "kevent", "trigger");
        },
      },
      number,
      options,
    );
  }
}
