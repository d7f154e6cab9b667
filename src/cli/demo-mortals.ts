// SPDX-License-Identifier: ISC
/**
 * Workers that are terminated at random moments of a loop of calls, and the thread that counts
 * what they took and what they answered.
 *
 * This thread hears of the ends itself, and recovers who has ended. So it makes no call in between:
 * what it called for might be in the hands of the dead.
 */
import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { boot, type Kernel } from "../api/index.js";
import { checkInvariants } from "../inspect/invariants.js";
import { isAttached, locksHeld } from "../inspect/threads.js";
import type { DeadHand } from "./demo-account.js";
import { Board, DRAINED, type MortalData, type MortalTools, READY } from "./demo-board.js";
import { Late, type Run, sleep, turn } from "./demo-run.js";

const ARENA_BYTES = 8 * 1024 * 1024;
const CHANNEL_BYTES = 2 * 1024 * 1024;
/** Jobs that are under way: more than the workers do while this thread waits for an end. */
const UNDER_WAY = 4000;
/** At an end there are so many left, so that everybody is busy. */
const LEFT = 800;
/** Messages that are taken and sent in one turn of the event loop. */
const SLICE = 1000;
/** What has not happened after so long will not. */
const PATIENCE_MS = 5000;
/** A pause of the whole machine counts as this. */
const STEP_MS_MAX = 50;

/** Time in which this thread could have seen what it waits for. */
class Patience {
  readonly #what: string;
  #spent = 0;
  #before = performance.now();

  constructor(what: string) {
    this.#what = what;
  }

  /** @throws Late if it has waited for too long */
  check(): void {
    const now = performance.now();
    this.#spent += Math.min(STEP_MS_MAX, now - this.#before);
    this.#before = now;
    if (this.#spent > PATIENCE_MS) throw new Late(`waited in vain for ${this.#what}`);
  }
}

interface Member {
  readonly number: number;
  readonly hostThread: number;
  readonly worker: Worker;
  readonly ended: Promise<unknown>;
  /** Classes of the locks that it held when its end was confirmed, before it was recovered. */
  locks: string[];
}

export class Mortals {
  /** How many times each job was answered, by number. */
  readonly answers: number[] = [];
  readonly dead: DeadHand[] = [];
  readonly #run: Run;
  readonly #kernel: Kernel = boot({ arenaBytes: ARENA_BYTES });
  readonly #tools: MortalTools;
  readonly #board: Board;
  readonly #members = new Set<Member>();
  readonly #ready = new Set<number>();
  readonly #drained = new Set<number>();
  #answered = 0;
  #started = 0;
  #failure: unknown = null;

  /** `workersMax`: how many are started in all, at most. */
  constructor(run: Run, workersMax: number) {
    this.#run = run;
    this.#board = Board.for(workersMax);
    const kernel = this.#kernel;
    this.#tools = {
      jobs: kernel.channel({ bytes: CHANNEL_BYTES }),
      again: kernel.channel(),
      answers: kernel.channel({ bytes: CHANNEL_BYTES }),
    };
  }

  get longestMs(): number {
    return this.#board.longestMs;
  }

