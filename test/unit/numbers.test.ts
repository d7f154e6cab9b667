// SPDX-License-Identifier: ISC
/** Numbers in words: 64-bit fields, halves of words, event lists, eventfd arithmetic, timeouts. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EAGAIN, EINVAL } from "#src/abi/errno.js";
import { EV_ADD, EVFILT_READ, EVFILT_WRITE } from "#src/abi/event.js";
import { EFD_NONBLOCK, EFD_SEMAPHORE } from "#src/abi/fcntl.js";
import {
  Field,
  type Guard,
  HighField,
  LowField,
  type Ptr,
  SignedLowField,
  U64Field,
} from "#src/arena/field.js";
import type { Kthread } from "#src/arena/kthread.js";
import { VIEW_EOF, viewOf } from "#src/kern/object.js";
import { VIEW_DATA_MAX } from "#src/limits.js";
import { timeoutNs } from "#src/sys/calls.js";
import { KeventList, sys } from "#src/sys/face.js";
import { assertSound, bootThread, Random, SEED } from "./support.js";

const NOBODY: Guard = { key: "-", text: "nobody" };
const P = 4 as Ptr<"thing">;
const ZERO = { sec: 0, nsec: 0 };
const TOP = 2n ** 64n - 2n;
const INT64_MAX = 2n ** 63n - 1n;

/** Enough of a thread for the plain fields. */
function memory(): Kthread {
  return { a: new Int32Array(32) } as unknown as Kthread;
}

test("a 64-bit field holds numbers up to 2^53, of both signs", () => {
  const k = memory();
  const field = new U64Field<"thing">("value", 2, NOBODY, "");
  const edges = [0, 1, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, 2 ** 53];
  for (const value of [...edges, ...edges.map((n) => -n)]) {
    field.setNumber(k, P, value);
    assert.equal(field.getNumber(k, P), value === 0 ? 0 : value);
    const words = BigInt.asUintN(64, BigInt(value));
    assert.equal(field.lo(k, P) >>> 0, Number(words & 0xffffffffn));
    assert.equal(field.hi(k, P) >>> 0, Number(words >> 32n));
  }
  field.setWords(k, P, -1, 0x7fffffff);
  assert.deepEqual([field.lo(k, P), field.hi(k, P)], [-1, 0x7fffffff]);
  assert.equal(field.at(P), 6);
  assert.deepEqual([k.a[5], k.a[8]], [0, 0], "nothing beside it changed");
});

test("halves of a word leave each other alone", () => {
  const k = memory();
  const low = new LowField<"thing">("low", 1, NOBODY, "");
  const signed = new SignedLowField<"thing">("signed", 1, NOBODY, "");
  const high = new HighField<"thing">("high", 1, NOBODY, "");
  for (const value of [0, 1, 0x7fff, 0x8000, 0xffff]) {
    high.set(k, P, 0xabcd);
    low.set(k, P, value);
    assert.equal(low.get(k, P), value);
    assert.equal(signed.get(k, P), (value << 16) >> 16);
    assert.equal(high.get(k, P), 0xabcd);
    high.set(k, P, value);
    assert.equal(high.get(k, P), value);
    assert.equal(low.get(k, P), value);
  }
  for (const value of [-1, -2, -32768, 32767]) {
    high.set(k, P, 0x1234);
    signed.set(k, P, value);
    assert.equal(signed.get(k, P), value);
    assert.equal(high.get(k, P), 0x1234);
  }
  low.set(k, P, 0);
  high.set(k, P, 0);
  low.or(k, P, 0x8001);
  high.or(k, P, 0x8010);
  assert.equal(k.a[5], 0x80108001 | 0);
  low.clear(k, P, 0x8000);
  assert.equal(k.a[5], 0x80100001 | 0);
});

test("a field adds with the wrap of 32 bits", () => {
  const k = memory();
  const field = new Field<"thing">("count", 0, NOBODY, "");
  field.set(k, P, 0x7fffffff);
  assert.equal(field.add(k, P, 1), -0x80000000);
  assert.equal(field.get(k, P), -0x80000000);
  assert.equal(field.add(k, P, -1), 0x7fffffff);
});

test("a view saturates, and keeps its end-of-file bit apart", () => {
  assert.equal(viewOf(0, false), 0);
  assert.equal(viewOf(VIEW_DATA_MAX - 1, false), VIEW_DATA_MAX - 1);
  assert.equal(viewOf(VIEW_DATA_MAX + 1, false), VIEW_DATA_MAX);
  assert.equal(viewOf(2 ** 40, true), VIEW_DATA_MAX | VIEW_EOF);
  assert.equal(viewOf(5, true) & VIEW_DATA_MAX, 5);
  assert.ok(viewOf(0, true) < 0);
});

test("timeouts: what is valid, what means for ever, what is refused", () => {
  assert.equal(timeoutNs(0, 0), 0);
  assert.equal(timeoutNs(1, 5), 1e9 + 5);
  assert.equal(timeoutNs(0, 999_999_999), 999_999_999);
  assert.ok(timeoutNs(2 ** 31, 0) < 0 && timeoutNs(2 ** 31, 0) !== -EINVAL);
  assert.ok(timeoutNs(2 ** 31 - 1, 999_999_999) > 2e18);
  for (const [sec, nsec] of [
    [-1, 0],
    [0, -1],
    [0, 1e9],
    [Number.NaN, 0],
    [0, Number.NaN],
    [0.5, 0],
    [0, 0.5],
    [Number.POSITIVE_INFINITY, 0],
  ] as const) {
    assert.equal(timeoutNs(sec, nsec), -EINVAL, `${sec} ${nsec}`);
  }
});

