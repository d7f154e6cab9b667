// SPDX-License-Identifier: ISC
/**
 * The kernel half of a queue of the JavaScript face: registering, triggering and collecting on one
 * kqueue with lists that are allocated once. Each registration has an id from 1, carried as udata.
 * Triggering a user event with data replaces its udata; who does not know the id leaves 0 there.
 */
import { EAGAIN } from "../abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_ENABLE,
  EV_EOF,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_TIMER,
  EVFILT_USER,
  EVFILT_WRITE,
  KE_DATA,
  KE_DATA_HI,
  KE_FFLAGS,
  KE_FILTER_FLAGS,
  KE_IDENT,
  KE_IDENT_HI,
  KE_UDATA,
  KEVENT_WORDS,
  NOTE_ABSTIME,
  NOTE_FFCOPY,
  NOTE_FFLAGSMASK,
  NOTE_LOWAT,
  NOTE_MSECONDS,
  NOTE_NSECONDS,
  NOTE_TRIGGER,
  NOTE_USECONDS,
} from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { kqueueKevent, kqueueTrigger, WAIT_FOREVER, WAIT_POLL } from "../event/scan.js";
import { Kqueue, type KqueuePtr } from "../event/structs.js";
import { callEnter, callLeave } from "../kern/thread.js";
import { TIME_NS_MAX } from "../limits.js";
import { SYS } from "./calls.js";
import type { Handle } from "./handle.js";

const TWO_32 = 4_294_967_296;
const NO_LIST = new Int32Array(0);

/** What to watch, as the kernel has it. */
export interface Watch {
  readonly filter: number;
  readonly ident: number;
  readonly fflags: number;
  readonly data: number;
  /** Fires once and is gone, whatever the caller asked for. */
  readonly once: boolean;
}

function watch(filter: number, ident: number, fflags = 0, data = 0, once = false): Watch {
  return { filter, ident, fflags, data, once };
}

export function watchRead(fd: number): Watch {
  return watch(EVFILT_READ, fd);
}

/** Room to write, at least `bytes`. */
export function watchWrite(fd: number, bytes: number): Watch {
  return watch(EVFILT_WRITE, fd, NOTE_LOWAT, bytes);
}

/** Whatever a source's owner calls writable. */
export function watchWritable(fd: number): Watch {
  return watch(EVFILT_WRITE, fd);
}

/** What a named filter has under an identifier. */
export function watchNamed(filter: number, ident: number): Watch {
  return watch(filter, ident);
}

export function watchUser(number: number): Watch {
  return watch(EVFILT_USER, number);
}

/** Nanoseconds in the largest unit that holds them exactly. */
function timer(ns: number, more: number, once: boolean): Watch {
  if (ns % 1e6 === 0) return watch(EVFILT_TIMER, 0, NOTE_MSECONDS | more, ns / 1e6, once);
  if (ns % 1e3 === 0) return watch(EVFILT_TIMER, 0, NOTE_USECONDS | more, ns / 1e3, once);
  return watch(EVFILT_TIMER, 0, NOTE_NSECONDS | more, ns, once);
}

/** A timer of a span in milliseconds: one expiry, or one per period. */
export function watchSpan(ms: number, periodic: boolean): Watch {
  return timer(Number.isInteger(ms) ? ms * 1e6 : Math.ceil(ms * 1e6), 0, !periodic);
}

/** A timer at a point of the wall clock, in milliseconds since 1970. */
export function watchAt(ms: number): Watch {
  // Microseconds since 1970 are exact for centuries, nanoseconds are not.
  if (Number.isInteger(ms)) {
    return watch(EVFILT_TIMER, 0, NOTE_MSECONDS | NOTE_ABSTIME, ms, true);
  }
  return watch(EVFILT_TIMER, 0, NOTE_USECONDS | NOTE_ABSTIME, Math.ceil(ms * 1e3), true);
}

/** Whether a watch is a user event's. */
export function watchesUser(w: Watch): boolean {
  return w.filter === EVFILT_USER;
}

/** Key of a watch among those of one queue: one registration each. */
export function watchKey(w: Watch, id: number): string {
  return w.filter === EVFILT_TIMER ? `timer ${id}` : `${w.filter} ${w.ident}`;
}

/** A time-out of the JavaScript face in nanoseconds, for kevent. */
export function timeoutOf(ms: number): number {
  const ns = ms * 1e6;
  if (ns === 0) return WAIT_POLL;
  return ns > TIME_NS_MAX ? WAIT_FOREVER : Math.ceil(ns);
}

export class Port {
  readonly k: Kthread;
  readonly kq: KqueuePtr;
  readonly generation: number;
  readonly handle: Handle;
  /** Collected records. */
  events: Int32Array = new Int32Array(8 * KEVENT_WORDS);
  readonly #changes = new Int32Array(2 * KEVENT_WORDS);

  constructor(k: Kthread, handle: Handle) {
    this.k = k;
    this.handle = handle;
    this.kq = handle.obj as number as KqueuePtr;
    this.generation = Kqueue.generation.hint(k, this.kq);
  }

