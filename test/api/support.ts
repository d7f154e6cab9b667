// SPDX-License-Identifier: ISC
/** What the tests of the JavaScript face share. Nothing here sleeps and hopes. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after } from "node:test";
import { type BootOptions, boot, type Kernel, KernelError, type WorkerExit } from "knell";
import { ROOT } from "../../tools/tree.js";

const open = new Set<Kernel>();

after(() => {
  for (const kernel of open) kernel.close();
});

/** A small kernel that is closed at the end of the file at the latest. */
export function small(options: BootOptions = {}): Kernel {
  const kernel = boot({ arenaBytes: 4 << 20, ...options });
  open.add(kernel);
  return kernel;
}

/** A small kernel whose clocks stand still. */
export function still(options: BootOptions = {}): Kernel {
  return small({ clock: "manual", ...options });
}

/** Run `body` with a kernel, and close it. */
export async function withKernel(
  body: (kernel: Kernel) => unknown,
  options: BootOptions = {},
): Promise<void> {
  const kernel = still(options);
  try {
    await body(kernel);
  } finally {
    kernel.close();
    open.delete(kernel);
  }
}

/** What `body` throws, which must be a KernelError of a code; its message is returned. */
export function codeOf(body: () => unknown, code: string): string {
  try {
    body();
  } catch (error) {
    return checked(error, code);
  }
  assert.fail(`nothing was thrown, expected ${code}`);
}

/** As codeOf, for a promise. */
export async function rejection(promise: Promise<unknown>, code: string): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return checked(error, code);
  }
  assert.fail(`it did not reject, expected ${code}`);
}

function checked(error: unknown, code: string): string {
  assert.ok(error instanceof KernelError, `a KernelError, not ${error}`);
  assert.equal(error.code, code, error.message);
  assert.ok(error.message.startsWith("Cannot "), error.message);
  assert.ok(error.message.endsWith(`(${code})`), error.message);
  assert.ok(error.errno > 0);
  assert.ok(error.syscall.length > 0);
  return error.message;
}

/** The values that are wrong for an integer argument, apart from its range. */
export const NO_INTEGERS = [Number.NaN, 0.5, Number.POSITIVE_INFINITY, "1", null, {}, true, 1n];

/**
 * Every wrong value is refused with a RangeError or a KernelError EINVAL that names the argument.
 */
export function refuses(
  name: string,
  values: readonly unknown[],
  call: (value: never) => unknown,
): void {
  for (const value of values) {
    assert.throws(
      () => call(value as never),
      (error: unknown) => refusal(error, name),
      `${name}: ${String(value)}`,
    );
  }
}

/** As refuses, for calls that return promises. */
export async function refusesLater(
  name: string,
  values: readonly unknown[],
  call: (value: never) => Promise<unknown>,
): Promise<void> {
  for (const value of values) {
    await assert.rejects(
      async () => call(value as never),
      (error: unknown) => refusal(error, name),
      `${name}: ${String(value)}`,
    );
  }
}

function refusal(error: unknown, name: string): boolean {
  const right = error instanceof RangeError || (error as KernelError).code === "EINVAL";
  return right && (error as Error).message.includes(name);
}

/** The module of the workers that the tests start. */
export const WORKER = new URL("./worker.js", import.meta.url);

/** Wait until a condition holds that another thread brings about; the runner has the time limit. */
export async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** As `until`, for a thread that must not turn its event loop. */
export function untilSync(holds: () => boolean): void {
  const word = new Int32Array(new SharedArrayBuffer(4));
  while (!holds()) Atomics.wait(word, 0, 0, 1);
}

/** What a child process did. */
export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

let programs = 0;

/** Write modules to a folder from which `knell` is this package; returns the first one's path. */
export function program(files: Readonly<Record<string, string>>): string {
  const dir = join(ROOT, "build", "api-programs", `${process.pid}-${++programs}`);
  mkdirSync(dir, { recursive: true });
  after(() => rmSync(dir, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text);
  return join(dir, Object.keys(files)[0] as string);
}

/** Run a program to its end. */
export function run(path: string, ...args: string[]): Promise<Ran> {
  return runNode([path, ...args]);
}

/** Run node with arguments, in a folder. */
export function runNode(args: readonly string[], cwd = process.cwd()): Promise<Ran> {
  const options = process.execArgv.filter((option) => option.startsWith("--conditions"));
  const child = spawn(process.execPath, [...options, ...args], {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stdout = "";
  let stderr = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, stdout, stderr }));
  });
}

/** Run the text of a program. */
export function runText(text: string): Promise<Ran> {
  return run(program({ "main.mjs": text }));
}

/** A kernel with the real clock, for workers to come and go in. */
export async function withWorkers(body: (kernel: Kernel) => Promise<void>): Promise<void> {
  const kernel = boot({ arenaBytes: 8 << 20 });
  try {
    await body(kernel);
    assert.equal(kernel.usage().netHits, 0, "no wake was lost");
  } finally {
    kernel.close();
  }
}

/** The next exits, in the order of the workers' numbers. */
export async function exitsOf(kernel: Kernel, count: number): Promise<WorkerExit[]> {
  const queue = kernel.queue().add("exit", kernel.exits());
  const exits: WorkerExit[] = [];
  for await (const { value } of queue.events()) {
    if (value !== undefined) exits.push(value);
    if (exits.length === count) break;
  }
  queue.close();
  return exits.sort((x, y) => x.worker - y.worker);
}
