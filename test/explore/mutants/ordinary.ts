// SPDX-License-Identifier: ISC
/**
 * Mutants under ordinary tests: all unit tests, and the rows of the conformance tables that one
 * thread runs. A seeded bug that those see proves little of the explorer.
 *
 *   node build/test/explore/mutants/ordinary.js [mutant...]
 *
 * Without names all of them, which takes some ten seconds each. Prints a table; exit status 1 if a
 * mutant is not caught where its `caughtBy` says, or elsewhere.
 */
import { spawnSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ordinaryTreeOf } from "../engine/tree.js";
import { mutation } from "./build.js";
import { type Mutant, mutantNamed, mutants } from "./index.js";

/** A file that is not done by then hangs, which a mutant may make it do. */
const FILE_SECONDS = 30;

/** What to run: arguments of tools/run-tests.ts. */
const SUITES = [["test/unit"], ["--name=^direct$", "test/conformance/conformance.test.ts"]];

/**
 * Test files that fail in a copy of the package with the mutant in it, or without any. What they
 * said is in failures.txt there.
 */
export function failures(mutant: Mutant | undefined): string[] {
  const folder = ordinaryTreeOf(mutant?.name ?? "plain", mutation(mutant));
  const runner = join(folder, "build/tools/run-tests.js");
  return SUITES.flatMap((suite) => {
    const args = [runner, `--timeout=${FILE_SECONDS}`, ...suite];
    const { stdout, status } = spawnSync(process.execPath, args, {
      cwd: folder,
      stdio: ["ignore", "pipe", "inherit"],
      encoding: "utf8",
      maxBuffer: 1 << 26,
    });
    const failed = /^Failed: (.*)$/m.exec(stdout)?.[1]?.split(" ") ?? [];
    if (status !== 0) writeFileSync(join(folder, "failures.txt"), stdout, { flag: "a" });
    if (status !== 0 && failed.length === 0) throw new Error(`the tests did not run:\n${stdout}`);
    return failed.map((path) => path.replace(/^build\/|\.test\.js$/g, ""));
  });
}

/** Tests that catch the mutant; those that fail in any copy do not count. */
export function catchers(mutant: Mutant, anyway: readonly string[]): string[] {
  return failures(mutant).filter((file) => !anyway.includes(file));
}

/** Whether the tests say of the mutant what its entry says. */
export function asExpected({ caughtBy = [] }: Mutant, caught: readonly string[]): boolean {
  return caught.length === 0 ? caughtBy.length === 0 : caughtBy.some((one) => caught.includes(one));
}

function main(names: readonly string[]): void {
  const anyway = failures(undefined);
  if (anyway.length > 0) console.log(`not run, since they fail in any copy: ${anyway.join(" ")}`);
  for (const mutant of names.length > 0 ? names.map(mutantNamed) : mutants) {
    const caught = catchers(mutant, anyway);
    const expected = asExpected(mutant, caught);
    const what = caught.length === 0 ? "passes" : `caught by ${caught.join(" ")}`;
    console.log(`${mutant.name.padEnd(26)} ${what}${expected ? "" : "  NOT AS EXPECTED"}`);
    if (!expected) process.exitCode = 1;
  }
}

const [, program = "", ...names] = process.argv;
if (import.meta.url === pathToFileURL(program).href) main(names);
