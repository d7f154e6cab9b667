// SPDX-License-Identifier: ISC
/** Waiting without blocking: cancellation, time-outs, and one pending waitAsync for all of it. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { after, boot, every, userEvent } from "knell";
import { Loop, NEVER, type Waiting } from "#src/api/loop.js";
import { awaitRounds } from "./rounds.js";
import { rejection, small, still, withKernel } from "./support.js";

describe("cancelling", () => {
  test("an aborted wait throws the signal's reason and leaves nothing", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("never", userEvent(1));
      const controller = new AbortController();
      const wait = queue.wait({ signal: controller.signal });
      assert.equal(kernel.usage().awaiters, 1);
      const reason = new Error("enough");
      controller.abort(reason);
      await assert.rejects(wait, (error) => error === reason);
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("a signal that is aborted already is not waited for", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("now", userEvent(1));
      queue.trigger(1);
      const reason = { any: "value" };
      const signal = AbortSignal.abort(reason);
      await assert.rejects(queue.wait({ signal }), (error) => error === reason);
      await assert.rejects(queue.events({ signal }).next(), (error) => error === reason);
      assert.equal(queue.waitSync().length, 1, "the event is still there");
    });
  });

  test("a wait that has ended does not listen to its signal any more", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("go", userEvent(1));
      const controller = new AbortController();
      let listeners = 0;
      const { signal } = controller;
      const add = signal.addEventListener.bind(signal) as (...args: unknown[]) => void;
      const remove = signal.removeEventListener.bind(signal) as (...args: unknown[]) => void;
      signal.addEventListener = (...args: unknown[]) => {
        listeners++;
        add(...args);
      };
      signal.removeEventListener = (...args: unknown[]) => {
        listeners--;
        remove(...args);
      };
      const wait = queue.wait({ signal });
      assert.equal(listeners, 1);
      queue.trigger(1);
      await wait;
      assert.equal(listeners, 0);
      controller.abort();
    });
  });

  test("a loop over events throws the reason", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("go", userEvent(1));
      const controller = new AbortController();
      const seen: string[] = [];
      const loop = async (): Promise<void> => {
        for await (const { tag } of queue.events({ signal: controller.signal })) {
          seen.push(tag);
          setImmediate(() => controller.abort(new Error("stop")));
        }
      };
      queue.trigger(1);
      await assert.rejects(loop(), { message: "stop" });
      assert.deepEqual(seen, ["go"]);
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("50 races of abort against event: one of the two, never both, never neither", async () => {
    await withKernel(async (kernel) => {
      const channel = kernel.channel();
      const queue = kernel.queue().add("n", channel.receive());
      let received = 0;
      let aborted = 0;
      for (let i = 0; i < 50; i++) {
        const controller = new AbortController();
        const wait = queue.wait({ signal: controller.signal });
        const send = (): void => channel.send(i);
        const abort = (): void => controller.abort(new Error("race"));
        const [first, second] = i % 2 === 0 ? [send, abort] : [abort, send];
        // The event fires the record in either case; whether the wait hears first is the race.
        if (i % 3 === 0) queueMicrotask(second);
        first();
        if (i % 3 === 1) setImmediate(second);
        if (i % 3 === 2) second();
        try {
          const events = await wait;
          assert.deepEqual(
            events.map(({ value }) => value),
            [i],
          );
          received++;
          // An abort that comes too late must not break anything.
          controller.abort();
        } catch (error) {
          assert.equal((error as Error).message, "race");
          aborted++;
        }
        await new Promise((resolve) => setImmediate(resolve));
        if (received + aborted < i + 1) assert.fail("neither");
        const left = channel.tryReceive();
        if (left !== undefined) assert.equal(left, i);
      }
      assert.equal(received + aborted, 50);
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("many waits cancelled at once, on many queues", async () => {
    await withKernel(async (kernel) => {
      const bell = kernel.bell();
      const controller = new AbortController();
      const waits: Promise<unknown>[] = [];
      for (let i = 0; i < 30; i++) {
        const queue = kernel.queue().add("ring", bell.rings());
        waits.push(queue.wait({ signal: controller.signal }), queue.wait({ timeoutMs: 5 }));
      }
      assert.equal(kernel.usage().awaiters, 60);
      controller.abort(new Error("all"));
      assert.equal(kernel.usage().awaiters, 30);
      kernel.clock.advance(5);
      const results = await Promise.allSettled(waits);
      const kinds = results.map(({ status }) => status);
      assert.equal(kinds.filter((kind) => kind === "rejected").length, 30);
      assert.equal(kernel.usage().awaiters, 0);
    });
  });
});

describe("time-outs and timers", () => {
  test("manual clocks end waits when they are moved, not before", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("late", after(50)).add("never", userEvent(1));
      const short = queue.wait({ timeoutMs: 20 });
      const long = kernel.queue().add("never", userEvent(1)).wait({ timeoutMs: 100 });
      kernel.clock.advance(19);
      assert.equal(kernel.usage().awaiters, 2);
      kernel.clock.advance(1);
      assert.deepEqual(await short, []);
      const due = queue.wait();
      kernel.clock.advance(30);
      assert.deepEqual(
        (await due).map(({ tag }) => tag),
        ["late"],
      );
      kernel.clock.advance(50);
      assert.deepEqual(await long, []);
    });
  });

  test("real clocks: never early, also with fractions", async () => {
    const kernel = small();
    const queue = kernel.queue();
    for (const ms of [1, 2.5, 7]) {
      const from = kernel.clock.now();
      queue.add("late", after(ms));
      const events = await queue.wait();
      assert.equal(events.length, 1);
      assert.ok(kernel.clock.now() - from >= ms);
      const start = kernel.clock.now();
      assert.deepEqual(await kernel.queue().add("never", userEvent(1)).wait({ timeoutMs: ms }), []);
      assert.ok(kernel.clock.now() - start >= ms);
    }
    kernel.close();
  });

  test("a timer that is added while others wait longer is in time", async () => {
    const kernel = small();
    const queue = kernel.queue().add("never", userEvent(1));
    const long = queue.wait({ timeoutMs: 60_000 });
    queue.add("soon", after(2));
    assert.deepEqual(
      (await long).map(({ tag }) => tag),
      ["soon"],
    );
    kernel.close();
  });

  test("timeoutMs 0 looks once", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("go", userEvent(1));
      assert.deepEqual(await queue.wait({ timeoutMs: 0 }), []);
      queue.trigger(1);
      assert.equal((await queue.wait({ timeoutMs: 0 })).length, 1);
    });
  });

  test("a periodic timer counts what was missed", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("tick", every(10));
      const counts: number[] = [];
      for (const ms of [10, 5, 5, 35]) {
        kernel.clock.advance(ms);
        for (const { value } of await queue.wait({ timeoutMs: 0 })) counts.push(value ?? 0);
      }
      assert.deepEqual(counts, [1, 1, 3]);
    });
  });
});

describe("the thread's one pending wait", () => {
  /** Waits that nobody has notified yet, counted where they are made. */
  async function armedDuring(body: () => Promise<void>): Promise<{ most: number; left: number }> {
    const original = Atomics.waitAsync;
    let pending = 0;
    let most = 0;
    Atomics.waitAsync = ((...args: Parameters<typeof Atomics.waitAsync>) => {
      const result = original(...args);
      if (result.async) {
        pending++;
        most = Math.max(most, pending);
        void result.value.then(() => pending--);
      }
      return result;
    }) as typeof Atomics.waitAsync;
    try {
      await body();
      await new Promise((resolve) => setImmediate(resolve));
      await new Promise((resolve) => setImmediate(resolve));
    } finally {
      Atomics.waitAsync = original;
    }
    return { most, left: pending };
  }

  test("is one, whatever the number of queues, and none when nobody waits", async () => {
    await withKernel(async (kernel) => {
      const bell = kernel.bell();
      const { most, left } = await armedDuring(async () => {
        const queues = Array.from({ length: 10 }, () => kernel.queue().add("ring", bell.rings()));
        for (let round = 0; round < 5; round++) {
          const waits = queues.map((queue) => queue.wait());
          assert.equal(kernel.usage().awaiters, 10);
          bell.ring();
          await Promise.all(waits);
        }
        const controller = new AbortController();
        const waits = queues.map((queue) => queue.wait({ signal: controller.signal }));
        controller.abort();
        await Promise.allSettled(waits);
      });
      assert.equal(most, 1);
      assert.equal(left, 0);
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("is given up when the kernel is closed", async () => {
    const { left } = await armedDuring(async () => {
      await withKernel(async (kernel) => {
        const wait = rejection(kernel.queue().add("never", userEvent(1)).wait(), "EBADF");
        kernel.close();
        await wait;
      });
    });
    assert.equal(left, 0);
  });

  test("a thread that blocks takes its waits off the queues, and looks afterwards", async () => {
    await withKernel(async (kernel) => {
      const bell = kernel.bell();
      const other = kernel.queue().add("ring", bell.rings());
      const mine = kernel.queue().add("tick", every(10));
      const wait = other.wait();
      assert.equal(kernel.usage().awaiters, 1);
      kernel.clock.advance(10);
      bell.ring();
      // The event is there, but so far nobody turned the event loop; blocking must not lose it.
      assert.equal(mine.waitSync().length, 1);
      assert.deepEqual(
        (await wait).map(({ tag }) => tag),
        ["ring"],
      );
      assert.equal(kernel.usage().awaiters, 0);
    });
  });

  test("an event during a blocking wait reaches the other wait after it", async () => {
    const kernel = small();
    const bell = kernel.bell();
    const other = kernel.queue().add("ring", bell.rings());
    const wait = other.wait();
    const mine = kernel.queue().add("late", after(2));
    assert.equal(mine.waitSync().length, 1);
    assert.equal(kernel.usage().awaiters, 1, "it is parked again");
    bell.ring();
    assert.equal((await wait).length, 1);
    kernel.close();
  });

  test("records are used again: the arena does not grow with the number of waits", async () => {
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("go", userEvent(1));
      const once = async (): Promise<void> => {
        const wait = queue.wait();
        queue.trigger(1);
        assert.equal((await wait).length, 1);
      };
      await once();
      const before = kernel.usage().usedBytes;
      for (let i = 0; i < 200; i++) await once();
      assert.equal(kernel.usage().usedBytes, before);
    });
  });

  test("random waits, events, aborts, closes and clock moves leave nothing behind", async () => {
    await awaitRounds(still, 40);
  });
});

