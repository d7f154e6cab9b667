// SPDX-License-Identifier: ISC
/**
 * The test runner behind `npm test`. Each compiled test file runs in a process of its own, at most
 * two at once, under a watchdog here outside: a file whose main thread is blocked in a kernel call
 * cannot end itself. A file's output is shown when something in it failed, or with --verbose.
 *
 *   node build/tools/run-tests.js [option...] [file or folder...]
 *
 *   test/unit/zone.test.ts   what to run; everything but the slow folders when nothing is named
 *   --default=DIR            what to run when nothing is named (may be repeated)
 *   --conditions=NAME        build condition for the files: checks or explore
 *   --name=PATTERN           run only the tests whose names match
 *   --timeout=SECONDS        budget of one file (120)
 *   --jobs=N                 files at once (2)
 *   --verbose                show the output of every file
 *
 * KNELL_TEST_ONLY=a,b keeps only the files whose path contains a or b.
 * Exit status: 0 all passed, 1 something failed, 2 a wrong argument, or no file to run.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { listFiles, ROOT } from "./tree.js";

/** Folders that have a script of their own, since they take long. */
const SLOW = ["build/test/explore/", "build/test/soak/"];
const COUNTS = ["tests", "suites", "pass", "fail", "cancelled", "skipped", "todo"] as const;
type Counts = Record<(typeof COUNTS)[number], number>;

interface Options {
  readonly nodeArgs: readonly string[];
  readonly timeoutMs: number;
  readonly jobs: number;
  readonly verbose: boolean;
}

interface Outcome {
  readonly file: string;
  readonly counts: Counts;
  readonly output: string;
  readonly seconds: number;
  /** Why the file failed as a whole, beyond its failed tests. */
  readonly trouble: string | null;
}

const running = new Set<ChildProcess>();

/** End a child with all that it started: it leads a process group of its own. */
function kill(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // The group is gone already.
  }
}

function usage(message: string): never {
  console.error(`run-tests: ${message}`);
  process.exit(2);
}

