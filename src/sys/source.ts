// SPDX-License-Identifier: ISC
/** Sources and named filters: the calls of `knell/sys`, and what their JavaScript objects need. */
import { EAGAIN, EBADF, EEXIST, EFAULT, EINVAL, ENAMETOOLONG, ENOENT } from "../abi/errno.js";
import { EVFILT_READ, EVFILT_TIMER, EVFILT_USER, EVFILT_WRITE } from "../abi/event.js";
import { SOURCE_CLOEXEC, SOURCE_NOFORK, SOURCE_SILENT, SRC_EOF, SRC_READY } from "../abi/source.js";
import type { Kthread } from "../arena/kthread.js";
import { deferredRun } from "../event/defer.js";
import {
  filterByName,
  filterName,
  filterRegister,
  filtersReady,
  filterUnregister,
} from "../event/registry.js";
import {
  FINI_SILENT,
  type SourceState,
  sourceDestroy,
  sourceLives,
  sourceMake,
  sourceSet,
  sourcesEnd,
} from "../fd/source.js";
import { memoryReady, published } from "../kern/alloc.js";
import { fdGet, fdInstall, tableReady } from "../kern/descrip.js";
import { File, type FilePtr, FT_SOURCE, fileDrop, fileHoldStale } from "../kern/file.js";
import { callEnter, callLeave, phaseLeave } from "../kern/thread.js";
import { FILTER_NAME_BYTES } from "../limits.js";
import { SYS } from "./calls.js";
import type { Handle } from "./handle.js";

/** The filters that are built in, as far as they exist, by the names of their header. */
const BUILT_IN: ReadonlyMap<string, number> = new Map([
  ["EVFILT_READ", EVFILT_READ],
  ["EVFILT_WRITE", EVFILT_WRITE],
  ["EVFILT_TIMER", EVFILT_TIMER],
  ["EVFILT_USER", EVFILT_USER],
]);

const INT64_MAX = 2n ** 63n - 1n;
const UINT64_MAX = 2n ** 64n - 1n;
const UINT32_MAX = 2 ** 32 - 1;
const encoder = new TextEncoder();

/** A whole number from 0 to `most` as two words, or null. */
function wordsOf(value: number | bigint, most: bigint): { lo: number; hi: number } | null {
  if (typeof value !== "bigint" && !Number.isSafeInteger(value)) return null;
  const big = BigInt(value);
  if (big < 0n || big > most) return null;
  return { lo: Number(BigInt.asIntN(32, big)), hi: Number(BigInt.asIntN(32, big >> 32n)) };
}

function isWord(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= UINT32_MAX;
}

/** source(2). Returns a descriptor, -EINVAL, -EMFILE, -ENOMEM, -ENOENT, -EPERM, -EEXIST. */
export function sysSource(
  k: Kthread,
  flags: number,
  filter: number,
  ident: number | bigint,
): number {
  if ((flags & ~(SOURCE_NOFORK | SOURCE_CLOEXEC)) !== 0) return -EINVAL;
  const words = wordsOf(ident, UINT64_MAX);
  if (words === null || !Number.isInteger(filter) || filter < 0) return -EINVAL;
  if (!memoryReady(k)) return -EAGAIN;
  const noFork = (flags & SOURCE_NOFORK) !== 0;
  callEnter(k, SYS.source);
  const fp = sourceMake(k, { noFork, filter, identLo: words.lo, identHi: words.hi });
  let fd: number = fp;
  if (fp >= 0) {
    fd = fdInstall(k, fp as FilePtr, (flags & SOURCE_CLOEXEC) !== 0);
    if (fd < 0) fileDrop(k, fp as FilePtr);
    else published(k, fp);
  }
  phaseLeave(k);
  callLeave(k);
  return fd;
}

/** Run a call on the source of a number: -EBADF if that is not open, -EINVAL if it is none. */
function onSource(k: Kthread, fd: number, call: number, run: (fp: FilePtr) => number): number {
  if (!tableReady(k)) return -EAGAIN;
  callEnter(k, call);
  const fp = fdGet(k, fd);
  if (fp === 0) {
    callLeave(k);
    return -EBADF;
  }
  const result = File.type.load(k, fp) === FT_SOURCE ? run(fp) : -EINVAL;
  fileDrop(k, fp);
  if (k.deferred !== 0) deferredRun(k);
  callLeave(k);
  return result;
}

/** source_set(2); with filter 0 source_notify(2). Returns 0, -EBADF, -EINVAL, -ENXIO, -EPERM. */
export function sysSourceSet(
  k: Kthread,
  fd: number,
  filter: number,
  flags: number,
  fflags: number,
  data: number | bigint,
): number {
  const words = wordsOf(data, INT64_MAX);
  if (words === null || !isWord(fflags) || (flags & ~(SRC_READY | SRC_EOF)) !== 0) return -EINVAL;
  const notify = filter === 0;
  if (!notify && filter !== EVFILT_READ && filter !== EVFILT_WRITE) return -EINVAL;
  const state = { flags, fflags: fflags | 0, dataLo: words.lo, dataHi: words.hi };
  const read = filter === EVFILT_READ ? state : null;
  const write = filter === EVFILT_WRITE ? state : null;
  return onSource(k, fd, SYS.source_set, (fp) => sourceSet(k, fp, read, write, notify));
}