describe("without Atomics.waitAsync", () => {
  test("waiting says so, and blocking works", async () => {
    const original = Atomics.waitAsync;
    await withKernel(async (kernel) => {
      const queue = kernel.queue().add("go", userEvent(1));
      try {
        Reflect.set(Atomics, "waitAsync", undefined);
        await rejection(queue.wait(), "ENOSYS");
        queue.trigger(1);
        assert.equal((await queue.wait()).length, 1, "what is there needs no waiting");
      } finally {
        Reflect.set(Atomics, "waitAsync", original);
      }
      assert.equal(kernel.usage().awaiters, 0);
    });
  });
});

test("a loop over events ends when its last source is removed while it waits", async () => {
  await withKernel(async (kernel) => {
    const queue = kernel.queue().add("a", userEvent(1)).add("b", userEvent(2));
    const seen: string[] = [];
    const loop = (async () => {
      for await (const { tag } of queue.events()) seen.push(tag);
    })();
    queue.trigger(1);
    while (seen.length === 0) await new Promise(setImmediate);
    queue.remove("a");
    const wait = queue.wait();
    queue.remove("b");
    await loop;
    assert.deepEqual(seen, ["a"]);
    queue.add("c", userEvent(3));
    queue.trigger(3);
    assert.equal((await wait)[0]?.tag, "c", "a wait that is no loop goes on");
  });
});

test("memory that runs out is ENOMEM, and waiting works again afterwards", async () => {
  const kernel = boot({ arenaBytes: 1 << 20, clock: "manual" });
  const queue = kernel.queue().add("go", userEvent(1));
  kernel.thread.failAllocation = 1;
  await rejection(queue.wait(), "ENOMEM");
  const wait = queue.wait();
  queue.trigger(1);
  assert.equal((await wait).length, 1);
  kernel.close();
});

test("the loop is told nothing it does not ask for", () => {
  const kernel = still();
  const loop = new Loop(kernel.thread);
  const never = { max: 1, deadline: NEVER, held: false } as Waiting;
  loop.cancel(never);
  assert.equal(loop.count, 0);
  assert.equal(
    loop.blocking(() => 5),
    5,
  );
  loop.end();
});
