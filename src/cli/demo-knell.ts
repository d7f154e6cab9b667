// SPDX-License-Identifier: ISC
/**
 * The team that talks through Knell: this thread and four workers. Whatever reaches this thread
 * reaches it in one wait too, which is awaited: what the workers have to say, their ends, Ctrl-C,
 * and a timer that moves the progress display.
 */
import { boot, type Channel, every, type Kernel, type WorkerExit } from "../api/index.js";
import type { FoundFile } from "./demo-files.js";
import { type CtrlC, Interrupted } from "./demo-run.js";
import { type Kind, MAIN, probeCtrlC, Samples, Stamps, type Team, WORKERS } from "./demo-team.js";
import type { FromWorker, Heard, Tools, WorkerExtra } from "./demo-worker.js";
import { nowNs } from "./stats.js";

const PROGRESS_MS = 100;
const ARENA_BYTES = 16 * 1024 * 1024;

type Digest = Extract<FromWorker, { kind: "digest" }>;
type Unread = Extract<FromWorker, { kind: "unread" }>;
type Bye = Extract<FromWorker, { kind: "bye" }>;

/** What has become of the jobs. */
export interface Outcome {
  readonly digests: (Digest | undefined)[];
  readonly unread: Unread[];
  /** Jobs that were answered more than once. */
  twice: number;
}

/** How the work of one worker goes, for the progress display. */
export interface Lane {
  jobs: number;
  bytes: number;
}

/** Something that this thread waits for. */
interface Goal {
  readonly met: () => boolean;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

export class KnellTeam implements Team {
  readonly samples = new Samples();
  readonly lanes: Lane[] = Array.from({ length: WORKERS + 1 }, () => ({ jobs: 0, bytes: 0 }));
  readonly outcome: Outcome = { digests: [], unread: [], twice: 0 };
  /** What was sent: rings of the bell, stops, signals. */
  readonly sent = { reload: 0, stop: 0, ctrlC: 0 };
  /** What this thread heard of Ctrl-C. */
  heardCtrlC = 0;
  /** Workers that ended by themselves. */
  wellEnded = 0;
  /** Called by the progress timer. */
  onProgress: () => void = () => {};
  readonly #ctrlC: CtrlC;
  readonly #kernel: Kernel = boot({ arenaBytes: ARENA_BYTES });
  readonly #stamps = new Stamps();
  readonly #tools: Omit<Tools, "notes">;
  readonly #notes: Channel<null>[] = [];
  readonly #queue;
  readonly #pump: Promise<void>;
  readonly #byes: Bye[] = [];
  /** Numbers of digests after which to ring. */
  readonly #ringAt: number[] = [];
  #ready = 0;
  #answered = 0;
  #gone = 0;
  #winding = false;
  #goal: Goal | null = null;
  #failure: unknown = null;