/** source_destroy(2). Returns 0, -EBADF, -EINVAL, -ENXIO, -EPERM. May sleep. */
export function sysSourceDestroy(k: Kthread, fd: number, flags: number, fflags: number): number {
  if ((flags & ~SOURCE_SILENT) !== 0 || !isWord(fflags)) return -EINVAL;
  const tell = (flags & SOURCE_SILENT) !== 0 ? FINI_SILENT : fflags;
  return onSource(k, fd, SYS.source_destroy, (fp) => sourceDestroy(k, fp, tell));
}

/** Bytes of a name, or -EINVAL, -ENAMETOOLONG. */
function nameBytes(name: string): Uint8Array | number {
  if (typeof name !== "string" || name === "") return -EINVAL;
  const bytes = encoder.encode(name);
  return bytes.length > FILTER_NAME_BYTES ? -ENAMETOOLONG : bytes;
}

/** Returns the number of a new filter, -EINVAL, -ENAMETOOLONG, -EEXIST, -ENOMEM. */
export function sysKfilterRegister(k: Kthread, name: string): number {
  const bytes = nameBytes(name);
  if (typeof bytes === "number") return bytes;
  if (BUILT_IN.has(name)) return -EEXIST;
  if (!memoryReady(k) || !filtersReady(k)) return -EAGAIN;
  callEnter(k, SYS.kfilter);
  const number = filterRegister(k, bytes);
  callLeave(k);
  return number;
}

/** Returns 0, -ENOENT, -EBUSY, -EPERM, and -EINVAL for a filter that is built in. */
export function sysKfilterUnregister(k: Kthread, filter: number): number {
  if (!Number.isInteger(filter)) return -EINVAL;
  for (const number of BUILT_IN.values()) if (number === filter) return -EINVAL;
  if (!filtersReady(k)) return -EAGAIN;
  callEnter(k, SYS.kfilter);
  const result = filterUnregister(k, filter);
  callLeave(k);
  return result;
}

/** Puts the number of a name into filter[0]. Returns 0, -ENOENT, -EINVAL, -EFAULT. */
export function sysKfilterByname(k: Kthread, name: string, filter: Int32Array): number {
  if (!(filter instanceof Int32Array) || filter.length === 0) return -EFAULT;
  const bytes = nameBytes(name);
  if (typeof bytes === "number") return bytes === -EINVAL ? -EINVAL : -ENOENT;
  if (!filtersReady(k)) return -EAGAIN;
  callEnter(k, SYS.kfilter);
  const number = BUILT_IN.get(name) ?? filterByName(k, bytes);
  callLeave(k);
  if (number === -ENOENT) return number;
  filter[0] = number;
  return 0;
}

/** Copies the name of a filter. Returns its length, -ENOENT, -EFAULT, -EINVAL if it is longer. */
export function sysKfilterByfilter(k: Kthread, filter: number, name: Uint8Array): number {
  if (!(name instanceof Uint8Array)) return -EFAULT;
  if (!Number.isInteger(filter)) return -EINVAL;
  for (const [own, number] of BUILT_IN) {
    if (number !== filter) continue;
    if (own.length > name.length) return -EINVAL;
    name.set(encoder.encode(own));
    return own.length;
  }
  if (!filtersReady(k)) return -EAGAIN;
  callEnter(k, SYS.kfilter);
  const result = filterName(k, filter, name);
  callLeave(k);
  return result;
}

/** Run a call on a handle's file, which it holds meanwhile; -EBADF if its number was closed. */
function onHandle(k: Kthread, h: Handle, call: number, run: () => number): number {
  if (!fileHoldStale(k, h.fp, h.generation)) return -EBADF;
  callEnter(k, call);
  const result = run();
  fileDrop(k, h.fp);
  if (k.deferred !== 0) deferredRun(k);
  callLeave(k);
  return result;
}

/** Set directions of a handle's source and tell who watches. 0, -EBADF, -ENXIO, -EPERM. */
export function handleSourceSet(
  k: Kthread,
  h: Handle,
  read: SourceState | null,
  write: SourceState | null,
): number {
  return onHandle(k, h, SYS.source_set, () => sourceSet(k, h.fp, read, write, true));
}

/** Destroy a handle's source; `fflags` null is silent. 0, -EBADF, -ENXIO, -EPERM. May sleep. */
export function handleSourceDestroy(k: Kthread, h: Handle, fflags: number | null): number {
  const tell = fflags === null ? FINI_SILENT : fflags;
  return onHandle(k, h, SYS.source_destroy, () => sourceDestroy(k, h.fp, tell));
}

/** Whether the source of a handle is there no more, or is being destroyed. */
export function handleSourceGone(k: Kthread, h: Handle): boolean {
  return onHandle(k, h, SYS.source_set, () => (sourceLives(k, h.fp) ? 1 : 0)) !== 1;
}

/** The thread leaves its kernel: its sources and filters end. */
export function threadSourcesEnd(k: Kthread): void {
  sourcesEnd(k, k.owner);
}

export type { SourceState };
