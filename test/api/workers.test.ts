// SPDX-License-Identifier: ISC
/** Workers: started by the warden or by the program, talking, and ending in every way. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { boot, type Kernel, type Shareable, userEvent, type WorkerExit } from "knell";
import { codeOf, exitsOf, NO_INTEGERS, refuses, until, WORKER, withWorkers } from "./support.js";

describe("spawned workers", () => {
  test("four share out jobs, and each end is heard", async () => {
    await withWorkers(async (kernel) => {
      const jobs = kernel.channel<number>();
      const done = kernel.channel<[mark: number, job: number]>();
      const numbers = [1, 2, 3, 4].map((mark) => {
        const workerData = { role: "echo", mark };
        const name = `echo ${mark}`;
        return kernel.spawn(WORKER, { share: { jobs, done }, workerData, name }).number;
      });
      for (let i = 0; i < 200; i++) await jobs.sendAsync(i);
      jobs.end();
      const seen = new Set<number>();
      while (seen.size < 200) {
        const message = await done.receiveAsync();
        assert.ok(message !== undefined && !seen.has(message[1]));
        seen.add(message[1]);
      }
      const exits = await exitsOf(kernel, 4);
      assert.deepEqual(
        exits.map(({ worker }) => worker),
        numbers,
      );
      for (const [i, exit] of exits.entries()) {
        assert.equal(exit.name, `echo ${i + 1}`);
        assert.equal(exit.code, 0);
        assert.equal(exit.error, undefined);
        assert.ok((exit.thread ?? 0) > 1);
      }
      assert.equal(kernel.usage().threads, 1);
    });
  });

  test("the spawner may block at once, and still hears everything", async () => {
    await withWorkers(async (kernel) => {
      const jobs = kernel.channel<string>();
      const done = kernel.channel();
      kernel.spawn(WORKER, { share: { jobs, done }, workerData: { role: "echo" } });
      jobs.send("at once");
      jobs.end();
      const queue = kernel.queue().add("done", done.receive()).add("gone", kernel.exits());
      const seen: string[] = [];
      for (const { tag } of queue.eventsSync()) {
        seen.push(tag);
        if (tag === "gone") break;
      }
      assert.deepEqual(seen, ["done", "gone"]);
    });
  });

  test("every listener hears every ring once", async () => {
    await withWorkers(async (kernel) => {
      const share = {
        bell: kernel.bell(),
        counter: kernel.counter({ semaphore: true }),
        done: kernel.channel(),
      };
      for (let i = 0; i < 3; i++) kernel.spawn(WORKER, { share, workerData: { role: "listen" } });
      for (let i = 0; i < 3; i++) assert.equal(share.done.receiveSync(), "ready");
      for (let i = 0; i < 5; i++) share.bell.ring();
      share.counter.add(3);
      for (let i = 0; i < 3; i++) assert.equal(await share.done.receiveAsync(), 5);
      assert.ok((await exitsOf(kernel, 3)).every(({ code }) => code === 0));
    });
  });

  test("blocking calls of other threads: receive, send, read, take, trigger", async () => {
    await withWorkers(async (kernel) => {
      const jobs = kernel.channel({ bytes: 4096 });
      const done = kernel.channel();
      const counter = kernel.counter({ semaphore: true });
      const pipe = kernel.pipe({ bytes: 4096 });
      const spawn = (role: string, more: object = {}): void => {
        const inbox = queue;
        const share = { jobs, done, counter, pipe, inbox };
        kernel.spawn(WORKER, { share, workerData: { role, ...more } });
      };
      const queue = kernel.queue().add("go", userEvent(5));
      spawn("trigger");
      assert.deepEqual(await queue.wait(), [{ tag: "go", value: 77, ended: false, flags: 9 }]);

      spawn("units", { count: 3 });
      counter.add(3);
      for (let i = 0; i < 3; i++) assert.equal(await done.receiveAsync(), 1);

      spawn("drain");
      const bytes = new Uint8Array(100_000).map((_, i) => i);
      await pipe.write(bytes);
      pipe.closeWrite();
      const sum = bytes.reduce((all, byte) => all + byte, 0);
      assert.deepEqual(await done.receiveAsync(), [100_000, sum]);

      spawn("fill", { count: 100 });
      for (let i = 0; i < 100; i++) {
        assert.equal(String(await jobs.receiveAsync()).trim(), `message ${i}`);
      }
      assert.equal(await jobs.receiveAsync(), undefined);
      await exitsOf(kernel, 4);
    });
  });

  test("what a blocking call finds is not what other waits find after it", async () => {
    await withWorkers(async (kernel) => {
      const feed = (one: Shareable, two: Shareable): void => {
        kernel.spawn(WORKER, { share: { one, two }, workerData: { role: "feed" } });
      };
      const channels = [kernel.channel(), kernel.channel()] as const;
      const message = channels[0].receiveAsync();
      feed(...channels);
      assert.equal(channels[1].receiveSync(), 2);
      assert.equal(await message, 1);

      const queue = kernel.queue().add("a", channels[0].receive()).add("b", channels[1].receive());
      const events = queue.wait();
      feed(...channels);
      const first = queue.waitSync({ max: 1 });
      assert.deepEqual(
        [...first, ...(await events)].map(({ value }) => value),
        [1, 2],
      );

      const counters = [kernel.counter(), kernel.counter()] as const;
      const count = counters[0].take();
      feed(...counters);
      assert.equal(counters[1].takeSync(), 2);
      assert.equal(await count, 1);

      const pipes = [kernel.pipe(), kernel.pipe()] as const;
      const bytes = pipes[0].read();
      feed(...pipes);
      assert.deepEqual(pipes[1].readSync(), new Uint8Array([2]));
      assert.deepEqual(await bytes, new Uint8Array([1]));
      await exitsOf(kernel, 4);
    });
  });

  test("its own data, and paths as well as URLs", async () => {
    await withWorkers(async (kernel) => {
      const done = kernel.channel();
      const { pathname } = WORKER;
      kernel.spawn(pathname, { share: { done }, workerData: { role: "hello" } });
      kernel.spawn(WORKER.href, { share: { done }, workerData: { role: "hello" } });
      assert.equal(await done.receiveAsync(), "hello");
      assert.equal(await done.receiveAsync(), "hello");
      await exitsOf(kernel, 2);
    });
  });

  test("a thread that does not keep the warden spawns too", async () => {
    await withWorkers(async (kernel) => {
      const done = kernel.channel();
      kernel.spawn(WORKER, { share: { done }, workerData: { role: "spawn" } });
      const messages = [await done.receiveAsync(), await done.receiveAsync()];
      assert.deepEqual(messages.sort(), ["hello", "spawned"]);
      const exits = await exitsOf(kernel, 2);
      assert.deepEqual(
        exits.map(({ worker, code }) => [worker, code]),
        [
          [1, 0],
          [2, 0],
        ],
      );
    });
  });

  test("wrong arguments", async () => {
    await withWorkers(async (kernel) => {
      const urls = [undefined, null, 5, "", "http://", {}];
      refuses("url", urls, (url) => kernel.spawn(url));
      refuses("options", [5, null, "x"], (options) => kernel.spawn(WORKER, options));
      refuses(
        "name",
        NO_INTEGERS.filter((value) => typeof value !== "string" && value !== null),
        (name) => kernel.spawn(WORKER, { name }),
      );
      refuses("thing", [5, {}], (thing) => kernel.spawn(WORKER, { share: { thing } }));
      refuses("workerData", [() => {}], (workerData) => kernel.spawn(WORKER, { workerData }));
      refuses("thing", [5, {}], (thing) => kernel.spawn(WORKER, { share: { thing } }));
      kernel.spawn(WORKER, { workerData: { role: "visit" } });
      assert.equal((await exitsOf(kernel, 1))[0]?.code, 0, "nothing was harmed");
      refuses("worker", [undefined, null, 5, {}, "x"], (worker) => kernel.adopt(worker));
      refuses("name", [5, {}], (name) => kernel.adopt({}, { name }));
    });
  });
});

describe("a worker's end", () => {
  /** Start one worker in a role, and say how it ended. */
  async function endOf(kernel: Kernel, data: object): Promise<WorkerExit> {
    const { number } = kernel.spawn(WORKER, { workerData: data });
    const [exit] = await exitsOf(kernel, 1);
    assert.equal(exit?.worker, number);
    return exit;
  }

  test("normal, by code, by error, by rejection, by leaving first, without attaching", async () => {
    await withWorkers(async (kernel) => {
      const normal = await endOf(kernel, { role: "visit" });
      assert.deepEqual([normal.code, normal.error], [0, undefined]);
      assert.ok(normal.thread !== undefined);
      const exit = await endOf(kernel, { role: "exit", code: 7 });
      assert.deepEqual([exit.code, exit.error], [7, undefined]);
      const thrown = await endOf(kernel, { role: "throw" });
      assert.equal(thrown.code, 1);
      assert.match(thrown.error ?? "", /TypeError: thrown in the worker/);
      const rejected = await endOf(kernel, { role: "reject" });
      assert.equal(rejected.code, 1);
      assert.match(rejected.error ?? "", /rejected in the worker/);
      const left = await endOf(kernel, { role: "leave" });
      assert.deepEqual([left.code, left.thread], [0, undefined]);
      const nothing = await endOf(kernel, { role: "nothing" });
      assert.deepEqual([nothing.code, nothing.thread], [0, undefined]);
      assert.equal(kernel.usage().threads, 1);
    });
  });

  test("of one whose module does not exist or does not parse", async () => {
    await withWorkers(async (kernel) => {
      kernel.spawn(new URL("./no-such-module.js", import.meta.url), { name: "lost" });
      const [lost] = await exitsOf(kernel, 1);
      assert.equal(lost?.code, 1);
      assert.equal(lost?.name, "lost");
      assert.match(lost?.error ?? "", /no-such-module/);
      kernel.spawn(new URL("data:text/javascript,this is no code"));
      const [bad] = await exitsOf(kernel, 1);
      assert.equal(bad?.code, 1);
      assert.match(bad?.error ?? "", /SyntaxError/);
    });
  });

  test("while it is parked in a wait: nothing of it remains", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const { descriptors } = kernel.usage();
      const worker = kernel.spawn(WORKER, { share, workerData: { role: "park" } });
      assert.equal(await share.done.receiveAsync(), 2);
      await until(() => kernel.usage().waiters === 1);
      worker.terminate();
      const [exit] = await exitsOf(kernel, 1);
      assert.equal(exit?.worker, worker.number);
      assert.equal(exit?.code, 1);
      const usage = kernel.usage();
      assert.equal(usage.threads, 1);
      assert.equal(usage.waiters, 0);
      assert.equal(usage.registrations, 0);
      // The exits' channel came with the first spawn, a queue with receiveAsync.
      assert.equal(usage.descriptors, descriptors + 2);
      share.bell.ring();
      worker.terminate();
    });
  });

  test("releases all that its handles owned, parked or not, and its waits", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      for (const park of [false, true, false]) {
        const worker = kernel.spawn(WORKER, { share, workerData: { role: "litter", park } });
        assert.equal(share.done.receiveSync(), "littered");
        if (park) {
          await until(() => kernel.usage().waiters === 1);
          worker.terminate();
        }
        await exitsOf(kernel, 1);
        const { awaiters, waiters, registrations } = kernel.usage();
        assert.deepEqual(
          { awaiters, waiters, registrations },
          {
            awaiters: 0,
            waiters: 0,
            registrations: 0,
          },
        );
      }
      // Three queues were made by number: they are the process's, not the threads'.
      assert.equal(kernel.usage().queues, 3);
      const { usedBytes, threads } = kernel.usage();
      kernel.spawn(WORKER, { share, workerData: { role: "visit" } });
      await exitsOf(kernel, 1);
      assert.equal(kernel.usage().usedBytes, usedBytes);
      assert.equal(threads, 1);
    });
  });

  test("leaves the work to the one that is left", async () => {
    await withWorkers(async (kernel) => {
      const jobs = kernel.channel();
      const done = kernel.channel();
      const share = { jobs, done };
      const first = kernel.spawn(WORKER, { share, workerData: { role: "take" } });
      kernel.spawn(WORKER, { share, workerData: { role: "take" } });
      await until(() => kernel.usage().threads === 3);
      // It is parked, and nothing is sent before its end is known: it cannot die inside a call.
      first.terminate();
      await exitsOf(kernel, 1);
      for (let i = 0; i < 10; i++) jobs.send(i);
      jobs.end();
      const seen: unknown[] = [];
      for (;;) {
        const message = await done.receiveAsync({ timeoutMs: 10_000 });
        if (message === "end") break;
        assert.notEqual(message, undefined, "the other one takes what is left");
        seen.push(message);
      }
      assert.equal(seen.length, 10);
      await exitsOf(kernel, 1);
    });
  });

  test("is heard by every thread, each end once, and later by who listens later", async () => {
    await withWorkers(async (kernel) => {
      kernel.spawn(WORKER, { workerData: { role: "nothing" } });
      // Nobody listens yet; the end is kept.
      const one = await exitsOf(kernel, 1);
      assert.equal(one.length, 1);
      const two = kernel.queue().add("a", kernel.exits()).add("b", kernel.exits());
      kernel.spawn(WORKER, { workerData: { role: "nothing" } });
      const tags = new Set<string>();
      while (tags.size < 2) for (const { tag } of await two.wait()) tags.add(tag);
      assert.deepEqual(await two.wait({ timeoutMs: 0 }), []);
      two.close();
    });
  });

  test("many at once, none lost", async () => {
    await withWorkers(async (kernel) => {
      const count = 12;
      for (let i = 0; i < count; i++) kernel.spawn(WORKER, { workerData: { role: "visit" } });
      const exits = await exitsOf(kernel, count);
      assert.equal(new Set(exits.map(({ worker }) => worker)).size, count);
      assert.equal(kernel.usage().threads, 1);
    });
  });

  test("a full table of threads delays the news, but loses none", async () => {
    const kernel = boot({ arenaBytes: 4 << 20, limits: { threads: 2 } });
    const share = { bell: kernel.bell(), done: kernel.channel() };
    const parked = kernel.spawn(WORKER, { share, workerData: { role: "park" } });
    assert.equal(await share.done.receiveAsync(), 2);
    const failed = new Int32Array(new SharedArrayBuffer(4));
    const second = kernel.spawn(WORKER, { workerData: { role: "full", failed } });
    const queue = kernel.queue().add("exit", kernel.exits());
    const pending = queue.wait();
    // Its end cannot be told while both slots are taken.
    await until(() => Atomics.load(failed, 0) === 1);
    parked.terminate();
    const exits = [...(await pending), ...(await queue.wait())].map(({ value }) => value);
    const numbers = exits.map((exit) => exit?.worker).sort();
    assert.deepEqual(numbers, [parked.number, second.number]);
    assert.match(exits.find((exit) => exit?.worker === second.number)?.error ?? "", /EAGAIN/);
    kernel.close();
  });
});

