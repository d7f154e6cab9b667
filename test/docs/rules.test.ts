// SPDX-License-Identifier: ISC
/** The table of the lifetime rules names code and tests that exist. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { listFiles, readText } from "../../tools/tree.js";

const HEAD = "| | NetBSD | here | where | held by |";

/** The cells of each row of the table. */
function rules(): string[][] {
  const { text } = readText("ARCHITECTURE.md");
  const lines = text.slice(text.indexOf(HEAD)).split("\n").slice(2);
  const rows = lines.slice(0, lines.indexOf(""));
  return rows.map((row) => row.split(" | ").map((cell) => cell.replace(/^\| | \|$/g, "").trim()));
}

/** What stands in backticks in a cell. */
function named(cell: string | undefined): string[] {
  return [...(cell ?? "").matchAll(/`([^`]+)`/g)].map(([, name = ""]) => name);
}

test("there are seventeen rules, in order", () => {
  assert.deepEqual(
    rules().map(([number]) => number),
    Array.from({ length: 17 }, (_, i) => `${i + 1}`),
  );
});

test("the code that a rule names is there", () => {
  const files = listFiles("src").filter((path) => path.endsWith(".ts"));
  const text = files.map((path) => readText(path).text).join("\n");
  for (const row of rules()) {
    for (const name of named(row[3])) {
      const path = `src/${/^filt\//.test(name) ? `event/${name}` : name}`.replace("*", "source");
      const there = name.includes("/") ? files.includes(path) : text.includes(`function ${name}(`);
      assert.ok(there, `rule ${row[0]} names ${name}`);
    }
  }
});

test("the tests that a rule names are there", () => {
  const files = listFiles("test").filter((path) => path.endsWith(".ts"));
  const text = files.map((path) => readText(path).text).join("\n");
  for (const row of rules()) {
    for (const name of named(row[4])) {
      if (name === "test:checks") continue;
      const begins = name.endsWith("*") ? name.slice(0, -1) : null;
      const found =
        begins !== null
          ? text.includes(`"${begins}`)
          : text.includes(`"${name}"`) || files.some((path) => path.endsWith(`/${name}.test.ts`));
      assert.ok(found, `rule ${row[0]} names ${name}`);
    }
    assert.ok(row[0] === "16" || (row[4] ?? "").length > 3, `rule ${row[0]} is held by nothing`);
  }
});
