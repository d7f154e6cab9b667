// SPDX-License-Identifier: ISC
/** The same waits as in demo-naive.ts with a queue of Knell, counted in the same way. */
import { atomicNotify } from "#atomics";
import { boot, every } from "../api/index.js";
import type { Leak, Thefts } from "./demo-naive.js";
import { Late, type Run, sleep } from "./demo-run.js";

/** Small, since every word of it is notified afterwards. */
const ARENA_BYTES = 1024 * 1024;
const PATIENCE_MS = 2000;
const FAR_AWAY_MS = 3_600_000;

/** The kernel's memory, all of it. */
function notifyEveryWord(words: Int32Array): number {
  let left = 0;
  for (let at = 0; at < words.length; at++) {
    left += atomicNotify(words, at, Number.POSITIVE_INFINITY);
  }
  return left;
}

/**
 * Wait for a job, a reload, a stop or a tick, again and again. Each wait is ended by a job, or, if
 * `cancelled`, by an AbortSignal. The result counts the waiters that are left then.
 */
export async function knellWaits(
  run: Run,
  waits: number,
  cancelled: boolean,
  waited: () => void,
): Promise<() => Promise<Leak>> {
  const kernel = boot({ arenaBytes: ARENA_BYTES });
  const jobs = kernel.channel<number>();
  const reload = kernel.bell();
  const stop = kernel.counter();
  const queue = kernel
    .queue()
    .add("job", jobs.receive())
    .add("reload", reload.rings())
    .add("stop", stop.takes())
    .add("tick", every(FAR_AWAY_MS));
  for (let i = 0; i < waits; i++) {
    if (cancelled) {
      const controller = new AbortController();
      const any = queue.wait({ signal: controller.signal });
      controller.abort();
      await any.catch(() => {});
    } else {
      const any = queue.wait();
      jobs.send(i);
      await any;
    }
    waited();
    run.ctrlC.check();
  }
  return async () => {
    const left = notifyEveryWord(kernel.thread.a);
    for (const object of [queue, jobs, reload, stop]) object.close();
    kernel.close();
    return { waits, left };
  };
}

/**
 * This thread waits for a job or a tick, and is done waiting: by its tick, or, every other time,
 * because it cancelled. Then a worker sleeps until there is a job, and one is sent. Who hears it?
 */
export async function knellThefts(run: Run, rounds: number, woken: () => void): Promise<Thefts> {
  const kernel = boot({ arenaBytes: ARENA_BYTES });
  const tools = {
    turns: kernel.channel<number>(),
    jobs: kernel.channel<number>(),
    answers: kernel.channel<string>(),
  };
  const tick = kernel.bell();
  const queue = kernel.queue().add("job", tools.jobs.receive()).add("tick", tick.rings());
  kernel.spawn(new URL("./demo-sleeper.js", import.meta.url), { share: tools });
  let heard = 0;
  try {
    for (let i = 0; i < rounds; i++) {
      const controller = new AbortController();
      const any = queue.wait({ signal: controller.signal });
      if (i % 2 === 0) tick.ring();
      else controller.abort();
      await any.catch(() => {});

      tools.turns.send(i);
      const asleep = await tools.answers.receiveAsync({ timeoutMs: PATIENCE_MS });
      if (asleep === undefined) throw new Late("a worker to fall asleep");
      await sleep(1);
      tools.jobs.send(i);
      const answer = await tools.answers.receiveAsync({ timeoutMs: PATIENCE_MS });
      if (answer === undefined) break;
      heard++;
      woken();
      run.ctrlC.check();
    }
  } finally {
    tools.turns.end();
    for (const object of [queue, tick]) object.close();
    kernel.close();
  }
  return { jobs: rounds, heard, stolen: rounds - heard };
}
