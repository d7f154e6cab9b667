// SPDX-License-Identifier: ISC
/** Values that are no whole numbers: refused by `knell/sys` before anything is locked. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EBADF, EFAULT, EINVAL, EVFILT_USER } from "knell/abi";
import { usage } from "#src/inspect/usage.js";
import { KeventList, sys } from "#src/sys/face.js";
import { assertSound, bootThread } from "./support.js";

const hostile = {
  valueOf: () => assert.fail("a conversion ran a program's code"),
} as unknown as number;
const odd = [1.5, Number.NaN, 1n, Symbol("fd"), "1", null, {}, hostile] as unknown as number[];

test("descriptor numbers are EBADF, flags EINVAL, and nothing changes", () => {
  const k = bootThread();
  const s = sys({ thread: k });
  for (let i = 0; i < 3; i++) s.eventfd(0, 0);
  const before = usage(k);
  const bytes = new Uint8Array(8);
  for (const value of odd) {
    for (const result of [
      s.close(value),
      s.dup(value),
      s.dup2(value, 1),
      s.dup2(1, value),
      s.fcntl(value, 1),
      s.read(value, bytes),
      s.write(value, bytes),
      s.kevent(value, null, 0, null, 0, null),
    ]) {
      assert.equal(result, -EBADF);
    }
    for (const result of [
      s.fcntl(1, value),
      s.fcntl(1, 4, value),
      s.kqueue1(value),
      s.kqueuex(value),
      s.eventfd(0, value),
      s.eventfd(value, 0),
      s.pipe2(new Int32Array(2), value),
      s.dup3(1, 2, value),
      s.read(1, bytes, value),
      s.write(1, bytes, value),
    ]) {
      assert.equal(result, -EINVAL);
    }
  }
  assert.deepEqual(usage(k), before);
  assertSound(k);
});

test("lists and buffers of another kind are EFAULT", () => {
  const s = sys({ thread: bootThread() });
  const wrong = 5 as unknown;
  assert.equal(s.pipe2(wrong as Int32Array, 0), -EFAULT);
  assert.equal(s.read(0, wrong as Uint8Array, 1), -EFAULT);
  assert.equal(s.eventfd_read(0, wrong as BigUint64Array), -1);
  assert.equal(s.errno, EFAULT);
});

test("records refuse what does not fit", () => {
  const list = new KeventList(1);
  assert.throws(() => list.set(0.5, 1, EVFILT_USER, 1), RangeError);
  assert.throws(() => list.set(0, Number.NaN, EVFILT_USER, 1), RangeError);
  assert.throws(() => list.set(0, 1, 2 ** 32 + 3, 1), RangeError);
  assert.throws(() => list.set(0, 1, EVFILT_USER, -1), RangeError);
  assert.throws(() => list.set(0, 1, EVFILT_USER, 1, 2 ** 33), RangeError);
});