/** The compiled test files that a path names; test/x.test.ts stands for build/test/x.test.js. */
function expand(path: string): string[] {
  const local = path.replace(/^\.\//, "").replace(/\.ts$/, ".js").replace(/\/$/, "");
  const built = local.startsWith("build/") ? local : `build/${local}`;
  const absolute = join(ROOT, built);
  if (!existsSync(absolute)) usage(`${path}: no such file or folder`);
  if (statSync(absolute).isFile()) return [built];
  return listFiles(built).filter((file) => file.endsWith(".test.js"));
}

function select(named: readonly string[], defaults: readonly string[]): string[] {
  const paths = named.length > 0 ? named : defaults;
  let files =
    paths.length > 0
      ? paths.flatMap(expand)
      : expand("test").filter((file) => !SLOW.some((dir) => file.startsWith(dir)));
  const only = (process.env["KNELL_TEST_ONLY"] ?? "").split(",").filter((part) => part !== "");
  if (only.length > 0) files = files.filter((file) => only.some((part) => file.includes(part)));
  if (files.length === 0) usage("no test file to run");
  return [...new Set(files)];
}

/** Counts of the closing lines that node's reporter printed, null if it printed none. */
function readCounts(output: string): Counts | null {
  const counts: Partial<Counts> = {};
  for (const [, name, n] of output.matchAll(/^\u2139 (\w+) (\d+)$/gm)) {
    const key = COUNTS.find((count) => count === name);
    if (key !== undefined) counts[key] = Number(n);
  }
  return COUNTS.every((key) => counts[key] !== undefined) ? (counts as Counts) : null;
}

function judge(file: string, output: string, seconds: number, status: string | null): Outcome {
  const counts = readCounts(output);
  const failedTests = counts !== null && counts.fail + counts.cancelled > 0;
  let trouble: string | null = null;
  if (status !== null && !failedTests) trouble = status;
  else if (counts === null) trouble = "ended before its tests did";
  else if (counts.tests === 0) trouble = "has no test";
  const sum = counts ?? (Object.fromEntries(COUNTS.map((key) => [key, 0])) as Counts);
  if (trouble !== null) {
    sum.tests++;
    sum.fail++;
  }
  return { file, counts: sum, output, seconds, trouble };
}

function runFile(file: string, options: Options): Promise<Outcome> {
  const { promise, resolve } = deferred<Outcome>();
  const start = performance.now();
  const args = [...options.nodeArgs, "--test-reporter=spec", join(ROOT, file)];
  const child = spawn(process.execPath, args, {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  running.add(child);
  let output = "";
  let expired = false;
  const watchdog = setTimeout(() => {
    expired = true;
    kill(child);
  }, options.timeoutMs);
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8");
    stream.on("data", (text: string) => {
      output += text;
    });
  }
  child.on("error", (error) => {
    output += `${error.message}\n`;
  });
  child.on("exit", () => kill(child));
  child.on("close", (code, signal) => {
    clearTimeout(watchdog);
    running.delete(child);
    let status: string | null = null;
    if (expired) status = `killed after ${options.timeoutMs / 1000} s`;
    else if (code !== 0) status = `ended with ${signal ?? `status ${code}`}`;
    resolve(judge(file, output, (performance.now() - start) / 1000, status));
  });
  return promise;
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

/** Node's report less the passed tests and less its end, which says the failures once more. */
function withoutPassed(output: string): string {
  const [body = ""] = output.split(/^\u2139 tests /m);
  return body.replace(/^ *(?:\u2714|\ufe63) .*\n/gm, "").trimEnd();
}

function report(outcome: Outcome, verbose: boolean): void {
  const { counts, trouble } = outcome;
  const failed = counts.fail + counts.cancelled > 0;
  const skipped = counts.skipped > 0 ? `, ${counts.skipped} skipped` : "";
  const seconds = outcome.seconds.toFixed(2).padStart(7);
  const name = outcome.file.replace(/^build\//, "");
  console.log(`${failed ? "FAIL" : "ok  "} ${seconds} s  ${name} (${counts.tests}${skipped})`);
  // What was skipped is always said, unless --name left it out.
  const skips = outcome.output.match(/^ *\ufe63 (?!.*# test name does not match).*$/gm) ?? [];
  for (const line of skips) console.log(line);
  if (verbose) console.log(outcome.output.trimEnd());
  else if (failed) console.log(withoutPassed(outcome.output));
  if (trouble !== null) console.log(`FAIL ${name}: ${trouble}`);
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      default: { type: "string", multiple: true, default: [] },
      conditions: { type: "string" },
      name: { type: "string" },
      timeout: { type: "string", default: "120" },
      jobs: { type: "string", default: "2" },
      verbose: { type: "boolean", default: false },
    },
  });
  const nodeArgs = ["--enable-source-maps"];
  if (values.conditions !== undefined) nodeArgs.push(`--conditions=${values.conditions}`);
  if (values.name !== undefined) nodeArgs.push(`--test-name-pattern=${values.name}`);
  const timeoutMs = Number(values.timeout) * 1000;
  const jobs = Number(values.jobs);
  if (!(timeoutMs > 0)) usage("--timeout must be a number of seconds");
  if (!Number.isInteger(jobs) || jobs < 1) usage("--jobs must be a whole number from 1");
  const options: Options = { nodeArgs, timeoutMs, jobs, verbose: values.verbose === true };
  const files = select(positionals, values.default ?? []);

  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.on(signal, () => {
      for (const child of running) kill(child);
      process.exit(1);
    });
  }
  const start = performance.now();
  const outcomes = await runAll(files, options);
  const failed = outcomes.filter((outcome) => outcome.counts.fail + outcome.counts.cancelled > 0);
  if (failed.length > 0) console.log(`\nFailed: ${failed.map(({ file }) => file).join(" ")}`);
  for (const key of COUNTS) {
    console.log(`# ${key} ${outcomes.reduce((sum, outcome) => sum + outcome.counts[key], 0)}`);
  }
  console.log(`# duration_ms ${Math.round(performance.now() - start)}`);
  process.exitCode = failed.length > 0 ? 1 : 0;
}

async function runAll(files: readonly string[], options: Options): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const queue = [...files];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await runFile(file, options);
      report(outcome, options.verbose);
      outcomes.push(outcome);
    }
  };
  await Promise.all(Array.from({ length: options.jobs }, worker));
  return outcomes;
}

await main();
