// SPDX-License-Identifier: ISC
/** The parts of the command line that need no process: screen, tables, numbers, comparisons. */
import assert from "node:assert/strict";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { findFiles, hashFile } from "#src/cli/demo-files.js";
import { compareDigests } from "#src/cli/demo-job.js";
import { printable, Screen, visibleLength, wrap } from "#src/cli/screen.js";
import {
  bytes,
  compare,
  micros,
  plural,
  summarize,
  times,
  verdict,
  whole,
} from "#src/cli/stats.js";
import { table } from "#src/cli/table.js";

const ESC = "\u001b";
const SGR = new RegExp(`${ESC}\\[\\d+m`, "g");

function screenOf(options: { isTTY: boolean; columns?: number; env?: Record<string, string> }): {
  screen: Screen;
  text: () => string;
} {
  let written = "";
  const { isTTY, columns = 80, env = {} } = options;
  const write = (text: string | Uint8Array): boolean => {
    written += text;
    return true;
  };
  const screen = new Screen({ isTTY, columns, write }, env);
  return { screen, text: () => written };
}

test("colours and repainting are for terminals that want them", () => {
  const cases = [
    { isTTY: false, env: {}, live: false, colours: false },
    { isTTY: true, env: {}, live: true, colours: true },
    { isTTY: true, env: { NO_COLOR: "1" }, live: true, colours: false },
    { isTTY: true, env: { NO_COLOR: "" }, live: true, colours: true },
    { isTTY: true, env: { TERM: "dumb" }, live: false, colours: false },
  ];
  for (const { live, colours, ...given } of cases) {
    const { screen, text } = screenOf(given as { isTTY: boolean; env: Record<string, string> });
    assert.deepEqual([screen.live, screen.colours], [live, colours], JSON.stringify(given));
    screen.line(screen.green("green"));
    assert.equal(text().includes(ESC), colours);
    screen.paint(["painted"]);
    assert.equal(text().includes("painted"), live);
  }
});

