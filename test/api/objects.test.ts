// SPDX-License-Identifier: ISC
/** Channels, counters, bells and pipes in one thread, with every misuse. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type Channel, type Counter, every, userEvent } from "knell";
import { sys } from "knell/sys";
import {
  codeOf,
  NO_INTEGERS,
  refuses,
  refusesLater,
  rejection,
  runText,
  small,
  still,
  withKernel,
} from "./support.js";

describe("channel", () => {
  test("messages of all kinds arrive as they were sent, in order", () => {
    const channel = still().channel();
    const messages = ["", "text", 5, -1.5, 2n ** 70n, true, null, [1, [2]], { a: { b: [] } }];
    for (const message of messages) channel.send(message);
    channel.send(new Uint8Array([1, 2]));
    channel.send(new Date(5));
    assert.deepEqual(
      messages.map(() => channel.tryReceive()),
      messages,
    );
    assert.deepEqual(channel.tryReceive(), new Uint8Array([1, 2]));
    assert.deepEqual(channel.tryReceive(), new Date(5));
    assert.equal(channel.tryReceive(), undefined);
  });

  test("a message is a copy", () => {
    const channel = still().channel();
    const bytes = new Uint8Array([1]);
    channel.send(bytes);
    bytes[0] = 2;
    const received = channel.tryReceive() as Uint8Array;
    channel.send("other");
    assert.deepEqual(received, new Uint8Array([1]));
  });

  test("what cannot be encoded is refused before anything is sent", () => {
    const channel = still().channel<unknown>();
    for (const bad of [undefined, () => {}, Symbol("x"), new Map(), { a: new Set() }]) {
      codeOf(() => channel.send(bad), "EINVAL");
      codeOf(() => channel.trySend(bad), "EINVAL");
    }
    assert.equal(channel.tryReceive(), undefined);
  });

  test("long messages, up to what the channel holds", () => {
    const channel = still().channel({ bytes: 4096 });
    // 4 bytes for the record, 3 for the head of the text.
    const longest = "x".repeat(4096 - 7);
    channel.send(longest);
    assert.equal(channel.trySend(""), false, "there is no room for anything");
    assert.equal(channel.tryReceive(), longest);
    const message = codeOf(() => channel.send(`${longest}x`), "EMSGSIZE");
    assert.match(message, /longer than the channel holds/);
    codeOf(() => channel.trySend(`${longest}x`), "EMSGSIZE");
    assert.equal(channel.tryReceive(), undefined);
    const large = still().channel({ bytes: 1 << 20 });
    const text = "y".repeat(1_000_000);
    large.send(text);
    assert.equal(large.tryReceive(), text);
  });

  test("after the end: what is there is received, then the end, and nothing is sent", async () => {
    const kernel = still();
    const channel = kernel.channel();
    const queue = kernel.queue().add("word", channel.receive());
    channel.send("last");
    channel.end();
    channel.end();
    assert.match(
      codeOf(() => channel.send("late"), "EPIPE"),
      /ended/,
    );
    codeOf(() => channel.trySend("late"), "EPIPE");
    await rejection(channel.sendAsync("late"), "EPIPE");
    assert.equal(queue.waitSync()[0]?.value, "last");
    assert.deepEqual(queue.waitSync(), [{ tag: "word", value: undefined, ended: true, flags: 0 }]);
    assert.deepEqual(queue.tags(), []);
    assert.equal(channel.tryReceive(), undefined);
    assert.equal(channel.receiveSync(), undefined);
    assert.equal(await channel.receiveAsync(), undefined);
  });

  test("receiving with a time-out", async () => {
    const kernel = small();
    const channel = kernel.channel();
    assert.equal(channel.receiveSync({ timeoutMs: 0 }), undefined);
    const from = kernel.clock.now();
    assert.equal(channel.receiveSync({ timeoutMs: 2 }), undefined);
    assert.equal(await channel.receiveAsync({ timeoutMs: 2 }), undefined);
    assert.ok(kernel.clock.now() - from >= 4);
    channel.send("there");
    assert.equal(channel.receiveSync({ timeoutMs: 2 }), "there");
    kernel.close();
  });

  test("receiving without blocking: events, cancellation, several at once", async () => {
    await withKernel(async (kernel) => {
      const channel = kernel.channel();
      const both = [channel.receiveAsync(), channel.receiveAsync()];
      const controller = new AbortController();
      const third = channel.receiveAsync({ signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(third, { message: "enough" });
      channel.send("a");
      channel.send("b");
      assert.deepEqual((await Promise.all(both)).sort(), ["a", "b"]);
      await assert.rejects(channel.receiveAsync({ signal: AbortSignal.abort(new Error("x")) }), {
        message: "x",
      });
      assert.equal(kernel.usage().awaiters, 0);
      assert.equal(kernel.usage().registrations, 0);
    });
  });

  test("a full channel: trySend says no, sendAsync waits, in order", async () => {
    await withKernel(async (kernel) => {
      const channel = kernel.channel({ bytes: 4096 });
      const text = (i: number): string => `${i}`.padEnd(1000);
      let sent = 0;
      while (channel.trySend(text(sent))) sent++;
      assert.equal(sent, 4);
      const later = [4, 5, 6, 7].map((i) => channel.sendAsync(text(i)));
      const controller = new AbortController();
      const never = channel.sendAsync("never", { signal: controller.signal });
      controller.abort(new Error("enough"));
      const order: number[] = [];
      for (const [i, one] of later.entries()) void one.then(() => order.push(i));
      for (let i = 0; i < 8; i++) {
        const message = await channel.receiveAsync();
        assert.equal(message, text(i));
      }
      await Promise.all(later);
      await assert.rejects(never, { message: "enough" });
      assert.deepEqual(order, [0, 1, 2, 3]);
      assert.equal(channel.tryReceive(), undefined);
      await channel.sendAsync("again");
      assert.equal(channel.tryReceive(), "again");
    });
  });

  test("closing fails who sends and receives", async () => {
    await withKernel(async (kernel) => {
      const channel = kernel.channel({ bytes: 4096 });
      const receiving = rejection(channel.receiveAsync(), "EBADF");
      channel.close();
      await receiving;
      const full = kernel.channel({ bytes: 4096 });
      while (full.trySend("x".repeat(1000)));
      const sending = rejection(full.sendAsync("x".repeat(1000)), "EBADF");
      full.close();
      assert.match(await sending, /closed/);
      everyMethodFails(channel);
      await rejection(channel.sendAsync("x"), "EBADF");
      await rejection(channel.receiveAsync(), "EBADF");
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  function everyMethodFails(channel: Channel): void {
    codeOf(() => channel.send("x"), "EBADF");
    codeOf(() => channel.trySend("x"), "EBADF");
    codeOf(() => channel.tryReceive(), "EBADF");
    codeOf(() => channel.receiveSync(), "EBADF");
    codeOf(() => channel.end(), "EBADF");
    channel.close();
  }

  test("a damaged message is an error once, and what is behind it is received", async () => {
    const kernel = still();
    const channel = kernel.channel();
    const bell = kernel.bell();
    const queue = kernel.queue().add("word", channel.receive()).add("ring", bell.rings());
    const damage = (): number => sys(kernel).write(channel.fd, new Uint8Array([0xff, 1]));
    assert.equal(damage(), 2);
    channel.send("whole");
    bell.ring();
    assert.match(
      codeOf(() => queue.waitSync(), "EBADMSG"),
      /damaged/,
    );
    assert.deepEqual(
      queue.waitSync().map(({ tag }) => tag),
      ["ring"],
    );
    assert.equal(queue.waitSync()[0]?.value, "whole");
    damage();
    await rejection(queue.wait(), "EBADMSG");
    damage();
    codeOf(() => channel.tryReceive(), "EBADMSG");
  });

  test("a message that another took is no event", () => {
    const kernel = still();
    const channel = kernel.channel();
    const one = kernel.queue().add("word", channel.receive());
    const two = kernel.queue().add("word", channel.receive());
    channel.send("x");
    assert.equal(one.waitSync().length, 1);
    assert.deepEqual(two.waitSync({ timeoutMs: 0 }), []);
  });

  test("wrong arguments", async () => {
    const kernel = still();
    const sizes = [0, 4095, 2 ** 26 + 1, -1, ...NO_INTEGERS];
    refuses("bytes", sizes, (bytes) => kernel.channel({ bytes }));
    refuses("options", [5, null], (options) => kernel.channel(options));
    const channel = kernel.channel({ bytes: 4097 });
    refuses("timeoutMs", [-1, "x", Number.NaN], (timeoutMs) => channel.receiveSync({ timeoutMs }));
    await refusesLater("timeoutMs", [-1, "x", Number.NaN], (timeoutMs) =>
      channel.receiveAsync({ timeoutMs }),
    );
    codeOf(() => kernel.channel({ bytes: 2 ** 26 }), "ENOMEM");
    assert.equal(kernel.usage().descriptors, 1, "only the channel: nothing was made for them");
  });
});

describe("counter", () => {
  test("adds, and is taken whole", () => {
    const counter = still().counter({ initial: 5 });
    counter.add(0);
    counter.add(7);
    assert.equal(counter.tryTake(), 12);
    assert.equal(counter.tryTake(), 0);
    counter.add(2 ** 53 - 1);
    assert.equal(counter.tryTake(), 2 ** 53 - 1);
    counter.add(2n ** 64n - 2n);
    assert.equal(counter.tryTake(), 2n ** 64n - 2n);
  });

  test("is full at 2^64 - 2, and stays usable", () => {
    const counter = still().counter({ initial: 1 });
    assert.match(
      codeOf(() => counter.add(2n ** 64n - 2n), "EAGAIN"),
      /full/,
    );
    assert.equal(counter.takeSync(), 1);
  });

  test("a semaphore is taken by ones", async () => {
    const kernel = still();
    const counter = kernel.counter({ initial: 2, semaphore: true });
    assert.equal(counter.tryTake(), 1);
    const queue = kernel.queue().add("unit", counter.takes());
    assert.equal(queue.waitSync()[0]?.value, 1);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    counter.add(3);
    for (let i = 0; i < 3; i++) assert.equal((await queue.wait())[0]?.value, 1);
    assert.equal(counter.tryTake(), 0);
  });

  test("taking later", async () => {
    await withKernel(async (kernel) => {
      const counter = kernel.counter();
      const taking = counter.take();
      counter.add(4);
      assert.equal(await taking, 4);
      const nothing = counter.take({ timeoutMs: 5 });
      kernel.clock.advance(5);
      assert.equal(await nothing, 0);
      const controller = new AbortController();
      const aborted = counter.take({ signal: controller.signal });
      controller.abort(new Error("enough"));
      await assert.rejects(aborted, { message: "enough" });
      const closed = rejection(counter.take(), "EBADF");
      counter.close();
      await closed;
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("wrong arguments, and a closed counter", async () => {
    const kernel = still();
    const initials = [-1, 2 ** 32, ...NO_INTEGERS];
    refuses("initial", initials, (initial) => kernel.counter({ initial }));
    refuses("semaphore", [1, "x", null], (semaphore) => kernel.counter({ semaphore }));
    const counter = kernel.counter();
    const amounts = [-1, 0.5, Number.NaN, 2 ** 53, "1", null, undefined, {}, -1n, 2n ** 64n - 1n];
    refuses("n", amounts, (n) => counter.add(n));
    assert.equal(counter.tryTake(), 0);
    counter.close();
    codeOf(() => counter.add(1), "EBADF");
    codeOf(() => counter.add(1n), "EBADF");
    codeOf(() => counter.tryTake(), "EBADF");
    codeOf(() => counter.takeSync(), "EBADF");
    await rejection(counter.take(), "EBADF");
  });

  test("its number is an eventfd of the process", () => {
    const kernel = still();
    const counter: Counter = kernel.counter();
    const value = new BigUint64Array(1);
    counter.add(6);
    assert.equal(sys(kernel).eventfd_read(counter.fd, value), 0);
    assert.equal(value[0], 6n);
  });
});

describe("bell", () => {
  test("each queue hears every ring, from when it listens", () => {
    const kernel = still();
    const bell = kernel.bell();
    const early = kernel.queue().add("ring", bell.rings());
    bell.ring();
    const late = kernel.queue().add("ring", bell.rings());
    bell.ring();
    assert.equal(early.waitSync()[0]?.value, 2);
    assert.equal(late.waitSync()[0]?.value, 1);
    assert.deepEqual(early.waitSync({ timeoutMs: 0 }), []);
  });

  test("a closed bell does not ring", () => {
    const bell = still().bell();
    bell.close();
    bell.close();
    codeOf(() => bell.ring(), "EBADF");
  });
});

describe("every object", () => {
  test("is closed with its kernel, and then EBADF", async () => {
    const kernel = still();
    const objects = {
      channel: kernel.channel(),
      counter: kernel.counter(),
      bell: kernel.bell(),
      pipe: kernel.pipe(),
      queue: kernel.queue().add("go", userEvent(1)),
    };
    const wait = rejection(objects.queue.wait(), "EBADF");
    assert.equal(kernel.usage().descriptors, 6);
    kernel.close();
    kernel.close();
    await wait;
    assert.equal(kernel.closed, true);
    for (const object of Object.values(objects)) assert.equal(object.closed, true);
    assert.match(
      codeOf(() => objects.channel.send("x"), "EBADF"),
      /kernel was closed/,
    );
    codeOf(() => objects.counter.add(1), "EBADF");
    codeOf(() => objects.bell.ring(), "EBADF");
    codeOf(() => objects.pipe.readSync(), "EBADF");
    codeOf(() => objects.queue.waitSync(), "EBADF");
    codeOf(() => kernel.queue(), "EBADF");
    codeOf(() => kernel.channel(), "EBADF");
    codeOf(() => kernel.counter(), "EBADF");
    codeOf(() => kernel.bell(), "EBADF");
    codeOf(() => kernel.pipe(), "EBADF");
    codeOf(() => kernel.share(), "EBADF");
    codeOf(() => kernel.spawn("./x.mjs"), "EBADF");
    codeOf(() => kernel.adopt({}), "EBADF");
    codeOf(() => kernel.exits(), "EBADF");
    codeOf(() => kernel.usage(), "EBADF");
    codeOf(() => kernel.clock.now(), "EBADF");
    codeOf(() => kernel.clock.wall(), "EBADF");
    codeOf(() => kernel.clock.advance(1), "EBADF");
    codeOf(() => kernel.clock.setWall(1), "EBADF");
    for (const object of Object.values(objects)) object.close();
  });

  test("gives its descriptor and its memory back when it is closed", () => {
    const kernel = still();
    const make = () => [
      kernel.channel(),
      kernel.counter(),
      kernel.bell(),
      kernel.pipe(),
      kernel.queue().add("tick", every(1)),
    ];
    for (const object of make()) object.close();
    const { usedBytes, descriptors } = kernel.usage();
    assert.equal(descriptors, 0);
    for (let i = 0; i < 20; i++) for (const object of make()) object.close();
    assert.equal(kernel.usage().usedBytes, usedBytes);
    assert.equal(kernel.usage().timers, 0);
  });

  test("closed by its number is closed", () => {
    const kernel = still();
    const channel = kernel.channel();
    assert.equal(sys(kernel).close(channel.fd), 0);
    codeOf(() => channel.send("x"), "EBADF");
    // The number may be another's by now, which must stay open.
    const bell = kernel.bell();
    assert.equal(bell.fd, channel.fd);
    codeOf(() => channel.send("x"), "EBADF");
    channel.close();
    bell.ring();
  });

  test("is not forgotten while a queue has a source of it, or somebody waits", async () => {
    const { stdout, stderr, code } = await runText(`
      import { setFlagsFromString } from "node:v8";
      import { runInNewContext } from "node:vm";
      import { attach, boot } from "knell";
      setFlagsFromString("--expose-gc");
      const gc = runInNewContext("gc");
      const kernel = boot({ arenaBytes: 1 << 20 });
      process.on("warning", ({ message }) => console.log(message));
      const objects = [kernel.channel(), kernel.bell(), kernel.counter(), kernel.pipe()];
      const [channel, bell, counter, pipe] = objects;
      const handle = kernel.share({ channel, bell, counter, pipe });
      const other = (() => {
        const theirs = attach(handle);
        const inner = theirs.kernel.queue().add("bell", theirs.bell.rings());
        const all = theirs.kernel.queue().add("inner", inner.ready());
        void theirs.channel.receiveAsync().then((message) => console.log(message));
        void theirs.pipe.read().then((bytes) => console.log(bytes.length));
        void theirs.counter.take().then((count) => console.log(count));
        return { kernel: theirs.kernel, wait: all.wait() };
      })();
      for (let i = 0; i < 5; i++) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
      channel.send("message");
      pipe.writeSync(new Uint8Array(4));
      counter.add(5);
      await new Promise((resolve) => setTimeout(resolve, 5));
      bell.ring();
      console.log((await other.wait)[0].tag);
      other.kernel.close();
      kernel.close();
    `);
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trimEnd().split("\n").sort(), ["4", "5", "inner", "message"]);
  });

  test("is closed when it is forgotten, with one warning", async () => {
    const { stdout, stderr, code } = await runText(`
      import { setFlagsFromString } from "node:v8";
      import { runInNewContext } from "node:vm";
      import { boot, userEvent } from "knell";
      setFlagsFromString("--expose-gc");
      const gc = runInNewContext("gc");
      const kernel = boot({ arenaBytes: 1 << 20 });
      process.on("warning", ({ code }) => console.log(code));
      const kept = kernel.queue().add("go", userEvent(1));
      const waiting = kernel.queue().add("go", userEvent(1)).wait();
      (() => {
        kernel.channel();
        kernel.bell();
        kernel.pipe();
        kernel.queue();
      })();
      while (kernel.usage().descriptors > 2) {
        gc();
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      console.log(kernel.usage().awaiters, kernel.usage().queues);
      kernel.close();
      await waiting.catch((error) => console.log(error.code));
      kept.close();
    `);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, "KNELL_NOT_CLOSED\n1 2\nEBADF\n");
  });
});
