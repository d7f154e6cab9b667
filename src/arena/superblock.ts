// SPDX-License-Identifier: ISC
/**
 * The superblock: what stands at the start of every arena. It says what the arena is (magic,
 * layout hash, size), holds the kernel's limits and global counters, and the heads of the zones.
 *
 * Map of an arena, in words:
 *
 *   0        never used, so that index 0 can be the null pointer
 *   16       superblock
 *   ...      zone heads, one line each
 *   ...      thread slots (a fixed table: a lock word names its owner by slot number)
 *   ...      heap map: a bit per line
 *   brk ...  chunks of the zones and byte buffers, carved upwards and never given back to brk
 */
import { LINE_WORDS } from "../limits.js";
import {
  ATOMIC,
  defineStruct,
  guardedBy,
  IMMUTABLE,
  LOCK,
  line,
  type Ptr,
  ptr,
  racy,
  u64,
  word,
  words,
} from "./layout.js";

export const MAGIC = 0x4b6e656c;
/** Raised whenever the meaning of a word changes without its place changing. */
export const ARENA_VERSION = 1;

/** Sizes of byte buffers, powers of two: the largest is smaller than the largest arena. */
export const HEAP_CLASSES = 28;

export type SuperPtr = Ptr<"superblock">;
export const SUPER = LINE_WORDS as SuperPtr;

const CLOCK = guardedBy("c", "clock lock", (_k, p) => Super.clockLock.at(p as SuperPtr));
const MEM = guardedBy("m", "memory lock", (_k, p) => Super.memoryLock.at(p as SuperPtr));
const FILTERS = guardedBy("f", "filters lock", (_k, p) => Super.filtersLock.at(p as SuperPtr));
const THREADS = guardedBy("t", "threads lock", (_k, p) => Super.threadsLock.at(p as SuperPtr));

export const Super = defineStruct("superblock", {
  magic: word(IMMUTABLE, "MAGIC"),
  version: word(IMMUTABLE, "ARENA_VERSION"),
  layout: word(IMMUTABLE, "hash of all struct layouts"),
  arenaWords: word(IMMUTABLE, "size of the arena in words"),
  id: word(IMMUTABLE, "random number that tells arenas apart in messages"),
  profile: word(IMMUTABLE, "index of the profile the kernel was booted with"),
  manual: word(IMMUTABLE, "1 if the clocks move only when told"),
  spin: word(IMMUTABLE, "1 if waiters may spin"),
  userEventsMax: word(IMMUTABLE, "EVFILT_USER knotes of one process"),
  timersMax: word(IMMUTABLE, "EVFILT_TIMER knotes of the kernel"),
  threadsMax: word(IMMUTABLE, "slots in the thread table"),
  descriptorsMax: word(IMMUTABLE, "default RLIMIT_NOFILE"),
  threadTable: word(IMMUTABLE, "first thread slot"),
  zoneTable: word(IMMUTABLE, "first zone head"),
  heapMap: word(IMMUTABLE, "a bit per line, set where a free byte buffer starts; memory lock"),
  bootMono: u64(IMMUTABLE, "host's monotonic clock when the arena was booted (ns)"),

  memoryLock: line(racy(LOCK, "guards brk, the zones and the free lists of byte buffers")),
  brk: word(MEM, "first word never handed out"),
  heapLive: word(MEM, "words in allocated byte buffers"),
  heapFree: words(HEAP_CLASSES, MEM, "free byte buffers by power of two: list heads"),

  threadsLock: line(racy(LOCK, "guards the thread table, process 1 and the exit watchers")),
  threads: racy(ATOMIC, "threads attached now"),
  threadSerial: word(THREADS, "number of the thread attached last"),
  exitWatchers: word(THREADS, "first channel that hears of ended threads"),
  init: word(IMMUTABLE, "process 1"),
  warden: racy(ATOMIC, "slot of the thread that keeps the warden, 0 if there is none"),
  workers: racy(ATOMIC, "number of the worker that was spawned or adopted last"),

  timers: line(racy(ATOMIC, "EVFILT_TIMER knotes now")),
  spinners: racy(ATOMIC, "waiters spinning now"),
  netHits: racy(ATOMIC, "safety-net wakes that found work; 0 unless a thread died"),
  nestLock: racy(LOCK, "one lock around cycle check and link of nested queues"),
  probe: racy(ATOMIC, "counted up to find out whether two buffers are the same memory"),

  clockLock: line(racy(LOCK, "guards moving the manual clocks")),
  clockSeq: racy(ATOMIC, "odd while the manual clocks are being written"),
  monoLo: racy(ATOMIC, "manual monotonic clock, low word (ns)"),
  monoHi: racy(ATOMIC, "and high word"),
  wallLo: racy(ATOMIC, "manual wall clock, low word (ns)"),
  wallHi: racy(ATOMIC, "and high word"),
  clockMoves: word(CLOCK, "times the manual clocks were moved"),

  filtersLock: line(racy(LOCK, "guards the named filters and the list of sources")),
  filters: ptr<"kfilter">(FILTERS, "first named filter"),
  sources: ptr<"source">(FILTERS, "first source"),
});
