// SPDX-License-Identifier: ISC
/** What the documents say of locks, memory, limits and profiles is what the code has. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { structs } from "#src/arena/layout.js";
import { markedDocuments, PARTS, partsOf, refreshed } from "../../tools/arch-tables.js";
import { GLOSSARY } from "../../tools/glossary.js";

const documents = markedDocuments();

for (const { path, text } of documents.filter((each) => partsOf(each.text).length > 0)) {
  test(`${path} is up to date`, () => {
    const stale = refreshed(text) !== text;
    assert.equal(stale, false, "run: node build/tools/arch-tables.js --write");
  });
}

test("every part stands in some document", () => {
  const found = new Set(documents.flatMap(({ text }) => partsOf(text)));
  assert.deepEqual([...found].sort(), Object.keys(PARTS).sort());
});

test("a part that was changed by hand is noticed", () => {
  const good = refreshed("<!-- errors: printed by tools/arch-tables.ts -->\n<!-- end errors -->\n");
  assert.match(good, /\| 9 \| `EBADF` \|/);
  assert.equal(refreshed(good), good);
  const bad = good.replace("EBADF", "EBAD");
  assert.notEqual(refreshed(bad), bad);
});

test("the glossary is sorted, and has the abbreviation of every struct", () => {
  const nouns = GLOSSARY.map(({ noun }) => noun);
  assert.deepEqual(nouns, [...nouns].sort(), "sorted");
  const known = new Set(GLOSSARY.flatMap(({ noun, short }) => [noun, ...short]));
  const missing = structs.map(({ name }) => name).filter((name) => !known.has(name));
  assert.deepEqual(missing, []);
});
