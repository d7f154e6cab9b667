// SPDX-License-Identifier: ISC
/** Boot options, the clocks, and timers as sources. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { after, at, boot, every, userEvent } from "knell";
import { codeOf, NO_INTEGERS, refuses, small, still } from "./support.js";

describe("boot", () => {
  test("takes sizes and limits", () => {
    const kernel = boot({ arenaBytes: (1 << 20) + 1, limits: { threads: 1024 }, spin: false });
    assert.equal(kernel.usage().arenaBytes, (1 << 20) + 64);
    assert.equal(kernel.usage().threads, 1);
    kernel.close();
    boot().close();
    boot({}).close();
    boot({ arenaBytes: 256 * 1024, limits: { threads: 8 } }).close();
  });

  test("refuses what is wrong, by its name", () => {
    const sizes = [0, 262143, 2 ** 30 + 1, ...NO_INTEGERS];
    refuses("arenaBytes", sizes, (arenaBytes) => boot({ arenaBytes }));
    refuses("profile", ["freebsd", 1, null, ""], (profile) => boot({ profile }));
    refuses("clock", ["fake", 1, null], (clock) => boot({ clock }));
    refuses("spin", [1, "x", null], (spin) => boot({ spin }));
    refuses("options", [1, "x", null], (options) => boot(options));
    refuses("limits", [1, "x", null], (limits) => boot({ limits }));
    const names = ["userEvents", "descriptors", "timers", "threads"];
    for (const name of names) {
      refuses(`limits.${name}`, [0, -1, 2 ** 23, ...NO_INTEGERS], (value) =>
        boot({ limits: { [name]: value } }),
      );
    }
    const tooSmall = { arenaBytes: 262144, limits: { threads: 1024 } };
    assert.match(
      codeOf(() => boot(tooSmall), "EINVAL"),
      /arenaBytes/,
    );
  });
});

describe("real clocks", () => {
  test("run, and cannot be moved", () => {
    const kernel = small();
    assert.equal(kernel.clock.manual, false);
    const now = kernel.clock.now();
    assert.ok(now >= 0 && now < 60_000);
    assert.ok(kernel.clock.now() >= now);
    assert.ok(Math.abs(kernel.clock.wall() - Date.now()) < 1000);
    codeOf(() => kernel.clock.advance(1), "EOPNOTSUPP");
    codeOf(() => kernel.clock.setWall(0), "EOPNOTSUPP");
    kernel.close();
  });
});

describe("manual clocks", () => {
  test("start at 0 and now, and move when told", () => {
    const before = Date.now();
    const { clock } = still();
    assert.equal(clock.manual, true);
    assert.equal(clock.now(), 0);
    const wall = clock.wall();
    assert.ok(wall >= before && wall <= Date.now());
    clock.advance(1500.25);
    assert.equal(clock.now(), 1500.25);
    assert.ok(Math.abs(clock.wall() - wall - 1500.25) < 0.002);
    clock.advance(0.000001);
    assert.equal(clock.now(), 1500.250001);
    clock.setWall(new Date("2040-01-01"));
    assert.equal(clock.wall(), Date.UTC(2040, 0, 1));
    assert.equal(clock.now(), 1500.250001);
    clock.setWall(5.5);
    assert.equal(clock.wall(), 5.5);
  });

  test("refuse what is no time", () => {
    const { clock } = still();
    const times = [-1, Number.NaN, Number.POSITIVE_INFINITY, 1e13, "1", null, 1n, {}];
    refuses("ms", times, (ms) => clock.advance(ms));
    const points = [-1, Number.NaN, 9e15, "1", null, new Date(Number.NaN), new Date(-5)];
    refuses("when", points, (when) => clock.setWall(when));
    assert.equal(clock.now(), 0);
  });
});

describe("timers", () => {
  test("every: periods, with fractions, and counts", () => {
    const kernel = still();
    const queue = kernel.queue();
    const both = queue.add("ms", every(1.5)).add("ns", every(0.000_001));
    kernel.clock.advance(1);
    assert.deepEqual(
      both.waitSync().map(({ tag, value }) => [tag, value]),
      [["ns", 1_000_000]],
    );
    both.remove("ns");
    kernel.clock.advance(0.499999);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    kernel.clock.advance(0.000001);
    assert.equal(queue.waitSync().length, 1);
    kernel.clock.advance(15);
    assert.deepEqual(
      both.waitSync().map(({ value }) => value),
      [10],
    );
  });

  test("after and at: once, and the queue forgets them", () => {
    const kernel = still();
    kernel.clock.setWall(10_000);
    const queue = kernel
      .queue()
      .add("after", after(5))
      .add("at", at(10_010))
      .add("date", at(new Date(10_020)))
      .add("fraction", at(10_020.5))
      .add("past", at(0))
      .add("now", after(0));
    const tags = (): string[] => queue.waitSync({ timeoutMs: 0 }).map(({ tag }) => tag);
    assert.deepEqual(tags().sort(), ["now", "past"]);
    for (const expected of [["after"], ["at"], [], ["date"]]) {
      kernel.clock.advance(5);
      assert.deepEqual(tags(), expected);
    }
    kernel.clock.advance(0.4);
    assert.deepEqual(tags(), []);
    kernel.clock.advance(0.1);
    assert.deepEqual(tags(), ["fraction"]);
    assert.deepEqual(queue.tags(), []);
    assert.equal(kernel.usage().timers, 0);
  });

  test("setting the wall clock does not move a timer", () => {
    const kernel = still();
    kernel.clock.setWall(1000);
    const queue = kernel.queue().add("at", at(2000));
    kernel.clock.setWall(5000);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    kernel.clock.advance(1000);
    assert.equal(queue.waitSync().length, 1);
  });

  test("the longest and the shortest", () => {
    const kernel = still();
    const longest = Math.floor(2 ** 62 / 1e6);
    kernel.queue().add("long", every(longest)).add("at", at(8.64e15)).add("wait", after(longest));
    refuses("ms", [0, -1, Number.NaN, longest * 2, "1", null, 1n], (ms) => every(ms));
    refuses("ms", [-0.1, Number.NaN, longest * 2, "1", null, 1n], (ms) => after(ms));
    const points = [-1, Number.NaN, 8.65e15, "1", null, 1n, new Date(Number.NaN)];
    refuses("when", points, (when) => at(when));
  });

  test("a source can be used again", () => {
    const kernel = still();
    const soon = after(5);
    const queue = kernel.queue().add("a", soon).add("b", soon).add("go", userEvent(1));
    kernel.clock.advance(5);
    assert.equal(queue.waitSync().length, 2);
    queue.add("c", soon);
    assert.deepEqual(queue.waitSync({ timeoutMs: 0 }), []);
    kernel.clock.advance(5);
    assert.equal(queue.waitSync().length, 1);
  });
});
