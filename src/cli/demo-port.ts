// SPDX-License-Identifier: ISC
/** The team that talks by MessagePort: the same wakes without Knell. */
import { parentPort, Worker } from "node:worker_threads";
import type { CtrlC } from "./demo-run.js";
import {
  type Answer,
  type Kind,
  MAIN,
  probeCtrlC,
  Samples,
  Stamps,
  type Team,
  WORKERS,
} from "./demo-team.js";
import { nowNs } from "./stats.js";

export interface PortData {
  readonly times: Float64Array<SharedArrayBuffer>;
  readonly worker: number;
}

/** What the worker does: say how long it took to wake. */
export function portMain({ times, worker }: PortData): void {
  const stamps = new Stamps(times);
  parentPort?.on("message", (kind: Kind) => {
    const ns = nowNs() - stamps.read(MAIN);
    const answer: Answer = { kind, worker, ns };
    stamps.write(worker);
    parentPort?.postMessage(answer);
  });
}

export class PortTeam implements Team {
  readonly samples = new Samples();
  readonly #stamps = new Stamps();
  readonly #workers: Worker[] = [];
  readonly #ctrlC: CtrlC;
  #awaited = 0;
  #allAnswered: () => void = () => {};
  #next = 0;

  constructor(ctrlC: CtrlC) {
    this.#ctrlC = ctrlC;
    for (let worker = 1; worker <= WORKERS; worker++) {
      const data: PortData = { times: this.#stamps.times, worker };
      const thread = new Worker(new URL("./demo-peers.js", import.meta.url), {
        workerData: { role: "port", ...data },
      });
      thread.on("message", (answer: Answer) => this.#answered(answer));
      this.#workers.push(thread);
    }
  }

  #answered({ worker, kind, ns }: Answer): void {
    const answerNs = nowNs() - this.#stamps.read(worker);
    if (ns !== null) this.samples.add(kind, ns);
    if (kind === "note") this.samples.add("answer", answerNs);
    if (--this.#awaited === 0) this.#allAnswered();
  }

  #answers(count: number): Promise<void> {
    this.#awaited = count;
    return new Promise((resolve) => {
      this.#allAnswered = resolve;
    });
  }

  async probe(kind: Kind, times: number): Promise<void> {
    if (kind === "note" || kind === "job" || kind === "stop") {
      // A port belongs to one worker; the sleeping ones take turns, as in a pool.
      const answered = this.#answers(times);
      for (let i = 0; i < times; i++) {
        this.#next = (this.#next + 1) % WORKERS;
        this.#stamps.write(MAIN);
        this.#workers[this.#next]?.postMessage(kind);
      }
      return answered;
    }
    const answered = this.#answers(WORKERS);
    const post = (): void => {
      this.#stamps.write(MAIN);
      for (const worker of this.#workers) worker.postMessage(kind);
    };
    if (kind === "ctrl-c") return probeCtrlC(this.#ctrlC, post, answered);
    post();
    return answered;
  }

  /** Ports have no timers. */
  quiet(): void {}

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
