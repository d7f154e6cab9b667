// SPDX-License-Identifier: ISC

/**
 * Child processes that measure on command, so that their rounds take turns with ours. The
 * protocol is that of the native program: a line `run NAME N` is answered by the nanoseconds that N
 * operations took, or by a line that starts with "error".
 */

import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { type Kind, Skipped, type Variant } from "./harness.js";

export class Driven {
  readonly #child: ChildProcess;
  readonly #waiting: Array<(line: string) => void> = [];

  constructor(command: string, args: readonly string[]) {
    const child = spawn(command, args, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) => this.#waiting.shift()?.(line));
    const gone = (why: string): void => {
      for (const answer of this.#waiting.splice(0)) answer(`error ${command}: ${why}`);
    };
    child.on("error", (error) => gone(error.message));
    child.stdin!.on("error", () => {}); // the exit says it
    child.on("exit", (code, signal) => gone(`ended with ${signal ?? code}`));
  }

  ask(line: string): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#child.exitCode !== null) {
        reject(new Error(`the child process has ended with ${this.#child.exitCode}`));
        return;
      }
      this.#waiting.push((answer) => {
        if (answer.startsWith("error")) reject(new Error(answer));
        else resolve(answer);
      });
      this.#child.stdin!.write(`${line}\n`);
    });
  }

  /** Nanoseconds of `count` operations in total. */
  async run(name: string, count: number): Promise<number> {
    return Number(await this.ask(`run ${name} ${count}`));
  }

  close(): void {
    this.#child.stdin!.end();
  }
}

/** How many operations make a round; without it, as many as fit by their own measure. */
export type CountFor = (budgetNs: number) => number;

/** A variant that is measured by a child; `open` throws Skipped where there is none. */
export function drivenVariant(
  kind: Kind,
  id: string,
  label: string,
  open: () => Promise<Driven>,
  operation: string,
  countFor?: CountFor,
): Variant {
  return {
    id,
    label,
    kind,
    async prepare() {
      const child = await open();
      const probe = 64;
      const perOperation = (await child.run(operation, probe)) / probe;
      if (!(perOperation > 0)) throw new Skipped(`${operation} gave no time`);
      const fitting: CountFor = (budgetNs) => Math.max(probe, Math.round(budgetNs / perOperation));
      return {
        async round(budgetNs) {
          const count = (countFor ?? fitting)(budgetNs);
          return (await child.run(operation, count)) / count;
        },
      };
    },
  };
}

export type Operations = Record<string, (count: number) => number | Promise<number>>;

/** The child's side, in JavaScript: answers until its input ends. */
export async function serve(operations: Operations): Promise<void> {
  for await (const line of createInterface({ input: process.stdin })) {
    const [, name = "", count = ""] = /^run (\S+) (\d+)$/.exec(line) ?? [];
    try {
      const operation = operations[name];
      if (operation === undefined) throw new Error(`no operation ${name}`);
      console.log(String(await operation(Number(count))));
    } catch (error) {
      console.log(`error ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  process.exit(0);
}
