// SPDX-License-Identifier: ISC
/**
 * The model's kqueue: registration, notification and scan (spec/kqueue.md 2, 4; design.md 5).
 *
 * Order. Activations that one operation causes have no order among themselves, since nothing says
 * in which order an object's knotes are notified. So a queued knote carries an interval of steps in
 * which it may have been activated, one knote precedes another when its interval ends before the
 * other's begins, and `scan` follows the order that the other system shows where this leaves a
 * choice. A timer's interval runs from the step that made it due to the first look at its queue:
 * it may fire at any moment between (design.md 8).
 */
import * as N from "./numbers.js";
import { type Eventfd, type OpenFile, Pipe } from "./objects.js";
import type { Mutant, Rules } from "./rules.js";
import type { Kev } from "./system.js";
import { armTimer, attachTimer, fireTimer, isDue, type TimerState, validTimer } from "./timer.js";
import { attachUser, clearUser, modifyUser } from "./user.js";

/** The steps in which an activation may have happened. */
interface Interval {
  readonly since: number;
  readonly until: number;
}

/** What the process gives to its queues. */
export interface Surroundings {
  readonly rules: Rules;
  readonly usage: { users: number; timers: number };
  /** Nanoseconds since boot on the manual clock. */
  now: bigint;
  /** Set when what follows is not settled by the specification: stop comparing. */
  abandoned: string | null;
  /** Queues whose watchers have not been told yet of what was queued, and when that was. */
  readonly dirty: Map<Kqueue, Interval>;
  fileAt(fd: bigint): OpenFile | null;
  /** The number of the step that is being taken, and the start of another one. */
  step(): number;
  nextStep(): number;
}

export interface Knote {
  readonly queue: Kqueue;
  readonly ident: bigint;
  readonly filter: number;
  /** Watched object of a descriptor filter, unless it is the wrong end of a pipe. */
  object: Eventfd | Pipe | Kqueue | null;
  timer: TimerState | null;
  triggered: boolean;
  flags: number;
  fflags: number;
  data: bigint;
  udata: bigint;
  ext: Kev["ext"];
  sfflags: number;
  sdata: bigint;
  active: boolean;
  queued: boolean;
  disabled: boolean;
  /** Whether it has become active since its last delivery; one that has not is put back only. */
  fresh: boolean;
  /** Interval of steps in which a queued knote was activated. */
  since: number;
  until: number;
}

export interface Registered {
  readonly error: number;
  /** The change as registration leaves it: what a result record shows. */
  readonly change: Kev;
}

const DESCRIPTOR_FILTERS = [N.EVFILT_READ, N.EVFILT_WRITE, N.EVFILT_VNODE, N.EVFILT_EMPTY];
const FILTERS = [...DESCRIPTOR_FILTERS, N.EVFILT_TIMER, N.EVFILT_USER];

export function isDescriptorFilter(filter: number): boolean {
  return DESCRIPTOR_FILTERS.includes(filter);
}

function evaluate(kn: Knote): boolean {
  if (kn.filter === N.EVFILT_USER) return kn.triggered;
  if (kn.timer !== null) return kn.data !== 0n;
  return kn.object === null ? false : kn.object.evaluate(kn);
}

/** Notify the knotes of an object: each whose condition holds becomes active. */
export function notify(klist: readonly Knote[], rules: Rules, since: number, until = since): void {
  const order = rules.klist === "oldest first" ? [...klist] : [...klist].reverse();
  for (const kn of order) {
    if (evaluate(kn)) kn.queue.activate(kn, since, until);
  }
}

/**
 * Tell the queues that watch others (spec 4.7): when a call ends, so that they see what it left.
 * `besides` is a queue in the middle of a call, whose own watchers have to wait for its end.
 */
export function propagate(env: Surroundings, besides: Kqueue | null = null): void {
  for (;;) {
    const next = [...env.dirty].find(([queue]) => queue !== besides);
    if (next === undefined) return;
    const [queue, { since, until }] = next;
    env.dirty.delete(queue);
    notify(queue.klist, env.rules, since, until);
  }
}

export class Kqueue {
  readonly kind = "kqueue";
  readonly klist: Knote[] = [];
  readonly knotes = new Map<string, Knote>();
  ready: Knote[] = [];
  readonly #env: Surroundings;

  constructor(env: Surroundings) {
    this.#env = env;
  }

