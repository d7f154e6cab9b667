// SPDX-License-Identifier: ISC
/** Pipes in one thread: bytes, room, both ends, and every misuse. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  codeOf,
  NO_INTEGERS,
  refuses,
  refusesLater,
  rejection,
  still,
  withKernel,
} from "./support.js";

describe("pipe", () => {
  const text = (bytes: Uint8Array | null): string | null =>
    bytes === null ? null : new TextDecoder().decode(bytes);
  const bytesOf = (string: string): Uint8Array => new TextEncoder().encode(string);

  test("bytes in order, in pieces of any size", () => {
    const pipe = still().pipe();
    pipe.writeSync(bytesOf("hello "));
    pipe.writeSync(bytesOf("world"));
    assert.equal(text(pipe.readSync({ max: 4 })), "hell");
    assert.equal(text(pipe.tryRead()), "o world");
    assert.equal(text(pipe.tryRead()), "");
    pipe.writeSync(new Uint8Array(0));
    assert.equal(text(pipe.tryRead()), "");
    pipe.writeSync(new Uint16Array([0x4241]));
    assert.equal(text(pipe.tryRead()), "AB");
  });

  test("a full pipe: part, nothing, and waiting for room", async () => {
    const pipe = still().pipe({ bytes: 4096 });
    assert.equal(pipe.tryWrite(new Uint8Array(4000)), 4000);
    assert.equal(pipe.tryWrite(new Uint8Array(200)), 0, "a short write goes in whole or not");
    assert.equal(pipe.tryWrite(new Uint8Array(1000)), 96);
    const writing = pipe.write(new Uint8Array(10_000).fill(7));
    let length = 0;
    while (length < 14_096) length += (await pipe.read())?.length ?? 0;
    await writing;
    assert.equal(length, 14_096);
    assert.equal(text(pipe.tryRead()), "");
  });

  test("the end, on both sides", async () => {
    const kernel = still();
    const pipe = kernel.pipe();
    const queue = kernel.queue().add("in", pipe.readable());
    pipe.writeSync(bytesOf("rest"));
    pipe.closeWrite();
    pipe.closeWrite();
    assert.deepEqual(queue.waitSync(), [{ tag: "in", value: 4, ended: false, flags: 0 }]);
    assert.equal(text(pipe.readSync()), "rest");
    assert.deepEqual(queue.waitSync(), [{ tag: "in", value: undefined, ended: true, flags: 0 }]);
    assert.equal(pipe.readSync(), null);
    assert.equal(await pipe.read(), null);
    assert.equal(pipe.tryRead(), null);
    assert.equal(pipe.writeFd, -1);
    codeOf(() => pipe.writeSync(bytesOf("x")), "EBADF");
    codeOf(() => pipe.writable(), "EBADF");

    const other = kernel.pipe();
    const room = kernel.queue().add("out", other.writable());
    assert.equal(room.waitSync()[0]?.value, 65536);
    other.closeRead();
    assert.deepEqual(room.waitSync()[0], { tag: "out", value: undefined, ended: true, flags: 0 });
    codeOf(() => other.writeSync(bytesOf("x")), "EPIPE");
    codeOf(() => other.tryWrite(bytesOf("x")), "EPIPE");
    await rejection(other.write(bytesOf("x")), "EPIPE");
    codeOf(() => kernel.queue().add("out", other.writable()), "EPIPE");
    assert.equal(other.closed, false);
    other.close();
    assert.equal(other.closed, true);
  });

  test("room is asked for by the number of bytes", () => {
    const kernel = still();
    const pipe = kernel.pipe({ bytes: 4096 });
    const queue = kernel.queue().add("room", pipe.writable(3000));
    assert.equal(queue.waitSync()[0]?.value, 4096);
    pipe.tryWrite(new Uint8Array(2000));
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    pipe.tryRead({ max: 1000 });
    assert.equal(queue.waitSync({ timeoutMs: 0 })[0]?.value, 3096);
  });

  test("reading later: time-outs, cancellation, closing", async () => {
    await withKernel(async (kernel) => {
      const pipe = kernel.pipe();
      const late = pipe.read({ timeoutMs: 5 });
      kernel.clock.advance(5);
      assert.equal(text(await late), "");
      const controller = new AbortController();
      const aborted = pipe.read({ signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(aborted, { message: "enough" });
      const read = pipe.read();
      pipe.writeSync(bytesOf("x"));
      assert.equal(text(await read), "x");
      const closed = rejection(pipe.read(), "EBADF");
      pipe.closeRead();
      await closed;
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("wrong arguments", async () => {
    const kernel = still();
    refuses("bytes", [4095, 2 ** 26 + 1, ...NO_INTEGERS], (bytes) => kernel.pipe({ bytes }));
    const pipe = kernel.pipe();
    refuses("bytes", ["x", 5, null, {}, [1]], (bytes) => pipe.writeSync(bytes));
    refuses("bytes", ["x", 5, null, {}, [1]], (bytes) => pipe.tryWrite(bytes));
    await refusesLater("bytes", ["x", 5, null], (bytes) => pipe.write(bytes));
    refuses("max", [0, 2 ** 26 + 1, ...NO_INTEGERS], (max) => pipe.readSync({ max }));
    refuses("max", [0, 2 ** 26 + 1, ...NO_INTEGERS], (max) => pipe.tryRead({ max }));
    await refusesLater("max", [0, ...NO_INTEGERS], (max) => pipe.read({ max }));
    refuses("bytes", [0, 2 ** 30, ...NO_INTEGERS], (bytes) => pipe.writable(bytes));
  });
});
