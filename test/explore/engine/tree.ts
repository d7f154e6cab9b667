// SPDX-License-Identifier: ISC
/**
 * The package that is explored: a copy of package.json, dist and build/test/explore in which every
 * access by index is told to the seam (points.ts), and in a mutant's one more line is changed. All
 * imports in it find that kernel. Copies are kept by what they were made of.
 */
import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { indexes, instrumented } from "./points.js";
import { ROOT } from "./schedule.js";

const PARTS = ["dist", "build/test/explore"];
/** What ordinary tests of a mutant need. */
const ORDINARY_PARTS = ["dist", "build/test/unit", "build/test/conformance", "build/tools"];
const TREES = join(ROOT, "build/explored");
/** Copies not used for so long are removed. */
const OLD_MS = 600_000;

/** What a mutant does to a file, by its path below dist. */
export type Mutation = (path: string, text: string) => string;

function modules(parts: readonly string[]): string[] {
  return parts
    .flatMap((part) => {
      const found = readdirSync(join(ROOT, part), { recursive: true, encoding: "utf8" });
      return found.filter((path) => /\.js(?:\.map)?$/.test(path)).map((path) => join(part, path));
    })
    .sort();
}

function keyOf(paths: readonly string[]): string {
  const hash = createHash("sha256");
  for (const path of paths) {
    const { mtimeMs, size } = statSync(join(ROOT, path));
    hash.update(`${path} ${mtimeMs} ${size}\n`);
  }
  return hash.digest("hex").slice(0, 16);
}

function sweep(): void {
  for (const name of readdirSync(TREES)) {
    const path = join(TREES, name);
    const used = statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Date.now();
    if (Date.now() - used > OLD_MS) rmSync(path, { recursive: true, force: true });
  }
}

/** The folder of the copy; it is made if need be, by several processes at once if they like. */
export function treeOf(name: string, mutation: Mutation = (_, text) => text): string {
  return copied(name, PARTS, mutation, (path) => indexes(path));
}

/** A copy with ordinary tests in it, and nothing told to the seam. */
export function ordinaryTreeOf(name: string, mutation: Mutation = (_, text) => text): string {
  return copied(`ordinary-${name}`, ORDINARY_PARTS, mutation, () => false);
}

function copied(
  name: string,
  parts: readonly string[],
  mutation: Mutation,
  instruments: (path: string) => boolean,
): string {
  const paths = modules(parts);
  const folder = join(TREES, `${name}-${keyOf(paths)}`);
  if (existsSync(folder)) {
    utimesSync(folder, new Date(), new Date());
    return folder;
  }
  mkdirSync(TREES, { recursive: true });
  sweep();
  const draft = `${folder}.${process.pid}`;
  rmSync(draft, { recursive: true, force: true });
  for (const path of paths) {
    const to = join(draft, path);
    mkdirSync(dirname(to), { recursive: true });
    const below = path.startsWith("dist/") ? path.slice("dist/".length) : "";
    if (below === "" || path.endsWith(".map")) {
      cpSync(join(ROOT, path), to);
      continue;
    }
    const text = mutation(below, readFileSync(join(ROOT, path), "utf8"));
    writeFileSync(to, instruments(below) ? instrumented(text, below) : text);
  }
  cpSync(join(ROOT, "package.json"), join(draft, "package.json"));
  try {
    renameSync(draft, folder);
  } catch {
    // Somebody else was faster, with the same copy.
    rmSync(draft, { recursive: true, force: true });
  }
  return folder;
}