describe("adopted workers", () => {
  test("join by share, and their end is an event", async () => {
    await withWorkers(async (kernel) => {
      const done = kernel.channel();
      const start = (data: object): Worker =>
        new Worker(WORKER, { workerData: { ...kernel.share({ done }), ...data } });
      const worker = start({ role: "hello" });
      const { number, name } = kernel.adopt(worker, { name: "mine" });
      assert.equal(name, "mine");
      assert.equal(await done.receiveAsync(), "hello");
      const [exit] = await exitsOf(kernel, 1);
      assert.deepEqual([exit?.worker, exit?.name, exit?.code], [number, "mine", 0]);
      assert.equal(kernel.usage().threads, 1);
      codeOf(() => kernel.adopt(worker), "EINVAL");
    });
  });

  test("errors stay the program's affair, and are told", async () => {
    await withWorkers(async (kernel) => {
      const workerData = { ...kernel.share(), role: "throw" };
      const worker = new Worker(WORKER, { workerData });
      const errors: Error[] = [];
      worker.on("error", (error) => void errors.push(error));
      kernel.adopt(worker);
      const [exit] = await exitsOf(kernel, 1);
      assert.equal(errors.length, 1);
      assert.match(exit?.error ?? "", /thrown in the worker/);
      assert.equal(exit?.code, 1);
    });
  });

  test("can be terminated by their handle while they are parked", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const workerData = { ...kernel.share(share), role: "park" };
      const handle = kernel.adopt(new Worker(WORKER, { workerData }));
      await share.done.receiveAsync();
      await until(() => kernel.usage().waiters === 1);
      handle.terminate();
      const [exit] = await exitsOf(kernel, 1);
      assert.equal(exit?.worker, handle.number);
      assert.equal(kernel.usage().waiters, 0);
      assert.equal(kernel.usage().threads, 1);
    });
  });
});

