// SPDX-License-Identifier: ISC
/**
 * A worker dies with a lock in its hand while the thread that spawned it is parked, so that only
 * the warden can hear of it: another worker needs that lock before it can wake the one that parks.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { boot, type Kernel, userEvent } from "knell";
import { SUPER, Super } from "#src/arena/superblock.js";
import { Kqueue, type KqueuePtr } from "#src/event/structs.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { curtable, Fdtable, fdHint } from "#src/kern/fdtable.js";
import { File } from "#src/kern/file.js";
import { lockOrder } from "#src/sync/order.js";
import type { Need } from "./parked-worker.js";

/** How long the main thread parks at most; when a lock is not given back, it does. */
const PARK_MS = 20_000;
/** A second for the recovery, and more for a machine that has other things to do. */
const WALL_MS = 5000;

interface Case {
  readonly lock: string;
  readonly need: Need;
  at(kernel: Kernel, queue: { readonly fd: number }): number;
}

const CASES: readonly Case[] = [
  {
    lock: "queue",
    need: "trigger",
    at: ({ thread }, { fd }) =>
      Kqueue.lock.at(File.object.load(thread, fdHint(thread, fd)) as number as KqueuePtr),
  },
  { lock: "table", need: "counter", at: ({ thread }) => Fdtable.lock.at(curtable(thread)) },
  { lock: "memory", need: "counter", at: () => Super.memoryLock.at(SUPER) },
  { lock: "filters", need: "filter", at: () => Super.filtersLock.at(SUPER) },
  { lock: "threads", need: "exits", at: () => Super.threadsLock.at(SUPER) },
  { lock: "nest", need: "nest", at: () => Super.nestLock.at(SUPER) },
];

for (const { lock, need, at } of CASES) {
  test(`the ${lock} lock comes back while the main thread is parked`, async () => {
    const kernel = boot({ arenaBytes: 8 << 20 });
    const inbox = kernel.queue().add("go", userEvent(1));
    const done = kernel.channel();
    const queue = kernel.queue().add("done", done.receive());
    const rank = lockOrder.find(({ name }) => name === lock)?.rank;
    const workerData = { need, word: at(kernel, inbox), rank };
    const witness = kernel.spawn(new URL("./parked-worker.js", import.meta.url), {
      share: { inbox, done },
      workerData,
    });
    const events = queue.waitSync({ timeoutMs: PARK_MS });
    const [event] = events;
    assert.ok(event !== undefined, `the ${lock} lock was not given back`);
    const [owner, tookMs] = event.value as [number, number];
    assert.ok(owner > 0, "it was held by the one that died");
    assert.ok(tookMs < WALL_MS, `${tookMs} ms`);
    await kernel.terminate(witness);
    assert.deepEqual(checkInvariants(kernel.thread), []);
    kernel.close();
  });
}
