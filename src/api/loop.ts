// SPDX-License-Identifier: ISC
/**
 * Waiting without blocking, for one thread of one kernel: any number of waits on any number of
 * queues, and at most one pending Atomics.waitAsync for all of them.
 *
 * A wait is *parked* while its record is on its queue. It leaves by being fired (somebody made an
 * event, and put the record on the thread's list), by its time, or by being cancelled. A record
 * may be linked again only when it is surely not on the list: hence whoever takes one off its queue
 * himself takes the list afterwards.
 *
 * The pending wait is armed when a wait is parked and none is armed, and the list is looked at once
 * more after arming. When the last wait goes, it is ended. Before the thread blocks, parked waits
 * leave their queues, and they look again afterwards.
 */
import { keepAlive, later } from "#host";
import { EAGAIN, ENOMEM, ENOSYS } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import { awaitParkedUntil, kqueueAwait, kqueueAwaitCancel, PARKED } from "../event/await.js";
import { clockMonotonic } from "../sync/clock.js";
import type { WaitrecPtr } from "../sync/wait.js";
import {
  asyncArm,
  asyncDisarm,
  asyncRetire,
  firedAny,
  firedTake,
  hasWaitAsync,
  recordMake,
  recordsFree,
} from "../sys/async.js";
import type { Port } from "../sys/port.js";
import { KernelError } from "./errors.js";
import { RETRY_MS } from "./object.js";

/** No time-out. */
export const NEVER = Number.POSITIVE_INFINITY;

/** One wait on one queue. The methods are called with no lock held, and must not call back. */
export interface Waiting {
  readonly port: Port;
  /** Events wanted at most. */
  readonly max: number;
  /** Monotonic nanoseconds since boot, or NEVER. */
  readonly deadline: number;
  /** Whether it keeps the process alive. */
  held: boolean;
  /** `count` records are in the port. True if that ends the wait, false to go on waiting. */
  collected(count: number): boolean;
  timedOut(): void;
  failed(errno: number): void;
}

interface Parked {
  readonly waiting: Waiting;
  readonly rec: WaitrecPtr;
  /** When it has to look by itself. */
  until: number;
}

export class Loop {
  readonly #k: Kthread;
  readonly #parked = new Map<number, Parked>();
  readonly #byWaiting = new Map<Waiting, Parked>();
  /** Records in no use. */
  readonly #spare: WaitrecPtr[] = [];
  readonly #fired: number[] = [];
  readonly #keepAlive = keepAlive();
  #held = 0;
  /** Names the pending wait: an older one that ends means nothing. */
  #token = 0;
  #armed = false;
  #running = false;
  #cancelTimer: (() => void) | null = null;
  #timerAt = NEVER;

  constructor(k: Kthread) {
    this.#k = k;
  }

  /** Waits that are parked now. */
  get count(): number {
    return this.#parked.size;
  }

  /**
   * Begin a wait: collect what is there, or park. May call the wait's methods before it returns.
   * @throws {KernelError} ENOMEM, ENOSYS without Atomics.waitAsync
   */
  begin(waiting: Waiting): void {
    const rec = this.#spare.pop() ?? recordMake(this.#k);
    if (rec === 0) throw new KernelError(ENOMEM, "kevent", "wait", "the arena is full");
    const one: Parked = { waiting, rec, until: NEVER };
    if (this.#poll(one)) {
      this.#spare.push(rec);
      return;
    }
    if (!hasWaitAsync()) {
      this.#unpark(one);
      this.#spare.push(rec);
      const why = "this runtime has no Atomics.waitAsync; use waitSync in a worker";
      throw new KernelError(ENOSYS, "kevent", "wait", why);
    }
    this.#parked.set(rec, one);
    this.#byWaiting.set(waiting, one);
    if (waiting.held) this.#hold();
    this.#timerFor(one.until);
    this.#arm();
  }