describe("manual clocks across threads", () => {
  for (const async of [false, true]) {
    const how = async ? "awaits" : "blocks";
    test(`a thread that ${how} on a timer wakes when the clock is moved elsewhere`, async () => {
      const kernel = boot({ arenaBytes: 4 << 20, clock: "manual" });
      const done = kernel.channel();
      const workerData = { role: "timer", ms: 5000, async };
      kernel.spawn(WORKER, { share: { done }, workerData });
      assert.equal(await done.receiveAsync(), "ready");
      // Whether it sleeps already or is on its way to: the move is seen.
      kernel.clock.advance(4999);
      kernel.clock.advance(1);
      assert.deepEqual(await done.receiveAsync(), ["due", 5000]);
      await exitsOf(kernel, 1);
      kernel.close();
    });

    test(`a thread that ${how} with a time-out does`, async () => {
      const kernel = boot({ arenaBytes: 4 << 20, clock: "manual" });
      const share = { done: kernel.channel(), bell: kernel.bell() };
      kernel.spawn(WORKER, { share, workerData: { role: "timeout", ms: 300, async } });
      assert.equal(await share.done.receiveAsync(), "ready");
      const asleep = (): boolean => {
        const { waiters, awaiters } = kernel.usage();
        return (async ? awaiters : waiters) === 1;
      };
      await until(asleep);
      kernel.clock.advance(300);
      assert.deepEqual(await share.done.receiveAsync(), [0, 300]);
      await exitsOf(kernel, 1);
      kernel.close();
    });
  }
});
