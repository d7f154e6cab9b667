// SPDX-License-Identifier: ISC
/** Starting workers, and hearing of their end. */

import { atomicCas, atomicWait } from "#atomics";
import {
  ASKED,
  later,
  noWorkers,
  threadHost,
  type Warden,
  WITHDRAWN,
  wardenCall,
  wardenChannel,
  wardenStart,
  warn,
  watchWorker,
  workerReap,
  workerUrl,
} from "#host";
import { EAGAIN, EINVAL, ENOSYS } from "../abi/errno.js";
import type { Ask, SpawnRequest, WardenNews, WorkerRequest } from "../host/warden.js";
import {
  type Ending,
  exitRecord,
  wardenKeep,
  wardenKeeper,
  wardenLeave,
  workerDying,
  workerNumber,
} from "../sys/exits.js";
import { handleChannel } from "../sys/handle.js";
import { messagesOfExits } from "../sys/message.js";
import { watchRead } from "../sys/port.js";
import { receiveBytes } from "./channel.js";
import { argument, badArgument, checkOptions, checkString } from "./check.js";
import { type Core, made } from "./core.js";
import { KernelError } from "./errors.js";
import { ObjectState } from "./object.js";
import { type Shareables, shareContents } from "./share.js";
import { type Opened, type Source, sourceMake } from "./source.js";

/** The end of a worker, as an event of `kernel.exits()` has it. */
export interface WorkerExit {
  /** Number that spawn or adopt gave it; 0 if it ended with the keeper of its warden. */
  readonly worker: number;
  /** Name that it was given, "" if none. */
  readonly name: string;
  /** Number of its thread in the kernel; undefined if it was not attached when it ended. */
  readonly thread: number | undefined;
  /** Exit code: 0 is a normal end. */
  readonly code: number;
  /** What it threw, as text; undefined if it did not. */
  readonly error: string | undefined;
}

/** How to spawn. */
export interface SpawnOptions {
  /** Objects that `attach(workerData)` gives the worker, by name. */
  readonly share?: Shareables | undefined;
  /** Cloned to the worker's `workerData.workerData`. */
  readonly workerData?: unknown;
  /** Name of the worker, for debuggers and for its exit event. */
  readonly name?: string | undefined;
}

/** Bytes of the ring that exits wait in until somebody takes them: room for some 1,000. */
const EXITS_BYTES = 65536;
const EXITS_BYTES_SMALL = 8192;
/** An arena below this gets the small one. */
const SMALL_ARENA = 4 * 1024 * 1024;
/** Time between two attempts to reach a warden that may not listen yet. */
const CALL_MS = 20;
/** After so long a warden that does not answer is given up. */
const CALL_MS_MAX = 10_000;
/** Time until an end is told again, if the thread table was full. */
const RETRY_MS = 10;

/**
 * A worker that was spawned or adopted. Its end is an event of `kernel.exits()`, where `worker` is
 * this one's `number`.
 */
export class WorkerHandle {
  /** Number of the worker, unique in the kernel. */
  readonly number: number;
  /** Name that it was given, "" if none. */
  readonly name: string;
  readonly #ask: (kind: WorkerRequest["kind"]) => void;

  /** @internal */
  constructor(number: number, name: string, ask: (kind: WorkerRequest["kind"]) => void) {
    this.number = number;
    this.name = name;
    this.#ask = ask;
  }

  /**
   * End the worker, wherever it is; it may be parked in a wait. Does nothing if it has ended.
   * Returns at once; hear of the end by `kernel.exits()`.
   * @example
   * ```js
   * import { boot } from "knell";
   * const kernel = boot();
   * const forever = "setInterval(() => {}, 1000)";
   * const worker = kernel.spawn(new URL(`data:text/javascript,${forever}`));
   * worker.terminate();
   * const [{ value }] = await kernel.queue().add("gone", kernel.exits()).wait();
   * console.log(value.worker === worker.number, value.code);
   * kernel.close();
   * ```
   * ```text output
   * true 1
   * ```
   */
  terminate(): void {
    this.#ask("terminate");
  }

  /** The worker keeps the process alive while it runs, as it does unless `unref` was called. */
  ref(): this {
    this.#ask("hold");
    return this;
  }

  /** The worker does not keep the process alive. Has no effect on one that was adopted. */
  unref(): this {
    this.#ask("release");
    return this;
  }
}

/** The workers of one attachment. */
export class Workers {
  readonly #core: Core;
  #warden: Warden | null = null;
  /** Spawn requests to the warden that this thread keeps. */
  #sent = 0;
  /** A ring that hears of exits, and that no queue watches yet. */
  #spareExits: ObjectState | null = null;
  #exitsWanted = false;

  constructor(core: Core) {
    this.#core = core;
  }