  /** Start workers. The others run out of work meanwhile, and leave them the processors. */
  async start(count: number): Promise<void> {
    for (let i = 0; i < count; i++) this.#startOne();
    const all = (): boolean => [...this.#members].every(({ number }) => this.#ready.has(number));
    await this.#takeUntil("workers to start", all);
  }

  #startOne(): void {
    const number = this.#started++;
    const { knell } = this.#kernel.share(this.#tools);
    const extra: MortalData["workerData"] = { worker: number, words: this.#board.words };
    const worker = new Worker(new URL("./demo-mortal.js", import.meta.url), {
      name: `knell demo mortal ${number}`,
      workerData: { knell, workerData: extra },
    });
    const hostThread = worker.threadId;
    const ended = once(worker, "exit").catch(() => {});
    const member: Member = { number, hostThread, worker, ended, locks: [] };
    this.#members.add(member);
    worker.on("error", (error) => {
      this.#failure ??= error;
    });
    // Listeners are called in the order in which they came, and the one of adopt() recovers.
    worker.on("exit", () => {
      member.locks = locksHeld(this.#kernel, hostThread).map(({ name }) => name);
    });
    this.#kernel.adopt(worker);
  }

  get living(): number {
    return this.#members.size;
  }

  /** A burst: keep the jobs coming and take the answers, for a while. Leaves some to be done. */
  async work(ms: number): Promise<void> {
    while (this.#take()) await this.#turn();
    // Whoever had nothing to do did not stand still.
    const idle = this.answers.length - this.#answered <= this.dead.length;
    if (idle) this.#board.burst = this.answers.length;
    const until = performance.now() + ms;
    for (;;) {
      this.#take();
      await this.#turn();
      this.#feed();
      if (performance.now() >= until && this.answers.length - this.#answered > LEFT) return;
    }
  }

  #feed(): void {
    const { answers } = this;
    for (let i = 0; i < SLICE && answers.length - this.#answered < UNDER_WAY; i++) {
      if (!this.#tools.jobs.trySend(answers.length)) return;
      answers.push(0);
    }
  }

  /** Take what was answered; false if that was all. */
  #take(): boolean {
    for (let i = 0; i < SLICE; i++) {
      const answer = this.#tools.answers.tryReceive();
      if (answer === undefined) return false;
      const [worker, job] = answer;
      if (job === READY) this.#ready.add(worker);
      else if (job === DRAINED) this.#drained.add(worker);
      else {
        this.#answered++;
        this.answers[job] = (this.answers[job] ?? 0) + 1;
      }
    }
    return true;
  }

  async #turn(): Promise<void> {
    await turn();
    this.#run.ctrlC.check();
    if (this.#failure !== null) throw this.#failure;
  }

  async #takeUntil(what: string, met: () => boolean): Promise<void> {
    const patience = new Patience(what);
    while (!met()) {
      patience.check();
      if (!this.#take()) await sleep(1);
      await this.#turn();
    }
  }

  /** Terminate one of them, wherever it is; the classes of the locks that it held. */
  async end(): Promise<readonly string[]> {
    const members = [...this.#members];
    const doomed = members[Math.floor(Math.random() * members.length)] as Member;
    this.#members.delete(doomed);
    void doomed.worker.terminate();
    await doomed.ended;
    await this.#recovered([doomed]);
    this.dead.push({ noted: this.#board.noted(doomed.number), sent: this.answers.length });
    return doomed.locks;
  }

  /** Until nothing is left of those who ended. */
  async #recovered(members: readonly Member[]): Promise<void> {
    const patience = new Patience("a recovery");
    while (members.some(({ hostThread }) => isAttached(this.#kernel, hostThread))) {
      patience.check();
      await this.#turn();
    }
  }

  /** No more jobs: those who live take what is left, and all answers are taken. */
  async drain(): Promise<void> {
    this.#tools.jobs.end();
    const all = (): boolean => [...this.#members].every(({ number }) => this.#drained.has(number));
    await this.#takeUntil("the last answers", all);
    while (this.#take()) await this.#turn();
  }

  /** Send jobs a second time; all workers end when they are done. Their number. */
  async sendAgain(jobs: readonly number[]): Promise<number> {
    for (const job of jobs) this.#tools.again.send(job);
    this.#tools.again.end();
    const members = [...this.#members];
    let well = 0;
    for (const { worker } of members) worker.on("exit", (code) => code === 0 && well++);
    await Promise.all(members.map(({ ended }) => ended));
    await this.#recovered(members);
    this.#members.clear();
    while (this.#take()) await this.#turn();
    return well;
  }

  /** What is wrong with the kernel; nobody but this thread is in it. */
  invariants(): string[] {
    return checkInvariants(this.#kernel);
  }

  async close(): Promise<void> {
    const patience = new Patience("a recovery");
    for (const { worker, hostThread } of this.#members) {
      await worker.terminate();
      for (; isAttached(this.#kernel, hostThread); await turn()) patience.check();
    }
    this.#kernel.close();
  }
}
