// SPDX-License-Identifier: ISC
/** The body of the workers that the tests start: one role each, said in the workerData. */
import { threadId, workerData } from "node:worker_threads";
import {
  attach,
  type Bell,
  type Channel,
  type Counter,
  type Kernel,
  KernelError,
  type Pipe,
  type SharedQueue,
  type UserSource,
} from "knell";
import { sys } from "knell/sys";

interface Given {
  readonly kernel: Kernel;
  readonly jobs: Channel<unknown>;
  readonly done: Channel<unknown>;
  readonly bell: Bell;
  readonly counter: Counter;
  readonly pipe: Pipe;
  readonly inbox: SharedQueue;
  readonly source: UserSource;
}

const { role, ...data } = (workerData.workerData ?? workerData) as Record<string, unknown>;

function join(): Given {
  return attach(workerData) as unknown as Given;
}

const roles: Record<string, () => unknown> = {
  /** Finds no room to attach. */
  full() {
    try {
      join();
    } finally {
      Atomics.store(data["failed"] as Int32Array, 0, 1);
    }
  },

  /** Ends at once. */
  nothing() {},

  /** Attaches and ends. */
  visit() {
    join();
  },

  /** Says that it is there, then parks until it is terminated. */
  park() {
    const { kernel, done, bell } = join();
    const queue = kernel.queue().add("ring", bell.rings());
    done.send(kernel.usage().threads);
    queue.waitSync();
  },

  /** Owns a named filter with a source that is ready, says so, and parks. */
  own() {
    const { kernel, done, bell } = join();
    const source = kernel.filter("theirs").source(1);
    source.set({ readable: { data: 2 ** 40, flags: 3 } });
    const queue = kernel.queue().add("ring", bell.rings());
    done.send("ready");
    queue.waitSync();
  },

  /** Watches a source of the other side, says so, and says what becomes of it. */
  watch() {
    const { kernel, done, source } = join();
    const queue = kernel.queue().add("it", source.readable(), { edge: true });
    done.send("watching");
    for (const { value, ended, flags } of queue.eventsSync()) {
      done.send([value ?? null, ended, flags]);
      if (ended) break;
    }
    done.send(source.destroyed);
  },

  /** Sends each job back with its own mark, until the end. */
  echo() {
    const { kernel, jobs, done } = join();
    const queue = kernel.queue().add("job", jobs.receive());
    for (const { value, ended } of queue.eventsSync()) {
      if (ended) break;
      done.send([data["mark"] ?? 0, value]);
    }
  },

  /** Counts rings until the counter is raised. */
  listen() {
    const { kernel, bell, counter, done } = join();
    const queue = kernel.queue().add("ring", bell.rings()).add("stop", counter.takes());
    done.send("ready");
    let rings = 0;
    for (const { tag, value } of queue.eventsSync()) {
      if (tag === "stop") break;
      rings += Number(value);
    }
    done.send(rings);
  },

  /** Waits for a timer of the manual clock, in the way it is told. */
  async timer() {
    const { kernel, done } = join();
    const { after } = await import("knell");
    const queue = kernel.queue().add("due", after(Number(data["ms"])));
    done.send("ready");
    const [event] = data["async"] === true ? await queue.wait() : queue.waitSync();
    done.send([event?.tag, kernel.clock.now()]);
  },

  /** Waits with a time-out of the manual clock. */
  async timeout() {
    const { kernel, done, bell } = join();
    const queue = kernel.queue().add("ring", bell.rings());
    done.send("ready");
    const timeoutMs = Number(data["ms"]);
    const events =
      data["async"] === true ? await queue.wait({ timeoutMs }) : queue.waitSync({ timeoutMs });
    done.send([events.length, kernel.clock.now()]);
  },

  trigger() {
    const { inbox } = join();
    inbox.trigger(5, { data: 77, flags: 9 });
  },

  exit() {
    join();
    process.exit(Number(data["code"]));
  },

  throw() {
    join();
    throw new TypeError("thrown in the worker");
  },

  async reject() {
    join();
    await Promise.reject(new Error("rejected in the worker"));
  },

  /** Leaves in order, and then ends. */
  leave() {
    join().kernel.close();
  },

  /** Opens all kinds of things, awaits, and ends without closing anything. */
  async litter() {
    const { kernel, bell, done } = join();
    kernel.channel();
    kernel.pipe();
    kernel.counter();
    const queue = kernel.queue().add("ring", bell.rings());
    void queue.wait();
    void kernel.queue().add("ring", bell.rings()).wait();
    sys(kernel).kqueue();
    done.send("littered");
    if (data["park"] === true) queue.waitSync();
    process.exit(0);
  },

  /** Spawns from a thread that does not keep the warden. */
  spawn() {
    const { kernel, done } = join();
    kernel.spawn(new URL(import.meta.url), { share: { done }, workerData: { role: "hello" } });
    done.send("spawned");
  },

  /** Ends a worker that another thread's warden has started. */
  async end() {
    const { kernel, done } = join();
    const forever = "setInterval(() => {}, 1000)";
    const worker = kernel.spawn(new URL(`data:text/javascript,${forever}`)).unref();
    done.send(await kernel.terminate(worker));
  },

  /** Asks for its own end. */
  self() {
    const { kernel, done } = join();
    try {
      done.send(kernel.reap(threadId));
    } catch (error) {
      done.send(error instanceof KernelError ? error.code : String(error));
    }
  },

  /** Gives something to one object, and then to another. */
  feed() {
    const { one, two } = join() as unknown as { one: Channel | Counter | Pipe; two: typeof one };
    for (const [n, object] of [one, two].entries()) {
      if ("send" in object) object.send(n + 1);
      else if ("add" in object) object.add(n + 1);
      else object.writeSync(new Uint8Array([n + 1]));
    }
  },

  hello() {
    join().done.send("hello");
  },

  /** Blocks in receiving. */
  take() {
    const { jobs, done } = join();
    for (let job = jobs.receiveSync(); job !== undefined; job = jobs.receiveSync()) done.send(job);
    done.send("end");
  },

  /** Fills the channel it is given, with the thread asleep when that is full. */
  fill() {
    const { jobs } = join();
    for (let i = 0; i < Number(data["count"]); i++) jobs.send(`message ${i}`.padEnd(500));
    jobs.end();
  },

  /** Copies the pipe's bytes back as a message. */
  drain() {
    const { pipe, done } = join();
    pipe.closeWrite();
    let length = 0;
    let sum = 0;
    for (let bytes = pipe.readSync(); bytes !== null; bytes = pipe.readSync()) {
      length += bytes.length;
      for (const byte of bytes) sum += byte;
    }
    done.send([length, sum]);
  },

  /** Takes single units of a semaphore. */
  units() {
    const { counter, done } = join();
    for (let i = 0; i < Number(data["count"]); i++) done.send(counter.takeSync());
  },
};

await roles[String(role)]?.();
