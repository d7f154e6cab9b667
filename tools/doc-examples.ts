// SPDX-License-Identifier: ISC
/**
 * Finds the code in the documents and makes it runnable, so that no example can go stale.
 *
 * Documents are README.md, ARCHITECTURE.md, man/*.md, and the `@example` blocks of comments in src.
 * What becomes of a block of code is said behind the word for its language:
 *
 *   ```js                     one module, run; it must end by itself with status 0
 *   ```js file=main.mjs       one file of an example of several: such blocks that follow each other
 *   ```js file=worker.mjs     belong together until a heading, a repeated name or another kind of
 *                             block; the first is run, the others lie beside it
 *   ```js norun the reason    only shown
 *   ```ts                     compiled, not run; file= and norun as above
 *   ```text output            what the example before it prints, to the letter
 *
 * Blocks in other languages are left alone. Examples import the package by its name: they are
 * written into build/doc-examples, from where `knell` is this package itself.
 *
 *   node build/tools/doc-examples.js            list the examples and what is wrong with them
 */
import { spawn, spawnSync } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { listFiles, ROOT, readText, type TextFile } from "./tree.js";

const OUT = join(ROOT, "build", "doc-examples");
const DOCUMENT = /^(?:README\.md|ARCHITECTURE\.md|man\/[^/]+\.md|src\/.*\.ts)$/;

export type Language = "js" | "ts";

export interface Example {
  /** The document and the line of the first block: `man/kqueue.2.md:40`. */
  readonly name: string;
  readonly language: Language;
  /** By file name; the first is the one to run. */
  readonly files: ReadonlyMap<string, string>;
  /** What it must print, if the document says so. */
  readonly output: string | null;
}

export interface Found {
  readonly examples: readonly Example[];
  /** Blocks that are only shown, each with its reason. */
  readonly shown: readonly { readonly name: string; readonly reason: string }[];
  /** Markings that make no sense. */
  readonly problems: readonly string[];
}

/** A fenced block, or a heading, in the order of the document. */
interface Block {
  readonly line: number;
  readonly language: string;
  readonly marking: string;
  readonly code: string;
}

const HEADING: Omit<Block, "line"> = { language: "#", marking: "", code: "" };

