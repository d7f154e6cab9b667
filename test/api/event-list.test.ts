// SPDX-License-Identifier: ISC
/** Waits into a list that is used again: the same events as waitSync, in the list's own objects. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { boot, type Kernel, KernelError, userEvent } from "knell";

describe("an event list", () => {
  let kernel: Kernel;
  before(() => {
    kernel = boot();
  });
  after(() => kernel.close());

  test("gets what waitSync would return, in the order of activation", () => {
    const words = kernel.channel<string>();
    const queue = kernel.queue().add("a", userEvent(1)).add("b", userEvent(2));
    const both = queue.add("word", words.receive());
    const list = both.eventList();
    queue.trigger(2, { data: 5, flags: 3 });
    words.send("hello");
    queue.trigger(1);
    assert.equal(both.waitSyncInto(list, { timeoutMs: 0 }), 3);
    assert.equal(list.length, 3);
    assert.deepEqual(
      [...list].map((event) => ({ ...event })),
      [
        { tag: "b", value: 5, ended: false, flags: 3 },
        { tag: "word", value: "hello", ended: false, flags: 0 },
        { tag: "a", value: 0, ended: false, flags: 0 },
      ],
    );
    words.end();
    assert.equal(both.waitSyncInto(list), 1);
    assert.deepEqual({ ...list.at(0) }, { tag: "word", value: undefined, ended: true, flags: 0 });
    assert.deepEqual(both.tags(), ["a", "b"]);
    queue.close();
  });

  test("takes no more than fits, and leaves the rest", () => {
    const queue = kernel.queue().add("a", userEvent(1)).add("b", userEvent(2));
    const list = queue.eventList(1);
    assert.equal(list.capacity, 1);
    queue.trigger(1);
    queue.trigger(2);
    assert.equal(queue.waitSyncInto(list), 1);
    assert.equal(list.at(0).tag, "a");
    const kept = list.at(0);
    assert.equal(queue.waitSyncInto(list), 1);
    assert.equal(list.at(0).tag, "b");
    assert.equal(kept.tag, "b", "the object is the list's own");
    assert.equal(queue.waitSyncInto(list, { timeoutMs: 0 }), 0);
    assert.equal(list.length, 0);
    assert.throws(() => list.at(0), RangeError);
    queue.close();
  });

  test("gets what was put by for the queue, such as the end of a closed object", () => {
    const counter = kernel.counter();
    const queue = kernel.queue().add("count", counter.takes());
    counter.close();
    const list = queue.eventList();
    assert.equal(queue.waitSyncInto(list), 1);
    assert.deepEqual({ ...list.at(0) }, { tag: "count", value: undefined, ended: true, flags: 0 });
    queue.close();
  });

  test("sleeps until the time is up, and says what is wrong", () => {
    const queue = kernel.queue().add("a", userEvent(1));
    const list = queue.eventList();
    assert.equal(queue.waitSyncInto(list, { timeoutMs: 1 }), 0);
    assert.throws(
      () => queue.waitSyncInto([] as never),
      (error) => error instanceof KernelError && error.code === "EINVAL",
    );
    assert.throws(() => queue.eventList(0), RangeError);
    assert.throws(() => queue.waitSyncInto(list, { max: 0 }), RangeError);
    queue.close();
    const closed = (error: unknown): boolean =>
      error instanceof KernelError && error.code === "EBADF" && /closed/.test(error.message);
    assert.throws(() => queue.waitSyncInto(list), closed);
    assert.throws(() => queue.trigger(1), closed);
  });
});
