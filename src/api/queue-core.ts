// SPDX-License-Identifier: ISC
/**
 * The inside of a queue: its registrations by tag, turning kernel records into events, and its
 * waits. It is apart from the Queue that programs hold, so that a forgotten Queue can be noticed
 * while its kernel still knows what to close; a pending wait keeps its Queue.
 */
import { later } from "#host";
import { EAGAIN, EBADF, EDEADLK, EEXIST, EINVAL, ENOENT } from "../abi/errno.js";
import { clockMonotonic } from "../sync/clock.js";
import { Port, timeoutOf, watchesUser, watchKey } from "../sys/port.js";
import type { Core } from "./core.js";
import { KernelError } from "./errors.js";
import { NEVER, type Waiting } from "./loop.js";
import { type ObjectState, RETRY_MS, type Watcher } from "./object.js";
import { ENDED, NOTHING, type Opened, type SourceSpec } from "./source.js";

/** An event before its types are known. */
export interface AnyEvent {
  tag: string;
  value: unknown;
  ended: boolean;
  flags: number;
}

/** What `add` was asked for. */
export interface AddShape {
  readonly once: boolean;
  readonly edge: boolean | undefined;
}

class Registration implements Watcher {
  readonly queue: QueueCore;
  readonly tag: string;
  readonly opened: Opened;
  readonly id: number;
  readonly key: string;
  /** The registration ends with its first event. */
  readonly once: boolean;

  constructor(queue: QueueCore, tag: string, opened: Opened, id: number, once: boolean) {
    this.queue = queue;
    this.tag = tag;
    this.opened = opened;
    this.id = id;
    this.key = watchKey(opened.watch, id);
    this.once = once || opened.watch.once;
  }

  sourceClosed(): void {
    this.queue.sourceGone(this);
  }
}

/** One pending `wait`. */
export class QueueWait implements Waiting {
  readonly port: Port;
  readonly max: number;
  readonly deadline: number;
  /** It ends with no event when the queue has no source left. */
  readonly untilEmpty: boolean;
  held: boolean;
  /** Keeps the program's Queue from being collected as garbage. */
  readonly owner: object;
  readonly #queue: QueueCore;
  readonly #resolve: (events: AnyEvent[]) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    queue: QueueCore,
    owner: object,
    shape: { max: number; deadline: number; untilEmpty: boolean },
    resolve: (events: AnyEvent[]) => void,
    reject: (error: unknown) => void,
  ) {
    this.port = queue.port;
    this.max = shape.max;
    this.deadline = shape.deadline;
    this.untilEmpty = shape.untilEmpty;
    this.held = queue.held;
    this.owner = owner;
    this.#queue = queue;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  collected(count: number): boolean {
    let events: AnyEvent[];
    try {
      events = this.#queue.convert(count);
    } catch (error) {
      this.fail(error);
      return true;
    }
    if (events.length === 0) return false;
    this.finish(events);
    return true;
  }

  timedOut(): void {
    this.finish([]);
  }

  failed(errno: number): void {
    this.fail(new KernelError(errno, "kevent", "wait", "the queue was closed"));
  }

  finish(events: AnyEvent[]): void {
    this.#queue.waits.delete(this);
    this.#resolve(events);
  }

  fail(error: unknown): void {
    this.#queue.waits.delete(this);
    this.#reject(error);
  }
}

/** The error of triggering what is not there. */
export function noUserEvent(number: number): KernelError {
  return new KernelError(ENOENT, "kevent", "trigger", `the queue has no user event ${number}`);
}

export class QueueCore implements Watcher {
  readonly core: Core;
  readonly state: ObjectState;
  readonly port: Port;
  readonly waits = new Set<QueueWait>();
  /** Whether its waits keep the process alive. */
  held = true;
  readonly #byTag = new Map<string, Registration>();
  readonly #byKey = new Map<string, Registration>();
  readonly #users = new Map<number, Registration>();
  readonly #byId: (Registration | undefined)[] = [];
  readonly #freeIds: number[] = [];
  /** Numbers of registrations that are to go from the kernel as soon as it can be locked. */
  readonly #leaving = new Set<number>();
  /** Events that did not come from the kernel. */
  #pending: AnyEvent[] = [];

