// SPDX-License-Identifier: ISC
/**
 * The buddy allocator against a map of lines in use that knows nothing of buddies: a buffer can be
 * had if, and only if, a place at a multiple of its size is free, whatever came before.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { chunkFirst, chunkLimit, zoneChunks } from "#src/arena/zone.js";
import { peek } from "#src/inspect/peek.js";
import { heapAlloc, heapFree, published, zalloc, zfree } from "#src/kern/alloc.js";
import { fixedWords } from "#src/kern/attach.js";
import { type FilePtr, fileZone } from "#src/kern/file.js";
import { LINE_WORDS } from "#src/limits.js";
import { assertSound, bootSmallest } from "./support.js";

const THREADS = 8;

/** Lines that belong to something for good when the test begins. */
function linesTaken(k: Kthread): Uint8Array {
  const lines = new Uint8Array(k.a.length / LINE_WORDS);
  lines.fill(1, 0, peek(k, Super.brk, SUPER) / LINE_WORDS);
  // What was skipped to align the first buffers is free.
  for (let cls = 4; cls < 28; cls++) {
    let at = k.a[Super.heapFree.at(SUPER) + cls] as number;
    for (; at !== 0; at = k.a[at] as number) {
      lines.fill(0, at / LINE_WORDS, (at + 2 ** cls) / LINE_WORDS);
    }
  }
  return lines;
}

function sizeOf(words: number): number {
  let size = LINE_WORDS;
  while (size < words) size *= 2;
  return size;
}

/** Whether there is a free place for a buffer. */
function hasRoom(lines: Uint8Array, size: number): boolean {
  const run = size / LINE_WORDS;
  for (let at = 0; at + run <= lines.length; at += run) {
    if (lines.subarray(at, at + run).every((line) => line === 0)) return true;
  }
  return false;
}

interface Buffer {
  readonly at: number;
  readonly words: number;
}

class Arena {
  readonly k = bootSmallest({ threads: THREADS });
  readonly lines = linesTaken(this.k);
  readonly buffers: Buffer[] = [];
  readonly slots: FilePtr[] = [];

  #mark(at: number, words: number, value: number): void {
    const from = at / LINE_WORDS;
    const run = this.lines.subarray(from, from + words / LINE_WORDS);
    assert.ok(
      run.every((line) => line === 1 - value),
      `lines of ${at}`,
    );
    run.fill(value);
  }

  take(words: number): void {
    const size = sizeOf(words);
    const at = heapAlloc(this.k, words);
    assert.equal(at !== 0, hasRoom(this.lines, size), `a buffer of ${size} words`);
    if (at === 0) return;
    published(this.k, at);
    assert.equal(at % size, 0, "at a multiple of its size");
    this.#mark(at, size, 1);
    // What stands in a buffer must mean nothing to the allocator.
    this.k.a.fill(16, at, at + size);
    this.buffers.push({ at, words });
  }

  give(index: number): void {
    const [buffer] = this.buffers.splice(index % Math.max(1, this.buffers.length), 1);
    if (buffer === undefined) return;
    heapFree(this.k, buffer.at, buffer.words);
    this.#mark(buffer.at, sizeOf(buffer.words), 0);
  }

  /** Slots are carved by the chunk: the lines of a chunk are all taken from its first slot on. */
  slot(): void {
    const { k } = this;
    // A chunk is a line, and at least one slot.
    const free = hasRoom(this.lines, 2 * LINE_WORDS);
    const slot = zalloc(k, fileZone);
    if (slot === 0) {
      assert.equal(free, false, "no slot, although lines are free");
      return;
    }
    published(k, slot);
    this.slots.push(slot);
    this.#chunkTaken(slot);
  }

  #chunkTaken(slot: number): void {
    const chunk = zoneChunks(this.k, fileZone);
    const isFirst = slot === chunkFirst(chunk);
    // Only with its first slot is the chunk new.
    if (isFirst && this.lines[chunk / LINE_WORDS] === 0) {
      this.#mark(chunk, chunkLimit(this.k, chunk) - chunk, 1);
    }
  }

  end(): void {
    for (const slot of this.slots) zfree(this.k, fileZone, slot);
    while (this.buffers.length > 0) this.give(0);
    assertSound(this.k);
  }
}

const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 400 }) }) },
  { weight: 2, arbitrary: fc.record({ take: fc.integer({ min: 1, max: 20_000 }) }) },
  { weight: 6, arbitrary: fc.record({ give: fc.nat(500) }) },
  { weight: 2, arbitrary: fc.record({ slots: fc.integer({ min: 1, max: 40 }) }) },
);

test("a buffer can be had exactly when there is a place for it", () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 1, maxLength: 150 }), (steps) => {
      const arena = new Arena();
      for (const one of steps) {
        if ("take" in one) arena.take(one.take);
        else if ("give" in one) arena.give(one.give);
        else for (let i = 0; i < one.slots; i++) arena.slot();
      }
      arena.end();
    }),
    { numRuns: 150 },
  );
});

test("what is free at the end of the carved part is one with what was never carved", () => {
  const arena = new Arena();
  const { k } = arena;
  const half = 2 ** Math.floor(Math.log2(k.a.length)) / 2;
  // The second half of the arena: its first quarter was carved and given back, the rest never.
  arena.take(half / 2);
  arena.take(half / 2);
  arena.give(1);
  arena.take(half);
  assert.equal(arena.buffers.length, 2, "the half was had");
  arena.end();
});

/** Fill the arena with buffers of one line; returns them. */
function fill(k: Kthread): number[] {
  const all: number[] = [];
  for (let at = heapAlloc(k, 1); at !== 0; at = heapAlloc(k, 1)) {
    published(k, at);
    all.push(at);
  }
  return all;
}

test("an arena full of the smallest buffers gives the largest when they are free again", () => {
  const k = bootSmallest({ threads: THREADS });
  const words = 2 ** Math.floor(Math.log2(k.a.length - fixedWords(THREADS, k.a.length)));
  const lines = linesTaken(k);
  let largest = words;
  while (!hasRoom(lines, largest)) largest /= 2;
  const all = fill(k);
  assert.ok(all.length > 3000);
  // In an order in which few neighbours follow each other.
  const order = all.map((_, i) => all[(i * 1009) % all.length] as number);
  assert.equal(new Set(order).size, all.length);
  for (const at of order) heapFree(k, at, 1);
  assertSound(k);
  assert.notEqual(heapAlloc(k, largest), 0);
});

test("freed buffers become slots when there is no fresh memory", () => {
  const k = bootSmallest({ threads: THREADS });
  const all = fill(k);
  assert.equal(zalloc(k, fileZone), 0);
  for (const at of all) k.a.fill(77, at, at + LINE_WORDS);
  for (const at of all.splice(0, 40)) heapFree(k, at, 1);
  const slots = Array.from({ length: 30 }, () => {
    const slot = zalloc(k, fileZone);
    assert.notEqual(slot, 0);
    const used = k.a.subarray(slot, slot + fileZone.struct.words);
    assert.deepEqual(new Set(used), new Set([0]), "as fresh memory is");
    published(k, slot);
    return slot;
  });
  for (let slot = zalloc(k, fileZone); slot !== 0; slot = zalloc(k, fileZone)) {
    published(k, slot);
    slots.push(slot);
  }
  assert.ok(slots.length < 40, "chunks have a line of their own");
  for (const slot of slots) zfree(k, fileZone, slot);
  for (const at of all) heapFree(k, at, 1);
  assertSound(k);
});
