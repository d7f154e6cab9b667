// SPDX-License-Identifier: ISC
/** Hash of registrations: buckets in range, spread where wanted, and growth that loses nothing. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EV_DELETE, EVFILT_TIMER, EVFILT_USER } from "#src/abi/event.js";
import { bucketGet, bucketSet, bucketsClear, hashBucket } from "#src/arena/hash.js";
import { heapAlloc, heapFree } from "#src/kern/alloc.js";
import { KeventList, sys } from "#src/sys/face.js";
import { assertSound, bootThread, Random, SEED } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

test("descriptor numbers are their own bucket", () => {
  for (const fd of [0, 1, 15, 16, 17, 4095]) {
    assert.equal(hashBucket(fd, -1, 4, false), fd & 15);
    assert.equal(hashBucket(fd, -2, 4, false), fd & 15, "both filters of a number are together");
  }
});

test("other identifiers are spread, whatever they have in common", () => {
  const bits = 8;
  for (const stride of [1, 2, 16, 64, 256, 4096, 1 << 20]) {
    const load = new Array<number>(1 << bits).fill(0);
    for (let i = 0; i < 1 << bits; i++) {
      const bucket = hashBucket((i * stride) | 0, EVFILT_USER, bits, true);
      assert.ok(bucket >= 0 && bucket < 1 << bits);
      load[bucket] = (load[bucket] as number) + 1;
    }
    assert.ok(Math.max(...load) <= 8, `stride ${stride}: ${Math.max(...load)} in one bucket`);
  }
});

test("buckets are empty after clearing, and separate", () => {
  const k = bootThread();
  const buckets = heapAlloc(k, 16);
  bucketsClear(k, buckets, 4);
  bucketSet(k, buckets, 5, 99);
  for (let i = 0; i < 16; i++) assert.equal(bucketGet(k, buckets, i), i === 5 ? 99 : 0);
  heapFree(k, buckets, 16);
});

test(`registrations are found through any growth of the hash, KNELL_SEED=${SEED}`, () => {
  const k = bootThread({ arenaBytes: 4 << 20, userEvents: 5000 });
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const random = new Random(SEED);
  const list = new KeventList(1);
  const known = new Set<string>();
  for (let step = 0; step < 6000; step++) {
    const filter = random.below(4) > 0 ? EVFILT_USER : EVFILT_TIMER;
    const high = BigInt(random.below(3)) << 32n;
    const ident = high + BigInt(random.below(2 ** (1 + random.below(20))));
    const key = `${ident} ${filter}`;
    const remove = random.below(3) === 0;
    const data = filter === EVFILT_TIMER ? 1000 : 0;
    list.set(0, ident, filter, remove ? EV_DELETE : EV_ADD, 0, data);
    const result = s.kevent(kq, list, 1, null, 0, ZERO);
    assert.equal(result, remove && !known.has(key) ? -2 : 0, key);
    if (remove) known.delete(key);
    else known.add(key);
    if (step % 1500 === 0) assertSound(k, `step ${step}`);
  }
  for (const key of known) {
    const [ident, filter] = key.split(" ") as [string, string];
    list.set(0, BigInt(ident), Number(filter), EV_DELETE);
    assert.equal(s.kevent(kq, list, 1, null, 0, ZERO), 0, key);
  }
  assertSound(k);
});
