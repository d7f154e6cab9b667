// SPDX-License-Identifier: ISC
/** User events, queues of queues, and what closing does to who waits. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { every, type Kernel, KernelError, Queue, userEvent } from "knell";
import { EV_ADD, EV_ENABLE, EVFILT_READ, EVFILT_USER, NOTE_TRIGGER } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import { codeOf, NO_INTEGERS, refuses, rejection, still } from "./support.js";

describe("user events", () => {
  test("data and flags, merged while nobody collects them", () => {
    const kernel = still();
    const queue = kernel
      .queue()
      .add("go", userEvent(3))
      .add("big", userEvent(2 ** 53 - 1));
    queue.trigger(3, { data: 1, flags: 0xffffff });
    queue.trigger(3, { data: -(2 ** 40), flags: 5 });
    queue.trigger(2 ** 53 - 1);
    assert.deepEqual(queue.waitSync(), [
      { tag: "go", value: -(2 ** 40), ended: false, flags: 5 },
      { tag: "big", value: 0, ended: false, flags: 0 },
    ]);
    queue.trigger(3);
    assert.deepEqual(queue.waitSync(), [{ tag: "go", value: 0, ended: false, flags: 0 }]);
  });

  test("what is no user event of the queue cannot be triggered", () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(3));
    codeOf(() => queue.trigger(4), "ENOENT");
    codeOf(() => queue.trigger(4, { data: 1 }), "ENOENT");
    assert.equal(kernel.usage().userEvents, 1);
    const of = [-1, 2 ** 53, ...NO_INTEGERS];
    refuses("number", of, (number) => queue.trigger(number));
    refuses("number", of, (number) => userEvent(number));
    refuses("data", [2 ** 53, ...NO_INTEGERS], (data) => queue.trigger(3, { data }));
    refuses("flags", [-1, 2 ** 24, ...NO_INTEGERS], (flags) => queue.trigger(3, { flags }));
    refuses("options", [5, null], (options) => queue.trigger(3, options));
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
  });

  test("a shared queue's events are triggered there too, and there only", () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(1), { once: true });
    queue.trigger(1);
    assert.equal(queue.waitSync().length, 1);
    codeOf(() => queue.trigger(1), "ENOENT");
  });
});

describe("registrations that somebody made by the queue's number", () => {
  const ZERO = { sec: 0, nsec: 0 };

  /** Register by number, and trigger what is a user event; udata 0 unless it is given. */
  function register(kernel: Kernel, kq: number, ident: number, filter: number, udata = 0): void {
    const fflags = filter === EVFILT_USER ? NOTE_TRIGGER : 0;
    const list = new KeventList(1).set(0, ident, filter, EV_ADD, fflags, 0, udata);
    assert.equal(sys(kernel).kevent(kq, list, 1, null, 0, ZERO), 0);
  }

  /** What is ready by number, which the queue does not see. */
  function ready(kernel: Kernel, kq: number): number {
    return sys(kernel).kevent(kq, null, 0, new KeventList(4), 4, ZERO);
  }

  test("are passed over, and do not keep the queue ready for ever", () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(1));
    const counter = kernel.counter({ initial: 1 });
    register(kernel, queue.fd, 9, EVFILT_USER);
    register(kernel, queue.fd, counter.fd, EVFILT_READ);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    assert.equal(ready(kernel, queue.fd), 0, "both are disabled: nobody looks for ever");
    assert.equal(kernel.usage().registrations, 3, "and both are there");
    queue.trigger(1, { data: 2 });
    assert.deepEqual(queue.waitSync(), [{ tag: "go", value: 2, ended: false, flags: 0 }]);
    const enable = new KeventList(1).set(0, 9, EVFILT_USER, EV_ENABLE);
    sys(kernel).kevent(queue.fd, enable, 1, null, 0, ZERO);
    assert.equal(ready(kernel, queue.fd), 1, "who made it can have it back");
  });

  test("are nobody else's, whatever udata they have", () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(1)).add("tick", every(5));
    const counter = kernel.counter({ initial: 1 });
    for (const udata of [1, 2, 3, -1]) {
      register(kernel, queue.fd, 20 + udata, EVFILT_USER, udata);
      register(kernel, queue.fd, counter.fd, EVFILT_READ, udata);
      assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), [], `udata ${udata}`);
    }
    assert.equal(ready(kernel, queue.fd), 0);
  });

  test("become the queue's when the same thing is added", () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(1));
    register(kernel, queue.fd, 9, EVFILT_USER);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    const more = queue.add("nine", userEvent(9));
    more.trigger(9, { data: 3 });
    assert.deepEqual(more.waitSync(), [{ tag: "nine", value: 3, ended: false, flags: 0 }]);
    assert.equal(kernel.usage().registrations, 2);
  });

  test("end no wait that does not block", async () => {
    const kernel = still();
    const queue = kernel.queue().add("go", userEvent(1));
    const waiting = queue.wait();
    register(kernel, queue.fd, 9, EVFILT_USER);
    await new Promise((resolve) => setImmediate(resolve));
    queue.trigger(1);
    assert.equal((await waiting)[0]?.tag, "go");
  });
});

