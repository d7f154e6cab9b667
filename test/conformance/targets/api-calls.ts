// SPDX-License-Identifier: ISC
/**
 * Does one step through the JavaScript face in the calling thread. A queue, counter or pipe end is
 * known by its descriptor number, which the objects have; a source's tag says filter and ident.
 * What a row can contain is decided in api-gate.ts.
 */
import {
  after,
  at,
  type Counter,
  every,
  type Kernel,
  KernelError,
  type Pipe,
  type Queue,
  type Source,
  type UserSource,
  userEvent,
} from "knell";
import type { CallStep, Change, EventRecord, KeventStep, Observed } from "../case.js";
import * as N from "../numbers.js";

/** A queue whose tags are made while it is used. */
type AnyQueue = Queue<Record<string, unknown>>;

type Thing =
  | { readonly kind: "queue"; readonly queue: AnyQueue; readonly sources: Map<string, Kept> }
  | { readonly kind: "counter"; readonly counter: Counter }
  | { readonly kind: "reader"; readonly pipe: Pipe }
  | { readonly kind: "writer"; readonly pipe: Pipe }
  | { readonly kind: "source"; readonly source: UserSource };

/** What a record of the source shows besides what its event says. */
interface Kept {
  readonly change: Change;
  readonly flags: number;
}

const MS_OF_UNIT: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [N.MSECONDS, 1],
  [N.SECONDS, 1000],
  [N.USECONDS, 1e-3],
  [N.NSECONDS, 1e-6],
]);

function timerSource(change: Change): Source<number> {
  const { fflags = 0, data = 0 } = change;
  const ms = Number(data) * (MS_OF_UNIT.get(fflags & 0xf) ?? Number.NaN);
  if ((fflags & N.ABSTIME) !== 0) return at(ms);
  return (change.flags & N.ONESHOT) !== 0 ? after(ms) : every(ms);
}

/** Flags that stay with a registration; relative timers have EV_CLEAR of their own. */
function keptFlags(change: Change): number {
  const flags = change.flags & (N.CLEAR | N.ONESHOT);
  const relative = change.filter === N.TIMER && ((change.fflags ?? 0) & N.ABSTIME) === 0;
  return relative ? flags | N.CLEAR : flags;
}

const tagOf = (change: Change): string => `${change.filter} ${change.ident}`;