  spawn(url: URL | string, options: SpawnOptions | undefined): WorkerHandle {
    const core = this.#core;
    core.check("spawn", "spawn");
    if (noWorkers !== null) throw new KernelError(ENOSYS, "spawn", "spawn", noWorkers);
    const of = argument("spawn", "spawn", "url");
    const href = workerUrl(url);
    if (href === null) throw badArgument(of, "a URL, or the path of a file", url);
    const given = checkOptions(argument("spawn", "spawn", "options"), options);
    const name = checkString(argument("spawn", "spawn", "name"), given.name ?? "");
    const number = workerNumber(core.k);
    this.#listen();
    const keep = wardenKeep(core.k);
    const knell = shareContents(core, given.share ?? {}, wardenKeeper(core.k));
    const request: SpawnRequest = {
      kind: "spawn",
      worker: number,
      name,
      url: href,
      data: { knell, workerData: given.workerData },
      held: true,
      claim: keep ? null : new Int32Array(new SharedArrayBuffer(4)),
    };
    try {
      if (keep) this.#spawnHere(request);
      else this.#spawnThere(request);
    } catch (error) {
      if (error instanceof KernelError) throw error;
      const why = `workerData cannot be cloned: ${(error as Error).message}`;
      throw new KernelError(EINVAL, "spawn", "spawn", why);
    }
    return new WorkerHandle(number, name, (kind) => this.#ask({ kind, worker: number }));
  }

  #spawnHere(request: SpawnRequest): void {
    if (this.#warden === null) {
      const { buffer, id } = this.#core;
      const start = { buffer, channel: wardenChannel(id) };
      this.#warden = wardenStart(start, (news) => this.#hear(news));
    }
    this.#warden.ask(request);
    this.#sent++;
    this.#warden.hold();
  }

  /** Another thread keeps the warden: call until it has taken the request. */
  #spawnThere(request: SpawnRequest): void {
    const core = this.#core;
    const claim = request.claim as Int32Array;
    for (let waited = 0; waited < CALL_MS_MAX; waited += CALL_MS) {
      wardenCall(wardenChannel(core.id), request);
      atomicWait(claim, 0, ASKED, CALL_MS);
      if (claim[0] !== ASKED) return;
      if (wardenKeeper(core.k) === 0 && wardenKeep(core.k)) {
        if (atomicCas(claim, 0, ASKED, WITHDRAWN) !== ASKED) return;
        this.#spawnHere({ ...request, claim: null });
        return;
      }
    }
    if (atomicCas(claim, 0, ASKED, WITHDRAWN) !== ASKED) return;
    throw new KernelError(EAGAIN, "spawn", "spawn", "the kernel's warden does not answer");
  }

  #ask(request: Ask): void {
    if (this.#warden !== null) this.#warden.ask(request);
    else wardenCall(wardenChannel(this.#core.id), request);
  }

  #hear(news: WardenNews): void {
    if (news.kind === "held") {
      if (this.#warden === null) return;
      if (news.count > 0 || news.seen < this.#sent) this.#warden.hold();
      else this.#warden.release();
    } else if (news.error !== "" && !this.#exitsWanted) {
      const name = news.name === "" ? `${news.worker}` : `${news.worker} (${news.name})`;
      warn("KNELL_WORKER", `Worker ${name} ended with code ${news.code}: ${news.error}`);
    }
  }

  adopt(worker: unknown, name: string): WorkerHandle {
    const core = this.#core;
    core.check("adopt", "adopt");
    checkString(argument("adopt", "adopt", "name"), name);
    const number = workerNumber(core.k);
    const watched = watchWorker(worker, (code, error) => {
      this.#ended({ hostThread, worker: number, name, code, error, relatives: [] });
    });
    if (watched === null) {
      const of = argument("adopt", "adopt", "worker");
      throw badArgument(of, "a Worker that has not ended", worker);
    }
    const { hostThread } = watched;
    this.#listen();
    return new WorkerHandle(number, name, (kind) => {
      if (kind !== "terminate") return;
      workerDying(core.buffer, hostThread);
      watched.terminate();
    });
  }

  #ended(ending: Ending): void {
    if (workerReap(this.#core.buffer, threadHost, ending)) return;
    later(RETRY_MS, () => this.#ended(ending));
  }

  /** From now on the ends of workers are kept for `exits`, so that none is lost. */
  #listen(): void {
    this.#spareExits ??= this.#exitsChannel();
  }

  #exitsChannel(): ObjectState {
    const { core } = { core: this.#core };
    const bytes = core.k.a.byteLength < SMALL_ARENA ? EXITS_BYTES_SMALL : EXITS_BYTES;
    const handle = made(handleChannel(core.k, bytes), "pipe2", "listen for exits");
    messagesOfExits(core.k, handle);
    return new ObjectState(core, "source of exits", handle);
  }

  exits(): Source<WorkerExit> {
    this.#core.check("kevent", "listen for exits");
    this.#exitsWanted = true;
    this.#listen();
    return sourceMake({ core: this.#core, open: () => this.#openExits() });
  }

  #openExits(): Opened {
    const state = this.#spareExits ?? this.#exitsChannel();
    this.#spareExits = null;
    return {
      watch: watchRead(state.handle.fd),
      manner: "taken",
      owner: null,
      state,
      take: () => takeExit(state),
      dropped: () => {
        // What ends while no queue listens is kept for the next one that does.
        if (state.closed || !this.#core.open) return;
        if (this.#spareExits === null) this.#spareExits = state;
        else state.close();
      },
    };
  }

  /** The kernel is being closed: the warden ends with its last worker. */
  end(): void {
    wardenLeave(this.#core.k);
    this.#warden?.ask({ kind: "end" });
    this.#warden?.release();
    this.#warden = null;
  }
}

function takeExit(state: ObjectState): unknown {
  const n = receiveBytes(state);
  if (typeof n !== "number") return n;
  const { thread, worker, name, code, error } = exitRecord(state.core.scratch.subarray(0, n));
  const exit: WorkerExit = {
    worker,
    name,
    thread: thread === 0 ? undefined : thread,
    code,
    error: error === "" ? undefined : error,
  };
  return exit;
}
