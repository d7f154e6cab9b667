// SPDX-License-Identifier: ISC
/**
 * Random work with waits: some end by an event, some by their time, some are cancelled, some lose
 * their queue, some their object. Whatever happens, every wait ends, each message is seen once, and
 * nothing remains on any queue.
 */
import assert from "node:assert/strict";
import type { Channel, Kernel } from "knell";

/** A small generator of numbers that can be repeated. */
function random(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

interface Tally {
  sent: number;
  seen: Set<unknown>;
}

async function waitSomehow(
  kernel: Kernel,
  channel: Channel<number>,
  tally: Tally,
  pick: (below: number) => number,
): Promise<void> {
  const queue = kernel.queue().add("n", channel.receive());
  const controller = new AbortController();
  const options = [{}, { timeoutMs: 5 }, { signal: controller.signal }][pick(3)];
  const wait = queue.wait(options).then(
    (events) => {
      for (const { value, ended } of events) {
        if (ended) continue;
        assert.ok(!tally.seen.has(value), "a message is seen once");
        tally.seen.add(value);
      }
    },
    () => {},
  );
  const acts = [
    () => channel.send(tally.sent++),
    () => controller.abort(),
    () => kernel.clock.advance(5),
    () => queue.close(),
    () => queue.remove("n"),
  ];
  for (let i = pick(3); i >= 0; i--) {
    try {
      acts[pick(acts.length)]?.();
    } catch {
      // The queue may be closed, or the source removed already.
    }
    if (pick(2) === 0) await null;
  }
  if (pick(2) === 0) await new Promise((resolve) => setImmediate(resolve));
  controller.abort();
  queue.close();
  await wait;
}

/** Rounds of random waits, ten of them at a time. */
export async function awaitRounds(make: () => Kernel, rounds: number): Promise<void> {
  for (let seed = 1; seed <= rounds; seed++) {
    const kernel = make();
    const channel = kernel.channel<number>();
    const tally: Tally = { sent: 0, seen: new Set() };
    const pick = random(seed);
    await Promise.all(Array.from({ length: 10 }, () => waitSomehow(kernel, channel, tally, pick)));
    let left = 0;
    while (channel.tryReceive() !== undefined) left++;
    assert.equal(tally.seen.size + left, tally.sent, `seed ${seed}: messages`);
    const { awaiters, registrations, queues } = kernel.usage();
    assert.deepEqual(
      { awaiters, registrations, queues },
      { awaiters: 0, registrations: 0, queues: 0 },
    );
    kernel.close();
  }
}
