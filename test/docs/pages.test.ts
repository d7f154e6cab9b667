// SPDX-License-Identifier: ISC
/** The manual is whole: sections, links, and a page for whatever programs can import. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join, posix } from "node:path";
import { test } from "node:test";
import * as knell from "knell";
import { listFiles, ROOT, readText } from "../../tools/tree.js";
import { manualNames } from "../tidy/rules.js";

const SECTIONS = [
  "NAME",
  "SYNOPSIS",
  "DESCRIPTION",
  "RETURN VALUES",
  "ERRORS",
  "FORK",
  "CLOSE",
  "EXAMPLES",
  "DEVIATIONS",
  "SEE ALSO",
];

/** A page that is printed as a whole, and has a form of its own. */
const PRINTED = "man/support.7.md";

const pages = listFiles("man")
  .filter((path) => path.endsWith(".md") && path !== PRINTED)
  .map(readText);
const documents = listFiles()
  .filter((path) => /^(?:man\/)?[^/]+\.md$/.test(path))
  .map(readText);

/** The text without its fenced blocks. */
function prose(text: string): string {
  return text.replace(/^```[\s\S]*?^```$/gm, "");
}

/** What a heading can be linked by. */
function anchors(text: string): Set<string> {
  const headings = [...prose(text).matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) => heading);
  return new Set(
    headings.map((heading) =>
      heading
        .toLowerCase()
        .replace(/[^\w\- ]/g, "")
        .replaceAll(" ", "-"),
    ),
  );
}

test("every page has the sections of a page, in their order", () => {
  for (const { path, text } of pages) {
    const found = [...prose(text).matchAll(/^## (.*)$/gm)].map(([, heading = ""]) => heading);
    const known = found.filter((heading) => SECTIONS.includes(heading));
    assert.deepEqual(known, SECTIONS, path);
  }
});

test("every page has its own name", () => {
  for (const { path, text } of pages) {
    const [, name, section] = /^man\/(.+)\.(\d)\.md$/.exec(path) ?? [];
    assert.equal(text.split("\n", 1)[0], `# ${name}(${section})`, path);
  }
});

test("every link leads somewhere", () => {
  const broken = documents.flatMap(({ path, text }) =>
    [...prose(text).matchAll(/\]\(([^)\s]*)\)/g)]
      .map(([, link = ""]) => link)
      .filter((link) => !/^https?:/.test(link))
      .filter((link) => {
        const [file = "", anchor] = link.split("#");
        const target = file === "" ? path : posix.join(posix.dirname(path), file);
        if (!existsSync(join(ROOT, target))) return true;
        return anchor !== undefined && !anchors(readText(target).text).has(anchor);
      })
      .map((link) => `${path}: ${link}`),
  );
  assert.deepEqual(broken, []);
});

test("whatever can be imported from knell has a page", () => {
  const names = manualNames(pages);
  const missing = Object.keys(knell).filter((name) => !names.has(name));
  assert.deepEqual(missing, []);
});
