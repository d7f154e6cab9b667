// SPDX-License-Identifier: ISC
/**
 * A mutant is a copy of the compiled package with one line changed, in build/mutants: package.json,
 * dist and build/test/explore, so that every import in it finds the changed kernel.
 */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../engine/schedule.js";
import { type Mutant, mutants } from "./index.js";

/** Set in a mutant's own process: the folder of the original. */
const INSIDE = "KNELL_MUTANT";

/** A pattern for a piece of code, whatever blanks and line ends are in it. */
function loosely(code: string): RegExp {
  const words = code.trim().split(/\s+/);
  return new RegExp(words.map((word) => word.replace(/[^\w]/g, "\\$&")).join("\\s+"));
}

/** The text with the mutation in it. The original must be there exactly once. */
export function mutate(text: string, { name, file, find, replace, imports = "" }: Mutant): string {
  const parts = text.split(loosely(find));
  if (parts.length !== 2) {
    throw new Error(`mutant ${name}: found ${parts.length - 1} times in dist/${file}, not once`);
  }
  return `${imports}\n${parts.join(replace)}`;
}

/** Make the copy; returns its folder. */
export function mutantBuild(mutant: Mutant): string {
  const folder = join(ROOT, "build/mutants", mutant.name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "build/test"), { recursive: true });
  const filter = (path: string): boolean => !/\.(?:d\.ts|map|tsbuildinfo)$/.test(path);
  cpSync(join(ROOT, "package.json"), join(folder, "package.json"));
  cpSync(join(ROOT, "dist"), join(folder, "dist"), { recursive: true, filter });
  const tests = "build/test/explore";
  cpSync(join(ROOT, tests), join(folder, tests), { recursive: true, filter });
  const changed = join(folder, "dist", mutant.file);
  writeFileSync(changed, mutate(readFileSync(changed, "utf8"), mutant));
  return folder;
}

/** Run a program of test/explore in a mutant; returns its exit status and what it printed. */
export function mutantRun(
  mutant: Mutant,
  program: string,
  args: readonly string[],
  quiet: boolean,
): { status: number; output: string } {
  const folder = mutantBuild(mutant);
  const path = join(folder, "build/test/explore", program);
  const child = spawnSync(process.execPath, ["--conditions=explore", path, ...args], {
    cwd: ROOT,
    env: {
      ...process.env,
      [INSIDE]: mutant.name,
      KNELL_EXPLORE_OUT: join(ROOT, "build/explore"),
    },
    stdio: ["ignore", quiet ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
  });
  return { status: child.status ?? 1, output: child.stdout ?? "" };
}

/** Run a program in the mutant that is named, unless it runs there already, or none is named. */
export function runInMutant(
  name: string | undefined,
  program: string,
  args: readonly string[],
): boolean {
  if (name === undefined || process.env[INSIDE] === name) return false;
  const mutant = mutants.find((other) => other.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
  process.exitCode = mutantRun(mutant, program, args, false).status;
  return true;
}
