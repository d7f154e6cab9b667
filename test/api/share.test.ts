// SPDX-License-Identifier: ISC
/** Handles: what can be shared, what attaching gives, and every handle that is refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attach, Bell, boot, Channel, Counter, Pipe, SharedQueue, userEvent } from "knell";
import { sys } from "knell/sys";
import { SUPER, Super } from "#src/arena/superblock.js";
import { codeOf, refuses, small, still } from "./support.js";

describe("share and attach", () => {
  test("a handle is data that can be cloned, and gives all kinds of objects", () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(1));
    const objects = {
      channel: kernel.channel<string>(),
      counter: kernel.counter(),
      bell: kernel.bell(),
      pipe: kernel.pipe(),
      queue,
    };
    const handle = structuredClone(kernel.share(objects));
    const other = attach<typeof objects>(handle);
    assert.ok(other.channel instanceof Channel);
    assert.ok(other.counter instanceof Counter);
    assert.ok(other.bell instanceof Bell);
    assert.ok(other.pipe instanceof Pipe);
    assert.ok(other.queue instanceof SharedQueue);
    assert.equal(kernel.usage().threads, 2);
    other.channel.send("there");
    other.counter.add(5);
    other.pipe.writeSync(new Uint8Array(3));
    other.queue.trigger(1, { data: 9, flags: 2 });
    assert.equal(objects.channel.tryReceive(), "there");
    assert.equal(objects.counter.tryTake(), 5);
    assert.equal(objects.pipe.tryRead()?.length, 3);
    assert.deepEqual(queue.waitSync()[0], { tag: "go", value: 9, ended: false, flags: 2 });
    codeOf(() => other.queue.trigger(2), "ENOENT");
    refuses("number", [-1, "x"], (number) => other.queue.trigger(number));
    other.kernel.close();
    codeOf(() => other.queue.trigger(1), "EBADF");
    assert.equal(kernel.usage().threads, 1);
    assert.equal(kernel.usage().descriptors, 6, "only the first thread's are left");
  });

  test("a handle can be used any number of times, and be shared on", () => {
    const kernel = still();
    const channel = kernel.channel();
    const handle = kernel.share({ channel });
    const one = attach(handle);
    const two = attach(one.kernel.share({ channel: one.channel }));
    two.channel.send("through two");
    assert.equal(channel.tryReceive(), "through two");
    for (const { kernel: attached } of [one, two]) attached.close();
  });

  test("who has attached keeps the object alive", () => {
    const kernel = still();
    const channel = kernel.channel();
    const other = attach(kernel.share({ channel }));
    channel.send("left behind");
    channel.close();
    assert.equal(other.channel.tryReceive(), "left behind");
    other.kernel.close();
    assert.equal(kernel.usage().descriptors, 0);
  });

  test("a handle holds nothing: what is gone is ESTALE, also when its place is taken", () => {
    const kernel = still();
    const channel = kernel.channel();
    const handle = kernel.share({ channel });
    channel.close();
    assert.match(
      codeOf(() => attach(handle), "ESTALE"),
      /attach "channel"/,
    );
    const next = kernel.channel();
    codeOf(() => attach(handle), "ESTALE");
    assert.equal(kernel.usage().threads, 1, "a failed attachment leaves nothing");
    assert.equal(kernel.usage().descriptors, 1);
    next.send("untouched");
    assert.equal(next.tryReceive(), "untouched");
  });

  test("a pipe is shared with the ends that are open", () => {
    const kernel = still();
    const pipe = kernel.pipe();
    pipe.closeWrite();
    const other = attach(kernel.share({ pipe }));
    assert.equal(other.pipe.writeFd, -1);
    assert.ok(other.pipe.readFd >= 0);
    codeOf(() => other.pipe.writeSync(new Uint8Array(1)), "EBADF");
    assert.equal(other.pipe.readSync(), null);
    pipe.close();
    codeOf(() => kernel.share({ pipe }), "EBADF");
    other.kernel.close();
  });

  test("descriptor numbers are the process's", () => {
    const kernel = still();
    const other = attach(kernel.share());
    const fd = sys(kernel).eventfd(5, 0);
    const value = new BigUint64Array(1);
    assert.equal(sys(other.kernel).eventfd_read(fd, value), 0);
    assert.equal(value[0], 5n);
    other.kernel.close();
    assert.equal(sys(kernel).close(fd), 0);
  });

  test("attachments in one thread are apart: closing one leaves the other", async () => {
    const kernel = small();
    const bell = kernel.bell();
    const other = attach(kernel.share({ bell }));
    const wait = other.kernel.queue().add("ring", other.bell.rings()).wait();
    const mine = kernel.queue().add("ring", bell.rings());
    bell.ring();
    assert.equal((await wait).length, 1);
    assert.equal(mine.waitSync().length, 1);
    kernel.close();
    other.bell.ring();
    other.kernel.close();
  });
});

describe("refused", () => {
  test("what cannot be shared", () => {
    const kernel = still();
    const other = still();
    const closed = kernel.bell();
    closed.close();
    refuses("objects", [5, null, "x"], (objects) => kernel.share(objects));
    refuses("thing", [5, null, {}, kernel, "x"], (thing) => kernel.share({ thing }));
    assert.match(
      codeOf(() => kernel.share({ bell: other.bell() }), "EINVAL"),
      /another kernel/,
    );
    codeOf(() => kernel.share({ closed }), "EBADF");
    assert.match(
      codeOf(() => kernel.share({ kernel: kernel.bell() }), "EINVAL"),
      /"kernel"/,
    );
  });

  test("what is no handle", () => {
    const nothing = [undefined, null, 5, "x", {}, [], { knell: 5 }, { knell: null }];
    refuses("handle", nothing, (handle) => attach(handle));
  });

  test("foreign and older buffers, other arenas, damaged references", () => {
    const kernel = still();
    const { knell } = kernel.share({ bell: kernel.bell() });
    const attempt = (changed: object): (() => unknown) => {
      return () => attach({ knell: { ...knell, ...changed } });
    };
    codeOf(attempt({ version: 2 }), "EINVAL");
    codeOf(attempt({ buffer: new ArrayBuffer(1024) }), "EINVAL");
    codeOf(attempt({ buffer: undefined }), "EINVAL");
    for (const bytes of [0, 16, 1 << 20]) {
      const message = codeOf(attempt({ buffer: new SharedArrayBuffer(bytes) }), "EINVAL");
      assert.match(message, /no arena of this version/);
    }
    const older = new SharedArrayBuffer(knell.buffer.byteLength);
    const words = new Int32Array(older);
    words.set(new Int32Array(knell.buffer));
    words[Super.layout.at(SUPER)]! ^= 1;
    codeOf(attempt({ buffer: older }), "EINVAL");
    assert.match(codeOf(attempt({ arena: knell.arena + 1 }), "EINVAL"), /another arena/);
    codeOf(attempt({ objects: { x: { kind: "spoon", file: 1, generation: 0 } } }), "EINVAL");
    for (const file of [0, -16, 15, 2 ** 30, Number.NaN, 16]) {
      codeOf(attempt({ objects: { x: { kind: "bell", file, generation: 0 } } }), "ESTALE");
    }
    const wrongKind = { ...knell.objects["bell"], kind: "channel" };
    codeOf(attempt({ objects: { x: wrongKind } }), "ESTALE");
    assert.equal(kernel.usage().threads, 1);
    assert.equal(kernel.usage().descriptors, 1);
  });

  test("more threads than the kernel may have", () => {
    const kernel = boot({ arenaBytes: 1 << 20, limits: { threads: 2 } });
    const handle = kernel.share();
    const second = attach(handle);
    assert.match(
      codeOf(() => attach(handle), "EAGAIN"),
      /threads/,
    );
    second.kernel.close();
    const third = attach(handle);
    third.kernel.close();
    kernel.close();
  });

  test("a full table of descriptors, halfway through", () => {
    const kernel = boot({ arenaBytes: 1 << 20, limits: { descriptors: 3 } });
    const handle = kernel.share({ a: kernel.bell(), b: kernel.bell() });
    codeOf(() => attach(handle), "EMFILE");
    assert.equal(kernel.usage().descriptors, 2);
    kernel.bell();
    kernel.close();
  });
});
