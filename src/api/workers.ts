// SPDX-License-Identifier: ISC
/** Starting workers, and hearing of their end. */

import { atomicCas, atomicWait } from "#atomics";
import {
  ASKED,
  CLAIM_STATE,
  CLAIM_WORDS,
  later,
  noWorkers,
  hostThread as thisThread,
  threadHost,
  type Warden,
  WITHDRAWN,
  wardenCall,
  wardenChannel,
  wardenStart,
  warn,
  watchWorker,
  workerReap,
  workerThread,
  workerUrl,
} from "#host";
import { EAGAIN, EINVAL, ENOSYS } from "../abi/errno.js";
import type { Ask, SpawnRequest, WardenNews } from "../host/warden.js";
import {
  type Ending,
  exitRecord,
  wardenKeep,
  wardenKeeper,
  wardenLeave,
  workerAttached,
  workerDying,
  workerNumber,
} from "../sys/exits.js";
import { handleChannel } from "../sys/handle.js";
import { messagesOfExits } from "../sys/message.js";
import { watchRead } from "../sys/port.js";
import { receiveBytes } from "./channel.js";
import { argument, badArgument, checkInteger, checkOptions, checkString } from "./check.js";
import { type Core, made } from "./core.js";
import { KernelError } from "./errors.js";
import { ObjectState } from "./object.js";
import { type Shareables, shareContents } from "./share.js";
import { type Opened, type Source, sourceMake } from "./source.js";
import { Ends, type Known, WorkerHandle } from "./worker-handle.js";

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

