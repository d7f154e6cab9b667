// SPDX-License-Identifier: ISC
/**
 * What a thread does while it waits to be ended: calls of every kind, at random, over and over. No
 * act waits for ever, and none fails the thread: another may have closed what it wants.
 */
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_DISPATCH,
  EV_ENABLE,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
  NOTE_NSECONDS,
  NOTE_TRIGGER,
} from "#src/abi/event.js";
import { EFD_NONBLOCK, O_DIRECT, O_NONBLOCK } from "#src/abi/fcntl.js";
import type { Kthread } from "#src/arena/kthread.js";
import { callEnter, callLeave } from "#src/kern/thread.js";
import { PIPE_BYTES_MIN } from "#src/limits.js";
import { clockMoveManual } from "#src/sync/clock.js";
import { KeventList, type Sys, sys } from "#src/sys/face.js";
import { handleChannel, handleClose } from "#src/sys/handle.js";
import { messagesOfExits } from "#src/sys/message.js";
import type { Random } from "../unit/support.js";

/** Descriptors that all threads of a run share. */
export interface Shared {
  /** Queues, of which the first watch the last ones. */
  readonly queues: readonly number[];
  readonly counters: readonly number[];
  /** Read and write ends of pipes in turn; the second is in packet mode. */
  readonly pipes: readonly number[];
  /** First of the numbers that acts close, dup onto, and give. */
  readonly scratch: number;
}

/** How often an act repeats what takes a lock for a moment only. */
const ROUNDS = 16;
const NESTS = 4;
const CALL_CLOCK = 232;
const ZERO = { sec: 0, nsec: 0 };
const SCRATCH = 6;
const IDENTS = 24;
const FLAGS = [0, EV_CLEAR, EV_ONESHOT, EV_DISPATCH, EV_DISABLE];

/** Make what the acts share. */
export function sharedMake(s: Sys): Shared {
  const queues = [s.kqueue(), s.kqueue(), s.kqueue()];
  const counters = [s.eventfd(0, EFD_NONBLOCK), s.eventfd(3, EFD_NONBLOCK)];
  const pipes: number[] = [];
  for (const flags of [O_NONBLOCK, O_NONBLOCK | O_DIRECT]) {
    const fds = new Int32Array(2);
    s.pipe2(fds, flags);
    pipes.push(fds[0] as number, fds[1] as number);
  }
  const list = new KeventList(1);
  list.set(0, queues[2] as number, EVFILT_READ, EV_ADD);
  s.kevent(queues[0] as number, list, 1, null, 0, ZERO);
  return { queues, counters, pipes, scratch: 40 };
}

export class Actor {
  readonly s: Sys;
  readonly random: Random;
  readonly #k: Kthread;
  readonly #shared: Shared;
  readonly #list = new KeventList(4);
  readonly #events = new KeventList(8);
  readonly #bytes = new Uint8Array(700);
  readonly #word = new Uint8Array(8);
  readonly #number = new Int32Array(1);
  readonly #acts: readonly (() => void)[];