describe("queues of queues", () => {
  test("an outer queue is ready while an inner one is, to any depth", () => {
    const kernel = still();
    const inner = kernel.queue().add("go", userEvent(1));
    const outer = [kernel.queue().add("inner", inner.ready())];
    for (let i = 1; i < 20; i++) {
      outer.push(kernel.queue().add("inner", outer[i - 1]!.ready()));
    }
    const look = (): number[] => outer.map((queue) => queue.waitSync({ timeoutMs: 0 }).length);
    assert.ok(look().every((count) => count === 0));
    inner.trigger(1);
    assert.ok(look().every((count) => count === 1));
    assert.ok(
      look().every((count) => count === 1),
      "it is a state",
    );
    inner.waitSync();
    assert.ok(look().every((count) => count === 0));
  });

  test("timers of an inner queue wake the outer one", async () => {
    const kernel = still();
    const inner = kernel.queue().add("tick", every(100));
    const outer = kernel.queue().add("inner", inner.ready());
    const wait = outer.wait();
    kernel.clock.advance(100);
    assert.equal((await wait)[0]?.value, 1);
  });

  test("a circle is refused", () => {
    const kernel = still();
    const one = kernel.queue();
    const two = kernel.queue().add("one", one.ready());
    codeOf(() => one.add("two", two.ready()), "EINVAL");
  });
});

describe("closed", () => {
  test("every method of a closed queue is EBADF, closing is not", async () => {
    const kernel = still();
    const queue = kernel.queue().add("a", userEvent(1));
    queue.close();
    queue.close();
    assert.equal(queue.closed, true);
    codeOf(() => queue.add("b", every(1)), "EBADF");
    codeOf(() => queue.remove("a"), "EBADF");
    codeOf(() => queue.waitSync(), "EBADF");
    codeOf(() => queue.trigger(1), "EBADF");
    codeOf(() => queue.eventsSync().next(), "EBADF");
    codeOf(() => kernel.queue().add("it", queue.ready()), "EBADF");
    await rejection(queue.wait(), "EBADF");
    await rejection(queue.events().next(), "EBADF");
  });

  test("closing an object gives its waiters an ended event", async () => {
    const kernel = still();
    const objects = { channel: kernel.channel(), bell: kernel.bell(), counter: kernel.counter() };
    const queue = kernel
      .queue()
      .add("channel", objects.channel.receive())
      .add("bell", objects.bell.rings())
      .add("counter", objects.counter.takes());
    const wait = queue.wait();
    objects.bell.close();
    assert.deepEqual(await wait, [{ tag: "bell", value: undefined, ended: true, flags: 0 }]);
    objects.channel.close();
    objects.counter.close();
    const tags = queue.waitSync().map(({ tag, ended }) => `${tag} ${ended}`);
    assert.deepEqual(tags, ["channel true", "counter true"]);
    assert.deepEqual(queue.tags(), []);
    assert.equal(kernel.usage().registrations, 0);
    // A message that nobody had taken is not delivered from a channel that is gone.
  });

  test("removing a source drops its ended event", () => {
    const kernel = still();
    const bell = kernel.bell();
    const queue = kernel.queue().add("bell", bell.rings()).add("other", userEvent(1));
    bell.close();
    codeOf(() => queue.remove("bell"), "ENOENT");
    assert.equal(queue.waitSync().length, 1);
  });

  test("the number names the queue, and closing it by number closes it", () => {
    const kernel = still();
    const queue = kernel.queue().add("a", userEvent(1));
    assert.ok(Number.isInteger(queue.fd));
    assert.equal(sys(kernel).close(queue.fd), 0);
    codeOf(() => queue.waitSync(), "EBADF");
    queue.close();
  });

  test("using closes, where the runtime has the symbol", () => {
    const kernel = still();
    const queue = kernel.queue();
    assert.ok(queue instanceof Queue);
    const dispose = Symbol.dispose as typeof Symbol.dispose | undefined;
    if (dispose !== undefined) queue[dispose]();
    else queue.close();
    assert.ok(queue.closed);
    const error = new KernelError(9, "kevent", "wait");
    assert.equal(error.name, "KernelError");
    assert.match(error.message, /^Cannot wait: .* \(EBADF\)$/);
  });
});
