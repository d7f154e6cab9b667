// SPDX-License-Identifier: ISC
/** Zones and byte buffers: what is handed out, in which order, and what happens at the end. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { heapClass } from "#src/arena/heap.js";
import type { Kthread } from "#src/arena/kthread.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { Zone, type ZoneDef } from "#src/arena/zone.js";
import { knoteZone } from "#src/event/structs.js";
import { peek } from "#src/inspect/peek.js";
import {
  heapAlloc,
  heapFree,
  published,
  zabandon,
  zalloc,
  zallocBatch,
  zfree,
  zfreeChain,
} from "#src/kern/alloc.js";
import { fileZone } from "#src/kern/file.js";
import { LIMBO_MAX, LINE_WORDS } from "#src/limits.js";
import { assertPanics, assertSound, bootSmallest, bootThread, Random, SEED } from "./support.js";

function zoneHeadOf(k: Kthread, zone: ZoneDef<string>): number {
  return peek(k, Super.zoneTable, SUPER) + zone.index * LINE_WORDS;
}

function count(k: Kthread, zone: ZoneDef<string>): { live: number; free: number; total: number } {
  const z = zoneHeadOf(k, zone);
  return {
    live: peek(k, Zone.live, z),
    free: peek(k, Zone.free, z),
    total: peek(k, Zone.total, z),
  };
}

/** A slot that is nobody's: taken, and not in limbo. */
function take<N extends string>(k: Kthread, zone: ZoneDef<N>): ReturnType<typeof zalloc<N>> {
  const slot = zalloc(k, zone);
  if (slot !== 0) published(k, slot);
  return slot;
}

test("slots are distinct, aligned, and of the zone's size", () => {
  const k = bootThread();
  const slots = Array.from({ length: 100 }, () => take(k, fileZone) as number);
  slots.sort((x, y) => x - y);
  for (const [i, slot] of slots.entries()) {
    assert.ok(slot > 0);
    assert.equal(slot % LINE_WORDS, 0);
    const next = slots[i + 1];
    if (next !== undefined) assert.ok(next - slot >= fileZone.struct.words);
  }
  assert.deepEqual(count(k, fileZone), { live: 100, free: 0, total: 100 });
  for (const slot of slots) zfree(k, fileZone, slot as never);
  assert.deepEqual(count(k, fileZone), { live: 0, free: 100, total: 100 });
  assertSound(k);
});

test("the free list is first in, first out, and comes before new slots", () => {
  const k = bootThread();
  const slots = Array.from({ length: 5 }, () => take(k, fileZone));
  const order = [3, 0, 4, 1, 2];
  for (const i of order) zfree(k, fileZone, slots[i] as never);
  const again = order.map(() => take(k, fileZone));
  assert.deepEqual(
    again,
    order.map((i) => slots[i]),
  );
  assert.equal(count(k, fileZone).total, 5);
  for (const slot of again) zfree(k, fileZone, slot);
  assertSound(k);
});

test("a slot keeps its contents and its generation across reuse", () => {
  const k = bootThread();
  const slot = take(k, fileZone);
  k.a[slot] = 77;
  zfree(k, fileZone, slot);
  assert.equal(take(k, fileZone), slot);
  assert.equal(k.a[slot], 77);
  k.a[slot] = 0;
  zfree(k, fileZone, slot);
  assertSound(k);
});

test("a batch is a chain of that many slots, and goes back as one", () => {
  const k = bootThread();
  const batch = zallocBatch(k, knoteZone, 10);
  assert.equal(batch.count, 10);
  const seen = new Set<number>();
  for (let s: number = batch.head; s !== 0; s = k.a[s + knoteZone.linkAt] as number) {
    assert.equal(k.a[s + knoteZone.markAt], -k.owner);
    seen.add(s);
  }
  assert.equal(seen.size, 10);
  assert.equal(count(k, knoteZone).live, 10);
  zfreeChain(k, knoteZone, batch.head);
  zfreeChain(k, knoteZone, 0 as never);
  assert.deepEqual(count(k, knoteZone), { live: 0, free: 10, total: 10 });
  assertSound(k);
});