test("characters beyond ASCII are for terminals whose locale has them", () => {
  const utf8 = { LANG: "en_US.UTF-8" };
  assert.equal(screenOf({ isTTY: true, env: utf8 }).screen.unicode, true);
  assert.equal(screenOf({ isTTY: false, env: utf8 }).screen.unicode, false);
  assert.equal(screenOf({ isTTY: true, env: { ...utf8, LC_ALL: "C" } }).screen.unicode, false);
  assert.equal(screenOf({ isTTY: true, env: { ...utf8, TERM: "linux" } }).screen.unicode, false);
  const { screen } = screenOf({ isTTY: true, env: { LANG: "C" } });
  for (let i = 0; i <= 100; i++) {
    assert.match(screen.bar(i / 100, 20).replace(SGR, ""), /^#*\.*$/);
    assert.equal(visibleLength(screen.bar(i / 100, 20)), 20);
    const other = screenOf({ isTTY: true, env: utf8 }).screen;
    assert.equal(visibleLength(other.bar(i / 100, 20)), 20);
  }
});

test("what is painted is replaced, and never wraps", () => {
  const { screen, text } = screenOf({ isTTY: true, columns: 50 });
  screen.paint(["one", screen.red("x".repeat(200))]);
  screen.paint(["two"]);
  screen.line("stays");
  const parts = text().split(`${ESC}[2A\r${ESC}[J`);
  assert.equal(parts.length, 2);
  assert.equal(parts[0], `one\n${"x".repeat(49)}\n`);
  assert.equal(parts[1], `two\n${ESC}[1A\r${ESC}[Jstays\n`);
});

test("there is at most one empty line in a row", () => {
  const { screen, text } = screenOf({ isTTY: false });
  for (const line of ["a", "", "", "b", ""]) screen.line(line);
  screen.heading(1, "c");
  assert.equal(text(), "a\n\nb\n\n1  c\n\n");
});

test("the width is that of the terminal, within bounds, and 80 in a log", () => {
  assert.equal(screenOf({ isTTY: true, columns: 72 }).screen.columns, 72);
  assert.equal(screenOf({ isTTY: true, columns: 300 }).screen.columns, 110);
  assert.equal(screenOf({ isTTY: true, columns: 10 }).screen.columns, 40);
  assert.equal(screenOf({ isTTY: false, columns: 300 }).screen.columns, 80);
});

test("text is wrapped between words", () => {
  assert.deepEqual(wrap("a bb ccc dddd", 4), ["a bb", "ccc", "dddd"]);
  assert.deepEqual(wrap("muchtoolong a", 4), ["muchtoolong", "a"]);
  assert.equal(printable("a\u001b[1mb\u0007\u0085c\u202e"), "a?[1mb??c?");
});

test("a table lines its columns up, with groups over them", () => {
  const { screen, text } = screenOf({ isTTY: false });
  const right = "right" as const;
  const columns = [
    { title: "who" },
    { title: "a", align: right, group: "pair" },
    { title: "b", align: right, group: "pair" },
  ];
  table(screen, columns, [
    ["first", "1", "22"],
    ["second", "333", "4"],
  ]);
  const lines = [
    "         pair",
    "who       a   b",
    "---------------",
    "first     1  22",
    "second  333   4",
  ];
  assert.equal(text(), lines.map((line) => `   ${line}\n`).join(""));
});

test("numbers are written for people", () => {
  assert.deepEqual([999, 1000, 1234567].map(whole), ["999", "1,000", "1,234,567"]);
  assert.deepEqual([plural(1, "file"), plural(2000, "file")], ["1 file", "2,000 files"]);
  assert.deepEqual([0, 999, 1500, 63_100_000, 962e6].map(bytes), [
    "0 B",
    "999 B",
    "1.5 kB",
    "63.1 MB",
    "962 MB",
  ]);
  assert.deepEqual([810, 22_440, 99_960, 1_204_000, Number.NaN].map(micros), [
    "0.8",
    "22.4",
    "100",
    "1,204",
    "-",
  ]);
  assert.deepEqual([1.26, 14.2].map(times), ["1.3x", "14x"]);
});

test("median and 99th percentile", () => {
  const values = Array.from({ length: 1000 }, (_, i) => 1000 - i);
  assert.deepEqual(summarize(values), { count: 1000, median: 500, p99: 990 });
  assert.deepEqual(summarize([7]), { count: 1, median: 7, p99: 7 });
});

test("a tie is called a tie", () => {
  const rounds = (...medians: number[]): number[][] => medians.map((m) => [m, m, m]);
  const judge = (ours: number[][], theirs: number[][]): string =>
    verdict(compare(ours, theirs), "Knell", "port");
  assert.equal(judge(rounds(10, 10, 10, 10), rounds(20, 21, 19, 20)), "Knell 2.0x");
  assert.equal(judge(rounds(20, 21, 19, 20), rounds(10, 10, 10, 10)), "port 2.0x");
  // Closer than a tenth, though every round agrees.
  assert.equal(judge(rounds(100, 100, 100, 100), rounds(105, 106, 107, 108)), "a tie");
  // Far apart all in all, but the rounds do not agree.
  assert.equal(judge(rounds(10, 30, 10, 30), rounds(14, 20, 14, 20)), "a tie");
  // One round out of four may have been disturbed.
  assert.equal(judge(rounds(10, 10, 10, 90), rounds(20, 20, 20, 20)), "Knell 2.0x");
  assert.equal(judge(rounds(10, 10), rounds(20, 20)), "too busy");
  assert.equal(judge([], []), "-");
});

test("digests are compared job by job, and a changed file is no mistake", (t) => {
  const folder = mkdtempSync(join(tmpdir(), "knell-files-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  for (const name of ["a", "b", "c"]) writeFileSync(join(folder, name), name.repeat(1000));
  const { files, notes } = findFiles(folder);
  assert.deepEqual(notes, []);
  assert.deepEqual(
    files.map(({ path, size, times: n }) => [path, size, n]),
    ["a", "b", "c"].map((name) => [join(folder, name), 1000, 256]),
  );
  const digests = files.map(({ path, size, times: n }) => hashFile(path, size, n));
  const answers = digests.map(({ hex, bytes: n }, index) => ({
    kind: "digest" as const,
    worker: 1,
    index,
    hex,
    bytes: n,
  }));
  const plain = { jobs: files, digests };
  const all = { equal: 3, different: 0, changed: 0, missing: 0, expectedBytes: 768_000 };
  assert.deepEqual(compareDigests({ digests: answers }, plain), all);

  const wrong = answers.with(1, { ...(answers[1] as (typeof answers)[0]), hex: "0" });
  const { different, equal } = compareDigests({ digests: wrong }, plain);
  assert.deepEqual([different, equal], [1, 2]);
  const { missing } = compareDigests({ digests: answers.slice(0, 2) }, plain);
  assert.equal(missing, 1);

  writeFileSync(join(folder, "b"), "longer".repeat(1000));
  assert.notEqual(statSync(join(folder, "b")).size, 1000);
  const after = compareDigests({ digests: wrong }, plain);
  assert.deepEqual([after.different, after.changed, after.equal], [0, 1, 2]);
});
