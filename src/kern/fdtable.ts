// SPDX-License-Identifier: ISC
/**
 * Descriptor tables: numbers to open files. A table is a directory of chunks of entries; chunks
 * are type-stable, so an entry found once can be looked at without the table lock, as a hint.
 *
 * An entry is EMPTY, OPEN, or CLOSING: taken out of use, its knotes being dropped, its number not
 * yet free. That is what keeps a number from being reused while a knote for it exists.
 */
import { EBADF, EMFILE } from "../abi/errno.js";
import type { Kthread } from "../arena/kthread.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  IMMUTABLE,
  LOCK,
  line,
  NIL,
  type Ptr,
  ptr,
  racy,
  racyPtr,
  word,
  words,
} from "../arena/layout.js";
import { defineZone } from "../arena/zone.js";
import { DESCRIPTORS_MAX, FD_CHUNK_ENTRIES, FD_CHUNKS_MAX } from "../limits.js";
import { published, zalloc } from "./alloc.js";
import { File, type FilePtr } from "./file.js";
import { curproc, Proc } from "./process.js";
import { PHASE_NONE, phaseAt } from "./thread.js";

export type TablePtr = Ptr<"fdtable">;
export type FdPtr = Ptr<"fdentry">;
const T = guardedBy("T", "table lock", (_k, p) => Fdtable.lock.at(p as TablePtr));

export const Fdtable = defineStruct("fdtable", {
  lock: racy(LOCK, "guards the table, its entries and its list of queues"),
  generation: word(T, "raised when the slot is freed"),
  limit: word(T, "RLIMIT_NOFILE"),
  open: word(T, "numbers not EMPTY"),
  firstFree: word(T, "no number below it is EMPTY"),
  queues: ptr<"kqueue" | "object">(T, "queues whose descriptors are numbers of this table"),
  link: word(T, "free list"),
  chunks: line(words(FD_CHUNKS_MAX, ATOMIC, "chunks of entries; 0 where none was needed yet")),
});
export const fdtableZone = defineZone<"fdtable">(Fdtable.struct, Fdtable.link.offset, 1);

export const FD_EMPTY = 0;
export const FD_OPEN = 1;
export const FD_CLOSING = 2;
/** State bits of an entry's word: close-on-exec, and "a knote for this number may exist". */
export const FDF_CLOEXEC = 1;
export const FDF_WATCHED = 2;

const E = guardedBy("T", "lock of the table it is in", (k, p) => k.a[p + 3] as number);

/** Four words; a chunk is a run of them. */
export const Fdentry = defineStruct("fdentry", {
  file: racyPtr<"file">(ATOMIC, "the open file; 0 unless OPEN"),
  state: word(E, "FD_EMPTY, FD_OPEN, FD_CLOSING"),
  flags: word(E, "FDF_* and, above them, the slot of the thread whose handle this is"),
  lock: word(IMMUTABLE, "index of the table's lock"),
});
const ENTRY_WORDS = 4;
const STATE = Fdentry.state.offset;
const OWNER_SHIFT = 8;
const CHUNK_MASK = FD_CHUNK_ENTRIES - 1;
const CHUNK_SHIFT = 31 - Math.clz32(FD_CHUNK_ENTRIES);

/** A chunk: FD_CHUNK_ENTRIES entries in a row. */
const FdChunk = defineStruct("fdchunk", {
  entries: words(FD_CHUNK_ENTRIES * ENTRY_WORDS, IMMUTABLE, "entries; see struct fdentry"),
});
export const fdchunkZone = defineZone<"fdchunk">(FdChunk.struct, 0, 1);

export function curtable(k: Kthread): TablePtr {
  return Proc.table.get(k, curproc(k));
}

/** The entry of a number, or NIL if the number was never in use. No lock needed: chunks stay. */
export function fdEntry(k: Kthread, table: TablePtr, fd: number): FdPtr {
  if ((fd | 0) !== fd || fd < 0 || fd >= DESCRIPTORS_MAX) return NIL;
  const chunk = k.a[Fdtable.chunks.at(table) + (fd >> CHUNK_SHIFT)] as number;
  if (chunk === 0) return NIL;
  return (chunk + (fd & CHUNK_MASK) * ENTRY_WORDS) as FdPtr;
}

/** The file behind a number as a hint, or NIL. What rests on it is checked under a lock. */
export function fdHint(k: Kthread, fd: number): FilePtr {
  const entry = fdEntry(k, curtable(k), fd);
  return entry === 0 ? NIL : Fdentry.file.hint(k, entry);
}

/** The file behind a number, table lock held, or NIL. */
export function fdFileLocked(k: Kthread, table: TablePtr, fd: number): FilePtr {
  const entry = fdEntry(k, table, fd);
  if (entry === 0 || Fdentry.state.get(k, entry) !== FD_OPEN) return NIL;
  return Fdentry.file.hint(k, entry);
}

