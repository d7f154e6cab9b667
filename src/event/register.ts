// SPDX-License-Identifier: ISC
/**
 * One change of a changelist: add, modify or delete a registration. Steps and their order are
 * FreeBSD's (kern_event.c, kqueue_register); the differences are in man/deviations.7.md.
 *
 * The queue lock is held on entry and on return, but may be dropped in between: to allocate, to
 * wait for somebody's claim, or to attach to an object, whose lock ranks before the queue's. After
 * that everything is looked up again. KQ_GONE means that the queue went away meanwhile; then no
 * lock is held.
 */
import { EBADF, EINVAL, ENOENT, ENXIO } from "../abi/errno.js";
import {
  EV_ADD,
  EV_DELETE,
  EV_DISABLE,
  EV_ENABLE,
  EV_FORCEONESHOT,
  EV_KEEPUDATA,
  EV_ONESHOT,
  EV_SYSFLAGS,
  EVFILT_USER,
  KE_DATA,
  KE_DATA_HI,
  KE_FFLAGS,
  KE_FILTER_FLAGS,
  KE_IDENT,
  KE_IDENT_HI,
  KE_UDATA,
  KE_UDATA_HI,
} from "../abi/event.js";
import type { Kthread } from "../arena/kthread.js";
import { fdHint } from "../kern/fdtable.js";
import { File } from "../kern/file.js";
import { addPlain } from "./add.js";
import { askLocked } from "./ask.js";
import { addDescriptor, addNamed } from "./attach.js";
import { deferredRun } from "./defer.js";
import { claimWaitLocked, knoteDropLocked } from "./drop.js";
import { knoteResultLocked } from "./evaluate.js";
import type { Change } from "./filterops.js";
import { filterops } from "./filters.js";
import {
  FILTER_DESCRIPTOR,
  FILTER_NAMED,
  FILTER_PLAIN,
  FILTER_UNLOADED,
  filterKind,
  knoteFindLocked,
} from "./find.js";
import { KQ_GONE, kqueueRelock, kqueueUnlock } from "./lock.js";
import { RESTART, wideNeedLocked } from "./magazine.js";
import { knoteActivateLocked, readyRemoveLocked } from "./ready.js";
import { filterExists } from "./registry.js";
import {
  KN_ANSWERED,
  KN_DISABLED,
  KN_QUEUED,
  Knote,
  type KnotePtr,
  Kqueue,
  type KqueuePtr,
} from "./structs.js";
import { sdataSet, udataSet } from "./value.js";

/** A change with filter 0 is passed over without a word, as on FreeBSD. */
export const SKIPPED = 2;
/** The change made a new registration. */
export const ADDED = 3;

/** Unpack a change record. Flags are masked as every system does. */
export function changeRead(into: Change, ch: Int32Array, at: number): void {
  const filterFlags = ch[at + KE_FILTER_FLAGS] as number;
  into.identLo = ch[at + KE_IDENT] as number;
  into.identHi = ch[at + KE_IDENT_HI] as number;
  into.filter = (filterFlags << 16) >> 16;
  into.flags = (filterFlags >>> 16) & ~EV_SYSFLAGS;
  into.fflags = ch[at + KE_FFLAGS] as number;
  into.dataLo = ch[at + KE_DATA] as number;
  into.dataHi = ch[at + KE_DATA_HI] as number;
  into.udataLo = ch[at + KE_UDATA] as number;
  into.udataHi = ch[at + KE_UDATA_HI] as number;
}

/** Apply one change. Returns 0, ADDED, SKIPPED, -errno, or KQ_GONE. May sleep. */
export function kqueueRegisterLocked(
  k: Kthread,
  kq: KqueuePtr,
  c: Change,
  ch: Int32Array,
  at: number,
): number {
  if (c.filter === 0) return SKIPPED;
  const flags = c.flags;
  const both = EV_ENABLE | EV_DISABLE;
  if ((flags & both) === both) return -EINVAL;
  const kind = filterKind(c.filter);
  if (kind < FILTER_PLAIN) return kind === FILTER_UNLOADED ? -ENXIO : -EINVAL;
  if ((flags & EV_ADD) !== 0 && (flags & EV_KEEPUDATA) !== 0) return -EINVAL;
  if (kind === FILTER_DESCRIPTOR) {
    const bad = descriptorCheck(k, kq, c);
    if (bad !== 0) return bad;
  }
  for (;;) {
    const kn = knoteFindLocked(k, kq, c.identLo, c.identHi, c.filter);
    let result: number;
    if (kn === 0) {
      if ((flags & EV_ADD) === 0) return kind === FILTER_NAMED ? namedMissing(k, kq, c) : -ENOENT;
      if (kind === FILTER_DESCRIPTOR) result = addDescriptor(k, kq, c, ch, at);
      else if (kind === FILTER_NAMED) result = addNamed(k, kq, c, ch, at);
      else result = addPlain(k, kq, c, ch, at);
      if (result === 0) return ADDED;
    } else if (Knote.claim.get(k, kn) !== 0) {
      // Never wait for a claim while owning one: two threads could wait for each other. Nor while
      // there are wakes to give.
      const back = k.deferred !== 0 ? deferredFinish(k, kq) : claimWaitLocked(k, kq);
      if (back === KQ_GONE) return back;
      result = RESTART;
    } else if ((flags & EV_DELETE) !== 0) {
      knoteDropLocked(k, kq, kn);
      return 0;
    } else {
      result = modifyLocked(k, kq, kn, c);
    }
    if (result !== RESTART) return result;
  }
}

