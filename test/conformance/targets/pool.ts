// SPDX-License-Identifier: ISC
/** Workers that do steps, kept from row to row; the thread that runs the tests never blocks. */
import { Worker } from "node:worker_threads";
import { withDeadline } from "./target.js";
import type { Reply, Request } from "./worker.js";

/** A worker and the requests it has not answered yet. */
export class StepWorker {
  readonly name: string;
  readonly #worker: Worker;
  readonly #open = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>();
  #last = 0;
  /** The worker has ended, or was told to. */
  gone = false;

  constructor(name: string) {
    this.name = name;
    this.#worker = new Worker(new URL("./worker.js", import.meta.url), { name });
    this.#worker.on("message", (reply: Reply) => this.#settle(reply));
    this.#worker.on("error", (error) => this.#fail(error));
    this.#worker.on("exit", () => this.#fail(new Error(`worker ${name} ended`)));
  }

  /** The answer of the worker, without a limit of time: for calls that sleep. */
  request(request: Request): Promise<unknown> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve, reject });
      this.#worker.postMessage({ id, request });
    });
  }

  /** The answer of the worker, which must come before the deadline. */
  ask(request: Request): Promise<unknown> {
    const what = request.kind === "call" ? request.step.call : request.kind;
    return withDeadline(`${what} in ${this.name}`, this.request(request));
  }

  /** It has not answered everything: it sleeps, or it is stuck. */
  get busy(): boolean {
    return this.#open.size > 0;
  }

  async terminate(): Promise<void> {
    this.gone = true;
    await this.#worker.terminate();
  }

  #settle(reply: Reply): void {
    const waiting = this.#open.get(reply.id);
    this.#open.delete(reply.id);
    if ("thrown" in reply) waiting?.reject(new Error(reply.thrown));
    else waiting?.resolve(reply.value);
  }

  #fail(error: Error): void {
    this.gone = true;
    for (const { reject } of this.#open.values()) reject(error);
    this.#open.clear();
  }
}

export class Pool {
  readonly #workers = new Map<string, StepWorker>();

  /** The worker of this name, a new one if the last was terminated. */
  worker(name: string): StepWorker {
    const kept = this.#workers.get(name);
    if (kept !== undefined && !kept.gone) return kept;
    const fresh = new StepWorker(name);
    this.#workers.set(name, fresh);
    return fresh;
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#workers.values()].map((worker) => worker.terminate()));
    this.#workers.clear();
  }
}
