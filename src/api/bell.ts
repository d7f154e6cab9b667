// SPDX-License-Identifier: ISC
/** Bells: every listener hears every ring. */

import { ring } from "../sys/message.js";
import { watchRead } from "../sys/port.js";
import { KernelError } from "./errors.js";
import { KernelObject, stateOf } from "./object.js";
import { objectSource, type Source } from "./source.js";

/**
 * A broadcast: each ring reaches every queue that watches the bell, in all threads, once. Nobody
 * takes a ring from another. Made by `kernel.bell()`; shared with other threads by `share`.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const bell = kernel.bell();
 * const one = kernel.queue().add("ring", bell.rings());
 * const two = kernel.queue().add("ring", bell.rings());
 * bell.ring();
 * console.log(one.waitSync()[0].value, two.waitSync()[0].value);
 * kernel.close();
 * ```
 * ```text output
 * 1 1
 * ```
 */
export class Bell extends KernelObject {
  /**
   * Ring. Queues that watch the bell later do not hear it.
   *
   * @throws {KernelError} EBADF if the bell is closed
   * May sleep for a moment, on locks; safe from any thread that has the bell.
   */
  ring(): void {
    const state = stateOf(this);
    state.check("write", "ring");
    const result = ring(state.core.k, state.handle);
    if (result < 0) throw new KernelError(-result, "write", "ring");
  }

  /**
   * A source that reports rings: `value` is their number since the queue's last event of it, or
   * since it was added.
   */
  rings(): Source<number> {
    const state = stateOf(this);
    return objectSource(this, state, "news", watchRead(state.handle.fd));
  }
}
