// SPDX-License-Identifier: ISC
/**
 * The real Linux kernel: eventfd, pipe and descriptor calls as they are, and kevent by epoll.
 *
 * A queue becomes two epoll instances, one for READ and one for WRITE, because a knote has one
 * filter and an epoll interest has all of them. CLEAR is EPOLLET; ONESHOT and DISPATCH are
 * EPOLLONESHOT; DISABLE takes the interest out. What Linux decides is whether a record comes, EOF,
 * and the count of bytes or of the eventfd; ident, udata and kept flags are carried here.
 */
import { rm } from "node:fs/promises";
import type { Bytes, CallStep, Case, Change, EventRecord, KeventStep, Observed } from "../case.js";
import * as N from "../numbers.js";
import type { Machine } from "../run.js";
import { type Answer, type Build, buildOracle, Oracle } from "./oracle.js";
import type { Target } from "./target.js";

const OPEN_FLAGS: readonly (readonly [name: string, bit: number])[] = [
  ["NONBLOCK", N.O_NONBLOCK],
  ["CLOEXEC", N.O_CLOEXEC],
  ["DIRECT", N.O_DIRECT],
  ["RDWR", N.O_RDWR],
  ["WRONLY", N.O_WRONLY],
];
const EVENTFD_FLAGS: readonly (readonly [name: string, bit: number])[] = [
  ["SEMAPHORE", N.EFD_SEMAPHORE],
  ["NONBLOCK", N.EFD_NONBLOCK],
  ["CLOEXEC", N.EFD_CLOEXEC],
];
const COMMANDS: ReadonlyMap<number, string> = new Map([
  [N.F_DUPFD, "DUPFD"],
  [N.F_GETFD, "GETFD"],
  [N.F_SETFD, "SETFD"],
  [N.F_GETFL, "GETFL"],
  [N.F_SETFL, "SETFL"],
  [N.F_DUPFD_CLOEXEC, "DUPFD_CLOEXEC"],
]);

function namesOf(table: readonly (readonly [string, number])[], flags: number): string {
  let rest = flags;
  const names: string[] = [];
  for (const [name, bit] of table) {
    if ((rest & bit) !== bit) continue;
    names.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) names.push("UNKNOWN");
  return names.length === 0 ? "-" : names.join(",");
}

function bitsOf(names: string): number {
  const bits = new Map(OPEN_FLAGS);
  return names.split(",").reduce((all, name) => all | (bits.get(name) ?? 0), 0);
}

function bytesText(bytes: Bytes): string {
  if ("size" in bytes) return `size:${bytes.size}`;
  if ("text" in bytes) return `hex:${Buffer.from(bytes.text).toString("hex")}`;
  const buffer = Buffer.alloc(bytes.length ?? 8);
  const whole = Buffer.alloc(8);
  whole.writeBigUInt64LE(BigInt.asUintN(64, BigInt(bytes.u64)));
  whole.copy(buffer);
  return `hex:${buffer.toString("hex")}`;
}

/** The request for a call that Linux has in the same form, or null. */
function requestOf(step: CallStep): string | null {
  switch (step.call) {
    case "eventfd":
      return `eventfd ${step.initval} ${namesOf(EVENTFD_FLAGS, step.flags)}`;
    case "eventfd_read":
      return `read ${step.fd} 8`;
    case "eventfd_write":
      return `write ${step.fd} ${bytesText({ u64: step.value })}`;
    case "pipe":
    case "pipe2":
      return `pipe ${namesOf(OPEN_FLAGS, step.flags)}`;
    case "read":
      return `read ${step.fd} ${step.length}`;
    case "write":
      return `write ${step.fd} ${bytesText(step.bytes)}`;
    case "close":
    case "dup":
    case "fill":
      return `${step.call} ${step.fd}`;
    case "dup2":
      return `dup2 ${step.fd} ${step.to}`;
    case "dup3":
      return `dup3 ${step.fd} ${step.to} ${namesOf(OPEN_FLAGS, step.flags)}`;
    case "fcntl": {
      const argument = step.cmd === N.F_SETFL ? namesOf(OPEN_FLAGS, Number(step.arg)) : step.arg;
      return `fcntl ${step.fd} ${COMMANDS.get(step.cmd) ?? "UNKNOWN"} ${argument}`;
    }
    default:
      return null;
  }
}

