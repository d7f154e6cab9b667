// SPDX-License-Identifier: ISC
/** The first example of the README, on real files: four workers, and digests that are right. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { findExamples } from "../../tools/doc-examples.js";
import { listFiles, ROOT, readText } from "../../tools/tree.js";
import { program, run } from "./support.js";

test("every file's digest is printed once, and the program ends", async () => {
  const [example] = findExamples([readText("README.md")]).examples;
  assert.ok(example !== undefined);
  const path = program(Object.fromEntries(example.files));
  assert.ok(path.endsWith("main.mjs"));
  const files = listFiles("src").map((file) => join(ROOT, file));
  const expected = files.map((file) => {
    return `${createHash("sha256").update(readFileSync(file)).digest("hex")}  ${file}`;
  });
  const { code, stdout, stderr } = await run(path, ...files);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.deepEqual(stdout.trimEnd().split("\n").sort(), expected.sort());
});
