// SPDX-License-Identifier: ISC
/** The C helper as a child process: a line in, a line out. */
import { type ChildProcessWithoutNullStreams, execFile, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { withDeadline } from "./target.js";

const SOURCE = fileURLToPath(
  new URL("../../../../test/conformance/native/oracle.c", import.meta.url),
);

/** The compiled helper, or why there is none. */
export type Build = { readonly program: string; readonly folder: string } | { readonly no: string };

/** Compiles the helper with the system's compiler into a folder of its own. */
export async function buildOracle(): Promise<Build> {
  if (process.platform !== "linux") return { no: `this is ${process.platform}, not Linux` };
  const folder = await mkdtemp(join(tmpdir(), "knell-oracle-"));
  const program = join(folder, "oracle");
  const flags = ["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror", "-pthread"];
  try {
    await promisify(execFile)("cc", [...flags, "-o", program, SOURCE]);
    return { program, folder };
  } catch (error) {
    await rm(folder, { recursive: true });
    if ((error as NodeJS.ErrnoException).code === "ENOENT") {
      return { no: "there is no C compiler (cc) on this machine" };
    }
    throw error;
  }
}

/** An answer of the helper: a value and what followed it, or the name of an error. */
export interface Answer {
  readonly value: number;
  /** The value as it was written, for those that a number cannot hold. */
  readonly text: string;
  readonly error?: string;
  readonly rest: readonly string[];
}

function answerOf(line: string): Answer {
  const [kind, first = "", ...rest] = line.split(" ");
  if (kind === "ok") return { value: Number(first), text: first, rest };
  if (kind === "err") return { value: -1, text: "", error: first, rest };
  throw new Error(`the oracle answered ${JSON.stringify(line)}`);
}

export class Oracle {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #lines: Interface;
  readonly #answers: AsyncIterator<string>;

  constructor(program: string) {
    this.#child = spawn(program, { stdio: "pipe" });
    this.#child.stderr.pipe(process.stderr);
    this.#lines = createInterface({ input: this.#child.stdout });
    this.#answers = this.#lines[Symbol.asyncIterator]();
  }

  async #line(request: string): Promise<string> {
    this.#child.stdin.write(`${request}\n`);
    const { value, done } = await withDeadline(request, this.#answers.next());
    if (done) throw new Error(`the oracle ended at ${JSON.stringify(request)}`);
    return value;
  }

  async ask(request: string): Promise<Answer> {
    return answerOf(await this.#line(request));
  }

  /** The first of these requests begun that is done, and its answer. */
  async race(tags: readonly string[]): Promise<{ tag: string; answer: Answer }> {
    const line = await this.#line(`race ${tags.join(" ")}`);
    const space = line.indexOf(" ");
    return { tag: line.slice(0, space), answer: answerOf(line.slice(space + 1)) };
  }

  close(): void {
    this.#lines.close();
    this.#child.kill();
  }
}
