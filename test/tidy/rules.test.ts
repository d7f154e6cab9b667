// SPDX-License-Identifier: ISC
/** Each rule must catch a bad snippet, and leave a good one alone. */
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { ROOT } from "../../tools/tree.js";
import { codeOnly, importsOf } from "./code.js";
import * as rules from "./rules.js";

const LICENCE = "// SPDX-License-Identifier: ISC\n";

interface Sample {
  readonly rule: keyof typeof rules.FILE_RULES;
  readonly path: string;
  readonly good: string;
  readonly bad: string;
}

const samples: Sample[] = [
  {
    rule: "claimPrivate",
    path: "src/sys/calls.ts",
    good: "// Knote.claim is private\nconst claims = 1;\n",
    bad: "const whose = Knote.claim.get(k, kn);\n",
  },
  {
    rule: "importDirection",
    path: "src/kern/file.ts",
    good: 'import { EBADF } from "../abi/errno.js";\nimport { atomicAdd } from "#atomics";\n',
    bad: 'import {\n  knoteEnqueue,\n} from "../event/knote.js";\n',
  },
  {
    rule: "importDirection",
    path: "src/event/scan.ts",
    good: 'import type { Ptr } from "../arena/layout.js";\n// import "node:fs"\n',
    bad: 'import { readFileSync } from "node:fs";\n',
  },
  {
    rule: "importDirection",
    path: "src/wasm/run.ts",
    good: 'import type { Host } from "../host/host.js";\n',
    bad: 'import { host } from "#host";\n',
  },
  {
    rule: "importDirection",
    path: "src/api/boot.ts",
    good: 'import { host } from "#host";\nconst s = \'from "node:fs"\';\n',
    bad: 'const host = await import("../host/node.js");\n',
  },
  {
    rule: "importDirection",
    path: "src/cli/main.ts",
    good: 'import { argv } from "node:process";\nexport * from "../api/index.js";\n',
    bad: 'import left from "left-pad";\n',
  },
  {
    rule: "importDirection",
    path: "src/host/node-warden.ts",
    good: 'import { Worker } from "node:worker_threads";\n',
    bad: 'export type { Kernel } from "../api/kernel.js";\n',
  },
  {
    rule: "importDirection",
    path: "src/helpers/one.ts",
    good: "",
    bad: "export const one = 1;\n",
  },
  {
    rule: "atomicsOnlyInSync",
    path: "src/arena/zone.ts",
    good: '// Atomics\nconst text = "Atomics";\nconst re = /"Atomics/;\n',
    bad: "Atomics.load(a, 0);\n",
  },
  {
    rule: "noReference",
    path: "src/api/boot.ts",
    good: "const lib = 1;\n",
    bad: '/// <reference lib="dom" />\n',
  },
  {
    rule: "licenceLine",
    path: "bench/one.ts",
    good: `#!/usr/bin/env node\n${LICENCE}`,
    bad: "\n// SPDX-License-Identifier: ISC\n",
  },
  {
    rule: "columns",
    path: "include/sys/event.h",
    good: `// ${"\u00e9".repeat(97)}\n`,
    bad: `// ${"x".repeat(98)}\n`,
  },
  {
    rule: "fileLength",
    path: "test/unit/one.test.ts",
    good: "x\n".repeat(500),
    bad: "x\n".repeat(501),
  },
  {
    rule: "nothingUnfinished",
    path: "README.md",
    good: "XXXXXX todo\n",
    bad: `* ${"TO"}${"DO"}: more\n`,
  },
  {
    rule: "noMachinePaths",
    path: "man/boot.3.md",
    good: "/tmp/worker and ./work\n",
    bad: `see ${"/wo"}rk/notes\n`,
  },
  { rule: "cleanEnds", path: "LICENSE", good: "text\n", bad: "text" },
  { rule: "cleanEnds", path: "LICENSE", good: "\n\ntext\n", bad: "text \nmore\n" },
];

