// SPDX-License-Identifier: ISC
/** Handles: what can be shared, what attaching gives, and every handle that is refused. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attach, Bell, boot, Channel, Counter, Pipe, SharedQueue, userEvent } from "knell";
import { sys } from "knell/sys";
import { SUPER, Super } from "#src/arena/superblock.js";
import { File } from "#src/kern/file.js";
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
    const wrongKind = { ...knell.objects["bell"], kind: "channel" };
    codeOf(attempt({ objects: { x: wrongKind } }), "EINVAL");
    assert.equal(kernel.usage().threads, 1);
    assert.equal(kernel.usage().descriptors, 1);
  });

  test("malformed contents: each is refused by its name, before the thread attaches", () => {
    const kernel = still();
    const { knell } = kernel.share({ bell: kernel.bell() });
    const attempt = (changed: object) => attach({ knell: { ...knell, ...changed } });
    const integers = [null, "1", 0.5, Number.NaN, -1, 2 ** 31, {}];
    refuses("handle.knell.arena", integers, (arena) => attempt({ arena }));
    refuses("handle.knell.warden", [...integers, 2000], (warden) => attempt({ warden }));
    refuses("handle.knell.objects", [null, 5, "x", [], undefined], (objects) =>
      attempt({ objects }),
    );
    const refs = [null, 5, "x", [], undefined, {}, { kind: "spoon", file: 1, generation: 0 }];
    refuses("handle.knell.objects.x", [...refs, { kind: "__proto__" }], (x) =>
      attempt({ objects: { x } }),
    );
    const { file, generation } = knell.objects["bell"] as { file: number; generation: number };
    refuses("objects.x.file", [...integers, 0, undefined], (wrong) =>
      attempt({ objects: { x: { kind: "bell", file: wrong, generation } } }),
    );
    refuses("objects.x.generation", [null, "0", 0.5, 2 ** 31, undefined], (wrong) =>
      attempt({ objects: { x: { kind: "bell", file, generation: wrong } } }),
    );
    refuses("objects.x.reader", [5, "x", undefined, []], (reader) =>
      attempt({ objects: { x: { kind: "pipe", reader, writer: null } } }),
    );
    refuses("objects.x", [{ kind: "pipe", reader: null, writer: null }], (x) =>
      attempt({ objects: { x } }),
    );
    refuses("objects.kernel", [knell.objects["bell"]], (ref) =>
      attempt({ objects: { kernel: ref } }),
    );
    assert.deepEqual([kernel.usage().threads, kernel.usage().descriptors], [1, 1]);
  });

  test("a forged file number touches no word of the arena", () => {
    const kernel = still();
    const counter = kernel.counter({ initial: 5 });
    const { knell } = kernel.share({ counter });
    const { generation } = knell.objects["counter"] as { generation: number };
    const words = new Int32Array(knell.buffer);
    // A place that no zone has carved yet, with a count where a file has its references: it would
    // be taken for a file, counted up, and dropped again.
    const forged = words.length - 16;
    words[forged + File.refs.offset] = 7;
    const changed = new Set<number>();
    const { compareExchange } = Atomics;
    Atomics.compareExchange = ((array: Int32Array, index: number, ...values: [number, number]) => {
      changed.add(index);
      return compareExchange(array, index, ...values);
    }) as typeof compareExchange;
    try {
      for (const file of [16, 112, 288, forged, 15, counter.fd + 1]) {
        const objects = { x: { kind: "counter", file, generation } };
        const message = codeOf(() => attach({ knell: { ...knell, objects } }), "EINVAL");
        assert.match(message, /attach "x": the handle names no such object/);
      }
    } finally {
      Atomics.compareExchange = compareExchange;
    }
    assert.ok(changed.size > 0, "locks were taken, so the changes are seen");
    assert.equal(changed.has(forged + File.refs.offset), false);
    assert.equal(counter.tryTake(), 5);
  });

  test("ends of pipes that are swapped, mixed, or no ends", () => {
    const kernel = still();
    const { knell } = kernel.share({ a: kernel.pipe(), b: kernel.pipe() });
    const { a, b } = knell.objects as Record<string, { reader: object; writer: object }>;
    assert.ok(a !== undefined && b !== undefined);
    const attempt = (reader: unknown, writer: unknown) => () =>
      attach({ knell: { ...knell, objects: { x: { kind: "pipe", reader, writer } } } });
    codeOf(attempt(a.writer, a.reader), "EINVAL");
    codeOf(attempt(a.writer, null), "EINVAL");
    assert.match(codeOf(attempt(a.reader, b.writer), "EINVAL"), /different pipes/);
    assert.deepEqual([kernel.usage().threads, kernel.usage().descriptors], [1, 4]);
  });

  test("a name that is no ordinary one", () => {
    const kernel = still();
    const { knell } = kernel.share({ bell: kernel.bell() });
    const ref = knell.objects["bell"] as object;
    const objects = JSON.parse(`{"__proto__":${JSON.stringify(ref)}}`) as object;
    const attached = attach({ knell: { ...knell, objects } });
    assert.ok(Object.getOwnPropertyDescriptor(attached, "__proto__")?.value instanceof Bell);
    attached.kernel.close();
  });

  test("a copy of the arena's bytes, for who has the arena", () => {
    const kernel = still();
    const { knell } = kernel.share();
    const buffer = new SharedArrayBuffer(knell.buffer.byteLength);
    new Uint8Array(buffer).set(new Uint8Array(knell.buffer));
    assert.match(
      codeOf(() => attach({ knell: { ...knell, buffer } }), "EINVAL"),
      /a copy of an arena/,
    );
    const same = attach(structuredClone({ knell }));
    assert.equal(kernel.usage().threads, 2, "the same memory by another object is no copy");
    same.kernel.close();
    const growing = new SharedArrayBuffer(knell.buffer.byteLength, {
      maxByteLength: knell.buffer.byteLength,
    });
    new Uint8Array(growing).set(new Uint8Array(knell.buffer));
    codeOf(() => attach({ knell: { ...knell, buffer: growing } }), "EINVAL");
  });

  test("an arena whose superblock leads out of it", () => {
    const kernel = still();
    const { knell } = kernel.share();
    kernel.close();
    const { threadsMax, threadTable, zoneTable, heapMap, init, arenaWords, magic, version } = Super;
    const places = [threadsMax, threadTable, zoneTable, heapMap, init];
    for (const field of [...places, arenaWords, magic, version]) {
      for (const value of [0, -1, 2 ** 30]) {
        const buffer = new SharedArrayBuffer(knell.buffer.byteLength);
        const words = new Int32Array(buffer);
        words.set(new Int32Array(knell.buffer));
        words[field.at(SUPER)] = value;
        // Nobody who is attached is asked: another number, as another realm would have it.
        words[Super.id.at(SUPER)] = 5;
        const message = codeOf(() => attach({ knell: { ...knell, arena: 5, buffer } }), "EINVAL");
        assert.match(message, /no arena of this version/, `${field.name} = ${value}`);
      }
    }
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