/** A change without EV_ADD for a named filter: it does not exist, or the registration does not. */
function namedMissing(k: Kthread, kq: KqueuePtr, c: Change): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  const known = filterExists(k, c.filter);
  const back = kqueueRelock(k, kq, generation);
  if (back < 0) return back;
  return known ? -ENOENT : -EINVAL;
}

/** Finish what earlier changes of the same call have put off. 0 or KQ_GONE. */
function deferredFinish(k: Kthread, kq: KqueuePtr): number {
  const generation = Kqueue.generation.hint(k, kq);
  kqueueUnlock(k, kq);
  deferredRun(k);
  return kqueueRelock(k, kq, generation);
}

/** A descriptor filter needs an open number that is not the queue itself; 0 or -errno. */
function descriptorCheck(k: Kthread, kq: KqueuePtr, c: Change): number {
  if (c.identHi !== 0 || c.identLo < 0) return -EBADF;
  const fp = fdHint(k, c.identLo);
  if (fp === 0) return -EBADF;
  return File.object.hint(k, fp) === (kq as number) ? -EINVAL : 0;
}

/** Modify an existing registration; queue lock held. */
function modifyLocked(k: Kthread, kq: KqueuePtr, kn: KnotePtr, c: Change): number {
  const wide = c.dataHi !== 0 || c.udataHi !== 0;
  if (wide && Knote.cold.get(k, kn) === 0) {
    const ready = wideNeedLocked(k, kq, kn);
    if (ready !== 0) return ready;
  }
  const ops = filterops[Knote.ops.get(k, kn)] as (typeof filterops)[number];
  const bad = ops.refuse === null ? 0 : ops.refuse(c);
  if (bad !== 0) return bad;
  if ((c.flags & EV_FORCEONESHOT) !== 0) {
    // Before the filter is told, as on FreeBSD: adding a timer again undoes it.
    Knote.flags.or(k, kn, EV_ONESHOT);
    knoteActivateLocked(k, kq, kn);
  }
  let ready: boolean;
  if (ops.touch !== null) {
    ready = ops.touch(k, kq, kn, c) === 1;
    if (c.filter !== EVFILT_USER) modifyUdata(k, kn, c);
  } else {
    modifyUdata(k, kn, c);
    Knote.sfflags.set(k, kn, c.fflags);
    sdataSet(k, kn, c.dataLo, c.dataHi);
    if (ops.ask !== null) Knote.status.clear(k, kn, KN_ANSWERED);
    ready = ops.event(k, kn);
    if (!ready && ops.ask !== null) askLocked(k, kn, 0);
  }
  enableLocked(k, kq, kn, c.flags, ready);
  return 0;
}

function modifyUdata(k: Kthread, kn: KnotePtr, c: Change): void {
  if ((c.flags & EV_KEEPUDATA) === 0) udataSet(k, kn, c.udataLo, c.udataHi);
}

/**
 * Apply ENABLE and DISABLE, and evaluate. A disabled knote leaves the ready list at once, so that
 * the queue's count, which others may watch, never includes what cannot be delivered.
 */
function enableLocked(
  k: Kthread,
  kq: KqueuePtr,
  kn: KnotePtr,
  flags: number,
  ready: boolean,
): void {
  if ((flags & EV_DISABLE) !== 0) {
    Knote.status.or(k, kn, KN_DISABLED);
    if ((Knote.status.get(k, kn) & KN_QUEUED) !== 0) readyRemoveLocked(k, kq, kn);
    return;
  }
  if ((flags & EV_ENABLE) !== 0) Knote.status.clear(k, kn, KN_DISABLED);
  knoteResultLocked(k, kq, kn, ready);
}