  constructor(ctrlC: CtrlC) {
    this.#ctrlC = ctrlC;
    const kernel = this.#kernel;
    this.#tools = {
      jobs: kernel.channel(),
      done: kernel.channel(),
      reload: kernel.bell(),
      ctrlC: kernel.bell(),
      stop: kernel.counter({ semaphore: true }),
    };
    this.#queue = kernel
      .queue()
      .add("done", this.#tools.done.receive())
      .add("gone", kernel.exits())
      .add("ctrl-c", this.#tools.ctrlC.rings())
      .add("progress", every(PROGRESS_MS));
    ctrlC.post = () => this.#ringCtrlC();
    for (let worker = 1; worker <= WORKERS; worker++) {
      const extra: WorkerExtra = { worker, times: this.#stamps.times };
      const notes = kernel.channel<null>();
      this.#notes.push(notes);
      kernel.spawn(new URL("./demo-worker.js", import.meta.url), {
        name: `knell demo ${worker}`,
        share: { ...this.#tools, notes },
        workerData: extra,
      });
    }
    this.#pump = this.#receive();
  }

  /** The only wait of this thread. */
  async #receive(): Promise<void> {
    try {
      while (this.#gone < WORKERS) {
        const events = await this.#queue.wait();
        const woke = nowNs();
        for (const event of events) {
          if (event.ended) continue;
          if (event.tag === "done") this.#message(event.value, woke);
          else if (event.tag === "gone") this.#workerGone(event.value);
          else if (event.tag === "ctrl-c") this.heardCtrlC += event.value;
          else this.onProgress();
        }
        if (this.#ctrlC.pressed && !this.#winding) this.#fail(new Interrupted());
        else this.#lookAtGoal();
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #message(message: FromWorker, woke: number): void {
    if (message.kind === "ready") this.#ready++;
    else if (message.kind === "bye") this.#byes.push(message);
    else if (message.kind === "digest" || message.kind === "unread") this.#jobDone(message);
    else {
      const { kind, worker, ns } = message;
      if (ns !== null) this.samples.add(kind, ns);
      if (kind === "note") this.samples.add("answer", woke - this.#stamps.read(worker));
      if (kind === "note" || kind === "job" || kind === "stop") this.#answered++;
    }
  }

  #jobDone(message: Digest | Unread): void {
    const { digests, unread } = this.outcome;
    const lane = this.lanes[message.worker] as Lane;
    this.#answered++;
    lane.jobs++;
    if (this.#ringAt[0] === this.#answered) {
      this.#ringAt.shift();
      this.ringReload();
    }
    if (message.kind === "unread") {
      unread.push(message);
      return;
    }
    lane.bytes += message.bytes;
    if (digests[message.index] !== undefined) this.outcome.twice++;
    digests[message.index] = message;
  }

  #workerGone({ name, code, error = "" }: WorkerExit): void {
    this.#gone++;
    if (code === 0) this.wellEnded++;
    if (this.#winding) return;
    this.#fail(new Error(`${name} ended with code ${code} before it was told to. ${error}`));
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#goal?.reject(error);
    this.#goal = null;
  }

  #lookAtGoal(): void {
    const goal = this.#goal;
    if (goal === null || !goal.met()) return;
    this.#goal = null;
    goal.resolve();
  }

  /** Wait until messages have made `met` true. */
  #until(met: () => boolean): Promise<void> {
    if (this.#failure !== null && !this.#winding) return Promise.reject(this.#failure);
    if (met()) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.#goal = { met, resolve, reject };
    });
  }

  #ringCtrlC(): void {
    this.sent.ctrlC++;
    this.#stamps.write(MAIN);
    this.#tools.ctrlC.ring();
  }

  ringReload(): void {
    this.sent.reload++;
    this.#stamps.write(MAIN);
    this.#tools.reload.ring();
  }

  /** Until all four workers are in their wait. */
  ready(): Promise<void> {
    return this.#until(() => this.#ready === WORKERS);
  }

  /** Have files hashed; `reloads` times, evenly spread, the bell is rung meanwhile. */
  async hash(files: readonly FoundFile[], reloads: number): Promise<void> {
    for (let i = 1; i <= reloads; i++) {
      this.#ringAt.push(Math.ceil((files.length * i) / (reloads + 1)));
    }
    this.#stamps.quietSince = Number.POSITIVE_INFINITY;
    for (const [index, { path, size, times }] of files.entries()) {
      await this.#tools.jobs.sendAsync({ index, path, size, times });
      this.#ctrlC.check();
    }
    await this.#until(() => this.#answered >= files.length);
  }

  quiet(): void {
    this.#stamps.quietSince = nowNs();
  }

  async probe(kind: Kind, times: number): Promise<void> {
    if (kind === "reload") {
      this.ringReload();
      await this.#until(() => this.#stamps.allHeard("reload", this.sent.reload));
    } else if (kind === "ctrl-c") {
      this.#stamps.drill = true;
      const target = this.sent.ctrlC + 1;
      const heard = this.#until(() => this.#stamps.allHeard("ctrl-c", target));
      await probeCtrlC(this.#ctrlC, () => this.#ringCtrlC(), heard);
      this.#stamps.drill = false;
    } else {
      const target = this.#answered + times;
      for (let i = 0; i < times; i++) this.#sendOne(kind, target - i);
      await this.#until(() => this.#answered >= target);
    }
  }

  #sendOne(kind: Kind, number: number): void {
    this.#stamps.write(MAIN);
    if (kind === "note") this.#notes[number % WORKERS]?.send(null);
    else if (kind === "job") this.#tools.jobs.send(null);
    else {
      this.sent.stop++;
      this.#tools.stop.add(1);
    }
  }

  /** No more jobs, and a stop for each worker; returns what they heard in their lives. */
  async stop(): Promise<Heard[]> {
    this.#winding = true;
    this.#tools.jobs.end();
    this.sent.stop += WORKERS;
    this.#tools.stop.add(WORKERS);
    await this.#until(() => this.#byes.length === WORKERS && this.#gone === WORKERS);
    await this.#pump;
    for (const { tickNs } of this.#byes) this.samples.list("tick").push(...tickNs);
    return this.#byes.map(({ heard }) => heard);
  }

  /** After a Ctrl-C, which the workers have heard too: until they are gone. */
  async leave(): Promise<void> {
    this.#winding = true;
    this.#failure = null;
    this.#stamps.over = true;
    this.#ringCtrlC();
    await this.#until(() => this.#gone === WORKERS);
  }

  close(): void {
    this.#ctrlC.post = null;
    this.#kernel.close();
  }
}