  constructor(core: Core, state: ObjectState) {
    this.core = core;
    this.state = state;
    this.port = new Port(core.k, state.handle);
    state.watchers.add(this);
  }

  check(action: string): void {
    this.state.check("kevent", action);
  }

  add(tag: string, spec: SourceSpec, shape: AddShape): void {
    this.check("add a source");
    const fail = (errno: number, why?: string): KernelError =>
      new KernelError(errno, "kevent", `add "${tag}"`, why);
    if (this.#byTag.has(tag)) throw fail(EEXIST, "the queue has a source of this tag");
    if (spec.core !== null && spec.core !== this.core) {
      throw fail(EINVAL, "the source belongs to another kernel, or to another thread");
    }
    const opened = spec.open(this.core);
    if (opened.manner === "taken" && shape.edge === true) {
      opened.dropped?.();
      throw fail(EINVAL, "edge makes no sense where each event takes what it reports");
    }
    const id = this.#freeIds.pop() ?? this.#byId.length + 1;
    const one = new Registration(this, tag, opened, id, shape.once);
    const same = this.#byKey.get(one.key);
    if (same !== undefined) {
      this.#freeIds.push(id);
      throw fail(EEXIST, `the queue has this source already, as "${same.tag}"`);
    }
    const takes = opened.manner === "taken";
    const clear = shape.edge ?? opened.manner === "news";
    const result = this.port.add(opened.watch, id, shape.once && !takes, clear);
    if (result < 0) {
      this.#freeIds.push(id);
      opened.dropped?.();
      throw fail(-result);
    }
    this.#byTag.set(tag, one);
    this.#byKey.set(one.key, one);
    this.#byId[id - 1] = one;
    if (watchesUser(opened.watch)) this.#users.set(opened.watch.ident, one);
    opened.state?.watchers.add(one);
  }

  remove(tag: string): void {
    this.check("remove a source");
    const one = this.#byTag.get(tag);
    if (one === undefined) {
      throw new KernelError(ENOENT, "kevent", `remove "${tag}"`, "the queue has no such tag");
    }
    this.#pending = this.#pending.filter((event) => event.tag !== tag);
    this.#drop(one);
    if (!this.empty) return;
    for (const wait of [...this.waits]) {
      if (!wait.untilEmpty) continue;
      this.core.loop.cancel(wait);
      wait.finish([]);
    }
  }

  /** Tags of the sources that the queue has. */
  tags(): string[] {
    return [...this.#byTag.keys()];
  }

  /** Unregister, here and in the kernel. */
  #drop(one: Registration): void {
    if (this.port.remove(one.opened.watch, one.id) === -EAGAIN) this.#dropLater(one);
    this.#forget(one);
  }

  /**
   * This thread may not wait for the queue's lock now. Until the registration is gone its number is
   * nobody else's, so that what the kernel still reports for it is passed over (convertOne).
   */
  #dropLater(one: Registration): void {
    this.#leaving.add(one.id);
    later(RETRY_MS, () => {
      if (this.state.closed) return;
      // Added again meanwhile, it is that registration's, in the kernel too.
      const again = this.#byKey.has(one.key);
      if (!again && this.port.remove(one.opened.watch, one.id) === -EAGAIN) {
        this.#dropLater(one);
        return;
      }
      this.#leaving.delete(one.id);
      this.#freeIds.push(one.id);
    });
  }

