// SPDX-License-Identifier: ISC
/** Struct layouts: what is laid out twice, too large, or on the wrong line would be found here. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { HighField, LowField, SignedLowField, U64Field } from "#src/arena/field.js";
import { type FieldInfo, layoutHash, type StructInfo, structs } from "#src/arena/layout.js";
import { Super } from "#src/arena/superblock.js";
import { ZONE_COUNT, zones } from "#src/arena/zone.js";
import { Kncold, Knote, Kqueue } from "#src/event/structs.js";
import { Eventfd } from "#src/fd/eventfd.js";
import { Pipe } from "#src/fd/pipe-ring.js";
import { Fdtable } from "#src/kern/fdtable.js";
import { Obj } from "#src/kern/object.js";
import { Thread } from "#src/kern/thread.js";
import { FD_CHUNKS_MAX, LIMBO_MAX, LINE_WORDS, LOCKS_HELD_MAX } from "#src/limits.js";
import { WAITQ_WORDS, Waitq } from "#src/sync/wait.js";
import "#src/sys/kernel.js";

function isHalf(field: FieldInfo): boolean {
  return field instanceof LowField || field instanceof SignedLowField || field instanceof HighField;
}

/** Halves of a word that the field covers: low, high. */
function halves(field: FieldInfo): number[] {
  const first = field.offset * 2;
  if (field instanceof HighField) return [first + 1];
  if (isHalf(field)) return [first];
  const words = field instanceof U64Field ? 2 : 1;
  return Array.from({ length: words * 2 }, (_, i) => first + i);
}

function lineOf(field: FieldInfo): number {
  return Math.floor(field.offset / LINE_WORDS);
}

for (const struct of structs) {
  test(`struct ${struct.name}: no two fields share bits, and all are inside`, () => {
    const owner = new Map<number, string>();
    for (const field of struct.fields) {
      for (const half of halves(field)) {
        assert.equal(owner.get(half), undefined, `${field.name} and ${owner.get(half)}`);
        owner.set(half, field.name);
        assert.ok(half >= 0 && half < struct.words * 2, `${field.name} is outside`);
      }
    }
    assert.equal(struct.words % LINE_WORDS, 0, "a whole number of lines");
  });
}

test("every struct has a name of its own", () => {
  const names = structs.map(({ name }) => name);
  assert.deepEqual([...new Set(names)], names);
});

test("a knote and a cold line are one line each, full to the last word", () => {
  for (const struct of [Knote.struct, Kncold.struct] as StructInfo[]) {
    assert.equal(struct.words, 16);
    const covered = new Set(struct.fields.flatMap(halves));
    assert.equal(covered.size, 32);
  }
});

test("arrays have the room that their users take", () => {
  assert.equal(Thread.spinning.offset - Thread.locks.offset, LOCKS_HELD_MAX);
  assert.equal(Thread.limboKinds.offset - Thread.limbo.offset, LIMBO_MAX);
  assert.ok(Thread.syncWord.offset - Thread.limboKinds.offset >= LIMBO_MAX);
  assert.ok(Fdtable.struct.words - Fdtable.chunks.offset >= FD_CHUNKS_MAX);
  const waitq = Math.max(...Waitq.struct.fields.map(({ offset }) => offset)) + 1;
  assert.equal(waitq, WAITQ_WORDS);
  assert.ok(Kqueue.claimWaitq.offset - Kqueue.waitq.offset >= WAITQ_WORDS);
  assert.ok(Eventfd.writers.offset - Eventfd.readers.offset >= WAITQ_WORDS);
  assert.ok(Eventfd.struct.words - Eventfd.writers.offset >= WAITQ_WORDS);
  assert.ok(Pipe.writers.offset - Pipe.readers.offset >= WAITQ_WORDS);
});

test("what a watched object starts with is at the same place in all of them", () => {
  for (const struct of [Kqueue.struct, Eventfd.struct, Pipe.struct] as StructInfo[]) {
    for (const [i, field] of Obj.struct.fields.entries()) {
      assert.equal(struct.fields[i]?.name, field.name);
      assert.equal(struct.fields[i]?.offset, field.offset);
    }
  }
});

test("words that different threads write are on different lines", () => {
  const apart: readonly [FieldInfo, FieldInfo][] = [
    [Super.memoryLock, Super.threadsLock],
    [Super.threadsLock, Super.spinners],
    [Super.spinners, Super.clockLock],
    [Obj.lockWord, Kqueue.lock],
    [Kqueue.lock, Kqueue.waitq],
    [Thread.call, Thread.syncWord],
    [Thread.call, Thread.state],
  ];
  for (const [x, y] of apart) assert.notEqual(lineOf(x), lineOf(y), `${x.name} and ${y.name}`);
});

test("every zone is defined, with its number and a link inside its slots", () => {
  assert.equal(zones.length, ZONE_COUNT);
  for (const [i, zone] of zones.entries()) {
    assert.equal(zone.index, i);
    assert.ok(zone.linkAt >= 0 && zone.linkAt < zone.struct.words, zone.struct.name);
    assert.ok(zone.chunkSlots >= 1, zone.struct.name);
  }
});

test("the layout hash says the same twice, and something else after a change", () => {
  const before = layoutHash();
  assert.equal(layoutHash(), before);
  const extra: StructInfo = { name: "extra", words: 16, fields: Knote.struct.fields };
  structs.push(extra);
  try {
    assert.notEqual(layoutHash(), before);
  } finally {
    structs.pop();
  }
  assert.equal(layoutHash(), before);
});