function blocksOf(text: string, firstLine: number): Block[] {
  const blocks: Block[] = [];
  const lines = text.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const line = firstLine + i;
    const fence = /^( *)(`{3,})\s*(\S*)[ \t]*(.*?)\s*$/.exec(lines[i] ?? "");
    if (fence === null) {
      if (/^#+ /.test(lines[i] ?? "")) blocks.push({ ...HEADING, line });
      continue;
    }
    const [, indent = "", ticks = "", language = "", marking = ""] = fence;
    const code: string[] = [];
    for (i++; i < lines.length && lines[i]?.trim() !== ticks; i++) {
      code.push((lines[i] ?? "").replace(new RegExp(`^ {0,${indent.length}}`), ""));
    }
    blocks.push({ line, language, marking, code: code.map((each) => `${each}\n`).join("") });
  }
  return blocks;
}

/** The texts of the `@example` tags of a source, each with the line it starts on. */
function exampleTags(source: string): { text: string; line: number }[] {
  const found: { text: string; line: number }[] = [];
  for (const comment of source.matchAll(/\/\*\*[\s\S]*?\*\//g)) {
    const start = source.slice(0, comment.index).split("\n").length;
    const lines = comment[0].replace(/\*\/$/, "").split("\n");
    const plain = lines.map((line) => line.replace(/^\s*\/?\*+ ?/, ""));
    plain.forEach((line, index) => {
      if (!line.startsWith("@example")) return;
      const rest = plain.slice(index + 1);
      const end = rest.findIndex((other) => /^@\w/.test(other));
      const text = (end < 0 ? rest : rest.slice(0, end)).join("\n");
      found.push({ text, line: start + index + 1 });
    });
  }
  return found;
}

class Collector {
  readonly examples: Example[] = [];
  readonly shown: { name: string; reason: string }[] = [];
  readonly problems: string[] = [];
  /** The example that a further file or an output block belongs to. */
  #open: { example: Example; files: Map<string, string>; several: boolean } | null = null;

  add(path: string, block: Block): void {
    const name = `${path}:${block.line}`;
    const { language, marking } = block;
    if (language === "js" || language === "mjs") this.#code(name, "js", block);
    else if (language === "ts") this.#code(name, "ts", block);
    else if (language === "text" && marking === "output") this.#output(name, block.code);
    else this.#open = null;
  }

  endOfText(): void {
    this.#open = null;
  }

  #code(name: string, language: Language, { marking, code }: Block): void {
    const norun = /^norun\b\s*(.*)$/.exec(marking);
    const file = /^file=([\w-]+\.(?:mjs|js|mts|ts))$/.exec(marking)?.[1];
    if (norun !== null) {
      const reason = norun[1] ?? "";
      if (reason === "") this.problems.push(`${name}: norun without a reason`);
      this.shown.push({ name, reason });
      this.#open = null;
    } else if (marking !== "" && file === undefined) {
      this.problems.push(`${name}: "${marking}" is not understood`);
    } else {
      const open = this.#open;
      const joins = open?.several && open.example.language === language && file !== undefined;
      if (joins && !open.files.has(file)) open.files.set(file, code);
      else this.#start(name, language, file, code);
    }
  }

  #start(name: string, language: Language, file: string | undefined, code: string): void {
    const files = new Map([[file ?? (language === "js" ? "main.mjs" : "main.ts"), code]]);
    const example: Example = { name, language, files, output: null };
    this.examples.push(example);
    this.#open = { example, files, several: file !== undefined };
  }

  #output(name: string, output: string): void {
    const example = this.#open?.example;
    if (example?.language !== "js") this.problems.push(`${name}: output of no example`);
    else this.examples[this.examples.indexOf(example)] = { ...example, output };
    this.#open = null;
  }
}

/** All examples of the given documents. */
export function findExamples(documents: readonly TextFile[]): Found {
  const collector = new Collector();
  for (const { path, text } of documents) {
    const isSource = path.endsWith(".ts");
    for (const part of isSource ? exampleTags(text) : [{ text, line: 1 }]) {
      const blocks = blocksOf(part.text, part.line);
      const marked = isSource && blocks.length === 0;
      if (marked) collector.problems.push(`${path}:${part.line - 1}: @example without a block`);
      for (const block of blocks) collector.add(path, block);
      collector.endOfText();
    }
  }
  return collector;
}

/** The documents of this tree. */
export function documents(): TextFile[] {
  return listFiles()
    .filter((path) => DOCUMENT.test(path))
    .map(readText);
}

function folderOf(example: Example): string {
  return join(OUT, example.language, example.name.replace(/[^\w.-]+/g, "_"));
}

/** Write an example out, and return the path of the file to run. */
function write(example: Example): string {
  const dir = folderOf(example);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir, { recursive: true });
  for (const [file, code] of example.files) writeFileSync(join(dir, file), code);
  const [main = ""] = example.files.keys();
  return join(dir, main);
}

/** Run a js example. Returns what is wrong with it, or null. */
export function runExample(example: Example, timeoutMs = 20_000): Promise<string | null> {
  const child = spawn(process.execPath, [...process.execArgv, write(example)], {
    cwd: folderOf(example),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  let late = false;
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, timeoutMs);
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      const { output } = example;
      if (late) resolve(`did not end within ${timeoutMs} ms\n${stdout}${stderr}`);
      else if (code !== 0) resolve(`ended with ${signal ?? `status ${code}`}\n${stdout}${stderr}`);
      else if (output === null || output === stdout) resolve(null);
      else resolve(`prints\n${stdout}instead of\n${output}${stderr}`);
    });
  });
}

/** Compile the ts examples, all in one go. Returns what the compiler says, or null. */
export function compileExamples(examples: readonly Example[]): string | null {
  rmSync(join(OUT, "ts"), { recursive: true, force: true });
  const files = examples.filter(({ language }) => language === "ts").map(write);
  if (files.length === 0) return null;
  const config = {
    extends: "../../../tsconfig.test.json",
    compilerOptions: {
      noEmit: true,
      incremental: false,
      noUnusedLocals: false,
      noUnusedParameters: false,
    },
    include: ["**/*"],
    exclude: [],
  };
  const project = join(OUT, "ts", "tsconfig.json");
  writeFileSync(project, JSON.stringify(config));
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const args = [tsc, "-p", project, "--pretty", "false"];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: join(OUT, "ts"),
    encoding: "utf8",
  });
  return status === 0 ? null : stdout + stderr;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { examples, shown, problems } = findExamples(documents());
  for (const { name, language, files } of examples) {
    console.log(`${name}: ${language} ${[...files.keys()].join(" ")}`);
  }
  for (const { name, reason } of shown) console.log(`${name}: not run, ${reason}`);
  for (const problem of problems) console.error(problem);
  process.exitCode = problems.length > 0 ? 1 : 0;
}