function observedOf(step: CallStep, answer: Answer): Observed {
  if (answer.error !== undefined) return { ret: -1, error: answer.error };
  const [first = "", second = ""] = answer.rest;
  switch (step.call) {
    case "pipe":
    case "pipe2":
      return { ret: answer.value, fds: [Number(first), Number(second)] };
    case "read": {
      const fault = second === "touched" ? { fault: "bytes behind the count changed" } : {};
      return { ret: answer.value, bytes: Buffer.from(first, "hex"), ...fault };
    }
    case "eventfd_read":
      return { ret: 0, value: Buffer.from(first, "hex").readBigUInt64LE() };
    case "eventfd_write":
      return { ret: 0 };
    case "fcntl":
      return { ret: step.cmd === N.F_GETFL ? bitsOf(first) : answer.value };
    default:
      return { ret: answer.value };
  }
}

/** A registration as this adapter keeps it. */
interface Interest {
  flags: number;
  udata: bigint;
  disabled: boolean;
}

interface Queue {
  readonly epolls: Readonly<Record<number, number>>;
  readonly interests: Map<string, Interest>;
}

const min = (left: bigint, right: bigint): bigint => (left < right ? left : right);

class NativeMachine implements Machine {
  readonly #oracle: Oracle;
  readonly #queues = new Map<number, Queue>();
  readonly #begun = new Map<string, CallStep>();

  constructor(program: string) {
    this.#oracle = new Oracle(program);
  }

  async call(step: CallStep): Promise<Observed> {
    if (step.call === "kqueue") return this.#kqueue();
    if (step.call === "kevent") return this.#kevent(step);
    const request = requestOf(step);
    if (request === null) throw new Error(`${step.call} has no form on Linux`);
    return observedOf(step, await this.#oracle.ask(request));
  }

  async begin(thread: string, step: CallStep, parks: boolean): Promise<void> {
    const request = requestOf(step);
    if (request === null) throw new Error(`${step.call} cannot be begun on Linux`);
    this.#begun.set(thread, step);
    const answer = await this.#oracle.ask(`begin ${thread} ${request}`);
    if (parks && answer.value !== 1) throw new Error(`${thread} did not fall asleep`);
  }

  async end(thread: string): Promise<Observed> {
    return this.#finished(thread, await this.#oracle.ask(`end ${thread}`));
  }

  async blocked(thread: string): Promise<boolean> {
    return (await this.#oracle.ask(`asleep ${thread}`)).value === 1;
  }

  async race(threads: readonly string[]): Promise<{ thread: string; observed: Observed }> {
    const { tag, answer } = await this.#oracle.race(threads);
    return { thread: tag, observed: this.#finished(tag, answer) };
  }

  async audit(): Promise<readonly string[]> {
    return [];
  }

  async close(): Promise<void> {
    this.#oracle.close();
  }

  #finished(thread: string, answer: Answer): Observed {
    const step = this.#begun.get(thread);
    if (step === undefined) throw new Error(`${thread} was not begun`);
    this.#begun.delete(thread);
    return observedOf(step, answer);
  }

  async #ask(request: string): Promise<number> {
    const { value, error } = await this.#oracle.ask(request);
    if (error !== undefined) throw new Error(`${request}: ${error}`);
    return value;
  }

  async #kqueue(): Promise<Observed> {
    const forRead = await this.#ask("epoll");
    const forWrite = await this.#ask("epoll");
    const epolls = { [N.READ]: forRead, [N.WRITE]: forWrite };
    this.#queues.set(forRead, { epolls, interests: new Map() });
    return { ret: forRead };
  }

