// SPDX-License-Identifier: ISC
/**
 * The sequential model: one process with a descriptor table over eventfds, pipes and queues.
 *
 * It is written from the specification alone and knows nothing of the library's sources. Where the
 * specification leaves a choice, README.md in this folder says which one is made here, and why.
 */
import {
  isDescriptorFilter,
  type Knote,
  Kqueue,
  notify,
  propagate,
  type Surroundings,
} from "./kqueue.js";
import * as N from "./numbers.js";
import { Eventfd, NOTHING, type OpenFile, Pipe, type ReadResult } from "./objects.js";
import { DEFAULT_RULES, type Rules } from "./rules.js";
import {
  type Counts,
  type Kev,
  type KeventCall,
  type KeventResult,
  type System,
  type Timespec,
  UNSETTLED,
} from "./system.js";
import { isDue } from "./timer.js";

interface Descriptor {
  readonly file: OpenFile;
  cloexec: boolean;
}

function badTimeout(timeout: Timespec | null): boolean {
  if (timeout === null) return false;
  return timeout.sec < 0 || timeout.nsec < 0 || timeout.nsec >= 1_000_000_000;
}

export class Model implements System {
  readonly rules: Rules;
  readonly #table: (Descriptor | undefined)[] = [];
  readonly #env: Surroundings;
  #step = 0;

