// SPDX-License-Identifier: ISC
/** Pipes: a stream of bytes with two ends. */
import { EAGAIN, EBADF, EPIPE } from "../abi/errno.js";
import { bytesRead, bytesWrite } from "../sys/message.js";
import { watchRead, watchWrite } from "../sys/port.js";
import {
  argument,
  checkBytes,
  checkInteger,
  checkOptions,
  checkSignal,
  checkTimeout,
} from "./check.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";
import { eventOf } from "./gate.js";
import { closeWhenForgotten, DISPOSE, type ObjectState, wasClosed } from "./object.js";
import type { EventsOptions } from "./queue.js";
import { NOTHING, objectSource, type Source } from "./source.js";

/** How to read. */
export interface ReadOptions extends EventsOptions {
  /** Bytes to read at most, 1 to 2^26; 65536 if left out. */
  readonly max?: number | undefined;
}

const READ_DEFAULT = 65536;
const READ_MAX = 2 ** 26;
/** A write of up to this many bytes is never mixed with others': PIPE_BUF. */
const WHOLE_BYTES = 512;

/** The states of a pipe's ends; null for one that this thread never had. */
export let endsOf: (pipe: Pipe) => { reader: ObjectState | null; writer: ObjectState | null };

/**
 * A stream of bytes from its write end to its read end. Who writes to a full pipe waits; when the
 * last writer closed its end, readers see the end after the last byte; when the last reader did,
 * writers fail with EPIPE. Each thread has ends of its own, so close the end that a thread does
 * not use. Made by `kernel.pipe()`; shared with other threads by `share`, with the ends that are
 * open then.
 *
 * Behaves as pipe(2) of FreeBSD.
 *
 * @example
 * ```js
 * import { boot } from "knell";
 * const kernel = boot();
 * const pipe = kernel.pipe();
 * pipe.writeSync(new TextEncoder().encode("hello"));
 * pipe.closeWrite();
 * console.log(new TextDecoder().decode(pipe.readSync()), pipe.readSync());
 * kernel.close();
 * ```
 * ```text output
 * hello null
 * ```
 */
export class Pipe {
  readonly #core: Core;
  readonly #reader: ObjectState | null;
  readonly #writer: ObjectState | null;

  static {
    endsOf = (pipe) => ({ reader: pipe.#reader, writer: pipe.#writer });
  }

  /** @internal */
  constructor(core: Core, reader: ObjectState | null, writer: ObjectState | null) {
    this.#core = core;
    this.#reader = reader;
    this.#writer = writer;
    if (reader !== null) closeWhenForgotten(this, reader);
    if (writer !== null) closeWhenForgotten(this, writer);
  }

  #end(end: ObjectState | null, which: string, syscall: string, action: string): ObjectState {
    if (end === null) {
      this.#core.check(syscall, action);
      throw new KernelError(EBADF, syscall, action, `this thread has no ${which} of the pipe`);
    }
    end.check(syscall, action);
    return end;
  }

  /** Descriptor number of the read end, -1 if it is not open here. */
  get readFd(): number {
    return this.#reader === null || this.#reader.closed ? -1 : this.#reader.handle.fd;
  }

  /** Descriptor number of the write end, -1 if it is not open here. */
  get writeFd(): number {
    return this.#writer === null || this.#writer.closed ? -1 : this.#writer.handle.fd;
  }

  #tryWrite(bytes: Uint8Array, syscall: string): number {
    const end = this.#end(this.#writer, "write end", syscall, "write");
    const n = bytesWrite(this.#core.k, end.handle, true, bytes, bytes.length);
    return n === -EAGAIN ? 0 : writeResult(n);
  }

  /**
   * Write what there is room for, without waiting. Up to 512 bytes are written whole or not at all.
   *
   * @returns bytes written
   * @throws {KernelError} EPIPE if nobody reads; EBADF if the end is closed; EINVAL
   */
  tryWrite(bytes: ArrayBufferView | ArrayBufferLike): number {
    return this.#tryWrite(checkBytes(argument("write", "write", "bytes"), bytes), "write");
  }

  /**
   * Write all of it, and wait for room without blocking the thread.
   *
   * @param options.signal ends the wait; what was written by then stays written
   * @throws the signal's reason if it aborts; {KernelError} EPIPE if nobody reads; EBADF if the end
   * is closed, also meanwhile; EINVAL for a wrong argument
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const pipe = kernel.pipe({ bytes: 4096 });
   * const writing = pipe.write(new Uint8Array(10_000));
   * let length = 0;
   * while (length < 10_000) length += (await pipe.read()).length;
   * await writing;
   * console.log(length);
   * kernel.close();
   * ```
   * ```text output
   * 10000
   * ```
   */
  async write(
    bytes: ArrayBufferView | ArrayBufferLike,
    options?: Pick<EventsOptions, "signal">,
  ): Promise<void> {
    let rest = checkBytes(argument("write", "write", "bytes"), bytes);
    const given = checkOptions(argument("write", "write", "options"), options);
    const signal = checkSignal("write", "write", given.signal);
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      rest = rest.subarray(this.#tryWrite(rest, "write"));
      if (rest.length === 0) return;
      const end = this.#end(this.#writer, "write end", "write", "write");
      const room = watchWrite(end.handle.fd, Math.min(rest.length, WHOLE_BYTES));
      await eventOf(end, objectSource(this, end, "state", room), "write", options);
    }
  }

  /**
   * Write all of it, with the thread asleep while there is no room.
   *
   * @throws {KernelError} as `write`, and EOPNOTSUPP where the thread may not block. Sleeps.
   */
  writeSync(bytes: ArrayBufferView | ArrayBufferLike): void {
    const all = checkBytes(argument("write", "write", "bytes"), bytes);
    const done = this.#tryWrite(all, "write");
    if (done === all.length) return;
    const end = this.#end(this.#writer, "write end", "write", "write");
    const { loop, k } = this.#core;
    this.#core.checkMayBlock("write", "write");
    const rest = all.subarray(done);
    writeResult(loop.blocking(() => bytesWrite(k, end.handle, false, rest, rest.length)));
  }

  #read(max: number, block: boolean): Uint8Array | null | typeof NOTHING {
    const end = this.#end(this.#reader, "read end", "read", "read");
    const core = this.#core;
    core.growScratch(max);
    const read = (nonblock: boolean): Uint8Array | null | typeof NOTHING => {
      const { scratch, k } = core;
      const n = bytesRead(k, end.handle, nonblock, scratch, max);
      if (n === -EAGAIN) return NOTHING;
      if (n < 0) throw new KernelError(-n, "read", "read");
      return n === 0 ? null : scratch.slice(0, n);
    };
    const bytes = read(true);
    if (bytes !== NOTHING || !block) return bytes;
    core.checkMayBlock("read", "read");
    return core.loop.blocking(() => read(false));
  }

