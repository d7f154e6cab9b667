// SPDX-License-Identifier: ISC
/** Running programs of test/explore in the package that is explored, or in a mutant of it. */
import { spawn, spawnSync } from "node:child_process";
import { join } from "node:path";
import { ROOT } from "../engine/schedule.js";
import { treeOf } from "../engine/tree.js";
import { type Mutant, mutantNamed } from "./index.js";

/** Set inside a copy: the name of the mutant, or of the package as it is. */
const INSIDE = "KNELL_EXPLORED";
const PLAIN = "plain";

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

/** What a mutant does to the files of its copy. */
export function mutation(mutant: Mutant | undefined): (path: string, text: string) => string {
  return (path, text) => (mutant?.file === path ? mutate(text, mutant) : text);
}

/** Command line and environment of a program of test/explore in a copy. */
function command(mutant: Mutant | undefined, program: string, args: readonly string[]) {
  const name = mutant?.name ?? PLAIN;
  const folder = treeOf(name, mutation(mutant));
  const path = join(folder, "build/test/explore", program);
  const env = {
    ...process.env,
    [INSIDE]: name,
    KNELL_EXPLORE_OUT: process.env["KNELL_EXPLORE_OUT"] ?? "build/explore",
    KNELL_EXPLORE_ROOT: ROOT,
  };
  return { args: ["--conditions=explore", "--enable-source-maps", path, ...args], env };
}

/** Run a program in a copy; returns its exit status and what it printed. */
export function runIn(
  mutant: Mutant | undefined,
  program: string,
  args: readonly string[],
  quiet: boolean,
): { status: number; output: string } {
  const { args: line, env } = command(mutant, program, args);
  const child = spawnSync(process.execPath, line, {
    cwd: ROOT,
    env,
    stdio: ["ignore", quiet ? "pipe" : "inherit", "inherit"],
    encoding: "utf8",
    maxBuffer: 1 << 26,
  });
  return { status: child.status ?? 1, output: child.stdout ?? "" };
}

/** Variables of the environment by which an exploration differs from the usual one. */
export type Settings = Readonly<Record<string, string>>;

/** Run a program in a copy, and hear of each line it prints. Returns its exit status. */
export function linesOf(
  program: string,
  args: readonly string[],
  settings: Settings,
  heard: (line: string) => void,
): Promise<number> {
  const { args: line, env: usual } = command(undefined, program, args);
  const env = { ...usual, ...settings };
  const child = spawn(process.execPath, line, {
    cwd: ROOT,
    env,
    stdio: ["ignore", "pipe", "inherit"],
  });
  let rest = "";
  child.stdout.setEncoding("utf8");
  child.stdout.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const each of lines) heard(each);
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? 1));
  });
}

/**
 * Start this program over in the copy it belongs in, unless it runs there already. Programs begin
 * with this: true means that the copy has done everything.
 */
export function runsElsewhere(mutant: string | undefined, program: string): boolean {
  const name = mutant ?? PLAIN;
  if (process.env[INSIDE] === name) return false;
  const found = mutant === undefined ? undefined : mutantNamed(mutant);
  process.exitCode = runIn(found, program, process.argv.slice(2), false).status;
  return true;
}