  constructor(rules: Partial<Rules> = {}) {
    this.rules = { ...DEFAULT_RULES, ...rules };
    this.#env = {
      rules: this.rules,
      usage: { users: 0, timers: 0 },
      now: 0n,
      abandoned: null,
      dirty: new Map(),
      fileAt: (fd) => this.#file(Number(fd)),
      step: () => this.#step,
      nextStep: () => ++this.#step,
    };
  }

  /** Why the rest of a sequence cannot be compared, or null. */
  get abandoned(): string | null {
    return this.#env.abandoned;
  }

  /** Milliseconds on the wall clock. */
  get wallMs(): number {
    return this.rules.wallMs + Number(this.#env.now / 1_000_000n);
  }

  /** Open descriptors that are of one kind: for choosing arguments. */
  descriptors(wanted: (file: OpenFile) => boolean = () => true): number[] {
    const open: number[] = [];
    this.#table.forEach((entry, fd) => {
      if (entry !== undefined && wanted(entry.file)) open.push(fd);
    });
    return open;
  }

  object(fd: number): OpenFile["object"] | null {
    return this.#file(fd)?.object ?? null;
  }

  /** What a queue watches. */
  knotes(kq: number): readonly Knote[] {
    const queue = this.object(kq);
    return queue instanceof Kqueue ? [...queue.knotes.values()] : [];
  }

  /** What is wrong with the model's own state: nothing, if it has no fault built in. */
  audit(): string[] {
    return [...this.#queues()].flatMap((queue) => queue.audit());
  }

  // Descriptors.

  #file(fd: number): OpenFile | null {
    return this.#table[fd]?.file ?? null;
  }

  /** The lowest free number that is at least `least`, or -1. */
  #lowest(least: number): number {
    const first = Math.max(least, this.rules.firstDescriptor);
    const start = this.rules.mutants.has("descriptor numbers grow")
      ? Math.max(first, this.#table.length)
      : first;
    for (let fd = start; fd < this.rules.descriptors; fd++) {
      if (this.#table[fd] === undefined) return fd;
    }
    return -1;
  }

  #install(file: OpenFile, cloexec: boolean, least = 0): number {
    const fd = this.#lowest(least);
    if (fd < 0) return -N.EMFILE;
    file.refs++;
    this.#table[fd] = { file, cloexec };
    return fd;
  }

  #open(object: OpenFile["object"], access: number, flags: number): number {
    const nonblock = (flags & N.O_NONBLOCK) !== 0;
    return this.#install({ object, access, nonblock, refs: 0 }, (flags & N.O_CLOEXEC) !== 0);
  }

  #queues(): Set<Kqueue> {
    const objects = this.#table.map((entry) => entry?.file.object);
    return new Set(objects.filter((object): object is Kqueue => object instanceof Kqueue));
  }

  #timers(): Knote[] {
    return [...this.#queues()].flatMap((queue) => [...queue.knotes.values()]);
  }

  /** Empty a number: first its knotes go, then the open file loses a reference (spec 4.8). */
  #release(fd: number, keepKnotes = false): void {
    const entry = this.#table[fd];
    if (entry === undefined) return;
    for (const queue of keepKnotes ? [] : this.#queues()) {
      for (const kn of [...queue.knotes.values()]) {
        if (isDescriptorFilter(kn.filter) && kn.ident === BigInt(fd)) queue.drop(kn);
      }
    }
    this.#table[fd] = undefined;
    const { file } = entry;
    const early = this.rules.mutants.has("end of file at the first close") && file.refs > 1;
    if (--file.refs > 0 && !early) return;
    if (file.object instanceof Kqueue && !early) file.object.destroy();
    if (file.object instanceof Pipe) {
      if (file.access === N.O_RDONLY) file.object.readerOpen = false;
      else file.object.writerOpen = false;
      notify(file.object.klist, this.rules, this.#step);
      propagate(this.#env);
    }
  }

  close(fd: number): number {
    this.#step++;
    if (this.#file(fd) === null) return -N.EBADF;
    this.#release(fd, this.rules.mutants.has("close keeps knotes"));
    return 0;
  }

  #duplicate(fd: number, least: number, cloexec: boolean): number {
    const entry = this.#table[fd];
    if (entry === undefined) return -N.EBADF;
    const copied = this.rules.mutants.has("dup copies close-on-exec") && entry.cloexec;
    return this.#install(entry.file, cloexec || copied, least);
  }

  dup(fd: number): number {
    this.#step++;
    return this.#duplicate(fd, 0, false);
  }

  #dupTo(from: number, to: number, cloexec: boolean): number {
    this.#step++;
    const entry = this.#table[from];
    if (entry === undefined || to < 0 || to >= this.rules.descriptors) return -N.EBADF;
    if (from === to) return to;
    entry.file.refs++;
    this.#release(to, this.rules.mutants.has("dup2 keeps knotes"));
    this.#table[to] = { file: entry.file, cloexec };
    return to;
  }

  dup2(from: number, to: number): number {
    return this.#dupTo(from, to, false);
  }

  dup3(from: number, to: number, flags: number): number {
    if (from === to || (flags & ~N.O_CLOEXEC) !== 0) return -N.EINVAL;
    return this.#dupTo(from, to, (flags & N.O_CLOEXEC) !== 0);
  }

  fcntl(fd: number, cmd: number, arg: number): number {
    this.#step++;
    const entry = this.#table[fd];
    const duplicates = cmd === N.F_DUPFD || cmd === N.F_DUPFD_CLOEXEC;
    const badArgument = duplicates && (arg < 0 || arg >= this.rules.descriptors);
    const known = [N.F_GETFD, N.F_SETFD, N.F_GETFL, N.F_SETFL, N.F_DUP2FD].includes(cmd);
    if (entry === undefined) return badArgument || !(known || duplicates) ? UNSETTLED : -N.EBADF;
    if (badArgument) return -N.EINVAL;
    if (duplicates) return this.#duplicate(fd, arg, cmd === N.F_DUPFD_CLOEXEC);
    switch (cmd) {
      case N.F_DUP2FD:
        return this.#dupTo(fd, arg, false);
      case N.F_GETFD:
        return entry.cloexec ? N.FD_CLOEXEC : 0;
      case N.F_SETFD:
        entry.cloexec = (arg & N.FD_CLOEXEC) !== 0;
        return 0;
      case N.F_GETFL:
        return entry.file.access | (entry.file.nonblock ? N.O_NONBLOCK : 0);
      case N.F_SETFL:
        if (this.#setflUnsettled(entry.file.object)) return UNSETTLED;
        entry.file.nonblock = (arg & N.O_NONBLOCK) !== 0;
        return 0;
      default:
        return -N.EINVAL;
    }
  }

  /** Queues take no file flags on FreeBSD; and nothing says whether a pipe may lose O_DIRECT. */
  #setflUnsettled(object: OpenFile["object"]): boolean {
    return object instanceof Kqueue || (object instanceof Pipe && object.packets);
  }

  // Creation.

  kqueue(): number {
    return this.#newQueue(0);
  }

  #newQueue(flags: number): number {
    this.#step++;
    return this.#open(new Kqueue(this.#env), N.O_RDWR, flags);
  }

  kqueue1(flags: number): number {
    return (flags & ~N.O_CLOEXEC) !== 0 ? -N.EINVAL : this.#newQueue(flags);
  }

  kqueuex(flags: number): number {
    if ((flags & ~(N.KQUEUE_CLOEXEC | N.KQUEUE_CPONFORK)) !== 0) return -N.EINVAL;
    return this.#newQueue((flags & N.KQUEUE_CLOEXEC) !== 0 ? N.O_CLOEXEC : 0);
  }

  eventfd(initval: number, flags: number): number {
    this.#step++;
    if ((flags & ~(N.EFD_SEMAPHORE | N.O_NONBLOCK | N.O_CLOEXEC)) !== 0) return -N.EINVAL;
    const semaphore = (flags & N.EFD_SEMAPHORE) !== 0;
    return this.#open(new Eventfd(initval, semaphore, this.rules.mutants), N.O_RDWR, flags);
  }

  pipe2(flags: number): { ret: number; fds: [number, number] } {
    this.#step++;
    if ((flags & ~(N.O_NONBLOCK | N.O_CLOEXEC | N.O_DIRECT)) !== 0) {
      return { ret: -N.EINVAL, fds: [-1, -1] };
    }
    const packets = (flags & N.O_DIRECT) !== 0;
    const pipe = new Pipe(this.rules.pipeBytes, packets, this.rules.mutants);
    const reader = this.#open(pipe, N.O_RDONLY, flags);
    if (reader < 0) return { ret: reader, fds: [-1, -1] };
    const writer = this.#open(pipe, N.O_WRONLY, flags);
    if (writer < 0) {
      this.#table[reader] = undefined;
      return { ret: writer, fds: [-1, -1] };
    }
    return { ret: 0, fds: [reader, writer] };
  }

  // Reading and writing.

  read(fd: number, length: number): ReadResult {
    this.#step++;
    const file = this.#file(fd);
    if (file === null || file.access === N.O_WRONLY) return { ret: -N.EBADF, bytes: NOTHING };
    const { object } = file;
    if (object instanceof Kqueue) return { ret: -N.ENXIO, bytes: NOTHING };
    const result = object.read(length, file.nonblock);
    if (result.ret > 0) this.#edge(object, N.EVFILT_WRITE);
    return result;
  }

  write(fd: number, bytes: Uint8Array): number {
    this.#step++;
    const file = this.#file(fd);
    if (file === null || file.access === N.O_RDONLY) return -N.EBADF;
    const { object } = file;
    if (object instanceof Kqueue) return -N.ENXIO;
    if (object instanceof Pipe && bytes.length === 0 && !object.readerOpen) return UNSETTLED;
    const ret = object.write(bytes, file.nonblock);
    const zero = object instanceof Eventfd && bytes.every((byte) => byte === 0);
    if (zero && this.rules.mutants.has("no edge for a write of zero")) return ret;
    if (ret > 0) this.#edge(object, N.EVFILT_READ);
    return ret;
  }

  /** An accepted operation: all knotes of the object look at it again (design.md 5). */
  #edge(object: Eventfd | Pipe, only: number): void {
    const one = this.rules.mutants.has("edge only for the other direction");
    const klist = one ? object.klist.filter((kn) => kn.filter === only) : object.klist;
    notify(klist, this.rules, this.#step);
    propagate(this.#env);
  }

  eventfdRead(fd: number): { ret: number; value: bigint } {
    if (!(this.object(fd) instanceof Eventfd)) return { ret: UNSETTLED, value: 0n };
    const { ret, bytes } = this.read(fd, 8);
    if (ret < 0) return { ret, value: 0n };
    return { ret: 0, value: new DataView(bytes.buffer).getBigUint64(0, true) };
  }

  eventfdWrite(fd: number, value: bigint): number {
    if (!(this.object(fd) instanceof Eventfd)) return UNSETTLED;
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setBigUint64(0, value, true);
    const ret = this.write(fd, bytes);
    return ret === 8 ? 0 : ret;
  }

  // Events.

  /** Whether the specification says what this call does; the model is not changed. */
  settled(call: KeventCall): boolean {
    const queue = this.object(call.kq) instanceof Kqueue;
    const badCount = (call.nchanges ?? 0) < 0 || call.nevents < 0;
    const faults = [!queue, badTimeout(call.timeout), badCount].filter(Boolean).length;
    if (faults > 1 || (call.nevents < 0 && call.changes.length > 0)) return false;
    const sleeps = call.nevents > 0 && (call.timeout === null || call.timeout.sec > 0);
    return !sleeps;
  }

  kevent(call: KeventCall, seen: readonly Kev[] = []): KeventResult {
    this.#step++;
    const result = this.#kevent(call, seen);
    propagate(this.#env);
    return result;
  }

  #kevent(call: KeventCall, seen: readonly Kev[]): KeventResult {
    const failed = (errno: number): KeventResult => ({ ret: -errno, events: [] });
    const late = this.rules.mutants.has("bad timeout is found late");
    const queue = this.object(call.kq);
    if (queue === null) return failed(N.EBADF);
    if (!(queue instanceof Kqueue)) return failed(N.EINVAL);
    if (badTimeout(call.timeout) && !late) return failed(N.EINVAL);
    if (call.nchanges !== undefined && call.nchanges < 0) return failed(N.EINVAL);
    const records: Kev[] = [];
    for (const input of call.changes) {
      this.#step++;
      if (input.filter === 0) continue;
      const { error, change } = queue.register(input);
      if (error === 0 && (change.flags & N.EV_RECEIPT) === 0) continue;
      if (records.length < call.nevents) {
        records.push({ ...change, flags: N.EV_ERROR, data: BigInt(error) });
      } else if (error !== 0) {
        if (!this.rules.mutants.has("error without room is skipped")) return failed(error);
      } else if (this.rules.mutants.has("receipt without room stops the call")) break;
    }
    const both = this.rules.mutants.has("records and events in one call");
    if (records.length > 0 && !both) return { ret: records.length, events: records };
    if (call.nevents < 0 || badTimeout(call.timeout)) return failed(N.EINVAL);
    this.#step++;
    const events = queue.scan(call.nevents - records.length, seen);
    return { ret: records.length + events.length, events: [...records, ...events] };
  }

  counts(): Counts {
    const { users, timers } = this.#env.usage;
    const queues = this.#queues();
    const registrations = [...queues].reduce((sum, queue) => sum + queue.knotes.size, 0);
    const descriptors = this.descriptors().length;
    return { descriptors, queues: queues.size, registrations, userEvents: users, timers };
  }

  advance(ms: number): void {
    this.#step++;
    this.#env.now += BigInt(ms) * 1_000_000n;
    for (const kn of this.#timers()) {
      if (kn.timer !== null && kn.timer.dueSince === null && isDue(kn, this.#env.now)) {
        kn.timer.dueSince = this.#step;
      }
    }
  }
}