  /** The kernel has no such registration any more: forget it here. */
  #forget(one: Registration): void {
    const { opened } = one;
    this.#byTag.delete(one.tag);
    this.#byKey.delete(one.key);
    this.#byId[one.id - 1] = undefined;
    if (!this.#leaving.has(one.id)) this.#freeIds.push(one.id);
    if (watchesUser(opened.watch)) this.#users.delete(opened.watch.ident);
    opened.state?.watchers.delete(one);
    opened.dropped?.();
  }

  /** The object of a registration is being closed in this thread. */
  sourceGone(one: Registration): void {
    this.#drop(one);
    this.#pending.push({ tag: one.tag, value: undefined, ended: true, flags: 0 });
    const [first] = this.waits;
    if (first === undefined) return;
    this.core.loop.cancel(first);
    first.finish(this.#takePending(first.max));
  }

  trigger(number: number, data: number | null, flags: number): void {
    // The kernel itself finds out whether the queue is closed; then it is looked up why.
    if (this.state.closed) this.check("trigger");
    const one = this.#users.get(number);
    if (one === undefined) throw noUserEvent(number);
    const result = this.port.trigger(one.opened.watch, data, flags, one.id);
    if (result === -ENOENT) throw noUserEvent(number);
    if (result === -EBADF) this.check("trigger");
    if (result < 0) throw new KernelError(-result, "kevent", "trigger");
  }

  /** The first `count` records of the port as events; what was taken by others is passed over. */
  convert(count: number): AnyEvent[] {
    if (count === 1) {
      const event = this.#convertOne(0);
      return event === null ? [] : [event];
    }
    const events: AnyEvent[] = [];
    for (let i = 0; i < count; i++) {
      try {
        const event = this.#convertOne(i);
        if (event !== null) events.push(event);
      } catch (error) {
        // A message was damaged: what came before and after it is kept for the next wait.
        this.#pending.push(...events, ...this.#convertRest(i + 1, count));
        throw error;
      }
    }
    return events;
  }

  /** The records from `from` on; of what is damaged, only the first was told. */
  #convertRest(from: number, count: number): AnyEvent[] {
    const events: AnyEvent[] = [];
    for (let i = from; i < count; i++) {
      try {
        const event = this.#convertOne(i);
        if (event !== null) events.push(event);
      } catch {
        // It was taken from its channel, as the first was.
      }
    }
    return events;
  }