  async #kevent(step: KeventStep): Promise<Observed> {
    const queue = this.#queues.get(Number(step.kq));
    if (queue === undefined) throw new Error("not a queue of this adapter");
    for (const change of step.changes) {
      const error = await this.#change(queue, change);
      if (error !== undefined && step.nevents > 0) throw new Error("no error records on Linux");
      if (error !== undefined) return { ret: -1, error };
    }
    const events: EventRecord[] = [];
    for (const filter of [N.READ, N.WRITE]) {
      events.push(...(await this.#collect(queue, filter, step.nevents - events.length)));
    }
    return { ret: events.length, events };
  }

  async #change(queue: Queue, change: Change): Promise<string | undefined> {
    const key = `${change.filter}:${change.ident}`;
    const known = queue.interests.get(key);
    const control = async (op: string, interest: Interest | undefined) => {
      const events = interest === undefined ? "-" : epollBits(change.filter, interest.flags);
      const request = `ctl ${queue.epolls[change.filter]} ${op} ${change.ident} ${events}`;
      return (await this.#oracle.ask(request)).error;
    };
    if ((change.flags & N.DELETE) !== 0) {
      queue.interests.delete(key);
      return known?.disabled ? undefined : control("DEL", undefined);
    }
    const kept = change.flags & (N.CLEAR | N.ONESHOT | N.DISPATCH);
    const interest = known ?? { flags: kept, udata: 0n, disabled: true };
    interest.udata = BigInt(change.udata ?? 0);
    const wasDisabled = interest.disabled;
    if ((change.flags & N.DISABLE) !== 0) interest.disabled = true;
    else if (known === undefined || (change.flags & N.ENABLE) !== 0) interest.disabled = false;
    queue.interests.set(key, interest);
    if (interest.disabled) return wasDisabled ? undefined : control("DEL", undefined);
    const error = await control(wasDisabled ? "ADD" : "MOD", interest);
    if (error !== undefined) queue.interests.delete(key);
    return error;
  }

  async #collect(queue: Queue, filter: number, room: number): Promise<EventRecord[]> {
    if (room === 0) return [];
    const epoll = queue.epolls[filter];
    const { rest } = await this.#oracle.ask(`wait ${epoll} ${room} 0`);
    const records: EventRecord[] = [];
    for (const item of rest) {
      const [fd = "", names = ""] = item.split(":");
      const key = `${filter}:${fd}`;
      const interest = queue.interests.get(key);
      if (interest === undefined) throw new Error(`Linux reports ${key}, which nobody watches`);
      const ended = names.split(",").some((name) => name === (filter === N.READ ? "HUP" : "ERR"));
      records.push({
        ident: BigInt(fd),
        filter,
        flags: interest.flags | (ended ? N.EOF : 0),
        fflags: 0,
        data: filter === N.WRITE && ended ? 0n : await this.#data(filter, fd),
        udata: interest.udata,
        ext: [0n, 0n, 0n, 0n],
      });
      if ((interest.flags & (N.ONESHOT | N.DISPATCH)) === 0) continue;
      await this.#ask(`ctl ${epoll} DEL ${fd} -`);
      interest.disabled = true;
      if ((interest.flags & N.ONESHOT) !== 0) queue.interests.delete(key);
    }
    return records;
  }

  async #data(filter: number, fd: string): Promise<bigint> {
    const counter = await this.#oracle.ask(`counter ${fd}`);
    if (counter.error === undefined) {
      const count = BigInt(counter.text);
      return min(filter === N.READ ? count : N.EFD_TOP - count, N.INT64_MAX);
    }
    const pending = await this.#ask(`pending ${fd}`);
    if (filter === N.READ) return BigInt(pending);
    return BigInt((await this.#ask(`capacity ${fd}`)) - pending);
  }
}

function epollBits(filter: number, flags: number): string {
  const bits = [filter === N.READ ? "IN" : "OUT"];
  if ((flags & N.CLEAR) !== 0) bits.push("ET");
  if ((flags & (N.ONESHOT | N.DISPATCH)) !== 0) bits.push("ONESHOT");
  return bits.join(",");
}

export class NativeTarget implements Target {
  readonly name = "native-linux";
  #build: Build | undefined;

  async unavailable(): Promise<string | null> {
    this.#build ??= await buildOracle();
    return "no" in this.#build ? this.#build.no : null;
  }

  gate(one: Case): string | null {
    return one.oracle === "linux" ? null : "Linux has nothing to compare this with";
  }

  async open(): Promise<Machine> {
    if (this.#build === undefined || "no" in this.#build) throw new Error("no oracle was built");
    return new NativeMachine(this.#build.program);
  }

  async stop(): Promise<void> {
    if (this.#build !== undefined && !("no" in this.#build)) {
      await rm(this.#build.folder, { recursive: true });
    }
  }
}
