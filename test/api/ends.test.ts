// SPDX-License-Identifier: ISC
/** Ending workers and hearing of it: kernel.terminate and kernel.reap. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import { boot } from "knell";
import {
  exitsOf,
  refuses,
  refusesLater,
  rejection,
  until,
  WORKER,
  withWorkers,
} from "./support.js";

describe("kernel.terminate", () => {
  test("ends a parked worker, and is fulfilled when nothing of it is left", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const parked = kernel.spawn(WORKER, { share, workerData: { role: "park" } }).unref();
      assert.equal(await share.done.receiveAsync(), 2);
      await until(() => kernel.usage().waiters === 1);
      const ends = [kernel.terminate(parked), kernel.terminate(parked)];
      assert.deepEqual(await Promise.all(ends), [1, 1]);
      const { threads, waiters, registrations } = kernel.usage();
      assert.deepEqual([threads, waiters, registrations], [1, 0, 0]);
      assert.equal(await kernel.terminate(parked), 1, "it has ended already");
    });
  });

  test("takes an adopted Worker or its handle, and tells the code of one that ended", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      for (const byHandle of [true, false]) {
        const worker = new Worker(WORKER, { workerData: { ...kernel.share(share), role: "park" } });
        const handle = kernel.adopt(worker);
        await share.done.receiveAsync();
        await until(() => kernel.usage().waiters === 1);
        assert.equal(await kernel.terminate(byHandle ? handle : worker), 1);
        assert.equal(kernel.usage().threads, 1);
      }
      const exit = kernel.spawn(WORKER, { workerData: { role: "exit", code: 7 } });
      assert.equal((await exitsOf(kernel, 3))[2]?.code, 7);
      assert.equal(await kernel.terminate(exit), 7);
    });
  });

  test("from a thread that does not keep the warden", async () => {
    await withWorkers(async (kernel) => {
      const done = kernel.channel();
      kernel.spawn(WORKER, { share: { done }, workerData: { role: "end" } });
      assert.equal(await done.receiveAsync(), 1);
      assert.deepEqual(
        (await exitsOf(kernel, 2)).map(({ code }) => code),
        [0, 1],
      );
    });
  });

  test("refuses what is no worker of this kernel; fails when the kernel is closed", async () => {
    await withWorkers(async (kernel) => {
      const other = boot({ arenaBytes: 4 << 20 });
      const strange = other.spawn(WORKER, { workerData: { role: "nothing" } });
      const none = [undefined, null, 5, "x", {}, kernel.queue(), strange];
      await refusesLater("worker", none, (worker) => kernel.terminate(worker));
      assert.equal(await other.terminate(strange), await other.terminate(strange));
      other.close();
      await rejection(other.terminate(strange), "EBADF");
    });
    const kernel = boot({ arenaBytes: 4 << 20 });
    const end = kernel.terminate(kernel.spawn(WORKER, { workerData: { role: "nothing" } }));
    kernel.close();
    await rejection(end, "EBADF");
  });
});

describe("kernel.reap", () => {
  test("releases what a worker held that nobody adopted, once", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const queue = kernel.queue().add("gone", kernel.exits());
      const before = kernel.usage();
      const workerData = { ...kernel.share(share), role: "park" };
      const worker = new Worker(WORKER, { workerData });
      const { threadId } = worker;
      await share.done.receiveAsync();
      await until(() => kernel.usage().waiters === 1);
      assert.equal(kernel.reap(worker), false, "it runs");
      assert.equal(kernel.usage().waiters, 1);
      await worker.terminate();
      assert.equal(kernel.usage().threads, 2);
      assert.equal(kernel.reap(threadId, { code: 4, name: "stray" }), true);
      const after = kernel.usage();
      for (const what of ["threads", "waiters", "registrations"] as const) {
        assert.equal(after[what], before[what], what);
      }
      assert.equal(kernel.reap(threadId), false, "it was reaped");
      const [event] = await queue.wait();
      assert.ok(event?.value !== undefined);
      const { thread, ...value } = event.value;
      assert.deepEqual(value, { worker: 0, name: "stray", code: 4, error: undefined });
      assert.ok(thread !== undefined);
      assert.deepEqual(await queue.wait({ timeoutMs: 0 }), [], "it is told once");
    });
  });

  test("takes nothing from one that runs, and leaves the warden's to the warden", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const spawned = kernel.spawn(WORKER, { share, workerData: { role: "park" } });
      await share.done.receiveAsync();
      const mine = new Worker(WORKER, { workerData: { ...kernel.share(share), role: "park" } });
      const adopted = kernel.adopt(mine);
      await share.done.receiveAsync();
      await until(() => kernel.usage().waiters === 2);
      // No number up to the youngest worker's is that of a thread that could be taken from.
      for (let threadId = 1; threadId <= mine.threadId; threadId++) {
        assert.equal(kernel.reap(threadId), false);
      }
      for (const worker of [spawned, mine, adopted]) assert.equal(kernel.reap(worker), false);
      const { threads, waiters } = kernel.usage();
      assert.deepEqual([threads, waiters], [3, 2]);
      assert.deepEqual(
        await Promise.all([spawned, adopted].map((x) => kernel.terminate(x))),
        [1, 1],
      );
      assert.equal(kernel.usage().threads, 1);
    });
  });

  test("is ahead of the exit event of an adopted one, whose end is told once", async () => {
    await withWorkers(async (kernel) => {
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const worker = new Worker(WORKER, { workerData: { ...kernel.share(share), role: "park" } });
      let reaped: boolean[] = [];
      // This listener is called before the kernel's.
      worker.on("exit", () => {
        reaped = [kernel.reap(worker), kernel.usage().threads === 1, !kernel.reap(worker)];
      });
      const { number } = kernel.adopt(worker);
      await share.done.receiveAsync();
      await until(() => kernel.usage().waiters === 1);
      assert.equal(await kernel.terminate(worker), 1);
      assert.deepEqual(reaped, [true, true, true]);
      const [exit] = await exitsOf(kernel, 1);
      assert.deepEqual([exit?.worker, exit?.code], [number, 1]);
      assert.ok(exit?.thread !== undefined);
      assert.equal(kernel.reap(worker), false);
    });
  });

  test("wrong arguments", async () => {
    await withWorkers(async (kernel) => {
      const ended = new Worker(WORKER, { workerData: { role: "nothing" } });
      await once(ended, "exit");
      const workers = [undefined, null, "1", {}, true, 1n, 0, -1, 0.5, 2 ** 31, ended];
      refuses("worker", workers, (worker) => kernel.reap(worker));
      refuses("options", [5, null, "x"], (options) => kernel.reap(1, options));
      refuses("code", ["1", 0.5, 2 ** 31], (code) => kernel.reap(1, { code }));
      refuses("name", [5, {}], (name) => kernel.reap(1, { name }));
      assert.equal(kernel.reap(2 ** 31 - 1), false);
      const done = kernel.channel();
      kernel.spawn(WORKER, { share: { done }, workerData: { role: "self" } });
      assert.equal(await done.receiveAsync(), "EINVAL", "the calling thread has not ended");
      await exitsOf(kernel, 1);
    });
  });
});
