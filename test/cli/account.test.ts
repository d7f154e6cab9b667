// SPDX-License-Identifier: ISC
/** The account of jobs whose takers were ended: what is in dead hands, lost, or doubled. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { balance, type DeadHand } from "#src/cli/demo-account.js";
import { accountChecks } from "#src/cli/demo-deaths.js";

const hand = (noted: number, sent: number): DeadHand => ({ noted, sent });

test("nobody died, and every job was answered", () => {
  const account = balance([1, 1, 1], []);
  assert.deepEqual(account, { sent: 3, done: 3, inHands: [], lost: 0, doubled: 0 });
});

test("a job is in the hands of who noted it", () => {
  const account = balance([1, 0, 1, 0], [hand(3, 4), hand(1, 2)]);
  assert.deepEqual(account, { sent: 4, done: 2, inHands: [1, 3], lost: 0, doubled: 0 });
});

test("a worker can end between taking and noting, and between answering and taking", () => {
  const account = balance([1, 1, 0, 1, 1], [hand(1, 4), hand(3, 5)]);
  assert.deepEqual(account, { sent: 5, done: 4, inHands: [2], lost: 0, doubled: 0 });
});

test("more jobs without an answer than dead hands: the others are lost", () => {
  const account = balance([0, 0, 1, 0], [hand(-1, 4)]);
  assert.deepEqual(account, { sent: 4, done: 1, inHands: [0], lost: 2, doubled: 0 });
});

test("a job that nobody can have taken is lost, whoever died", () => {
  // Sent after the only end.
  assert.equal(balance([1, 1, 0], [hand(1, 2)]).lost, 1);
  // Sent before the job that the dead worker noted and answered.
  assert.equal(balance([0, 1, 1], [hand(1, 3)]).lost, 1);
  assert.deepEqual(balance([1, 1, 0], [hand(1, 3)]).inHands, [2]);
});

test("two dead workers, each with the one job that its life fits", () => {
  const account = balance([1, 0, 1, 0], [hand(-1, 4), hand(0, 2)]);
  assert.deepEqual(account, { sent: 4, done: 2, inHands: [1, 3], lost: 0, doubled: 0 });
});

test("an answer that comes again is counted, and done is not", () => {
  const account = balance([1, 3, 2], []);
  assert.deepEqual(account, { sent: 3, done: 3, inHands: [], lost: 0, doubled: 3 });
});

test("the checks fail for what is lost, doubled, or not done the second time", () => {
  const held = (answers: number[], dead: DeadHand[], after: number[]): boolean[] =>
    accountChecks(balance(answers, dead), balance(after, []), dead.length).map(([ok]) => ok);
  assert.deepEqual(held([1, 0], [hand(1, 2)], [1, 1]), [true, true, true]);
  assert.deepEqual(held([1, 0], [], [1, 1]), [false, false, true]);
  assert.deepEqual(held([1, 2], [], [1, 2]), [true, false, false]);
  assert.deepEqual(held([1, 0], [hand(1, 2)], [1, 0]), [true, true, false]);
});
