// SPDX-License-Identifier: ISC
/** Channels: whole messages, each to exactly one receiver. */
import { EAGAIN, EMSGSIZE, EPIPE } from "../abi/errno.js";
import {
  CHANNEL_END,
  CHANNEL_SHORT,
  messageNeed,
  messageReceive,
  messageRoom,
  messageSend,
  messagesEnd,
} from "../sys/message.js";
import { watchRead, watchWrite } from "../sys/port.js";
import { decode } from "./cbor.js";
import { argument, checkOptions, checkSignal, checkTimeout } from "./check.js";
import { KernelError } from "./errors.js";
import { eventOf, eventOfSync, takeAsync } from "./gate.js";
import { KernelObject, type ObjectState, stateOf } from "./object.js";
import type { EventsOptions } from "./queue.js";
import { ENDED, NOTHING, objectSource, type Source } from "./source.js";

/** What a channel carries. Bytes of every kind arrive as a Uint8Array. */
export type Message =
  | string
  | number
  | boolean
  | bigint
  | null
  | Date
  | ArrayBufferView
  | ArrayBufferLike
  | readonly unknown[]
  | { readonly [key: string]: unknown };

/** Receive a message as it is, without decoding it: its length in the scratch, or a symbol. */
export function receiveBytes(state: ObjectState): number | typeof NOTHING | typeof ENDED {
  const { core, handle } = state;
  for (;;) {
    const n = messageReceive(core.k, handle, true, core.scratch, core.scratchWords);
    if (n >= 0) return n;
    if (n === -EAGAIN) return NOTHING;
    if (n === CHANNEL_END) return ENDED;
    if (n !== CHANNEL_SHORT) throw new KernelError(-n, "read", "receive");
    growScratch(state);
  }
}

function growScratch(state: ObjectState): void {
  state.core.growScratch(messageNeed(state.core.k, state.handle));
}

function receive(state: ObjectState): unknown {
  const n = receiveBytes(state);
  return typeof n === "number" ? decode(state.core.scratch, n) : n;
}

function sendFailed(state: ObjectState, errno: number, length: number): KernelError {
  let why: string | undefined;
  if (errno === EPIPE) why = "the channel was ended";
  if (errno === EMSGSIZE) why = `the message of ${length} bytes is longer than the channel holds`;
  if (errno === EAGAIN) why = "the channel is full";
  return new KernelError(
    errno,
    "write",
    "send",
    why ?? (state.closed ? "it was closed" : undefined),
  );
}