/** Make sure that the number's chunk exists; table lock held. False when memory is exhausted. */
export function fdChunkPrepare(k: Kthread, table: TablePtr, fd: number): boolean {
  const at = Fdtable.chunks.at(table) + Math.trunc(fd / FD_CHUNK_ENTRIES);
  if (k.a[at] !== 0) return true;
  const chunk = zalloc(k, fdchunkZone);
  if (chunk === 0) return false;
  for (let i = 0; i < FD_CHUNK_ENTRIES; i++) {
    const entry = (chunk + i * ENTRY_WORDS) as number as FdPtr;
    k.a.fill(0, entry, entry + ENTRY_WORDS);
    k.a[entry + Fdentry.lock.offset] = Fdtable.lock.at(table);
  }
  k.a[at] = chunk;
  published(k, chunk);
  return true;
}

/** Lowest EMPTY number at or above `from`, table lock held; -EMFILE if the limit is in the way. */
export function fdLowestLocked(k: Kthread, table: TablePtr, from: number): number {
  const limit = Fdtable.limit.get(k, table);
  let fd = Math.max(from, Fdtable.firstFree.get(k, table));
  for (; fd < limit; fd++) {
    const entry = fdEntry(k, table, fd);
    if (entry === 0 || Fdentry.state.get(k, entry) === FD_EMPTY) return fd;
  }
  return -EMFILE;
}

/** Put a file into an EMPTY number whose chunk exists; table lock held. */
export function fdInstallLocked(
  k: Kthread,
  table: TablePtr,
  fd: number,
  fp: FilePtr,
  cloexec: boolean,
  owner: number,
): void {
  const entry = fdEntry(k, table, fd);
  const kept = Fdentry.flags.get(k, entry) & FDF_WATCHED;
  Fdentry.flags.set(k, entry, kept | (cloexec ? FDF_CLOEXEC : 0) | (owner << OWNER_SHIFT));
  Fdentry.file.store(k, entry, fp);
  // One run with it.
  k.a[entry + STATE] = FD_OPEN;
  Fdtable.open.add(k, table, 1);
  if (fd === Fdtable.firstFree.get(k, table)) Fdtable.firstFree.set(k, table, fd + 1);
}

/** Take a number out of use; table lock held. Its knotes are dropped before `fdVacateLocked`. */
export function fdRemoveLocked(k: Kthread, table: TablePtr, fd: number): FilePtr {
  const entry = fdEntry(k, table, fd);
  if (entry === 0 || Fdentry.state.get(k, entry) !== FD_OPEN) return NIL;
  const fp = Fdentry.file.hint(k, entry);
  Fdentry.file.store(k, entry, NIL);
  k.a[entry + STATE] = FD_CLOSING;
  return fp;
}

/** The number may be handed out again; table lock held. */
export function fdVacateLocked(k: Kthread, table: TablePtr, fd: number): void {
  const entry = fdEntry(k, table, fd);
  // Somebody may be about to link a knote for the number, which a later open by the same file
  // would make good: once watched, a number is looked for at every close.
  Fdentry.flags.set(k, entry, Fdentry.flags.get(k, entry) & FDF_WATCHED);
  Fdtable.open.add(k, table, -1);
  if (fd < Fdtable.firstFree.get(k, table)) Fdtable.firstFree.set(k, table, fd);
  const step = phaseAt(k);
  // One run: who closes it has nothing more to do with the number.
  k.a[entry + STATE] = FD_EMPTY;
  k.a[step] = PHASE_NONE;
}

/** A CLOSING number names another file without becoming EMPTY in between; table lock held. */
export function fdSwapLocked(
  k: Kthread,
  table: TablePtr,
  fd: number,
  fp: FilePtr,
  cloexec: boolean,
): void {
  const entry = fdEntry(k, table, fd);
  const kept = Fdentry.flags.get(k, entry) & FDF_WATCHED;
  Fdentry.flags.set(k, entry, kept | (cloexec ? FDF_CLOEXEC : 0));
  Fdentry.file.store(k, entry, fp);
  k.a[entry + STATE] = FD_OPEN;
}

/** Slot number of the thread whose JavaScript handle owns this descriptor, 0 for a plain one. */
export function fdOwnerLocked(k: Kthread, entry: FdPtr): number {
  return Fdentry.flags.get(k, entry) >>> OWNER_SHIFT;
}

/** -EBADF, for callers that resolve a number to a file. */
export const NOT_OPEN = -EBADF;

/** Whether an open file may be read or written, as its access mode says. */
export function fileAllows(k: Kthread, fp: FilePtr, mode: number): boolean {
  return (File.flags.hint(k, fp) & mode) !== 0;
}
