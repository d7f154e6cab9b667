// SPDX-License-Identifier: ISC
/** The folder of the repository, and the files in it. Used by the tools and by the tidy tests. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";

/** Entries of the root that hold nothing that was written by hand. */
const GENERATED = new Set(["node_modules", "dist", "build", ".git"]);

/** A text file, by its path from the root, with forward slashes. */
export interface TextFile {
  readonly path: string;
  readonly text: string;
}

function findRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json"))) dir = dirname(dir);
  return dir;
}

/** Absolute path of the repository, found upwards from the running file. */
export const ROOT = findRoot();

/** Paths of all files under `dir` (a path from the root), sorted; none if it does not exist. */
export function listFiles(dir = "."): string[] {
  const found: string[] = [];
  const visit = (at: string): void => {
    for (const entry of readdirSync(at, { withFileTypes: true })) {
      const path = join(at, entry.name);
      if (at === ROOT && GENERATED.has(entry.name)) continue;
      if (entry.isDirectory()) visit(path);
      else if (entry.isFile()) found.push(relative(ROOT, path).split(sep).join("/"));
    }
  };
  const start = join(ROOT, dir);
  if (existsSync(start)) visit(start);
  return found.sort();
}

export function readText(path: string): TextFile {
  return { path, text: readFileSync(join(ROOT, path), "utf8") };
}