/** How a worker ended that the kernel has not heard of. */
export interface ReapOptions {
  /** Exit code for its exit event, a 32-bit integer; 0 if left out. */
  readonly code?: number | undefined;
  /** Name for its exit event, "" if left out. */
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
const INT_MAX = 2 ** 31 - 1;

/** The workers of one attachment. */
export class Workers {
  readonly #core: Core;
  #warden: Warden | null = null;
  /** Spawn requests to the warden that this thread keeps. */
  #sent = 0;
  /** A ring that hears of exits, and that no queue watches yet. */
  #spareExits: ObjectState | null = null;
  #exitsWanted = false;
  /** Workers that run, by number. */
  readonly #running = new Map<number, Known>();
  /** By their handles, and adopted ones by the Worker too. */
  readonly #known = new WeakMap<object, Known>();
  /** Numbers of host threads that `reap` has begun with. */
  readonly #reaping = new Set<number>();
  readonly #ends = new Ends();

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
      claim: keep ? null : new Int32Array(new SharedArrayBuffer(4 * CLAIM_WORDS)),
    };
    let claim: Int32Array | null = null;
    try {
      if (keep) this.#spawnHere(request);
      else claim = this.#spawnThere(request);
    } catch (error) {
      if (error instanceof KernelError) throw error;
      const why = `workerData cannot be cloned: ${(error as Error).message}`;
      throw new KernelError(EINVAL, "spawn", "spawn", why);
    }
    const ask: Known["ask"] = (kind) => this.#ask({ kind, worker: number });
    return this.#handle(name, { number, adopted: null, claim, ask, code: undefined });
  }

  #handle(name: string, one: Known): WorkerHandle {
    const handle = new WorkerHandle(one.number, name, one.ask);
    this.#known.set(handle, one);
    // Of the others' end another thread hears.
    if (one.claim === null) this.#running.set(one.number, one);
    return handle;
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

  /**
   * Another thread keeps the warden: call until it has taken the request. Returns where it will
   * note the end, or null if this thread has become the keeper.
   */
  #spawnThere(request: SpawnRequest): Int32Array | null {
    const core = this.#core;
    const claim = request.claim as Int32Array;
    for (let waited = 0; waited < CALL_MS_MAX; waited += CALL_MS) {
      wardenCall(wardenChannel(core.id), request);
      atomicWait(claim, CLAIM_STATE, ASKED, CALL_MS);
      if (claim[CLAIM_STATE] !== ASKED) return claim;
      if (wardenKeeper(core.k) === 0 && wardenKeep(core.k)) {
        if (atomicCas(claim, CLAIM_STATE, ASKED, WITHDRAWN) !== ASKED) return claim;
        this.#spawnHere({ ...request, claim: null });
        return null;
      }
    }
    if (atomicCas(claim, CLAIM_STATE, ASKED, WITHDRAWN) !== ASKED) return claim;
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
      return;
    }
    this.#settle(news.worker, news.code);
    if (news.error !== "" && !this.#exitsWanted) {
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
      ending.code = code;
      ending.error = error;
      this.#ended(ending);
    });
    if (watched === null) {
      const of = argument("adopt", "adopt", "worker");
      throw badArgument(of, "a Worker that has not ended", worker);
    }
    const { hostThread } = watched;
    const ending: Ending = { hostThread, worker: number, name, code: 0, error: "", relatives: [] };
    this.#listen();
    const ask: Known["ask"] = (kind) => {
      if (kind !== "terminate") return;
      workerDying(core.buffer, hostThread);
      watched.terminate();
    };
    const adopted = { worker: worker as object, ending };
    const one: Known = { number, adopted, claim: null, ask, code: undefined };
    this.#known.set(adopted.worker, one);
    return this.#handle(name, one);
  }

  #ended(ending: Ending): void {
    if (workerReap(this.#core.buffer, threadHost, ending)) {
      this.#reaping.delete(ending.hostThread);
      this.#settle(ending.worker, ending.code);
    } else {
      later(RETRY_MS, () => this.#ended(ending));
    }
  }

  #settle(number: number, code: number): void {
    const one = this.#running.get(number);
    if (one === undefined) return;
    this.#running.delete(number);
    this.#ends.settle(one, code);
  }

  async terminate(worker: unknown): Promise<number> {
    this.#core.check("terminate", "terminate");
    const one = this.#known.get(worker as object);
    if (one === undefined) {
      const must = "a WorkerHandle of this kernel, or a Worker that it adopted";
      throw badArgument(argument("terminate", "terminate", "worker"), must, worker);
    }
    if (one.code === undefined) one.ask("terminate");
    return this.#ends.of(one);
  }

  reap(worker: unknown, options: ReapOptions | undefined): boolean {
    const { buffer } = this.#core;
    this.#core.check("reap", "reap");
    const given = checkOptions(argument("reap", "reap", "options"), options);
    const name = checkString(argument("reap", "reap", "name"), given.name ?? "");
    const code = given.code ?? 0;
    checkInteger(argument("reap", "reap", "code"), code, -INT_MAX - 1, INT_MAX);
    const ending = this.#endingOf(worker, code, name);
    if (ending === null || this.#reaping.has(ending.hostThread)) return false;
    if (!workerAttached(buffer, ending.hostThread)) return false;
    this.#reaping.add(ending.hostThread);
    // Of an adopted one it is told when its exit event says how it ended.
    if (ending.attachedOnly === true) this.#ended(ending);
    else workerReap(buffer, threadHost, ending, true);
    return true;
  }

  /** What is to be told of a worker that has ended; null if it has not, as far as is known. */
  #endingOf(worker: unknown, code: number, name: string): Ending | null {
    const of = argument("reap", "reap", "worker");
    const one = this.#known.get(worker as object) ?? this.#adoptedAs(worker);
    if (one !== undefined) {
      const { adopted } = one;
      return adopted !== null && workerThread(adopted.worker) === -1 ? adopted.ending : null;
    }
    if (typeof worker === "number") {
      const hostThread = checkInteger(of, worker, 1, INT_MAX);
      if (hostThread === thisThread) throw badArgument(of, "another thread", worker);
      const relatives: number[] = [];
      return { hostThread, worker: 0, name, code, error: "", relatives, attachedOnly: true };
    }
    const id = workerThread(worker);
    if (id !== null && id > 0) return null;
    // Once it has ended, it does not say any more which thread it was.
    throw badArgument(of, "a WorkerHandle, an adopted Worker, or a threadId", worker);
  }

  #adoptedAs(hostThread: unknown): Known | undefined {
    for (const one of this.#running.values()) {
      if (one.adopted?.ending.hostThread === hostThread) return one;
    }
    return undefined;
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
    this.#ends.close();
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