  constructor(k: Kthread, shared: Shared, random: Random) {
    this.s = sys({ thread: k });
    this.#k = k;
    this.#shared = shared;
    this.random = random;
    this.#acts = [
      this.user,
      this.user,
      this.timer,
      this.watch,
      this.collect,
      this.collect,
      this.wait,
      this.counter,
      this.counter,
      this.bytes,
      this.bytes,
      this.numbers,
      this.make,
      this.many,
      this.nest,
      this.named,
      this.identity,
      this.clocks,
      this.exits,
    ].map((act) => act.bind(this));
  }

  /** One act of the kinds that are asked for, or of any. */
  act(): void {
    this.pick(this.#acts)();
  }

  pick<T>(from: readonly T[]): T {
    return from[this.random.below(from.length)] as T;
  }

  #change(kq: number, ident: number, filter: number, flags: number, fflags = 0, data = 0): void {
    this.#list.set(0, ident, filter, flags, fflags, data);
    this.s.kevent(kq, this.#list, 1, null, 0, ZERO);
  }

  user(): void {
    const kq = this.pick(this.#shared.queues);
    const ident = this.random.below(IDENTS);
    const how = this.random.below(8);
    if (how < 2) this.#change(kq, ident, EVFILT_USER, EV_ADD | this.pick(FLAGS), NOTE_TRIGGER);
    else if (how === 2) this.#change(kq, ident, EVFILT_USER, EV_DELETE);
    else if (how === 3) this.#change(kq, ident, EVFILT_USER, EV_ENABLE);
    else this.#change(kq, ident, EVFILT_USER, 0, NOTE_TRIGGER);
  }

  timer(): void {
    const kq = this.pick(this.#shared.queues);
    const ident = this.random.below(IDENTS);
    if (this.random.below(3) === 0) this.#change(kq, ident, EVFILT_TIMER, EV_DELETE);
    else {
      const span = 1000 + this.random.below(3_000_000);
      this.#change(kq, ident, EVFILT_TIMER, EV_ADD | this.pick(FLAGS), NOTE_NSECONDS, span);
    }
  }

  watch(): void {
    const { queues, counters, pipes, scratch } = this.#shared;
    const fd = this.pick([...counters, ...pipes, scratch + this.random.below(SCRATCH)]);
    const filter = this.pick([EVFILT_READ, EVFILT_WRITE]);
    const flags = this.random.below(3) === 0 ? EV_DELETE : EV_ADD | this.pick(FLAGS);
    this.#change(this.pick(queues), fd, filter, flags);
  }

  collect(): void {
    this.s.kevent(this.pick(this.#shared.queues), null, 0, this.#events, 8, ZERO);
  }

  wait(): void {
    const timeout = { sec: 0, nsec: this.random.below(200_000) };
    this.s.kevent(this.pick(this.#shared.queues), null, 0, this.#events, 3, timeout);
  }

  counter(): void {
    const fd = this.pick(this.#shared.counters);
    this.#word.fill(0);
    this.#word[0] = this.random.below(3);
    if (this.random.below(2) === 0) this.s.read(fd, this.#word);
    else this.s.write(fd, this.#word);
  }

  bytes(): void {
    const at = 2 * this.random.below(2);
    const length = 1 + this.random.below(this.#bytes.length - 1);
    const fd = this.#shared.pipes[at + this.random.below(2)] as number;
    if (fd === this.#shared.pipes[at]) this.s.read(fd, this.#bytes, length);
    else this.s.write(fd, this.#bytes, length);
  }

  /** close, dup, dup2 of a few numbers. */
  numbers(): void {
    const { counters, pipes, scratch } = this.#shared;
    const fd = scratch + this.random.below(SCRATCH);
    const from = this.pick([...counters, ...pipes]);
    const how = this.random.below(4);
    if (how === 0) this.s.close(fd);
    else this.s.dup2(from, fd);
  }

  /** Things are made and given up again at once; what is left if that was cut off, is counted. */
  make(): void {
    const how = this.random.below(3);
    let fd: number;
    if (how === 0) fd = this.s.kqueue();
    else if (how === 1) fd = this.s.eventfd(1, EFD_NONBLOCK);
    else {
      const fds = new Int32Array(2);
      if (this.s.pipe2(fds, O_NONBLOCK) !== 0) return;
      this.s.close(fds[0] as number);
      fd = fds[1] as number;
    }
    if (fd < 0) return;
    if (how === 0) {
      this.#change(fd, this.pick(this.#shared.counters), EVFILT_READ, EV_ADD);
      this.#change(fd, 1, EVFILT_TIMER, EV_ADD, 0, 5);
    }
    this.s.close(fd);
  }

  /** So many registrations that hash, heap and magazines grow, and their end. */
  many(): void {
    if (this.random.below(20) > 0) return;
    const kq = this.s.kqueue();
    if (kq < 0) return;
    for (let i = 0; i < 100; i++) {
      this.#change(kq, i, i % 3 === 0 ? EVFILT_TIMER : EVFILT_USER, EV_ADD, 0, 1000);
    }
    this.s.close(kq);
  }

  /** One queue watches another and does not, over and over: both take the lock of links. */
  nest(): void {
    const { queues } = this.#shared;
    for (let i = 0; i < NESTS; i++) {
      const flags = this.random.below(2) === 0 ? EV_DELETE : EV_ADD;
      this.#change(queues[1] as number, queues[2] as number, EVFILT_READ, flags);
    }
  }

  /** Names of filters come and go, and sources with them. */
  named(): void {
    const { s } = this;
    for (let i = 0; i < ROUNDS; i++) {
      const name = `filter ${this.random.below(4)}`;
      if (s.kfilter_byname(name, this.#number) !== 0) s.kfilter_register(name);
      else if (this.random.below(4) === 0) s.kfilter_unregister(this.#number[0] as number);
      else {
        const fd = s.source(0, this.#number[0] as number, this.random.below(IDENTS));
        if (fd >= 0) s.close(fd);
      }
    }
  }

  /** Whose process it is. */
  identity(): void {
    for (let i = 0; i < 8 * ROUNDS; i++) this.s.getuid();
  }

  /** Manual clocks are moved. These kernels look at the host's, so nobody sees it. */
  clocks(): void {
    for (let i = 0; i < 2 * ROUNDS; i++) {
      callEnter(this.#k, CALL_CLOCK);
      clockMoveManual(this.#k, 1000, i % 2 === 0 ? null : 5n);
      callLeave(this.#k);
    }
  }

  /** Watchers of exits come and go. What was left of one is closed by whoever reaps. */
  exits(): void {
    for (let i = 0; i < ROUNDS; i++) {
      const handle = handleChannel(this.#k, PIPE_BYTES_MIN);
      if (typeof handle === "number") return;
      messagesOfExits(this.#k, handle);
      handleClose(this.#k, handle);
    }
  }
}
