// SPDX-License-Identifier: ISC
/**
 * Our own kernel, in three ways: `direct` does every step in one thread; `threads` has a caller and
 * a waker that take turns, so that nearly every effect is seen by the thread that did not cause it;
 * `api` is `direct` through the JavaScript face. Calls that sleep get a worker of their own.
 */
import type { CallStep, Case, Observed } from "../case.js";
import { observedText } from "../render.js";
import type { Machine } from "../run.js";
import { apiGate } from "./api-gate.js";
import { Pool, type StepWorker } from "./pool.js";
import { CALL_DEADLINE_MS, type Target, withDeadline } from "./target.js";
import type { Face } from "./worker.js";

/** A call that was begun, and its result when it has one. */
interface Begun {
  readonly fd: number;
  readonly worker: StepWorker;
  readonly result: Promise<Observed>;
  settled: boolean;
}

/** The descriptor that a sleeping call sleeps on. */
function sleepsOn(step: CallStep): number {
  if (step.call === "kevent" || step.call === "pollLoop") return Number(step.kq);
  if ("fd" in step) return Number(step.fd);
  throw new Error(`${step.call} never sleeps`);
}

/** Calls that are their owner's. */
function isOwned(step: CallStep): boolean {
  return /^(?:source|filter(?:Un)?[rR]egister)/.test(step.call);
}

class KnellMachine implements Machine {
  readonly #pool: Pool;
  readonly #turns: readonly StepWorker[];
  readonly #face: Face;
  readonly #joined = new Set<StepWorker>();
  readonly #begun = new Map<string, Begun>();
  #handle: unknown;
  #turn = 0;

  constructor(pool: Pool, turns: readonly string[], face: Face) {
    this.#pool = pool;
    this.#turns = turns.map((name) => pool.worker(name));
    this.#face = face;
  }

  async boot(one: Case): Promise<this> {
    const [first, ...others] = this.#turns;
    if (first === undefined) throw new Error("a machine needs a thread");
    const { clock = "manual", limits = {}, arenaBytes } = one;
    this.#handle = await first.ask({ kind: "boot", face: this.#face, clock, limits, arenaBytes });
    this.#joined.add(first);
    for (const other of others) await this.#join(other);
    return this;
  }

  async call(step: CallStep): Promise<Observed> {
    return (await this.#worker(step).ask({ kind: "call", step })) as Observed;
  }

  /** A source has an owner; everything else is done by whose turn it is. */
  #worker(step: CallStep): StepWorker {
    if (!isOwned(step)) return this.#next();
    const index = "elsewhere" in step && step.elsewhere ? this.#turns.length - 1 : 0;
    return this.#turns[index] ?? this.#next();
  }

  async begin(thread: string, step: CallStep, parks: boolean): Promise<void> {
    const worker = this.#pool.worker(thread);
    await this.#join(worker);
    const result = worker.request({ kind: "call", step }) as Promise<Observed>;
    const begun: Begun = { fd: sleepsOn(step), worker, result, settled: false };
    const settle = () => {
      begun.settled = true;
    };
    result.then(settle, settle);
    this.#begun.set(thread, begun);
    if (!parks) return;
    if (await this.#fallsAsleep(begun)) return;
    if (begun.settled) throw new Error(`${thread} returned ${observedText(await result)}`);
    throw new Error(`${thread} never fell asleep`);
  }

  async end(thread: string): Promise<Observed> {
    const { result } = this.#of(thread);
    const observed = await withDeadline(`the call in ${thread}`, result);
    this.#begun.delete(thread);
    return observed;
  }

  async blocked(thread: string): Promise<boolean> {
    return this.#fallsAsleep(this.#of(thread));
  }

  async race(threads: readonly string[]): Promise<{ thread: string; observed: Observed }> {
    const results = threads.map(async (thread) => {
      return { thread, observed: await this.#of(thread).result };
    });
    const first = await withDeadline(`any of ${threads.join(", ")}`, Promise.race(results));
    this.#begun.delete(first.thread);
    return first;
  }

  async audit(): Promise<readonly string[]> {
    return (await this.#next().ask({ kind: "audit" })) as string[];
  }

  /** Leaves the kernel in every thread. One in a call is a failed row's, and is terminated. */
  async close(): Promise<void> {
    for (const worker of [...this.#joined].reverse()) {
      if (worker.busy) await worker.terminate();
      if (worker.gone) continue;
      await worker.ask({ kind: "leave" }).catch(() => worker.terminate());
    }
  }

  #next(): StepWorker {
    const worker = this.#turns[this.#turn++ % this.#turns.length];
    if (worker === undefined) throw new Error("a machine needs a thread");
    return worker;
  }

  async #join(worker: StepWorker): Promise<void> {
    if (this.#joined.has(worker)) return;
    await worker.ask({ kind: "attach", face: this.#face, handle: this.#handle });
    this.#joined.add(worker);
  }

  #of(thread: string): Begun {
    const begun = this.#begun.get(thread);
    if (begun === undefined) throw new Error(`nothing was begun in ${thread}`);
    return begun;
  }

  /** Looks until the call sleeps (a sleeper may be looking at its wake just now) or returns. */
  async #fallsAsleep(begun: Begun): Promise<boolean> {
    const deadline = performance.now() + CALL_DEADLINE_MS;
    while (!begun.settled && performance.now() < deadline) {
      if (await this.#asleep(begun)) return !begun.settled;
    }
    return false;
  }

  /** The kernel shows as many sleepers on the descriptor as calls on it have not returned. */
  async #asleep(begun: Begun): Promise<boolean> {
    const open = [...this.#begun.values()].filter((one) => one.fd === begun.fd && !one.settled);
    const request = { kind: "waiters", fd: begun.fd } as const;
    const count = (await this.#next().ask(request)) as number;
    return open.length > 0 && count >= open.length;
  }
}

/** Steps in which a second thread is needed. */
const needsThreads = (one: Case): boolean => {
  return one.steps.some((step) => step.call === "begin" || "elsewhere" in step);
};

export class KnellTarget implements Target {
  readonly name: "direct" | "threads" | "api";
  readonly #pool = new Pool();

  constructor(name: "direct" | "threads" | "api") {
    this.name = name;
  }

  async unavailable(): Promise<string | null> {
    return null;
  }

  gate(one: Case): string | null {
    if (this.name === "threads") return null;
    if (needsThreads(one)) return "one thread cannot sleep and go on";
    return this.name === "api" ? apiGate(one) : null;
  }

  async open(one: Case): Promise<Machine> {
    const turns = this.name === "threads" ? ["caller", "waker"] : [this.name];
    const face = this.name === "api" ? "api" : "sys";
    return new KnellMachine(this.#pool, turns, face).boot(one);
  }

  async stop(): Promise<void> {
    await this.#pool.stop();
  }
}