export class ApiCalls {
  readonly #kernel: Kernel;
  readonly #things = new Map<number, Thing>();
  /** Every other wait does not block the thread. */
  #waits = 0;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  async perform(step: CallStep): Promise<Observed> {
    try {
      return await this.#perform(step);
    } catch (error) {
      if (!(error instanceof KernelError)) throw error;
      const named = N.errnoText(error.errno);
      if (error.code !== named) return { ret: -1, error: `${error.code}, errno ${error.errno}` };
      return { ret: -1, error: named };
    }
  }

  #perform(step: CallStep): Observed | Promise<Observed> {
    switch (step.call) {
      case "kqueue": {
        const queue: AnyQueue = this.#kernel.queue();
        return this.#made(queue.fd, { kind: "queue", queue, sources: new Map() });
      }
      case "eventfd": {
        const semaphore = (step.flags & N.EFD_SEMAPHORE) !== 0;
        const counter = this.#kernel.counter({ initial: step.initval, semaphore });
        return this.#made(counter.fd, { kind: "counter", counter });
      }
      case "pipe":
      case "pipe2": {
        const pipe = this.#kernel.pipe();
        this.#made(pipe.readFd, { kind: "reader", pipe });
        this.#made(pipe.writeFd, { kind: "writer", pipe });
        return { ret: 0, fds: [pipe.readFd, pipe.writeFd] };
      }
      case "read":
        return this.#read(this.#thing(step.fd), step.length);
      case "write":
        return this.#write(this.#thing(step.fd), step);
      case "fill":
        return this.#fill(this.#thing(step.fd));
      case "close":
        return this.#close(this.#thing(step.fd));
      case "kevent":
        return this.#kevent(step);
      case "source": {
        const { filter = 0, ident = 0 } = step;
        const kernel = this.#kernel;
        const found = filter === 0 ? null : kernel.findFilter(filter);
        const source = found === null ? kernel.source() : found.source(Number(ident));
        return this.#made(source.fd, { kind: "source", source });
      }
      case "sourceSet": {
        const { flags, fflags, data } = step;
        const ready = (flags & N.SRC_READY) !== 0;
        const ended = (flags & N.SRC_EOF) !== 0;
        const direction = { ready, ended, flags: fflags, data: Number(data) };
        const name = step.filter === N.READ ? "readable" : "writable";
        this.#sourceOf(step.fd).set({ [name]: direction });
        return { ret: 0 };
      }
      case "sourceNotify":
        this.#sourceOf(step.fd).notify();
        return { ret: 0 };
      case "sourceDestroy":
        this.#sourceOf(step.fd).destroy({ silent: step.silent, flags: step.fflags });
        return { ret: 0 };
      case "filterRegister":
        return { ret: this.#kernel.filter(step.name).number };
      case "filterUnregister":
        this.#kernel.findFilter(step.filter).unregister();
        return { ret: 0 };
      case "filterByName":
        return { ret: this.#kernel.findFilter(step.name).number };
      case "filterByNumber":
        return { ret: this.#kernel.findFilter(step.filter).name.length };
      case "advance":
        this.#kernel.clock.advance(step.ms);
        return { ret: 0 };
      case "setWall":
        this.#kernel.clock.setWall(step.ms);
        return { ret: 0 };
      case "userEventCount":
        return { ret: this.#kernel.usage().userEvents };
      default:
        throw new Error(`${step.call} has no form in the JavaScript face`);
    }
  }

  #made(fd: number, thing: Thing): Observed {
    this.#things.set(fd, thing);
    return { ret: fd };
  }

  #thing(fd: number | string): Thing {
    const thing = this.#things.get(Number(fd));
    if (thing === undefined) throw new Error(`no object has the descriptor ${fd}`);
    return thing;
  }

  #sourceOf(fd: number | string): UserSource {
    const thing = this.#thing(fd);
    if (thing.kind !== "source") throw new Error("not a source");
    return thing.source;
  }

  #read(thing: Thing, length: number): Observed {
    if (thing.kind === "reader") {
      const bytes = thing.pipe.tryRead({ max: length });
      if (bytes === null) return { ret: 0, bytes: new Uint8Array() };
      return bytes.length === 0 ? { ret: -1, error: "EAGAIN" } : { ret: bytes.length, bytes };
    }
    if (thing.kind !== "counter") throw new Error("not readable here");
    const value = BigInt(thing.counter.tryTake());
    if (value === 0n) return { ret: -1, error: "EAGAIN" };
    return { ret: 8, bytes: new Uint8Array(new BigUint64Array([value]).buffer) };
  }

  #write(thing: Thing, step: CallStep & { call: "write" }): Observed {
    const { bytes } = step;
    if (thing.kind === "counter" && "u64" in bytes) {
      const value = BigInt(bytes.u64);
      const isSmall = value <= BigInt(Number.MAX_SAFE_INTEGER);
      thing.counter.add(isSmall ? Number(value) : value);
      return { ret: 8 };
    }
    if (thing.kind !== "writer" || "u64" in bytes) throw new Error("not writable here");
    const data = "text" in bytes ? new TextEncoder().encode(bytes.text) : bytes.size;
    const put = thing.pipe.tryWrite(typeof data === "number" ? new Uint8Array(data) : data);
    return put === 0 ? { ret: -1, error: "EAGAIN" } : { ret: put };
  }

  #fill(thing: Thing): Observed {
    if (thing.kind !== "writer") throw new Error("not writable here");
    let total = 0;
    for (const chunk of [4096, 1]) {
      const bytes = new Uint8Array(chunk);
      for (let put = thing.pipe.tryWrite(bytes); put > 0; put = thing.pipe.tryWrite(bytes)) {
        total += put;
      }
    }
    return { ret: total };
  }

  #close(thing: Thing): Observed {
    if (thing.kind === "reader") thing.pipe.closeRead();
    else if (thing.kind === "writer") thing.pipe.closeWrite();
    else if (thing.kind === "queue") thing.queue.close();
    else if (thing.kind === "source") thing.source.close();
    else thing.counter.close();
    return { ret: 0 };
  }

  async #kevent(step: KeventStep): Promise<Observed> {
    const thing = this.#thing(step.kq);
    if (thing.kind !== "queue") throw new Error("not a queue");
    for (const change of step.changes) this.#change(thing, change);
    if (step.nevents === 0) return { ret: 0, events: [] };
    const { timeout, nevents: max } = step;
    const ms = timeout === null ? undefined : timeout.sec * 1e3 + timeout.nsec / 1e6;
    const options = { max, timeoutMs: ms };
    const blocks = this.#waits++ % 2 === 0;
    const started = performance.now();
    const events = blocks ? thing.queue.waitSync(options) : await thing.queue.wait(options);
    const elapsedMs = performance.now() - started;
    const records = events.map((event): EventRecord => {
      const kept = thing.sources.get(event.tag);
      if (kept === undefined) throw new Error(`an event of the unknown tag ${event.tag}`);
      const { ident, filter, udata = 0 } = kept.change;
      if (event.ended || (kept.flags & N.ONESHOT) !== 0) thing.sources.delete(event.tag);
      return {
        ident: BigInt(ident),
        filter,
        flags: kept.flags | (event.ended ? N.EOF | this.#lastFlag(kept.change) : 0),
        fflags: event.flags,
        data: event.ended ? 0n : BigInt(event.value as number | bigint),
        udata: BigInt(udata),
        ext: [0n, 0n, 0n, 0n],
      };
    });
    const tags = thing.queue.tags().sort().join();
    const known = [...thing.sources.keys()].sort().join();
    const fault = tags === known ? {} : { fault: `tags are ${tags}, not ${known}` };
    return { ret: records.length, events: records, elapsedMs, ...fault };
  }

  /** A source that is gone makes its registrations one-shot, which an event does not show. */
  #lastFlag(change: Change): number {
    if (change.filter > 0) return N.ONESHOT;
    const thing = this.#things.get(Number(change.ident));
    return thing?.kind === "source" && thing.source.destroyed ? N.ONESHOT : 0;
  }

  #change(thing: Thing & { kind: "queue" }, change: Change): void {
    const { queue, sources } = thing;
    const tag = tagOf(change);
    if ((change.flags & N.DELETE) !== 0) {
      queue.remove(tag);
      sources.delete(tag);
    } else if ((change.flags & N.ADD) === 0) {
      const flags = (change.fflags ?? 0) & N.FFLAGSMASK;
      queue.trigger(Number(change.ident), flags === 0 ? undefined : { flags });
    } else {
      const once = (change.flags & N.ONESHOT) !== 0;
      const edge = (change.flags & N.CLEAR) !== 0;
      const options = change.filter === N.TIMER ? {} : { once, edge };
      queue.add(tag, this.#source(change), options);
      sources.set(tag, { change, flags: keptFlags(change) });
    }
  }

  #source(change: Change): Source<unknown> {
    if (change.filter === N.USER) return userEvent(Number(change.ident));
    if (change.filter === N.TIMER) return timerSource(change);
    if (change.filter > 0) {
      return this.#kernel.findFilter(change.filter).at(Number(change.ident));
    }
    const thing = this.#thing(String(change.ident));
    if (thing.kind === "source") {
      return change.filter === N.READ ? thing.source.readable() : thing.source.writable();
    }
    if (thing.kind === "queue") return thing.queue.ready();
    if (thing.kind === "reader") return thing.pipe.readable();
    if (thing.kind !== "writer") throw new Error("a counter's source takes");
    const low = change.fflags === N.LOWAT ? Number(change.data) : undefined;
    return thing.pipe.writable(low);
  }
}