  #broken(mutant: Mutant): boolean {
    return this.#env.rules.mutants.has(mutant);
  }

  // Readiness.

  activate(kn: Knote, since: number, until: number): void {
    kn.active = true;
    if (kn.disabled || (kn.queued && kn.fresh)) return;
    kn.fresh = true;
    if (!this.#env.dirty.has(this)) this.#env.dirty.set(this, { since, until });
    if (kn.queued) return;
    kn.queued = true;
    kn.since = since;
    kn.until = until;
    this.ready.push(kn);
  }

  dequeue(kn: Knote): void {
    if (!kn.queued) return;
    kn.queued = false;
    this.ready.splice(this.ready.indexOf(kn), 1);
  }

  /** As a watched object: the number of queued knotes (spec 4.7). */
  evaluate(kn: Knote): boolean {
    const count = this.ready.length;
    kn.data = BigInt(this.#broken("nested queue reports one") ? Math.min(count, 1) : count);
    return count > 0;
  }

  children(): Kqueue[] {
    const objects = [...this.knotes.values()].map((kn) => kn.object);
    return objects.filter((object): object is Kqueue => object instanceof Kqueue);
  }

  reaches(other: Kqueue): boolean {
    return this === other || this.children().some((child) => child.reaches(other));
  }

  /** Fire what is due in this queue and in those that it watches. */
  expire(scanned: Kqueue = this): void {
    for (const child of this.children()) child.expire(scanned);
    propagate(this.#env, scanned);
    const due = [...this.knotes.values()].filter((kn) => isDue(kn, this.#env.now));
    due.sort((a, b) => Number((a.timer?.due ?? 0n) - (b.timer?.due ?? 0n)));
    for (const kn of due) {
      const since = kn.timer?.dueSince ?? this.#env.step();
      fireTimer(kn, this.#env);
      this.activate(kn, since, Number.POSITIVE_INFINITY);
    }
  }

  // Registration (spec 2.3, FreeBSD's order).

  register(input: Kev): Registered {
    const change: Kev = { ...input, flags: input.flags & ~N.EV_SYSFLAGS };
    const refuse = (error: number): Registered => ({ error, change });
    const { flags } = change;
    const both = N.EV_ENABLE | N.EV_DISABLE;
    if ((flags & both) === both && !this.#broken("enable with disable is accepted")) {
      return refuse(N.EINVAL);
    }
    if (!FILTERS.includes(change.filter)) return refuse(N.EINVAL);
    if ((flags & N.EV_ADD) !== 0 && (flags & N.EV_KEEPUDATA) !== 0) return refuse(N.EINVAL);
    let file: OpenFile | null = null;
    if (isDescriptorFilter(change.filter)) {
      file = change.ident > N.INT_MAX ? null : this.#env.fileAt(change.ident);
      if (file === null) return refuse(N.EBADF);
      if (file.object === this) return refuse(N.EINVAL);
    }
    const kn = this.knotes.get(`${change.filter} ${change.ident}`);
    if (kn !== undefined && isDue(kn, this.#env.now) && this.klist.length > 0) {
      this.#env.abandoned = "a watcher may have heard of a timer before it was changed";
    }
    if (kn === undefined) {
      return (flags & N.EV_ADD) === 0 ? refuse(N.ENOENT) : this.#create(change, file);
    }
    if ((flags & N.EV_DELETE) !== 0) {
      if (!this.#broken("add wins over delete") || (flags & N.EV_ADD) === 0) {
        this.drop(kn);
        return { error: 0, change };
      }
    }
    return { error: this.#modify(kn, change), change };
  }

  #create(change: Kev, file: OpenFile | null): Registered {
    const kn: Knote = {
      queue: this,
      ident: change.ident,
      filter: change.filter,
      object: null,
      timer: null,
      triggered: false,
      flags: change.flags & ~N.EV_ACTIONS,
      fflags: 0,
      data: 0n,
      udata: change.udata,
      ext: change.ext,
      sfflags: change.fflags,
      sdata: change.data,
      active: false,
      queued: false,
      disabled: (change.flags & N.EV_DISABLE) !== 0,
      fresh: false,
      since: 0,
      until: 0,
    };
    const keeps = this.#broken("receipt keeps fflags of a new knote");
    const after: Kev = keeps ? change : { ...change, fflags: 0, data: 0n };
    const error = this.#attach(kn, file);
    if (error !== 0) {
      return { error, change: this.#broken("refused add shows its fflags") ? change : after };
    }
    this.knotes.set(`${kn.filter} ${kn.ident}`, kn);
    this.#settle(kn);
    return { error: 0, change: after };
  }

  /** Take hold of the source. On an error nothing is held. */
  #attach(kn: Knote, file: OpenFile | null): number {
    if (file === null) {
      return kn.filter === N.EVFILT_USER ? attachUser(kn, this.#env) : attachTimer(kn, this.#env);
    }
    const { object } = file;
    if (kn.filter !== N.EVFILT_READ && kn.filter !== N.EVFILT_WRITE) return N.EINVAL;
    if (object instanceof Kqueue) {
      if (kn.filter !== N.EVFILT_READ) return N.EINVAL;
      if (object.reaches(this) && !this.#broken("cycle of queues is accepted")) return N.EINVAL;
    }
    if (object instanceof Pipe) {
      const wanted = kn.filter === N.EVFILT_READ ? N.O_RDONLY : N.O_WRONLY;
      if (file.access !== wanted) return 0;
      if (wanted === N.O_WRONLY && !object.readerOpen) return N.EPIPE;
    }
    kn.object = object;
    object.klist.push(kn);
    return 0;
  }

  #modify(kn: Knote, change: Kev): number {
    const { flags } = change;
    const add = (flags & N.EV_ADD) !== 0;
    const rearm = kn.timer !== null && add;
    if (rearm) {
      if (validTimer(change, kn.flags | flags) === null) {
        if (!this.#broken("bad timer values are kept")) return N.EINVAL;
        kn.timer = null;
      }
    }
    if ((flags & N.EV_FORCEONESHOT) !== 0) {
      if (isDue(kn, this.#env.now)) this.#env.abandoned = "FORCEONESHOT on a timer that is due";
      kn.flags |= N.EV_ONESHOT;
      this.activate(kn, this.#env.step(), this.#env.step());
    }
    if ((flags & N.EV_ENABLE) !== 0) this.#enable(kn);
    else if ((flags & N.EV_DISABLE) !== 0) this.#disable(kn);
    if (add && this.#broken("add enables a disabled knote")) kn.disabled = false;
    if (this.#broken("modify refreshes ext")) kn.ext = change.ext;
    if (this.#broken("modify changes the stored flags")) kn.flags = flags & ~N.EV_ACTIONS;
    if (kn.filter === N.EVFILT_USER) {
      modifyUser(kn, change, this.#env.rules.mutants);
    } else {
      const keep = this.#broken("modify without add keeps udata") && !add;
      if ((flags & N.EV_KEEPUDATA) === 0 && !keep) kn.udata = change.udata;
      if (rearm) armTimer(kn, change, this.#env);
      else if (kn.timer === null) this.#overwrite(kn, change);
    }
    this.#settle(kn);
    return 0;
  }

  #overwrite(kn: Knote, change: Kev): void {
    const addOnly = this.#broken("modify without add keeps the low-water mark");
    if (addOnly && (change.flags & N.EV_ADD) === 0) return;
    kn.sfflags = change.fflags;
    kn.sdata = change.data;
  }

  #enable(kn: Knote): void {
    // A timer that came due while disabled is queued by this, if it was looked at before.
    if (kn.disabled && kn.timer?.dueSince) kn.timer.dueSince = this.#env.step();
    kn.disabled = false;
  }

  #disable(kn: Knote): void {
    kn.disabled = true;
    if (!this.#broken("disabled knote stays queued")) this.dequeue(kn);
  }

  /** The end of every registration: look at the source, and queue what is active. */
  #settle(kn: Knote): void {
    if (kn.disabled) return;
    const now = this.#env.step();
    let interval: Interval = { since: now, until: now };
    if (kn.object instanceof Kqueue) {
      kn.object.expire(this);
      interval = kn.object.#readySince(now);
    }
    if (evaluate(kn)) kn.active = true;
    if (kn.active) this.activate(kn, interval.since, interval.until);
  }

  /** When the queue had its first event: with only timers in it, perhaps as late as a scan. */
  #readySince(now: number): Interval {
    const loose = this.ready.every((kn) => kn.until === Number.POSITIVE_INFINITY);
    if (!loose || this.ready.length === 0) return { since: now, until: now };
    const since = Math.min(...this.ready.map((kn) => kn.since));
    return { since, until: Number.POSITIVE_INFINITY };
  }

  drop(kn: Knote): void {
    this.dequeue(kn);
    this.knotes.delete(`${kn.filter} ${kn.ident}`);
    if (kn.filter === N.EVFILT_USER) this.#env.usage.users--;
    if (kn.filter === N.EVFILT_TIMER) this.#env.usage.timers--;
    const klist = kn.object?.klist;
    if (klist !== undefined) klist.splice(klist.indexOf(kn), 1);
  }

  audit(): string[] {
    const wrong: string[] = [];
    for (const kn of this.knotes.values()) {
      const listed = this.ready.filter((other) => other === kn).length;
      const expected = kn.active && !kn.disabled ? 1 : 0;
      if (listed !== expected || kn.queued !== (expected === 1)) {
        wrong.push(`knote ${kn.filter} ${kn.ident}: queued ${listed} times, not ${expected}`);
      }
    }
    const strangers = this.ready.filter((kn) => kn !== this.knotes.get(`${kn.filter} ${kn.ident}`));
    if (strangers.length > 0) wrong.push("a dropped knote is queued");
    return wrong;
  }

  /** The last descriptor of the queue is gone. */
  destroy(): void {
    for (const kn of [...this.knotes.values()]) this.drop(kn);
  }

  // Scan (spec 4.1, 4.2; design.md 5: one pass over what is queued at entry).

  scan(nevents: number, seen: readonly Kev[]): Kev[] {
    if (nevents === 0) return [];
    this.expire();
    const loose = this.#readySince(0).until === Number.POSITIVE_INFINITY;
    const start = this.#env.nextStep();
    for (const kn of this.ready) if (kn.until === Number.POSITIVE_INFINITY) kn.until = start;
    const waiting = this.ready;
    const examined: Knote[] = [];
    const requeued: Knote[] = [];
    const out: Kev[] = [];
    this.ready = [];
    while (waiting.length > 0 && out.length < nevents) {
      const kn = pick(waiting, seen[out.length]);
      examined.push({ ...kn });
      const record = this.#deliver(kn);
      if (record !== null) out.push(record);
      if (kn.queued) requeued.push(kn);
    }
    this.#checkSkipped(waiting, examined);
    const head = this.#broken("level event goes back to the head");
    for (const kn of requeued) kn.since = kn.until = head ? -1 : this.#env.nextStep();
    this.ready = [...waiting, ...requeued];
    if (loose && this.ready.length === 0 && this.klist.length > 0) {
      this.#env.abandoned = "a watcher may have heard of a timer before its event was taken";
    }
    return out;
  }

  /** Give up where it is open whether a stale knote was met before the list was full. */
  #checkSkipped(left: readonly Knote[], examined: readonly Knote[]): void {
    for (const kn of left) {
      const stale = (kn.flags & N.EV_ONESHOT) === 0 && !evaluate(kn);
      if (stale && examined.some((other) => !precedes(other, kn))) {
        this.#env.abandoned = "a stale knote may or may not have been passed";
      }
    }
  }

  /** One knote off the list: its record, or null if its condition no longer holds. */
  #deliver(kn: Knote): Kev | null {
    if ((kn.flags & N.EV_ONESHOT) !== 0) {
      const record = this.#recordLast(kn);
      kn.queued = false;
      if (!this.#broken("oneshot stays")) this.#dropTaken(kn);
      return record;
    }
    if (kn.disabled || !evaluate(kn)) {
      kn.queued = false;
      kn.active = kn.disabled && kn.active;
      return null;
    }
    const record = this.#record(kn);
    kn.fresh = false;
    const clear = (kn.flags & N.EV_CLEAR) !== 0;
    let dispatch = (kn.flags & N.EV_DISPATCH) !== 0;
    if (clear && this.#broken("clear wins over dispatch")) dispatch = false;
    if (clear) clearUser(kn, this.#env.rules.mutants);
    if (dispatch) kn.disabled = true;
    if (clear || dispatch) kn.active = kn.queued = false;
    return record;
  }

  #dropTaken(kn: Knote): void {
    // The scan took it off the list already.
    kn.queued = false;
    this.drop(kn);
  }

  /** A one-shot event: as it was when last looked at, if the condition no longer holds. */
  #recordLast(kn: Knote): Kev | null {
    const record = this.#record(kn);
    const holds = evaluate(kn);
    if (!holds && this.#broken("oneshot is tested again at delivery")) return null;
    // A queue's count changes without notification: nothing says which one is the last recorded.
    return kn.object instanceof Kqueue ? { ...record, anyData: true } : record;
  }

  #record(kn: Knote): Kev {
    const { ident, filter, flags, fflags, data, udata, ext } = kn;
    const record: Kev = { ident, filter, flags, fflags: fflags >>> 0, data, udata, ext };
    const framed = kn.object instanceof Pipe && kn.object.packets;
    return framed && filter === N.EVFILT_WRITE ? { ...record, anyData: true } : record;
  }
}

/** Whether `a` was certainly activated before `b`. */
function precedes(a: Knote, b: Knote): boolean {
  if (a.until < b.since) return true;
  const fired = a.timer?.firedDue ?? null;
  const other = b.timer?.firedDue ?? null;
  if (fired === null || other === null || fired >= other) return false;
  return a.until === b.until && a.since <= b.since;
}

/** Take the next knote: among those that may be first, the one that the other system showed. */
function pick(waiting: Knote[], seen: Kev | undefined): Knote {
  const may = waiting.filter((kn) => !waiting.some((other) => precedes(other, kn)));
  const same = may.find((kn) => seen?.ident === kn.ident && seen.filter === kn.filter);
  const kn = (same ?? may[0]) as Knote;
  waiting.splice(waiting.indexOf(kn), 1);
  return kn;
}
