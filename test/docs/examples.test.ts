// SPDX-License-Identifier: ISC
/** The examples of the documents do what the documents say. */
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import {
  compileExamples,
  documents,
  type Example,
  findExamples,
  runExample,
} from "../../tools/doc-examples.js";

const found = findExamples(documents());

test("every block is marked in a way that is understood", () => {
  assert.deepEqual(found.problems, []);
});

test("the README shows how to use the package", () => {
  assert.ok(found.examples.some(({ name }) => name.startsWith("README.md:")));
});

describe("runs", { concurrency: 2 }, () => {
  for (const example of found.examples.filter(({ language }) => language === "js")) {
    test(example.name, async () => assert.equal(await runExample(example), null));
  }
});

test("the examples in TypeScript compile", () => {
  assert.equal(compileExamples(found.examples), null);
});

// From here on the tool itself is tried, on documents with faults.

function examplesIn(text: string, path = "man/sample.md"): readonly Example[] {
  const { examples, problems } = findExamples([{ path, text }]);
  assert.deepEqual(problems, []);
  return examples;
}

async function outcomeOf(text: string, timeoutMs?: number): Promise<string | null> {
  const [example] = examplesIn(text);
  assert.ok(example !== undefined);
  return await runExample(example, timeoutMs);
}

describe("the tool", () => {
  test("runs an example of several files that imports the package", async () => {
    const text = [
      "```js file=main.mjs",
      'import { EBADF, errnoName } from "knell/abi";',
      'import { greeting } from "./worker.mjs";',
      "console.log(greeting, errnoName(EBADF));",
      "```",
      "and",
      "```mjs file=worker.mjs",
      'export const greeting = "hello";',
      "```",
      "```text output",
      "hello EBADF",
      "```",
    ].join("\n");
    assert.equal(examplesIn(text).length, 1);
    assert.equal(await outcomeOf(text), null);
    assert.match((await outcomeOf(text.replace("hello EBADF", "other"))) ?? "", /prints\nhello/);
  });

  test("starts another example at a heading, a repeated name, or another block", () => {
    const file = "```js file=a.mjs\n```\n";
    const other = "```js file=b.mjs\n```\n";
    assert.equal(examplesIn(file + other).length, 1);
    assert.equal(examplesIn(`${file}\n# more\n${other}`).length, 2);
    assert.equal(examplesIn(file + file).length, 2);
    assert.equal(examplesIn(`${file}\`\`\`sh\n\`\`\`\n${other}`).length, 2);
    assert.equal(examplesIn("```js\n```\n```js\n```\n").length, 2);
  });

  test("sees an example that fails, and one that does not end", async () => {
    assert.match((await outcomeOf("```js\nthrow new Error('bad');\n```")) ?? "", /bad/);
    const endless = "```js\nsetInterval(() => {}, 1000);\n```";
    assert.match((await outcomeOf(endless, 300)) ?? "", /did not end/);
  });

  test("sees an example that does not compile", () => {
    const good = "```ts\nimport { EBADF } from 'knell/abi';\nconst n: 9 = EBADF;\n```";
    assert.equal(compileExamples(examplesIn(good)), null);
    const bad = compileExamples(examplesIn(good.replace("const n: 9", "const n: 8")));
    assert.match(bad ?? "", /man_sample\.md_1.main\.ts/);
  });

  test("finds the examples of comments", async () => {
    const source = [
      "/**",
      " * Adds.",
      " * @example",
      " * ```js",
      " * console.log(",
      " *   3);",
      " * ```",
      " * ```text output",
      " * 3",
      " * ```",
      " * @returns nothing",
      " */",
    ].join("\n");
    const [example] = examplesIn(source, "src/api/sample.ts");
    assert.equal(example?.name, "src/api/sample.ts:4");
    assert.equal(await runExample(example), null);
  });

  test("objects to markings that make no sense", () => {
    const bad = "```js norun\n```\n```js fle=x.mjs\n```\n```text output\n1\n```\n";
    assert.equal(findExamples([{ path: "README.md", text: bad }]).problems.length, 3);
    const source = "/**\n * @example add(1)\n */";
    assert.equal(findExamples([{ path: "src/a.ts", text: source }]).problems.length, 1);
    const { shown } = findExamples([{ path: "README.md", text: "```js norun needs a page\n```" }]);
    assert.deepEqual(shown, [{ name: "README.md:1", reason: "needs a page" }]);
  });
});
