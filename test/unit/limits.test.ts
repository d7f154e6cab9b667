// SPDX-License-Identifier: ISC
/** Relations between limits beyond those that limits.ts asserts itself when it loads. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { KEVENT_WORDS } from "#src/abi/event.js";
import { PIPE_BUF } from "#src/abi/fcntl.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { ZONE_COUNT } from "#src/arena/zone.js";
import { Thread } from "#src/kern/thread.js";
import * as limits from "#src/limits.js";
import { sys } from "#src/sys/face.js";
import { assertSound, bootSmallest, bootThread } from "./support.js";

test("every limit is a positive whole number", () => {
  for (const [name, value] of Object.entries(limits)) {
    assert.ok(typeof value === "number" && value > 0, name);
    assert.ok(Number.isSafeInteger(value) || name === "TIME_NS_MAX", name);
  }
});

test("sizes that are shifted and masked are powers of two", () => {
  const { FD_CHUNK_ENTRIES, HASH_BUCKETS_MIN, LINE_WORDS } = limits;
  for (const n of [FD_CHUNK_ENTRIES, HASH_BUCKETS_MIN, LINE_WORDS]) {
    assert.equal(n & (n - 1), 0, `${n}`);
  }
  assert.equal(KEVENT_WORDS, 16);
});

test("word indexes and byte offsets of the largest arena are positive", () => {
  assert.ok(limits.ARENA_BYTES_MAX - 1 <= 0x7fffffff);
  assert.ok(limits.ARENA_BYTES_MIN % (4 * limits.LINE_WORDS) === 0);
});

test("times beyond any that can be named do not overflow what they are kept in", () => {
  assert.ok(limits.TIME_NS_MAX < 2 ** 63);
  assert.ok(2 ** 31 * 1e9 <= limits.TIME_NS_MAX, "the longest timeout of kevent");
});

test("the numbers that programs see are those the kernel uses", () => {
  assert.equal(PIPE_BUF, limits.PIPE_BUF_BYTES);
});

test("the smallest arena boots with some threads, a queue and a pipe", () => {
  const k = bootSmallest();
  const s = sys({ thread: k });
  assert.ok(s.kqueue() >= 0);
  assert.equal(s.pipe(new Int32Array(2)), 0);
  assertSound(k);
});

test("the fixed tables of the most threads fit the default arena many times", () => {
  const words = limits.THREADS_MAX * Thread.struct.words + ZONE_COUNT * limits.LINE_WORDS;
  assert.ok((SUPER + Super.struct.words + words) * 16 < limits.ARENA_BYTES_DEFAULT);
  const k = bootThread({ arenaBytes: 4 << 20, threads: limits.THREADS_MAX });
  assertSound(k);
});