  /**
   * Read what is there, without waiting.
   *
   * @returns bytes; an empty array if there are none; null at the end
   * @throws {KernelError} EBADF if the end is closed; RangeError or EINVAL for a wrong argument
   */
  tryRead(options?: Pick<ReadOptions, "max">): Uint8Array | null {
    const bytes = this.#read(checkMax(options), false);
    return bytes === NOTHING ? new Uint8Array(0) : bytes;
  }

  /**
   * Read what is there, and wait for the first byte without blocking the thread.
   *
   * @param options.max bytes at most; options as for `queue.wait` besides
   * @returns bytes, at least one; an empty array when the time is up; null at the end
   * @throws the signal's reason if it aborts; {KernelError} EBADF if the end is closed, also
   * meanwhile; RangeError or EINVAL for a wrong argument
   */
  async read(options?: ReadOptions): Promise<Uint8Array | null> {
    const max = checkMax(options);
    const signal = checkSignal("read", "read", options?.signal);
    checkTimeout("read", "read", options?.timeoutMs);
    for (;;) {
      if (signal?.aborted) throw signal.reason;
      const bytes = this.#read(max, false);
      if (bytes !== NOTHING) return bytes;
      const end = this.#end(this.#reader, "read end", "read", "read");
      const event = await eventOf(end, this.readable(), "read", options);
      if (event === NOTHING) return new Uint8Array(0);
    }
  }

  /**
   * Read what is there, with the thread asleep until there is a byte.
   *
   * @returns bytes, at least one; null at the end
   * @throws {KernelError} as `tryRead`, and EOPNOTSUPP where the thread may not block. Sleeps.
   */
  readSync(options?: Pick<ReadOptions, "max">): Uint8Array | null {
    return this.#read(checkMax(options), true) as Uint8Array | null;
  }

  /** A source that is ready while there are bytes to read: `value` is their number. */
  readable(): Source<number> {
    const end = this.#end(this.#reader, "read end", "kevent", "watch the pipe");
    return objectSource(this, end, "state", watchRead(end.handle.fd));
  }

  /**
   * A source that is ready while at least `bytes` bytes can be written: `value` is their number.
   * It ends when nobody reads any more.
   *
   * @param bytes 1 to 2^30 - 1; 512 if left out, which is what is always written whole
   */
  writable(bytes: number = WHOLE_BYTES): Source<number> {
    checkInteger(argument("kevent", "watch the pipe", "bytes"), bytes, 1, 2 ** 30 - 1);
    const end = this.#end(this.#writer, "write end", "kevent", "watch the pipe");
    return objectSource(this, end, "state", watchWrite(end.handle.fd, bytes));
  }

  /** Close this thread's read end. Closing twice does nothing. */
  closeRead(): void {
    this.#close(this.#reader);
  }

  /** Close this thread's write end. Closing twice does nothing. */
  closeWrite(): void {
    this.#close(this.#writer);
  }

  #close(end: ObjectState | null): void {
    if (end === null) return;
    wasClosed(end);
    end.close();
  }

  /** Whether neither end is open here. */
  get closed(): boolean {
    return this.#reader?.closed !== false && this.#writer?.closed !== false;
  }

  /** Close both ends. */
  close(): void {
    this.closeRead();
    this.closeWrite();
  }

  /** As `close`, for `using`. */
  [DISPOSE](): void {
    this.close();
  }
}

function checkMax(options: Pick<ReadOptions, "max"> | undefined): number {
  const { max } = checkOptions(argument("read", "read", "options"), options);
  if (max === undefined) return READ_DEFAULT;
  return checkInteger(argument("read", "read", "max"), max, 1, READ_MAX);
}

function writeResult(n: number): number {
  if (n >= 0) return n;
  throw new KernelError(-n, "write", "write", n === -EPIPE ? "nobody reads the pipe" : undefined);
}
