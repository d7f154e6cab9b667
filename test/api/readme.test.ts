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

/** The programs of the first example, with `edit` made to main.mjs. */
function example(edit: (text: string) => string): string {
  const [first] = findExamples([readText("README.md")]).examples;
  assert.ok(first !== undefined);
  const files = Object.fromEntries(first.files);
  const main = files["main.mjs"];
  assert.ok(main !== undefined);
  return program({ ...files, "main.mjs": edit(main) });
}

async function digestsRight(path: string, files: readonly string[]): Promise<void> {
  const expected = files.map((file) => {
    return `${createHash("sha256").update(readFileSync(file)).digest("hex")}  ${file}`;
  });
  const { code, stdout, stderr } = await run(path, ...files);
  assert.equal(stderr, "");
  assert.equal(code, 0);
  assert.deepEqual(stdout.trimEnd().split("\n").sort(), expected.sort());
}

const sources = listFiles("src").map((file) => join(ROOT, file));

test("every file's digest is printed once, and the program ends", async () => {
  await digestsRight(
    example((text) => text),
    sources,
  );
});

test("results that are there when the last worker has gone are not lost", async () => {
  // Main collects only when every worker has ended: their ends and the results are all waiting.
  const stall = "Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1500);\n";
  const path = example((text) => text.replace("for await", `${stall}for await`));
  await digestsRight(path, sources);
});

test("more files than the channels hold", async () => {
  const many = Array.from({ length: 25 }, () => sources).flat();
  await digestsRight(
    example((text) => text),
    many,
  );
});