for (const { rule, path, good, bad } of samples) {
  test(`${rule} catches ${JSON.stringify(bad.slice(0, 60))} in ${path}`, () => {
    const judge = rules.FILE_RULES[rule];
    assert.ok(judge !== undefined);
    assert.equal(judge({ path, text: bad }).length > 0, true);
    if (good !== "") assert.deepEqual(judge({ path, text: good }), []);
  });
}

test("every rule for files has a sample", () => {
  const tried = new Set(samples.map(({ rule }) => rule));
  assert.deepEqual(
    Object.keys(rules.FILE_RULES).filter((name) => !tried.has(name)),
    [],
  );
});

test("a field without guard or meaning is caught", () => {
  const good = { name: "count", doc: "how many", guard: { key: "q" } };
  assert.deepEqual(rules.guardedFields([{ name: "thing", fields: [good] }]), []);
  const fields = [
    { ...good, guard: undefined },
    { ...good, doc: "" },
  ];
  assert.equal(rules.guardedFields([{ name: "thing", fields }]).length, 2);
});

test("dependencies, loose versions and download addresses are caught", () => {
  const good = { devDependencies: { tool: "1.2.3" } };
  assert.deepEqual(rules.noDependencies(JSON.stringify(good), "{}"), []);
  const bad = { dependencies: { a: "1.0.0" }, devDependencies: { tool: "^1.2.3" } };
  assert.equal(rules.noDependencies(JSON.stringify(bad), '{"resolved": "x"}').length, 3);
});

test("a call that is in no NAME section is caught", () => {
  const text =
    "# kqueue(2)\n\n## NAME\n\nkqueue, kqueue1 - make a queue to wait\n\n## SYNOPSIS\ndup\n";
  const pages = [{ path: "man/kqueue.2.md", text }];
  assert.deepEqual(rules.documentedCalls(["kqueue", "kqueue1"], pages), []);
  assert.equal(rules.documentedCalls(["kqueue", "dup", "wait"], pages).length, 2);
});

test("a function of more than 70 lines is caught by the linter", () => {
  const dir = mkdtempSync(join(tmpdir(), "knell-tidy-"));
  try {
    for (const lines of [60, 75]) {
      const text = `export function long() {\n${"  console.log(1);\n".repeat(lines)}}\n`;
      writeFileSync(join(dir, `lines-${lines}.ts`), text);
    }
    const biome = join(ROOT, "node_modules/@biomejs/biome/bin/biome");
    const args = [biome, "lint", `--config-path=${join(ROOT, "biome.json")}`, dir];
    const { stdout, stderr } = spawnSync(process.execPath, args, { encoding: "utf8" });
    assert.match(stdout + stderr, /lines-75\.ts.*noExcessiveLinesPerFunction/);
    assert.doesNotMatch(stdout + stderr, /lines-60\.ts/);
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("code is told from comments, strings, templates and regular expressions", () => {
  const source = [
    "a /* b */ c // d",
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is source to be read
    '"e\\"e" + \'f\' + `g${h + `i`}j` + k',
    'x = y / z; w = /[/"]q/g.test(v);',
  ].join("\n");
  assert.equal(
    codeOnly(source)
      .match(/\b\w+\b/g)
      ?.join(" "),
    "a c k x y z w test v",
  );
});

test("imports are found in all their forms", () => {
  const source = [
    'import a, { b } from "1";',
    'import type { c } from "2";',
    'import {\n  d,\n} from "3";',
    'export * from "4";',
    'import "5";',
    'await import("6");',
    'export type { e } from "7";',
    'type F = typeof import("8");',
    '// import "9";',
  ].join("\n");
  const found = importsOf(source);
  assert.deepEqual(found.map(({ specifier }) => specifier).join(""), "12345678");
  assert.deepEqual(
    found.filter(({ typeOnly }) => typeOnly).map(({ specifier }) => specifier),
    ["2", "7"],
  );
  assert.equal(found[3]?.line, 6);
});
