// SPDX-License-Identifier: ISC
/** Sources of a program's own and named filters, as the JavaScript face has them. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { attach, Filter, UserSource } from "knell";
import { EVFILT_READ, SRC_READY } from "knell/abi";
import { sys } from "knell/sys";
import { SUPER, Super } from "#src/arena/superblock.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { codeOf, NO_INTEGERS, refuses, small, still, until, WORKER } from "./support.js";

describe("a source of the program's own", () => {
  test("reports what its owner sets, for as long as it is so", () => {
    const kernel = still();
    const source = kernel.source();
    const queue = kernel.queue().add("in", source.readable()).add("out", source.writable());
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    source.set({ readable: 7 });
    const seven = { tag: "in", value: 7, ended: false, flags: 0 };
    assert.deepEqual(queue.waitSync(), [seven]);
    assert.deepEqual(queue.waitSync(), [seven]);
    source.set({ writable: true });
    assert.deepEqual(queue.waitSync().length, 2, "the other direction stays as it was");
    source.set({ readable: false, writable: 0 });
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    source.set({ readable: { data: 2 ** 53 - 1, flags: 0xffffffff } });
    assert.deepEqual(queue.waitSync(), [
      { tag: "in", value: 2 ** 53 - 1, ended: false, flags: 0xffffffff },
    ]);
    source.set({ readable: { data: 0 } });
    assert.equal(queue.waitSync()[0]?.value, 0, "ready without data");
    kernel.close();
  });

  test("with edge, each set and each notify is news", () => {
    const kernel = still();
    const source = kernel.source();
    const queue = kernel.queue().add("in", source.readable(), { edge: true });
    source.set({ readable: true });
    source.notify();
    assert.equal(queue.waitSync().length, 1);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    source.notify();
    assert.equal(queue.waitSync().length, 1);
    kernel.close();
  });

  test("an end without data is the last event of its direction", () => {
    const kernel = still();
    const source = kernel.source();
    const queue = kernel.queue().add("in", source.readable());
    source.set({ readable: { data: 3, ended: true } });
    assert.deepEqual(queue.waitSync()[0], { tag: "in", value: 3, ended: false, flags: 0 });
    source.set({ readable: { ended: true, flags: 54 } });
    assert.deepEqual(queue.waitSync()[0], { tag: "in", value: undefined, ended: true, flags: 54 });
    assert.deepEqual(queue.tags(), []);
    assert.equal(source.destroyed, false);
    kernel.close();
  });

  for (const options of [{}, { once: true }, { edge: true }]) {
    test(`destroyed under ${JSON.stringify(options)}: one event, and the tag is free`, async () => {
      const kernel = still();
      const source = kernel.source();
      const queue = kernel.queue().add("in", source.readable(), options);
      const wait = queue.wait();
      source.destroy({ flags: 9 });
      assert.deepEqual(await wait, [{ tag: "in", value: undefined, ended: true, flags: 9 }]);
      assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
      assert.deepEqual(queue.tags(), []);
      assert.equal(source.destroyed, true);
      codeOf(() => source.set({ readable: true }), "ENXIO");
      codeOf(() => source.notify(), "ENXIO");
      codeOf(() => source.destroy(), "ENXIO");
      codeOf(() => queue.add("again", source.readable()), "ENXIO");
      source.close();
      codeOf(() => source.set({}), "EBADF");
      kernel.close();
    });
  }

  test("silently destroyed, nobody hears of it", () => {
    const kernel = still();
    const source = kernel.source();
    const queue = kernel.queue().add("in", source.readable());
    source.set({ readable: true });
    source.destroy({ silent: true });
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    queue.remove("in");
    kernel.close();
  });

  test("closing it in its owner's thread destroys it, and is one event here too", () => {
    const kernel = still();
    const source = kernel.source();
    const other = attach(kernel.share({ source }));
    const theirs = other.kernel.queue().add("in", other.source.readable());
    const queue = kernel.queue().add("in", source.readable());
    source.close();
    const end = [{ tag: "in", value: undefined, ended: true, flags: 0 }];
    assert.deepEqual(queue.waitSync(), end);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    assert.deepEqual(theirs.waitSync(), end);
    other.kernel.close();
    kernel.close();
  });

  test("others watch it, and only watch it; it ends with its owner's attachment", () => {
    const kernel = still();
    const source = kernel.source({ copyOnFork: false });
    const other = attach(kernel.share({ source }));
    assert.ok(other.source instanceof UserSource);
    const theirs = other.kernel.queue().add("in", other.source.readable());
    source.set({ readable: 5 });
    assert.equal(theirs.waitSync()[0]?.value, 5);
    codeOf(() => other.source.set({ readable: 6 }), "EPERM");
    codeOf(() => other.source.notify(), "EPERM");
    codeOf(() => other.source.destroy(), "EPERM");
    const second = attach(kernel.share({ source }));
    second.source.close();
    assert.equal(source.destroyed, false, "closing another thread's handle is not its end");
    kernel.close();
    assert.deepEqual(theirs.waitSync(), [{ tag: "in", value: undefined, ended: true, flags: 0 }]);
    assert.equal(other.source.destroyed, true);
    codeOf(() => other.kernel.queue().add("in", other.source.readable()), "ENXIO");
    second.kernel.close();
    other.kernel.close();
  });

  test("a handle to a destroyed source, a recycled slot or another kernel is refused", () => {
    const kernel = still();
    const source = kernel.source();
    const handle = kernel.share({ source });
    source.destroy();
    codeOf(() => attach(handle), "ESTALE");
    assert.equal(kernel.usage().threads, 1, "nothing remains of the attempt");
    const next = kernel.source();
    next.set({ readable: 1 });
    codeOf(() => attach(handle), "ESTALE");
    source.close();
    const third = kernel.source();
    codeOf(() => attach(handle), "ESTALE");
    const elsewhere = still();
    codeOf(() => elsewhere.share({ next }), "EINVAL");
    codeOf(() => elsewhere.queue().add("in", next.readable()), "EINVAL");
    third.close();
    elsewhere.close();
    kernel.close();
  });

  test("forged handles never reach another object's data", () => {
    const kernel = still();
    const source = kernel.source();
    const bell = kernel.bell();
    const asBell = structuredClone(kernel.share({ source })) as never as {
      knell: { objects: { source: { kind: string } } };
    };
    asBell.knell.objects.source.kind = "bell";
    codeOf(() => attach(asBell), "EINVAL");
    const asSource = structuredClone(kernel.share({ bell })) as never as {
      knell: { objects: { bell: { kind: string; file: number } } };
    };
    asSource.knell.objects.bell.kind = "source";
    codeOf(() => attach(asSource), "EINVAL");
    const forge = (file: number) => {
      asSource.knell.objects.bell.file = file;
      return attach(asSource);
    };
    refuses("handle.knell.objects.bell.file", [-1, 0, 1.5], forge);
    for (const file of [1, 2 ** 30]) codeOf(() => forge(file), "EINVAL");
    kernel.close();
  });

  test("arguments", () => {
    const kernel = still();
    const source = kernel.source();
    refuses("copyOnFork", [0, "x", null], (copyOnFork) => kernel.source({ copyOnFork }));
    for (const name of ["readable", "writable"]) {
      refuses(name, ["x", null, -1, Number.NaN, 0.5, 2 ** 53], (v) => source.set({ [name]: v }));
      const part = (key: string) => (value: never) => source.set({ [name]: { [key]: value } });
      refuses(`${name}.data`, [...NO_INTEGERS, -1], part("data"));
      refuses(`${name}.flags`, [...NO_INTEGERS, -1, 2 ** 32], part("flags"));
      refuses(`${name}.ended`, [0, "x", null], part("ended"));
      refuses(`${name}.ready`, [0, "x", null], part("ready"));
    }
    refuses("silent", [0, "x", null], (silent) => source.destroy({ silent }));
    refuses("flags", [...NO_INTEGERS, -1, 2 ** 32], (flags) => source.destroy({ flags }));
    assert.equal(source.destroyed, false, "what is refused does nothing");
    kernel.close();
  });

  test("awaiting threads are told, with the process kept alive", async () => {
    const kernel = still();
    const source = kernel.source();
    const queue = kernel.queue().add("in", source.readable());
    const wait = queue.wait();
    source.set({ readable: { data: 2 ** 40, flags: 3 } });
    assert.deepEqual(await wait, [{ tag: "in", value: 2 ** 40, ended: false, flags: 3 }]);
    kernel.close();
  });

  test("what was set and not told is found by who waits, blocking or not", async () => {
    const kernel = still();
    const s = sys(kernel);
    const source = kernel.source();
    const queue = kernel.queue().add("in", source.readable());
    const set = (data: number) => s.source_set(source.fd, EVFILT_READ, SRC_READY, 1, data);
    source.set({ readable: 2 ** 40 });
    assert.equal(set(2 ** 41), 0);
    assert.equal((await queue.wait())[0]?.value, 2 ** 41);
    assert.equal(set(2 ** 42), 0);
    assert.equal(queue.waitSync()[0]?.value, 2 ** 42);
    assert.equal(set(2 ** 43), 0);
    assert.equal(queue.waitSync({ timeoutMs: 0 })[0]?.value, 2 ** 43);
    assert.equal(s.source_set(source.fd, EVFILT_READ, 0), 0);
    const wait = queue.wait();
    source.set({ readable: 5 });
    assert.equal((await wait)[0]?.value, 5);
    assert.deepEqual(checkInvariants(kernel), []);
    kernel.close();
  });

  test("sources of knell/sys end with the attachment too", () => {
    const kernel = still();
    const other = attach(kernel.share());
    const fd = sys(other.kernel).source(0);
    const s = sys(kernel);
    assert.equal(s.source_set(fd, EVFILT_READ, SRC_READY), -1);
    other.kernel.close();
    assert.equal(s.source_set(fd, EVFILT_READ, SRC_READY), -6, "ENXIO");
    assert.equal(kernel.thread.a[Super.sources.at(SUPER)], 0);
    kernel.close();
  });
});

describe("with workers", () => {
  test("a worker watches what this thread sets and destroys", async () => {
    const kernel = small();
    const share = { source: kernel.source(), done: kernel.channel() };
    kernel.spawn(WORKER, { share, workerData: { role: "watch" } });
    const heard = () => share.done.receiveAsync();
    assert.equal(await heard(), "watching");
    share.source.set({ readable: { data: 2 ** 40, flags: 9 } });
    assert.deepEqual(await heard(), [2 ** 40, false, 9]);
    share.source.destroy({ flags: 54 });
    assert.deepEqual(await heard(), [null, true, 54]);
    assert.equal(await heard(), true);
    kernel.close();
  });

  test("a worker that is terminated leaves no source and no name", async () => {
    const kernel = small();
    const share = { bell: kernel.bell(), done: kernel.channel() };
    const worker = kernel.spawn(WORKER, { share, workerData: { role: "own" } });
    assert.equal(await share.done.receiveAsync(), "ready");
    const { number } = kernel.findFilter("theirs");
    const queue = kernel.queue().add("it", kernel.findFilter("theirs").at(1), { edge: true });
    assert.deepEqual(await queue.wait(), [{ tag: "it", value: 2 ** 40, ended: false, flags: 3 }]);
    worker.terminate();
    assert.deepEqual(await queue.wait(), [{ tag: "it", value: undefined, ended: true, flags: 0 }]);
    // Its end is told when everything of it is gone.
    await kernel.queue().add("gone", kernel.exits()).wait();
    codeOf(() => kernel.findFilter("theirs"), "ENOENT");
    codeOf(() => kernel.findFilter(number), "ENOENT");
    assert.equal(kernel.filter("ours").number, number, "the number is free");
    assert.equal(kernel.thread.a[Super.sources.at(SUPER)], 0);
    // Who told of the end leaves a moment later.
    await until(() => checkInvariants(kernel).length === 0);
    kernel.close();
  });
});

describe("a named filter", () => {
  test("is found by every thread, by name and number", () => {
    const kernel = still();
    const filter = kernel.filter("keys");
    const other = attach(kernel.share());
    const found = other.kernel.findFilter("keys");
    assert.ok(found instanceof Filter);
    assert.deepEqual([found.name, found.number], ["keys", filter.number]);
    assert.equal(other.kernel.findFilter(filter.number).name, "keys");
    const key = filter.source(27);
    const queue = other.kernel.queue().add("escape", found.at(27));
    key.set({ readable: { data: 1, flags: 2 } });
    assert.deepEqual(queue.waitSync(), [{ tag: "escape", value: 1, ended: false, flags: 2 }]);
    codeOf(() => found.source(28), "EPERM");
    codeOf(() => found.unregister(), "EPERM");
    codeOf(() => filter.unregister(), "EBUSY");
    key.destroy();
    codeOf(() => filter.unregister(), "EBUSY");
    assert.equal(queue.waitSync()[0]?.ended, true);
    filter.unregister();
    codeOf(() => filter.unregister(), "ENOENT");
    codeOf(() => other.kernel.findFilter("keys"), "ENOENT");
    codeOf(() => queue.add("again", found.at(27)), "EINVAL");
    codeOf(() => filter.source(1), "ENOENT");
    other.kernel.close();
    kernel.close();
  });

  test("has one source for an identifier, and nothing for others", () => {
    const kernel = still();
    const filter = kernel.filter("keys");
    const source = filter.source(2 ** 40);
    codeOf(() => filter.source(2 ** 40), "EEXIST");
    filter.source(2 ** 40 + 1);
    const queue = kernel.queue();
    codeOf(() => queue.add("none", filter.at(5)), "ENOENT");
    const both = queue.add("a", filter.at(2 ** 40)).add("b", filter.at(2 ** 40 + 1));
    codeOf(() => both.add("c", filter.at(2 ** 40)), "EEXIST");
    source.set({ readable: true });
    assert.deepEqual(
      both.waitSync().map(({ tag }) => tag),
      ["a"],
    );
    kernel.close();
  });

  test("names and arguments", () => {
    const kernel = still();
    kernel.filter("keys");
    codeOf(() => kernel.filter("keys"), "EEXIST");
    codeOf(() => kernel.filter("EVFILT_TIMER"), "EEXIST");
    codeOf(() => kernel.filter("ü".repeat(33)), "ENAMETOOLONG");
    codeOf(() => kernel.filter(""), "EINVAL");
    codeOf(() => kernel.findFilter(""), "EINVAL");
    codeOf(() => kernel.findFilter("EVFILT_TIMER"), "ENOENT");
    codeOf(() => kernel.findFilter(2), "ENOENT");
    refuses("nameOrNumber", [-1, 0, 1.5, Number.NaN, 2 ** 40], (n) => kernel.findFilter(n));
    refuses("name", [1, null, {}], (name) => kernel.filter(name));
    refuses("nameOrNumber", [null, {}, true], (name) => kernel.findFilter(name));
    const filter = kernel.findFilter("keys");
    refuses("ident", [...NO_INTEGERS, -1, 2 ** 53], (ident) => filter.source(ident));
    refuses("ident", [...NO_INTEGERS, -1, 2 ** 53], (ident) => filter.at(ident));
    kernel.close();
    codeOf(() => kernel.filter("late"), "EBADF");
    codeOf(() => kernel.findFilter("keys"), "EBADF");
    codeOf(() => kernel.source(), "EBADF");
    codeOf(() => filter.unregister(), "EBADF");
  });
});
