// SPDX-License-Identifier: ISC
/**
 * What objects of the face have in common: they hold an open file from creation to `close()`, and
 * who watches them in this thread hears when they are closed. One that is forgotten is closed when
 * it is collected as garbage, with one warning.
 */
import { later, warn } from "#host";
import { EAGAIN, EBADF } from "../abi/errno.js";
import { type Handle, handleClose, handleLive } from "../sys/handle.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";

/** The key of `using`, where the runtime has it. */
export const DISPOSE: typeof Symbol.dispose =
  Symbol.dispose ?? (Symbol.for("knell.dispose") as typeof Symbol.dispose);

/** How long a thread that may not block waits before it tries once more what was EAGAIN. */
export const RETRY_MS = 1;

/** A registration that wants to know when its object is closed. */
export interface Watcher {
  sourceClosed(): void;
}

/** The state of an object, apart from it: what remains to be closed when it is gone. */
export class ObjectState {
  readonly core: Core;
  readonly handle: Handle;
  /** "channel", "bell" and so on, for messages. */
  readonly kind: string;
  readonly watchers = new Set<Watcher>();
  closed = false;

  constructor(core: Core, kind: string, handle: Handle) {
    this.core = core;
    this.kind = kind;
    this.handle = handle;
    core.states.add(this);
  }

  /** The object must be open, and so must its kernel. */
  check(syscall: string, action: string): void {
    if (!this.closed && handleLive(this.core.k, this.handle)) return;
    this.core.check(syscall, action);
    throw new KernelError(EBADF, syscall, action, `the ${this.kind} was closed`);
  }

  close(): void {
    if (!this.closed) {
      this.closed = true;
      for (const watcher of [...this.watchers]) watcher.sourceClosed();
    }
    this.#release();
  }

  /** A thread that may not wait for the descriptor table comes back later, or when it leaves. */
  #release(): void {
    const { core } = this;
    if (!core.states.has(this)) return;
    let result: number;
    do {
      result = handleClose(core.k, this.handle);
    } while (result === -EAGAIN && !core.open);
    if (result === -EAGAIN) later(RETRY_MS, () => this.#release());
    else core.states.delete(this);
  }
}

let warned = false;
const forgotten = new FinalizationRegistry<ObjectState>((state) => {
  if (state.closed || !state.core.open) return;
  if (!warned) {
    warned = true;
    const luck = "It is closed now, but when that happens is a matter of luck.";
    warn("KNELL_NOT_CLOSED", `A ${state.kind} was never closed. ${luck}`);
  }
  state.close();
});

/** Have the state closed when the object is collected as garbage. */
export function closeWhenForgotten(object: object, state: ObjectState): void {
  forgotten.register(object, state, state);
}

/** The object was closed as it should be. */
export function wasClosed(state: ObjectState): void {
  forgotten.unregister(state);
}

/** The state of an object with one open file; it stays inside of the face. */
export let stateOf: (object: KernelObject) => ObjectState;

/** What channels, counters, bells and queues have in common. */
export abstract class KernelObject {
  readonly #state: ObjectState;

  static {
    stateOf = (object) => object.#state;
  }

  /** Made by the methods of Kernel. */
  constructor(state: ObjectState) {
    this.#state = state;
    closeWhenForgotten(this, state);
  }

  /**
   * Its descriptor number, good for the calls of `knell/sys` in every thread of the process until
   * the object is closed. Closing the number there closes the object.
   */
  get fd(): number {
    return this.#state.handle.fd;
  }

  /** Whether `close` was called, by name or through the kernel. */
  get closed(): boolean {
    return this.#state.closed;
  }

  /**
   * Give up this thread's reference. Whoever waits for the object in this thread gets an event
   * with `ended: true`; other threads have references of their own and notice nothing. Closing
   * twice does nothing. Never sleeps for long.
   */
  close(): void {
    wasClosed(this.#state);
    this.#state.close();
  }

  /** As `close`, for `using`. */
  [DISPOSE](): void {
    this.close();
  }
}