  /** End a wait without a result. Nothing of it is left; a wake that it was given is passed on. */
  cancel(waiting: Waiting): void {
    const one = this.#byWaiting.get(waiting);
    if (one === undefined) return;
    this.#unpark(one);
    firedTake(this.#k, this.#fired);
    this.#forget(one);
    if (this.#fired.length > 0) this.#run();
    else this.#retireIfIdle();
  }

  /** Whether parked waits of a queue keep the process alive was changed. */
  setHeld(waiting: Waiting, held: boolean): void {
    if (waiting.held === held) return;
    waiting.held = held;
    if (!this.#byWaiting.has(waiting)) return;
    if (held) this.#hold();
    else this.#release();
  }

  /**
   * Do something that may block: no record of the thread is on a queue meanwhile. Afterwards the
   * waits that were parked look again, and use what all share (lists, buffers): what `call` found
   * there it has to take out itself.
   */
  blocking<T>(call: () => T): T {
    if (this.#parked.size === 0) return call();
    const all = [...this.#parked.values()];
    for (const one of all) this.#unpark(one);
    firedTake(this.#k, this.#fired);
    // Everybody looks again afterwards, so it does not matter who was fired.
    this.#fired.length = 0;
    try {
      return call();
    } finally {
      for (const one of all) this.#look(one);
      this.#settle();
    }
  }

  /** Give everything back; waits were cancelled before. */
  end(): void {
    for (const one of [...this.#parked.values()]) this.cancel(one.waiting);
    this.#retireIfIdle();
    this.#cancelTimer?.();
    this.#keepAlive.end();
    recordsFree(this.#k);
  }

  /** Collect for a wait, or park it. True if it has ended. Its record is on no list. */
  #poll(one: Parked): boolean {
    const { waiting, rec } = one;
    const { port, max } = waiting;
    port.reserve(max);
    for (;;) {
      const n = kqueueAwait(
        this.#k,
        port.kq,
        port.generation,
        port.events,
        max,
        rec,
        waiting.deadline,
      );
      if (n === PARKED) {
        one.until = awaitParkedUntil();
        return false;
      }
      if (n === -EAGAIN) {
        // This thread may not wait for the queue's lock. The record is as it was.
        later(RETRY_MS, () => this.#retry(one));
        one.until = NEVER;
        return false;
      }
      if (n < 0) waiting.failed(-n);
      else if (n === 0) waiting.timedOut();
      else if (!waiting.collected(n)) continue;
      return true;
    }
  }

  /** Look for a wait whose record is on no list. */
  #look(one: Parked): void {
    if (!this.#parked.has(one.rec)) return;
    if (this.#poll(one)) this.#forget(one);
    else this.#timerFor(one.until);
  }

  /** Look for a wait whose record may be parked or fired. */
  #lookAgain(one: Parked): void {
    if (!kqueueAwaitCancel(this.#k, one.waiting.port.kq, one.rec)) {
      later(RETRY_MS, () => this.#retry(one));
      return;
    }
    firedTake(this.#k, this.#fired);
    this.#look(one);
  }

  #retry(one: Parked): void {
    if (this.#parked.get(one.rec) !== one) return;
    this.#lookAgain(one);
    this.#settle();
  }

  /** Take a record off its queue now, however long its lock is held: a cancel is final. */
  #unpark(one: Parked): void {
    while (!kqueueAwaitCancel(this.#k, one.waiting.port.kq, one.rec));
  }

  #forget(one: Parked): void {
    if (!this.#parked.delete(one.rec)) return;
    this.#byWaiting.delete(one.waiting);
    this.#spare.push(one.rec);
    if (one.waiting.held) this.#release();
  }

  /** The pending wait has ended. */
  #woken(token: number): void {
    if (token !== this.#token) return;
    this.#armed = false;
    asyncDisarm(this.#k);
    firedTake(this.#k, this.#fired);
    this.#run();
  }

  /** Look for everybody who fired, until nobody has; then arm or retire the pending wait. */
  #run(): void {
    if (this.#running) return;
    this.#running = true;
    for (let rec = this.#fired.shift(); rec !== undefined; rec = this.#fired.shift()) {
      const one = this.#parked.get(rec);
      if (one !== undefined) this.#look(one);
    }
    this.#running = false;
    this.#settle();
  }

  #settle(): void {
    if (this.#running) return;
    if (this.#fired.length > 0) this.#run();
    else if (this.#parked.size > 0) this.#arm();
    else this.#retireIfIdle();
  }

  /** Make sure that the thread is told of what fires from now on, and of what has. */
  #arm(): void {
    while (!this.#armed && this.#parked.size > 0) {
      const pending = asyncArm(this.#k);
      if (pending !== null) {
        this.#armed = true;
        const token = ++this.#token;
        void pending.then(() => this.#woken(token));
      }
      if (firedAny(this.#k)) {
        firedTake(this.#k, this.#fired);
        this.#run();
      }
    }
    // Manual clocks are moved first, and then everybody is woken whose word is SLEEPING; here the
    // word was set first, and then the clock is looked at.
    if (this.#k.manualClock) this.#lookAtDue();
  }

  #retireIfIdle(): void {
    if (this.#parked.size > 0 || !this.#armed) return;
    this.#armed = false;
    this.#token++;
    asyncRetire(this.#k);
  }

  /** Look for every wait whose time has come. */
  #lookAtDue(): void {
    const now = clockMonotonic(this.#k);
    const due = [...this.#parked.values()].filter(({ until }) => until <= now);
    for (const one of due) this.#lookAgain(one);
    if (due.length > 0) this.#settle();
  }

  /** Have the host call back at the earliest time that some wait has to look by itself. */
  #timerFor(until: number): void {
    if (until >= this.#timerAt || this.#k.manualClock) return;
    this.#cancelTimer?.();
    this.#timerAt = until;
    const ms = Math.max(0, until - clockMonotonic(this.#k)) / 1e6;
    this.#cancelTimer = later(ms, () => this.#timeUp());
  }

  #timeUp(): void {
    this.#cancelTimer = null;
    this.#timerAt = NEVER;
    this.#lookAtDue();
    let earliest = NEVER;
    for (const { until } of this.#parked.values()) earliest = Math.min(earliest, until);
    this.#timerFor(earliest);
  }

  #hold(): void {
    if (this.#held++ === 0) this.#keepAlive.hold();
  }

  #release(): void {
    if (--this.#held === 0) this.#keepAlive.release();
  }
}
