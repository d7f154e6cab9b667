// SPDX-License-Identifier: ISC
/** Queues in one thread: sources, events, both ways to wait, and every misuse. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { after, boot, every, userEvent } from "knell";
import { EV_ADD, EVFILT_USER } from "knell/abi";
import { KeventList, sys } from "knell/sys";
import {
  codeOf,
  NO_INTEGERS,
  refuses,
  refusesLater,
  rejection,
  still,
  withKernel,
} from "./support.js";

describe("add and remove", () => {
  test("a source that has something to say is an event at once", () => {
    const kernel = still();
    const channel = kernel.channel();
    channel.send("before");
    const queue = kernel.queue().add("word", channel.receive());
    assert.deepEqual(queue.waitSync(), [{ tag: "word", value: "before", ended: false, flags: 0 }]);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
  });

  test("events come in the order in which they happened, one of each source at most", () => {
    const kernel = still();
    const [one, two, three] = [kernel.channel(), kernel.bell(), kernel.counter()];
    const queue = kernel
      .queue()
      .add("one", one.receive())
      .add("two", two.rings())
      .add("three", three.takes());
    three.add(5);
    one.send("a");
    one.send("b");
    two.ring();
    two.ring();
    const first = queue.waitSync();
    assert.deepEqual(
      first.map(({ tag, value }) => [tag, value]),
      [
        ["three", 5],
        ["one", "a"],
        ["two", 2],
      ],
    );
    assert.deepEqual(
      queue.waitSync().map(({ value }) => value),
      ["b"],
    );
  });

  test("types follow from the tags", () => {
    const kernel = still();
    const words = kernel.channel<string>();
    const queue = kernel.queue().add("word", words.receive()).add("tick", every(1000));
    words.send("typed");
    for (const event of queue.waitSync()) {
      if (event.tag === "word") {
        if (!event.ended) assert.equal(event.value.length, 5);
        // @ts-expect-error an ended event has no value
        else event.value.length;
      } else {
        const n: number | undefined = event.value;
        assert.equal(n, undefined);
      }
    }
    // @ts-expect-error there is no such tag
    codeOf(() => queue.remove("other"), "ENOENT");
    // @ts-expect-error a channel of strings
    words.trySend(5);
  });

  test("removing stops it, and the tag can be used again", () => {
    const kernel = still();
    const bell = kernel.bell();
    const queue = kernel.queue().add("ring", bell.rings());
    bell.ring();
    assert.equal(queue.remove("ring"), queue);
    assert.deepEqual(queue.tags(), []);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    queue.add("ring", bell.rings());
    bell.ring();
    assert.equal(queue.waitSync().length, 1);
    assert.equal(kernel.usage().registrations, 1);
  });

  test("one source in several queues, and in none twice", () => {
    const kernel = still();
    const bell = kernel.bell();
    const source = bell.rings();
    const one = kernel.queue().add("ring", source);
    const two = kernel.queue().add("ring", source);
    assert.match(
      codeOf(() => one.add("again", source), "EEXIST"),
      /already, as "ring"/,
    );
    assert.match(
      codeOf(() => one.add("again", bell.rings()), "EEXIST"),
      /already/,
    );
    assert.match(
      codeOf(() => one.add("ring", every(1)), "EEXIST"),
      /tag/,
    );
    assert.deepEqual(one.tags(), ["ring"]);
    bell.ring();
    assert.equal(one.waitSync().length + two.waitSync().length, 2);
  });

  test("what is refused changes nothing", () => {
    const kernel = still();
    const other = still();
    const queue = kernel.queue();
    const channel = kernel.channel();
    const closed = kernel.bell();
    const ringing = closed.rings();
    closed.close();
    codeOf(() => queue.add("a", other.bell().rings()), "EINVAL");
    codeOf(() => queue.add("a", ringing), "EBADF");
    codeOf(() => queue.add("a", channel.receive(), { edge: true }), "EINVAL");
    codeOf(() => queue.add("a", queue.ready()), "EINVAL");
    codeOf(() => queue.remove("a" as never), "ENOENT");
    refuses("tag", [1, null, undefined, Symbol("x")], (tag) => queue.add(tag, every(1)));
    refuses("source", [1, null, undefined, {}, channel], (source) => queue.add("a", source));
    refuses("options", [1, null, "x"], (options) => queue.add("a", every(1), options));
    refuses("once", [1, null, "x"], (once) => queue.add("a", every(1), { once }));
    refuses("edge", [1, null, "x"], (edge) => queue.add("a", every(1), { edge }));
    refuses("tag", [1, null, undefined], (tag) => queue.remove(tag));
    assert.deepEqual(queue.tags(), []);
    assert.equal(kernel.usage().registrations, 0);
  });

  test("limits are KernelErrors, and leave everything usable", () => {
    const kernel = still({ limits: { userEvents: 2, timers: 1, descriptors: 3 } });
    const users = kernel.queue().add("a", userEvent(1)).add("b", userEvent(2));
    codeOf(() => users.add("c", userEvent(3)), "ENOMEM");
    const queue = users.add("tick", every(10));
    codeOf(() => queue.add("tock", every(10)), "ENOMEM");
    kernel.bell();
    kernel.bell();
    codeOf(() => kernel.bell(), "EMFILE");
    codeOf(() => kernel.queue(), "EMFILE");
    queue.remove("a").remove("tick");
    queue.add("c", userEvent(3)).add("tock", every(10));
    queue.trigger(3);
    assert.deepEqual(
      queue.waitSync().map(({ tag }) => tag),
      ["c"],
    );
  });

  test("once forgets the source after its first event", () => {
    const kernel = still();
    const channel = kernel.channel();
    const bell = kernel.bell();
    const queue = kernel
      .queue()
      .add("message", channel.receive(), { once: true })
      .add("ring", bell.rings(), { once: true })
      .add("tick", every(10), { once: true });
    for (const word of ["a", "b"]) channel.send(word);
    bell.ring();
    kernel.clock.advance(30);
    assert.deepEqual(
      queue.waitSync().map(({ value }) => value),
      ["a", 1, 1],
    );
    assert.deepEqual(queue.tags(), []);
    bell.ring();
    kernel.clock.advance(30);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    assert.equal(channel.tryReceive(), "b");
    assert.equal(kernel.usage().registrations, 0);
  });

  test("edge false repeats a user event until it is removed", () => {
    const kernel = still();
    const queue = kernel.queue().add("on", userEvent(1), { edge: false });
    queue.trigger(1);
    assert.equal(queue.waitSync().length, 1);
    assert.equal(queue.waitSync().length, 1);
    queue.remove("on");
    assert.equal(queue.waitSync({ timeoutMs: 0 }).length, 0);
  });

  test("edge true reports a state when it changes", () => {
    const kernel = still();
    const pipe = kernel.pipe();
    const queue = kernel.queue().add("bytes", pipe.readable(), { edge: true });
    pipe.writeSync(new Uint8Array(3));
    assert.deepEqual(
      queue.waitSync().map(({ value }) => value),
      [3],
    );
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    pipe.writeSync(new Uint8Array(2));
    assert.deepEqual(
      queue.waitSync().map(({ value }) => value),
      [5],
    );
  });
});

describe("waiting", () => {
  test("max bounds the events, and the rest stays", () => {
    const kernel = still();
    const queue = kernel.queue();
    const names = ["a", "b", "c"];
    for (const [i, name] of names.entries()) queue.add(name, userEvent(i));
    for (const i of names.keys()) queue.trigger(i);
    assert.equal(queue.waitSync({ max: 2 }).length, 2);
    assert.equal(queue.waitSync({ max: 2 }).length, 1);
    const many = kernel.queue();
    for (let i = 0; i < 100; i++) many.add(`${i}`, userEvent(i));
    for (let i = 0; i < 100; i++) many.trigger(i);
    assert.equal(many.waitSync().length, 64);
    for (let i = 0; i < 64; i++) many.trigger(i);
    assert.equal(many.waitSync({ max: 4096 }).length, 100);
  });

  test("wrong options are refused in every form of waiting", async () => {
    const queue = still().queue().add("a", userEvent(1));
    const times = [-1, Number.NaN, "5", null, 1n, 1e13, {}];
    const counts = [0, -1, 4097, ...NO_INTEGERS];
    refuses("timeoutMs", times, (timeoutMs) => queue.waitSync({ timeoutMs }));
    refuses("max", counts, (max) => queue.waitSync({ max }));
    refuses("options", [5, null, "x"], (options) => queue.waitSync(options));
    await refusesLater("timeoutMs", times, (timeoutMs) => queue.wait({ timeoutMs }));
    await refusesLater("max", counts, (max) => queue.wait({ max }));
    await refusesLater("signal", [5, null, {}, "x"], (signal) => queue.wait({ signal }));
    await refusesLater("options", [5, null, "x"], (options) => queue.wait(options));
    await refusesLater("timeoutMs", times, (timeoutMs) => queue.events({ timeoutMs }).next());
    refuses("timeoutMs", times, (timeoutMs) => queue.eventsSync({ timeoutMs }).next());
  });

  test("a wait that nothing could end is refused", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue();
      assert.match(
        codeOf(() => queue.waitSync(), "EDEADLK"),
        /no source/,
      );
      assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
      // Without blocking it is fine: a source can be added meanwhile.
      const waiting = queue.wait();
      queue.add("late", userEvent(1)).trigger(1);
      assert.equal((await waiting).length, 1);
    });
  });

  test("registrations by descriptor number count, and are passed over", () => {
    const kernel = still();
    const queue = kernel.queue().add("mine", userEvent(1));
    const s = sys(kernel);
    const list = new KeventList(1).set(0, 99, EVFILT_USER, EV_ADD, 0x01000000);
    assert.equal(s.kevent(queue.fd, list, 1, null, 0, null), 0);
    queue.trigger(1);
    assert.deepEqual(
      queue.waitSync().map(({ tag }) => tag),
      ["mine"],
    );
  });

  test("several waits of one queue: each event goes to one", async () => {
    const kernel = still();
    const bell = kernel.bell();
    const queue = kernel.queue().add("ring", bell.rings());
    const waits = [queue.wait(), queue.wait({ timeoutMs: 100 }), queue.wait({ timeoutMs: 100 })];
    bell.ring();
    const first = await Promise.race(waits);
    assert.equal(first.length, 1);
    bell.ring();
    kernel.clock.advance(100);
    const all = await Promise.all(waits);
    assert.equal(all.flat().length, 2);
    assert.equal(kernel.usage().awaiters, 0);
  });

  test("a wait that finds something ends in order, and lets the event loop turn", async () => {
    const kernel = still();
    const channel = kernel.channel();
    for (let i = 0; i < 300; i++) channel.send(i);
    const queue = kernel.queue().add("n", channel.receive());
    let turned = false;
    setImmediate(() => {
      turned = true;
    });
    for (let i = 0; i < 300; i++) {
      const [event] = await queue.wait();
      assert.equal(event?.value, i);
    }
    assert.ok(turned, "something else had its turn in between");
  });
});

describe("events one by one", () => {
  test("nothing is collected before it is asked for", async () => {
    const kernel = still();
    const channel = kernel.channel();
    for (let i = 0; i < 4; i++) channel.send(i);
    const queue = kernel.queue().add("n", channel.receive());
    for await (const { value } of queue.events()) {
      assert.equal(value, 0);
      break;
    }
    for (const { value } of queue.eventsSync()) {
      assert.equal(value, 1);
      break;
    }
    assert.equal(channel.tryReceive(), 2);
  });

  test("loops end when the last source has", async () => {
    const kernel = still();
    const channel = kernel.channel();
    channel.send("only");
    channel.end();
    const queue = kernel.queue().add("word", channel.receive()).add("late", after(5));
    kernel.clock.advance(5);
    const seen: unknown[] = [];
    for await (const { tag, value, ended } of queue.events()) seen.push([tag, value, ended]);
    const expected = [
      ["word", "only", false],
      ["late", 1, false],
      ["word", undefined, true],
    ];
    assert.deepEqual(seen, expected);
    assert.deepEqual([...queue.eventsSync()], []);
  });

  test("loops end when nothing happened for timeoutMs", async () => {
    const kernel = boot({ arenaBytes: 1 << 20 });
    const queue = kernel.queue().add("never", userEvent(1));
    for await (const _ of queue.events({ timeoutMs: 1 })) assert.fail("there is no event");
    for (const _ of queue.eventsSync({ timeoutMs: 1 })) assert.fail("there is no event");
    kernel.close();
  });

  test("loops end when the queue is closed, waits fail", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("never", userEvent(1));
      const loop = (async () => {
        for await (const _ of queue.events()) assert.fail("there is no event");
        return "ended";
      })();
      const wait = rejection(queue.wait(), "EBADF");
      queue.close();
      assert.equal(await loop, "ended");
      assert.match(await wait, /queue was closed/);
      const rest = { awaiters: 0, registrations: 0, queues: 0, userEvents: 0 };
      const { awaiters, registrations, queues, userEvents } = kernel.usage();
      assert.deepEqual({ awaiters, registrations, queues, userEvents }, rest);
    });
  });
});
