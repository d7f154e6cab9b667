// SPDX-License-Identifier: ISC
/** What the scenarios have in common: short forms of calls, and looks into the kernel. */
import assert from "node:assert/strict";
import { EV_ADD, EV_CLEAR, EVFILT_READ, EVFILT_USER, NOTE_TRIGGER } from "knell/abi";
import { KeventList } from "knell/sys";
import { NIL } from "#src/arena/layout.js";
import { Zone, zoneHead, zones } from "#src/arena/zone.js";
import { knoteFindLocked } from "#src/event/find.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { kqueueLock, kqueueUnlock } from "#src/event/lock.js";
import { Kncold, Knote, Kqueue } from "#src/event/structs.js";
import { fdHint } from "#src/kern/fdtable.js";
import type { FilePtr } from "#src/kern/file.js";
import type { Limits } from "../engine/limits.js";
import type { Stage } from "../engine/scenario.js";

/** The queue and the descriptor that most scenarios make, under the names that setup gives. */
export const kqOf = ({ shared }: Stage): number => shared["kq"] as number;
export const fdOf = ({ shared }: Stage): number => shared["fd"] as number;

/** One change without events; returns what kevent did. */
export function change(
  { s }: Stage,
  kq: number,
  ident: number,
  filter: number,
  flags: number,
  fflags = 0,
  data = 0,
): number {
  const list = new KeventList(1).set(0, ident, filter, flags, fflags, data);
  return s.kevent(kq, list, 1, null, 0, null);
}

/** Collect at most `max` events, waiting at most `ms`; the identifiers, or [-errno]. */
export function collect({ s }: Stage, kq: number, max: number, ms: number | null): number[] {
  const events = new KeventList(max);
  const timeout = ms === null ? null : { sec: 0, nsec: ms * 1e6 };
  const n = s.kevent(kq, null, 0, events, max, timeout);
  if (n < 0) return [n];
  return Array.from({ length: n }, (_, i) => events.ident(i));
}

/** What is ready now. */
export function poll(stage: Stage, kq: number): number[] {
  return collect(stage, kq, 8, 0);
}

/** A new queue; a negative result is an error of the scenario. */
export function queue({ s }: Stage): number {
  return made(s.kqueue());
}

export function made(fd: number): number {
  assert.ok(fd >= 0, `the kernel said ${fd}`);
  return fd;
}

/** A user event that is delivered once per trigger. */
export function userEvent(stage: Stage, kq: number, ident: number, flags = EV_CLEAR): void {
  made(change(stage, kq, ident, EVFILT_USER, EV_ADD | flags));
}

export function trigger(stage: Stage, kq: number, ident: number): number {
  return change(stage, kq, ident, EVFILT_USER, 0, NOTE_TRIGGER);
}

export function watchReadable(stage: Stage, kq: number, fd: number, flags = 0): number {
  return change(stage, kq, fd, EVFILT_READ, EV_ADD | flags);
}

/** The file that a queue's READ registration of a descriptor holds, or NIL if there is none. */
export function registeredFile({ k }: Stage, kq: number, fd: number): FilePtr {
  const queueAt = fileKqueue(k, fdHint(k, kq));
  assert.equal(kqueueLock(k, queueAt, Kqueue.generation.load(k, queueAt)), 0);
  const kn = knoteFindLocked(k, queueAt, fd, 0, EVFILT_READ);
  const file = kn === 0 ? NIL : Kncold.file.get(k, Knote.cold.get(k, kn));
  kqueueUnlock(k, queueAt);
  return file;
}

/** Whether a queue has a READ registration of a descriptor. */
export function registered(stage: Stage, kq: number, fd: number): boolean {
  return registeredFile(stage, kq, fd) !== 0;
}

/** Slots of a zone in use. */
export function live({ k }: Stage, name: string): number {
  const zone = zones.find(({ struct }) => struct.name === name);
  assert.ok(zone !== undefined, `there is no zone of ${name}s`);
  return k.a[Zone.live.at(zoneHead(k, zone))] as number;
}

/** Wait at most this long; not as long as one of the kernel's own time-outs. */
export const A_WHILE_MS = 100;

/** Limits of most scenarios of three threads: beyond the bound, some runs at random. */
export const THREE_THREADS: Partial<Limits> = { random: 200 };
