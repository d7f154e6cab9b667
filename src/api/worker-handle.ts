// SPDX-License-Identifier: ISC
/** Workers one by one: the handle that programs have, and what is known of the end of each. */
import { CLAIM_CODE, CLAIM_ENDED, keepAlive, later } from "#host";
import { EAGAIN, EBADF } from "../abi/errno.js";
import type { WorkerRequest } from "../host/warden.js";
import type { Ending } from "../sys/exits.js";
import { KernelError } from "./errors.js";

/** Time between two looks at what another thread's warden notes, and how long it has for it. */
const LOOK_MS = 5;
const LOOK_MS_MAX = 10_000;

/** What is known of a worker that this thread has spawned or adopted. */
export interface Known {
  readonly number: number;
  /** An adopted Worker, and its end as it will be told; null if the warden hears of it. */
  readonly adopted: { readonly worker: object; readonly ending: Ending } | null;
  /** Where another thread's warden notes the end. */
  readonly claim: Int32Array | null;
  readonly ask: (kind: WorkerRequest["kind"]) => void;
  /** Exit code, once it has ended and been reaped. */
  code: number | undefined;
}

interface Pending {
  readonly one: Known;
  readonly until: number;
  resolve(code: number): void;
  reject(error: KernelError): void;
}

/** Who waits for ends of workers. The process is kept alive meanwhile. */
export class Ends {
  readonly #keepAlive = keepAlive();
  readonly #pending = new Set<Pending>();

  /** The exit code of a worker, when it has ended and been reaped. */
  of(one: Known): Promise<number> {
    return new Promise((resolve, reject) => {
      const until = performance.now() + LOOK_MS_MAX;
      const pending: Pending = { one, until, resolve, reject };
      this.#pending.add(pending);
      this.#keepAlive.hold();
      this.#look(pending);
    });
  }

  /** It has ended. */
  settle(one: Known, code: number): void {
    one.code = code;
    for (const pending of this.#pending) if (pending.one === one) this.#look(pending);
  }

  /** Nobody hears of ends any more. */
  close(): void {
    for (const pending of [...this.#pending]) {
      this.#done(pending);
      pending.reject(refused(EBADF, "the kernel was closed"));
    }
    this.#keepAlive.end();
  }

  #look(pending: Pending): void {
    if (!this.#pending.has(pending)) return;
    const { one, until } = pending;
    if (one.claim?.[CLAIM_ENDED] === 1) one.code = one.claim[CLAIM_CODE] as number;
    if (one.code !== undefined) {
      this.#done(pending);
      pending.resolve(one.code);
    } else if (one.claim !== null) {
      if (performance.now() < until) {
        later(LOOK_MS, () => this.#look(pending));
        return;
      }
      this.#done(pending);
      pending.reject(refused(EAGAIN, "the kernel's warden does not answer"));
    }
  }

  #done(pending: Pending): void {
    this.#pending.delete(pending);
    if (this.#pending.size === 0) this.#keepAlive.release();
  }
}

function refused(errno: number, why: string): KernelError {
  return new KernelError(errno, "terminate", "terminate", why);
}

/**
 * A worker that was spawned or adopted. Its end is an event of `kernel.exits()`, where `worker` is
 * this one's `number`.
 */
export class WorkerHandle {
  /** Number of the worker, unique in the kernel. */
  readonly number: number;
  /** Name that it was given, "" if none. */
  readonly name: string;
  readonly #ask: (kind: WorkerRequest["kind"]) => void;

  /** @internal */
  constructor(number: number, name: string, ask: (kind: WorkerRequest["kind"]) => void) {
    this.number = number;
    this.name = name;
    this.#ask = ask;
  }

  /**
   * End the worker, wherever it is; it may be parked in a wait. Does nothing if it has ended.
   * Returns at once; hear of the end by `kernel.exits()`, or use `kernel.terminate()`.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const forever = "setInterval(() => {}, 1000)";
   * const worker = kernel.spawn(new URL(`data:text/javascript,${forever}`));
   * worker.terminate();
   * const [{ value }] = await kernel.queue().add("gone", kernel.exits()).wait();
   * console.log(value.worker === worker.number, value.code);
   * kernel.close();
   * ```
   * ```text output
   * true 1
   * ```
   */
  terminate(): void {
    this.#ask("terminate");
  }

  /** The worker keeps the process alive while it runs, as it does unless `unref` was called. */
  ref(): this {
    this.#ask("hold");
    return this;
  }

  /** The worker does not keep the process alive. Has no effect on one that was adopted. */
  unref(): this {
    this.#ask("release");
    return this;
  }
}