/** Wait for a promise, or throw the signal's reason if it aborts before. */
async function orAborted(
  before: Promise<unknown> | null,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (signal === undefined) {
    await before;
    return;
  }
  let abort = (): void => {};
  const aborted = new Promise<never>((_resolve, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
  });
  try {
    await Promise.race([before, aborted]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/**
 * Hands out messages: each is received whole, by exactly one receiver, in the order in which they
 * were sent. Messages are strings, bytes or plain data (see Message); they are copied. A channel
 * holds `bytes` bytes; who sends to a full one waits. Made by `kernel.channel()`; shared with other
 * threads by `share`.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const jobs = kernel.channel();
 * jobs.send({ file: "a.txt", lines: [1, 2] });
 * console.log(jobs.tryReceive(), jobs.tryReceive());
 * kernel.close();
 * ```
 * ```text output
 * { file: 'a.txt', lines: [ 1, 2 ] } undefined
 * ```
 */
export class Channel<M = Message> extends KernelObject {
  /** Sends that wait for room, in order. */
  #sending: Promise<unknown> | null = null;

  /**
   * Send a message, with the thread asleep while the channel is full.
   *
   * @param message a string, bytes or plain data; converted before it is sent
   * @throws {KernelError} EPIPE if the channel was ended; EMSGSIZE if the message can never fit;
   * EINVAL if it cannot be encoded; EBADF if the channel is closed; EOPNOTSUPP where it is full and
   * the thread may not block
   * Sleeps while there is no room; safe from any thread that has the channel.
   */
  send(message: M): void {
    const state = stateOf(this);
    const { core, handle } = state;
    const { bytes, length, words } = core.encode(message);
    state.check("write", "send");
    let result = messageSend(core.k, handle, true, bytes, length, words);
    if (result === -EAGAIN) {
      core.checkMayBlock("write", "send");
      result = core.loop.blocking(() => messageSend(core.k, handle, false, bytes, length, words));
    }
    if (result < 0) throw sendFailed(state, -result, length);
  }

  /**
   * Send a message if there is room.
   *
   * @returns whether it was sent
   * @throws as `send`, but never waits
   */
  trySend(message: M): boolean {
    const state = stateOf(this);
    const { core, handle } = state;
    const { bytes, length, words } = core.encode(message);
    state.check("write", "send");
    const result = messageSend(core.k, handle, true, bytes, length, words);
    if (result === -EAGAIN) return false;
    if (result < 0) throw sendFailed(state, -result, length);
    return true;
  }

  /**
   * Send a message, and wait for room without blocking the thread. Sends of one thread stay in
   * order. The message is converted before this returns.
   *
   * @param options.signal ends the wait; the message is not sent then
   * @throws the signal's reason if it aborts; otherwise as `send`
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const channel = kernel.channel({ bytes: 4096 });
   * const sending = [1, 2, 3].map((n) => channel.sendAsync(`${n}`.padEnd(2000)));
   * for (let i = 0; i < 3; i++) console.log((await channel.receiveAsync()).trim());
   * await Promise.all(sending);
   * kernel.close();
   * ```
   * ```text output
   * 1
   * 2
   * 3
   * ```
   */
  async sendAsync(message: M, options?: Pick<EventsOptions, "signal">): Promise<void> {
    const given = checkOptions(argument("write", "send", "options"), options);
    const signal = checkSignal("write", "send", given.signal);
    if (signal?.aborted) throw signal.reason;
    if (this.#sending === null && this.trySend(message)) return;
    const state = stateOf(this);
    const { bytes, length } = state.core.encode(message);
    state.check("write", "send");
    const before = this.#sending;
    const sending = this.#sendLater(bytes.slice(0, length), before, signal);
    // Whoever sends next waits for this one, and for those before it even if this one is aborted.
    const last = Promise.allSettled([before, sending]);
    this.#sending = last;
    try {
      await sending;
    } finally {
      if (this.#sending === last) this.#sending = null;
    }
  }

  async #sendLater(
    bytes: Uint8Array,
    before: Promise<unknown> | null,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await orAborted(before, signal);
    const state = stateOf(this);
    const { core, handle } = state;
    for (;;) {
      state.check("write", "send");
      const result = messageSend(core.k, handle, true, bytes, bytes.length);
      if (result >= 0) return;
      if (result !== -EAGAIN) throw sendFailed(state, -result, bytes.length);
      const room = watchWrite(handle.fd, messageRoom(bytes.length));
      await eventOf(state, objectSource(this, state, "state", room), "send", { signal });
    }
  }

  /**
   * A source that receives: `value` is a message, which no other receiver has then. After `end`,
   * when every message was received, there is one event with `ended: true`.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const channel = kernel.channel();
   * channel.send({ id: 1 });
   * const queue = kernel.queue().add("order", channel.receive());
   * console.log((await queue.wait())[0].value);
   * kernel.close();
   * ```
   * ```text output
   * { id: 1 }
   * ```
   */
  receive(): Source<M> {
    const state = stateOf(this);
    return objectSource<M>(this, state, "taken", watchRead(state.handle.fd), () => receive(state));
  }

  /**
   * Receive a message if there is one.
   *
   * @returns the message; undefined if there is none, or none any more
   * @throws {KernelError} EBADF if the channel is closed; EBADMSG if the message is damaged, which
   * only a write by descriptor number can bring about
   */
  tryReceive(): M | undefined {
    const state = stateOf(this);
    state.check("read", "receive");
    const value = receive(state);
    return value === NOTHING || value === ENDED ? undefined : (value as M);
  }

  /**
   * Receive a message, and wait for it without blocking the thread.
   *
   * @param options as for `queue.wait`
   * @returns the message; undefined when the time is up, or when the channel was ended and every
   * message was received
   * @throws the signal's reason if it aborts; otherwise as `tryReceive`
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const channel = kernel.channel();
   * setTimeout(() => channel.send("soon"), 1);
   * console.log(await channel.receiveAsync({ signal: AbortSignal.timeout(5000) }));
   * kernel.close();
   * ```
   * ```text output
   * soon
   * ```
   */
  async receiveAsync(options?: EventsOptions): Promise<M | undefined> {
    const state = stateOf(this);
    state.check("read", "receive");
    const from = this.receive();
    const value = await takeAsync(state, from, () => receive(state), "receive", options);
    return value === NOTHING || value === ENDED ? undefined : (value as M);
  }

  /**
   * Receive a message, with the thread asleep until there is one.
   *
   * @param options.timeoutMs milliseconds to wait at most; for ever if left out
   * @returns the message; undefined when the time is up, or when the channel was ended and every
   * message was received
   * @throws {KernelError} EOPNOTSUPP where the thread may not block; RangeError or {KernelError}
   * EINVAL for a wrong argument; otherwise as `tryReceive`. Sleeps.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const channel = kernel.channel();
   * channel.send("now");
   * channel.end();
   * for (let m = channel.receiveSync(); m !== undefined; m = channel.receiveSync()) console.log(m);
   * kernel.close();
   * ```
   * ```text output
   * now
   * ```
   */
  receiveSync(options?: Pick<EventsOptions, "timeoutMs">): M | undefined {
    const state = stateOf(this);
    const given = checkOptions(argument("read", "receive", "options"), options);
    const timeoutMs = checkTimeout("read", "receive", given.timeoutMs);
    state.check("read", "receive");
    const value = receive(state);
    if (value === ENDED) return undefined;
    if (value !== NOTHING) return value as M;
    if (timeoutMs === Number.POSITIVE_INFINITY) return this.#receiveForever(state);
    if (timeoutMs === 0) return undefined;
    const late = eventOfSync(state, this.receive(), timeoutMs);
    return late === NOTHING ? undefined : late;
  }

  #receiveForever(state: ObjectState): M | undefined {
    const { core, handle } = state;
    core.checkMayBlock("read", "receive");
    for (;;) {
      const value = core.loop.blocking(() => {
        const n = messageReceive(core.k, handle, false, core.scratch, core.scratchWords);
        return n >= 0 ? { message: decode(core.scratch, n) as M } : n;
      });
      if (typeof value !== "number") return value.message;
      if (value === CHANNEL_END) return undefined;
      if (value !== CHANNEL_SHORT) throw new KernelError(-value, "read", "receive");
      growScratch(state);
    }
  }

  /**
   * Say that no more will be sent, by anybody. What is in the channel can still be received; then
   * every receiver hears of the end. Ending twice does nothing.
   *
   * @throws {KernelError} EBADF if the channel is closed
   */
  end(): void {
    const state = stateOf(this);
    state.check("write", "end");
    const result = messagesEnd(state.core.k, state.handle);
    if (result < 0) throw new KernelError(-result, "write", "end");
  }
}