test("limbo: a slot is noted until it is published, and there is a limit", () => {
  const k = bootThread();
  const most = LIMBO_MAX - 1;
  const slots = Array.from({ length: most }, () => zalloc(k, fileZone));
  assert.equal(k.limboCount, most);
  const noted = [...k.a.subarray(k.limboAt, k.limboAt + most)];
  assert.deepEqual(noted, slots);
  assertPanics(() => zalloc(k, fileZone), /too many slots in limbo/);
  published(k, slots[2] as never);
  assert.equal(k.limboCount, most - 1);
  assertPanics(() => published(k, slots[2] as never), /not in limbo/);
  zfree(k, fileZone, slots[2] as never);
  for (const slot of slots) if (slot !== slots[2]) zabandon(k, fileZone, slot);
  assert.equal(k.limboCount, 0);
  assertSound(k);
});

test("an exhausted arena gives NIL, keeps what it has, and goes on after a free", () => {
  const k = bootSmallest();
  const slots: number[] = [];
  for (let slot = take(k, fileZone) as number; slot !== 0; slot = take(k, fileZone) as number) {
    slots.push(slot);
  }
  assert.ok(slots.length > 1000);
  assert.equal(heapAlloc(k, 1024), 0);
  assert.equal(take(k, fileZone), 0);
  const last = slots.pop() as never;
  zfree(k, fileZone, last);
  assert.equal(take(k, fileZone), last);
  slots.push(last);
  for (const slot of slots) zfree(k, fileZone, slot as never);
  assertSound(k);
});

test("buffers: the class of a size is the smallest power of two that holds it", () => {
  for (const [words, size] of [
    [0, 16],
    [1, 16],
    [16, 16],
    [17, 32],
    [32, 32],
    [1000, 1024],
    [1024, 1024],
    [1025, 2048],
  ] as const) {
    assert.equal(2 ** heapClass(words), size);
  }
});

test("buffers: a free one is used again, and a larger one is halved", () => {
  const k = bootThread();
  const large = heapAlloc(k, 256);
  heapFree(k, large, 256);
  assert.equal(heapAlloc(k, 200), large);
  heapFree(k, large, 200);
  // What was skipped to align the first buffers comes before a larger one.
  const skipped: [at: number, words: number][] = [];
  for (const [cls, words] of [16, 32, 64, 128].entries()) {
    const list = Super.heapFree.at(SUPER) + 4 + cls;
    while (k.a[list] !== 0) skipped.push([heapAlloc(k, words), words]);
  }
  const small = heapAlloc(k, 16);
  assert.equal(small, large);
  const brk = peek(k, Super.brk, SUPER);
  const halves = [16, 32, 64, 128].map((words) => heapAlloc(k, words));
  assert.equal(peek(k, Super.brk, SUPER), brk, "all from the halves");
  assert.deepEqual(
    halves.map((at) => at - large),
    [16, 32, 64, 128],
  );
  heapFree(k, small, 16);
  for (const [i, words] of [16, 32, 64, 128].entries()) heapFree(k, halves[i] as number, words);
  heapFree(k, 0, 16);
  for (const [at, words] of skipped) heapFree(k, at, words);
  assertSound(k);
});

test(`buffers: random use never overlaps and is accounted for, KNELL_SEED=${SEED}`, () => {
  const k = bootThread();
  const random = new Random(SEED);
  const live = new Map<number, number>();
  for (let step = 0; step < 2000; step++) {
    const words = 1 + random.below(2 ** random.below(12));
    const at = random.below(3) > 0 ? heapAlloc(k, words) : 0;
    if (at !== 0) {
      const end = at + 2 ** heapClass(words);
      for (const [other, size] of live) {
        assert.ok(end <= other || other + 2 ** heapClass(size) <= at, `${at} overlaps ${other}`);
      }
      published(k, at);
      live.set(at, words);
    } else if (live.size > 0) {
      const victim = random.pick([...live.keys()]);
      heapFree(k, victim, live.get(victim) as number);
      live.delete(victim);
    }
    let sum = 0;
    for (const size of live.values()) sum += 2 ** heapClass(size);
    assert.equal(peek(k, Super.heapLive, SUPER), sum);
  }
  for (const [at, words] of live) heapFree(k, at, words);
  assertSound(k);
});