  #change(at: number, w: Watch, id: number, flags: number, fflags: number, data: number): void {
    const c = this.#changes;
    const from = at * KEVENT_WORDS;
    const ident = w.filter === EVFILT_TIMER ? id : w.ident;
    c[from + KE_IDENT] = ident;
    c[from + KE_IDENT_HI] = ident < TWO_32 ? 0 : Math.floor(ident / TWO_32);
    c[from + KE_FILTER_FLAGS] = (w.filter & 0xffff) | (flags << 16);
    c[from + KE_FFLAGS] = fflags;
    c[from + KE_DATA] = data;
    c[from + KE_DATA_HI] = data === 0 ? 0 : Math.floor(data / TWO_32);
    c[from + KE_UDATA] = id;
  }

  #apply(count: number): number {
    const { k } = this;
    callEnter(k, SYS.kevent);
    const changes = this.#changes;
    const r = kqueueKevent(k, this.kq, this.generation, changes, count, NO_LIST, 0, WAIT_POLL);
    callLeave(k);
    return r;
  }

  /** Register; 0 or -errno. `clear`: tell of news only; otherwise of the state as long as it is. */
  add(w: Watch, id: number, once: boolean, clear: boolean): number {
    // Enabled: there may be one, registered by number, that was disabled because it is nobody's.
    const flags = EV_ADD | EV_ENABLE | (once || w.once ? EV_ONESHOT : 0) | (clear ? EV_CLEAR : 0);
    this.#change(0, w, id, flags, w.fflags, w.data);
    return this.#apply(1);
  }

  /** Unregister; 0 or -errno. */
  remove(w: Watch, id: number): number {
    this.#change(0, w, id, EV_DELETE, 0, 0);
    return this.#apply(1);
  }

  /**
   * Trigger a user event that exists; -ENOENT if it does not. `data` null leaves it as it is. `id`
   * is that of the registration, 0 if it is another thread's.
   */
  trigger(w: Watch, data: number | null, flags: number, id: number): number {
    // Every bit operation below gives a signed word, which is what a record holds.
    const copy = NOTE_FFCOPY | (flags & NOTE_FFLAGSMASK) | NOTE_TRIGGER;
    if (data === null) {
      const { k } = this;
      const { ident } = w;
      const hi = ident < TWO_32 ? 0 : Math.floor(ident / TWO_32);
      callEnter(k, SYS.kevent);
      const result = kqueueTrigger(k, this.kq, this.generation, ident | 0, hi, copy);
      callLeave(k);
      if (result !== -EAGAIN) return result;
      this.#change(0, w, 0, 0, copy, 0);
      return this.#apply(1);
    }
    // Data is taken by EV_ADD only, which would also create: ask first whether it exists.
    this.#change(0, w, 0, 0, 0, 0);
    this.#change(1, w, id, EV_ADD, copy, data);
    return this.#apply(2);
  }

  /** Disable what record i is about, if it is still registered. */
  disable(i: number): void {
    const c = this.#changes;
    c.set(this.events.subarray(i * KEVENT_WORDS, (i + 1) * KEVENT_WORDS));
    c[KE_FILTER_FLAGS] = (this.#word(i, KE_FILTER_FLAGS) & 0xffff) | (EV_DISABLE << 16);
    this.#apply(1);
    // Words that changes of this queue do not set are 0 again.
    c.fill(0, 0, KEVENT_WORDS);
  }

  /** Make room for `max` records. */
  reserve(max: number): void {
    if (this.events.length < max * KEVENT_WORDS) this.events = new Int32Array(max * KEVENT_WORDS);
  }

  /** Collect at most `max` records; as kevent: their number, 0 at the time-out, -EBADF. */
  collect(max: number, timeoutNs: number): number {
    const { k } = this;
    this.reserve(max);
    callEnter(k, SYS.kevent);
    const events = this.events;
    const n = kqueueKevent(k, this.kq, this.generation, NO_LIST, 0, events, max, timeoutNs);
    callLeave(k);
    return n;
  }

  /** Registrations of the queue, those of other users included; a guess while others add. */
  knotes(): number {
    return this.k.a[Kqueue.knotes.at(this.kq)] as number;
  }

  /** Whether record i is of a watch; a registration by number can have anything as its udata. */
  isOf(i: number, w: Watch, id: number): boolean {
    const ident = w.filter === EVFILT_TIMER ? id : w.ident;
    return (this.#word(i, KE_FILTER_FLAGS) << 16) >> 16 === w.filter && this.ident(i) === ident;
  }

  isUser(i: number): boolean {
    return (this.#word(i, KE_FILTER_FLAGS) << 16) >> 16 === EVFILT_USER;
  }

  ident(i: number): number {
    return (this.#word(i, KE_IDENT_HI) >>> 0) * TWO_32 + (this.#word(i, KE_IDENT) >>> 0);
  }

  id(i: number): number {
    return this.#word(i, KE_UDATA);
  }

  data(i: number): number {
    const hi = this.#word(i, KE_DATA_HI);
    const lo = this.#word(i, KE_DATA);
    return hi === 0 && lo >= 0 ? lo : hi * TWO_32 + (lo >>> 0);
  }

  userFlags(i: number): number {
    return this.#word(i, KE_FFLAGS) & NOTE_FFLAGSMASK;
  }

  /** All 32 bits of fflags, as a number that is not negative. */
  flags(i: number): number {
    return this.#word(i, KE_FFLAGS) >>> 0;
  }

  atEnd(i: number): boolean {
    return ((this.#word(i, KE_FILTER_FLAGS) >>> 16) & EV_EOF) !== 0;
  }

  #word(i: number, at: number): number {
    return this.events[i * KEVENT_WORDS + at] as number;
  }
}
