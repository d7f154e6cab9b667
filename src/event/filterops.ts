// SPDX-License-Identifier: ISC
/**
 * Filter operations: what a filter does at each point of a registration's life. A knote stores the
 * number of its operations, because functions cannot be shared between threads; every thread has
 * the table (event/filters.ts), and slot n of it is operation n, checked when it loads.
 *
 *   attach   join the object's klist, or arm; object lock held (descriptor filters) or queue lock
 *   detach   the reverse, same locks
 *   event    is the condition true now? Queue lock held; pure but for the knote's data and flags
 *   ask      as event, from the object itself, for what does not fit a view; object and queue lock
 *   touch    a change met the existing registration; queue lock held. Only TIMER and USER have it:
 *            it runs under the queue lock, where the object's lock cannot be taken
 *   copy     may a fork copy it, and how (null: not copied)
 *   dump     what the inspector adds (null: nothing)
 */
import type { Kthread } from "../arena/kthread.js";
import type { KnotePtr, KqueuePtr } from "./structs.js";

export const OPS_NONE = 0;
export const OPS_USER = 1;
export const OPS_TIMER = 2;
export const OPS_PIPE_READ = 3;
export const OPS_PIPE_WRITE = 4;
export const OPS_EVENTFD_READ = 5;
export const OPS_EVENTFD_WRITE = 6;
export const OPS_KQUEUE_READ = 7;
export const OPS_BELL = 8;
/** The wrong end of a pipe: accepted, never ready. */
export const OPS_SILENT = 9;
/** A source of a program's own: by descriptor, in both directions, and by a named filter. */
export const OPS_SOURCE_READ = 12;
export const OPS_SOURCE_WRITE = 13;
export const OPS_SOURCE_NAMED = 14;
/** What klistFini leaves behind on descriptor filters and on others. */
export const OPS_NOP_FD = 10;
export const OPS_NOP = 11;

/**
 * Added to an errno that attach returned: by then the new knote has used up the change's fflags and
 * data, and the error record shows none, as on FreeBSD.
 */
export const IN_ATTACH = 0x1000;
/** The errno of a result with or without IN_ATTACH. */
export const ERRNO_MASK = 0xfff;

export interface Filterops {
  readonly id: number;
  readonly name: string;
  readonly isDescriptor: boolean;
  /** State can exceed what a view holds: notifications leave it in the knote. */
  readonly exact: boolean;
  attach(k: Kthread, kq: KqueuePtr, kn: KnotePtr): number;
  detach(k: Kthread, kq: KqueuePtr, kn: KnotePtr): void;
  event(k: Kthread, kn: KnotePtr): boolean;
  /** Whether the condition holds, read from the object; null where views say enough. */
  readonly ask: ((k: Kthread, kn: KnotePtr) => boolean) | null;
  /** Whether a change would be refused, before anything is done for it: 0 or -errno. */
  readonly refuse: ((change: Change) => number) | null;
  /** Apply a change that was not refused. Returns 1 if the condition is true now, otherwise 0. */
  readonly touch: ((k: Kthread, kq: KqueuePtr, kn: KnotePtr, change: Change) => number) | null;
  /** Called when the event was copied out and the registration has EV_CLEAR. */
  readonly cleared: ((k: Kthread, kn: KnotePtr) => void) | null;
  readonly copy: null;
  readonly dump: null;
}

/** One change, unpacked. */
export interface Change {
  identLo: number;
  identHi: number;
  filter: number;
  flags: number;
  fflags: number;
  dataLo: number;
  dataHi: number;
  udataLo: number;
  udataHi: number;
}