  /** One record as an event; null for what is not there any more. */
  #convertOne(i: number): AnyEvent | null {
    const event: AnyEvent = { tag: "", value: undefined, ended: false, flags: 0 };
    return this.#convertTo(i, event) ? event : null;
  }

  /** Write one record over an event. False for what is not there any more. */
  #convertTo(i: number, event: AnyEvent): boolean {
    const { port } = this;
    const id = port.id(i);
    const one = id > 0 ? this.#byId[id - 1] : this.#users.get(port.ident(i));
    if (one === undefined || !port.isOf(i, one.opened.watch, one.id)) {
      // Registered by descriptor number, or on its way out: it must not be reported for ever.
      port.disable(i);
      return false;
    }
    const { opened } = one;
    event.tag = one.tag;
    if (opened.take !== null) {
      const value = opened.take();
      if (value === NOTHING) return false;
      const ended = value === ENDED;
      if (ended || one.once) this.#drop(one);
      event.value = ended ? undefined : value;
      event.ended = ended;
      event.flags = 0;
      return true;
    }
    const value = port.data(i);
    const ended = opened.manner === "state" && value === 0 && port.atEnd(i);
    let flags = port.isUser(i) ? port.userFlags(i) : 0;
    if (opened.flags === true) flags = port.flags(i);
    event.value = ended ? undefined : value;
    event.ended = ended;
    event.flags = flags;
    if (one.once) this.#forget(one);
    else if (ended) this.#drop(one);
    return true;
  }

  /** The first `count` records over the first events of `into`. Returns how many there are. */
  #convertInto(count: number, into: AnyEvent[]): number {
    let made = 0;
    for (let i = 0; i < count; i++) {
      try {
        if (this.#convertTo(i, into[made] as AnyEvent)) made++;
      } catch (error) {
        // As in convert.
        const before = into.slice(0, made).map((event) => ({ ...event }));
        this.#pending.push(...before, ...this.#convertRest(i + 1, count));
        throw error;
      }
    }
    return made;
  }

  /** As waitSync, over the first events of `into`. Returns how many there are. */
  waitSyncInto(into: AnyEvent[], max: number, timeoutMs: number): number {
    // The kernel itself finds out whether the queue is closed; then, or asleep, it is looked up.
    if (this.#pending.length === 0 && !this.state.closed) {
      const n = this.port.collect(max, 0);
      const made = n > 0 ? this.#convertInto(n, into) : 0;
      if (made > 0) return made;
      if (n === 0 && timeoutMs === 0) return 0;
    }
    // What sleeps, or was put by, need not be cheap.
    const events = this.waitSync(max, timeoutMs);
    for (let i = 0; i < events.length; i++) Object.assign(into[i] as AnyEvent, events[i]);
    return events.length;
  }

  #takePending(max: number): AnyEvent[] {
    return this.#pending.splice(0, max);
  }

  /** Wait in this thread. [] when the time is up. */
  waitSync(max: number, timeoutMs: number): AnyEvent[] {
    this.check("wait");
    if (this.#pending.length > 0) return this.#takePending(max);
    const { port, core } = this;
    if (timeoutMs === 0) return this.#poll(max);
    core.checkMayBlock("kevent", "wait");
    const k = core.k;
    const forever = timeoutMs === Number.POSITIVE_INFINITY;
    const deadline = forever ? NEVER : clockMonotonic(k) + timeoutMs * 1e6;
    for (;;) {
      if (core.loop.count > 0) {
        const ready = this.#poll(max);
        if (ready.length > 0) return ready;
      }
      if (forever && port.knotes() === 0) {
        const why = "the queue has no source, so nothing could end the wait";
        throw new KernelError(EDEADLK, "kevent", "wait", why);
      }
      const leftMs = forever ? timeoutMs : Math.max(0, (deadline - clockMonotonic(k)) / 1e6);
      const events = core.loop.blocking(() => {
        const n = port.collect(max, timeoutOf(leftMs));
        if (n < 0) throw new KernelError(-n, "kevent", "wait", "the queue was closed");
        return n === 0 ? null : this.convert(n);
      });
      if (events === null) return [];
      if (events.length > 0) return events;
    }
  }

  #poll(max: number): AnyEvent[] {
    for (;;) {
      const n = this.port.collect(max, 0);
      if (n === -EAGAIN) return [];
      if (n < 0) throw new KernelError(-n, "kevent", "wait", "the queue was closed");
      if (n === 0) return [];
      const events = this.convert(n);
      if (events.length > 0) return events;
    }
  }

  /** Begin a wait that does not block; `wait` is told how it ends. */
  begin(wait: QueueWait): void {
    if (this.#pending.length > 0) {
      wait.finish(this.#takePending(wait.max));
      return;
    }
    this.waits.add(wait);
    try {
      this.core.loop.begin(wait);
    } catch (error) {
      this.waits.delete(wait);
      throw error;
    }
  }

  /** Whether there is anything that an event could come from. */
  get empty(): boolean {
    return this.#pending.length === 0 && this.port.knotes() === 0;
  }

  setHeld(held: boolean): void {
    this.held = held;
    for (const wait of this.waits) this.core.loop.setHeld(wait, held);
  }

  /** The queue itself is being closed. */
  sourceClosed(): void {
    for (const wait of [...this.waits]) {
      this.core.loop.cancel(wait);
      wait.fail(new KernelError(EBADF, "kevent", "wait", "the queue was closed"));
    }
    for (const one of [...this.#byTag.values()]) this.#forget(one);
    this.#pending = [];
  }
}