test("an event list keeps 64 bits of every value, signed only in data", () => {
  const list = new KeventList(3);
  const values = [0n, 1n, 2n ** 31n, 2n ** 32n, 2n ** 53n + 1n, 2n ** 63n, 2n ** 64n - 1n];
  for (const value of values) {
    list.set(1, value, -5, 0xffff, 0xffffffff, value, value);
    for (let j = 0; j < 4; j++) list.setExt(1, j, value);
    assert.equal(list.identBig(1), value);
    assert.equal(list.udataBig(1), value);
    assert.equal(list.dataBig(1), BigInt.asIntN(64, value));
    assert.equal(list.ident(1), Number(value));
    for (let j = 0; j < 4; j++) assert.equal(list.ext(1, j), value);
    assert.deepEqual([list.filter(1), list.flags(1), list.fflags(1)], [-5, 0xffff, 0xffffffff]);
    assert.ok(list.words.subarray(0, 16).every((word) => word === 0));
    assert.ok(list.words.subarray(32).every((word) => word === 0));
  }
  list.set(1, 3, -1, 1);
  for (let j = 0; j < 4; j++) assert.equal(list.ext(1, j), 0n, "set clears ext");
  list.set(0, 0, -1, 0, 0, -1);
  assert.deepEqual([list.data(0), list.dataBig(0)], [-1, -1n]);
});

test("an event list refuses records that it does not have, and capacities of no sense", () => {
  const list = new KeventList(2);
  for (const i of [-1, 2, 0.5 + 2, Number.NaN]) {
    assert.throws(() => list.ident(i), RangeError, `${i}`);
    assert.throws(() => list.set(i, 0, 0, 0), RangeError, `${i}`);
  }
  for (const n of [0, -1, 1.5, Number.NaN, 2 ** 24 + 1]) {
    assert.throws(() => new KeventList(n), RangeError, `${n}`);
  }
});

/** An eventfd with numbers as they should be. */
class Counter {
  value: bigint;
  readonly semaphore: boolean;
  constructor(value: bigint, semaphore: boolean) {
    this.value = value;
    this.semaphore = semaphore;
  }
  write(n: bigint): number {
    if (n === 2n ** 64n - 1n) return -EINVAL;
    if (this.value + n > TOP) return -EAGAIN;
    this.value += n;
    return 0;
  }
  read(): bigint | number {
    if (this.value === 0n) return -EAGAIN;
    const taken = this.semaphore ? 1n : this.value;
    this.value -= taken;
    return taken;
  }
}

for (const semaphore of [false, true]) {
  test(`eventfd counts as big integers do, semaphore ${semaphore}, KNELL_SEED=${SEED}`, () => {
    const k = bootThread();
    const s = sys({ thread: k });
    const random = new Random(SEED);
    const fd = s.eventfd(0xffffffff, EFD_NONBLOCK | (semaphore ? EFD_SEMAPHORE : 0));
    const kq = s.kqueue();
    const list = new KeventList(2).set(0, fd, EVFILT_READ, EV_ADD).set(1, fd, EVFILT_WRITE, EV_ADD);
    assert.equal(s.kevent(kq, list, 2, null, 0, ZERO), 0);
    const expected = new Counter(0xffffffffn, semaphore);
    const out = new BigUint64Array(1);
    const edges = [0n, 1n, 2n ** 31n, 2n ** 32n, INT64_MAX, 2n ** 63n, TOP, TOP + 1n];
    for (let step = 0; step < 2000; step++) {
      if (random.below(3) > 0) {
        const near = expected.value < TOP - 3n ? TOP - expected.value : 1n;
        const n = random.pick([
          ...edges,
          near,
          near - 1n,
          near + 1n,
          BigInt(random.below(2 ** 30)),
        ]);
        const result = s.eventfd_write(fd, n);
        assert.equal(result === 0 ? 0 : -s.errno, expected.write(n), `${n}`);
      } else {
        const result = s.eventfd_read(fd, out);
        assert.equal(result === 0 ? out[0] : -s.errno, expected.read());
      }
      if (semaphore && expected.value > 2n ** 40n && random.below(4) === 0) continue;
      checkEvents(s, kq, expected.value);
    }
    assertSound(k);
  });
}

/** READ is ready with the count, WRITE with the room, both capped at what is signed. */
function checkEvents(s: ReturnType<typeof sys>, kq: number, value: bigint): void {
  const least = (x: bigint): bigint => (x < INT64_MAX ? x : INT64_MAX);
  const events = new KeventList(4);
  const n = s.kevent(kq, null, 0, events, 4, ZERO);
  const got = new Map<number, bigint>();
  for (let i = 0; i < n; i++) got.set(events.filter(i), events.dataBig(i));
  assert.equal(got.get(EVFILT_READ), value > 0n ? least(value) : undefined);
  assert.equal(got.get(EVFILT_WRITE), value < TOP ? least(TOP - value) : undefined);
}
