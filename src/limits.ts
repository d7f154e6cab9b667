// SPDX-License-Identifier: ISC
/**
 * Every bound of the kernel, with the reason for its value. Relations between them are asserted
 * when this module loads, so a change that breaks one fails at once and everywhere.
 */

/** Default arena size. Untouched pages of a SharedArrayBuffer cost nothing, so be generous. */
export const ARENA_BYTES_DEFAULT = 64 * 1024 * 1024;
/** Smallest arena: the fixed tables, one thread, one process and a handful of objects. */
export const ARENA_BYTES_MIN = 256 * 1024;
/** Largest arena: word indexes and byte offsets both stay positive int32 values. */
export const ARENA_BYTES_MAX = 1024 * 1024 * 1024;

/** Words in a cache line of every machine we run on; slots are whole lines. */
export const LINE_WORDS = 16;

/** Slots for attached threads: the slot number has to fit the owner part of a lock word. */
export const THREADS_MAX = 1024;
/** Bits of a lock word that name the slot of the owner, and bits for the epoch above them. */
export const OWNER_SLOT_BITS = 12;
export const OWNER_EPOCH_BITS = 18;

/** Locks that one thread may hold at once: object under table under nesting, plus a margin. */
export const LOCKS_HELD_MAX = 6;
/** What a thread may have in its hands at once: slots and buffers on no list, file references. */
export const LIMBO_MAX = 13;

/** Descriptors per table chunk, and chunks per table: 16,384 numbers in all. */
export const FD_CHUNK_ENTRIES = 64;
export const FD_CHUNKS_MAX = 256;
/** Default RLIMIT_NOFILE. */
export const DESCRIPTORS_DEFAULT = 4096;
/** Largest RLIMIT_NOFILE. */
export const DESCRIPTORS_MAX = FD_CHUNK_ENTRIES * FD_CHUNKS_MAX;

/** EVFILT_USER knotes of one process (OpenBSD kq_usereventsmax). */
export const USER_EVENTS_DEFAULT = 1024;
/** EVFILT_TIMER knotes of the whole kernel (FreeBSD kern.kq_calloutmax). */
export const TIMERS_DEFAULT = 4096;
/** Ceiling for both as an option; a knote with its cold line is 128 bytes. */
export const KNOTE_LIMIT_MAX = 4 * 1024 * 1024;

/** Named filters of a kernel; their numbers, from 1, must fit the filter of an event record. */
export const FILTERS_MAX = 256;
/** Bytes of a filter's name (UTF-8). */
export const FILTER_NAME_BYTES = 64;
/** Chains that a named filter finds its sources by. */
export const FILTER_BUCKETS = 32;

/** Knotes moved between a queue's magazine and the zone at a time: one zone lock per batch. */
export const MAGAZINE_BATCH = 64;
/** A magazine above this many free knotes gives a batch back. */
export const MAGAZINE_HIGH = 2 * MAGAZINE_BATCH;

/** Buckets of a fresh queue: enough for the usual loop, small enough to make queues cheap. */
export const HASH_BUCKETS_MIN = 16;
/** Timer heap entries of a queue at its first timer. */
export const HEAP_ENTRIES_MIN = 16;

/** Due timers that one call runs before it carries on with its own work. */
export const TIMERS_PER_CALL = 64;

/** Capacity of a pipe, as FreeBSD (PIPE_SIZE, with big pipes) and Linux have it. */
export const PIPE_BYTES_DEFAULT = 65536;
/** Bounds of a pipe's capacity when it is chosen by the caller. */
export const PIPE_BYTES_MIN = 4096;
export const PIPE_BYTES_MAX = 64 * 1024 * 1024;
/** A write of this many bytes or fewer is never split (FreeBSD PIPE_BUF). */
export const PIPE_BUF_BYTES = 512;
/** Longest record of a packet-mode pipe made by pipe2(O_DIRECT): a Linux page. */
export const PACKET_BYTES_DEFAULT = 4096;

/** A sleep on a lock is timed, since a wake can die with the thread it was given to. */
export const LOCK_SLEEP_MS = 10;
/** A thread that may not block spins on the first lock of a call for this long, then gives up. */
export const LOCK_SPIN_MS = 20;
/** A recovery that needs a lock for longer, in sleeps on it, gives up and is begun again later. */
export const IMPATIENT_SLEEPS = 3;
/** The same for one that waits for somebody's claim, in milliseconds. */
export const IMPATIENT_MS = 30;
/** A sleep of a waiter ends after this long when several threads are attached (a safety net). */
export const NET_SLEEP_MS = 500;
/**
 * The adaptive spin budget (nanoseconds): it starts at what a wake and an answer cost, halves with
 * each miss, and is at least SPIN_NS_START again after a hit.
 */
export const SPIN_NS_START = 20_000;
export const SPIN_NS_MAX = 60_000;
/** A probe, long enough for a partner that has stopped spinning, too, to be woken and to answer. */
export const SPIN_NS_PROBE = 150_000;
/** Sleeps in a row that spinning did not spare, after which a thread stops spinning. */
export const SPIN_MISSES_MAX = 5;
/** Short sleeps until it tries once more: doubled by each miss from the first to the last. */
export const SPIN_REST_MIN = 8;
export const SPIN_REST_MAX = 64;
/** Wake targets collected under locks and notified after the last unlock. */
export const WAKES_DEFERRED_MAX = 64;
/** How long after its due time a timer wakes sleepers behind the first, which may have died. */
export const TIMER_BACKUP_NS = 1_000_000;

/** Longest time a caller may name, in nanoseconds: 2^62, far beyond any clock. */
export const TIME_NS_MAX = 2 ** 62;

/** View words hold this many bits of saturated data. */
export const VIEW_DATA_MAX = 0x3fffffff;

function relation(holds: boolean, text: string): void {
  if (!holds) throw new Error(`limits.ts: ${text}`);
}
relation(ARENA_BYTES_MIN <= ARENA_BYTES_DEFAULT, "the default arena is at least the smallest");
relation(ARENA_BYTES_DEFAULT <= ARENA_BYTES_MAX, "the default arena is at most the largest");
relation(THREADS_MAX < 1 << OWNER_SLOT_BITS, "a slot number fits its part of a lock word");
relation(OWNER_SLOT_BITS + OWNER_EPOCH_BITS <= 30, "slot and epoch leave the waiters bit free");
relation(
  (FD_CHUNK_ENTRIES & (FD_CHUNK_ENTRIES - 1)) === 0,
  "a descriptor's chunk is found by a shift",
);
relation(DESCRIPTORS_DEFAULT <= DESCRIPTORS_MAX, "the default table fits the largest");
relation(MAGAZINE_HIGH > MAGAZINE_BATCH, "giving a batch back leaves a magazine that is not empty");
relation(FILTERS_MAX <= 0x7fff, "a filter's number fits a record");
relation(PIPE_BUF_BYTES <= PIPE_BYTES_MIN, "an atomic write fits the smallest pipe");
relation(PIPE_BYTES_MAX <= VIEW_DATA_MAX, "a pipe's byte count fits its view");
relation(SPIN_NS_START <= SPIN_NS_MAX, "spin budgets are ordered");
relation(SPIN_NS_MAX <= SPIN_NS_PROBE, "a probe is the longest spin");
relation(SPIN_REST_MIN <= SPIN_REST_MAX, "the rests between probes are ordered");
