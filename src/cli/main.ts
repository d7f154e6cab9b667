#!/usr/bin/env node
// SPDX-License-Identifier: ISC
/** The `knell` command: finds the command that was named and hands the rest of the line to it. */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** What a command is. `run` returns the exit status. */
export interface Command {
  readonly name: string;
  readonly synopsis: string;
  readonly summary: string;
  run(args: readonly string[]): Promise<number>;
}

/** A wrong command line: the message is printed with a hint, and the status is 2. */
const USAGE_STATUS = 2;

/** Commands are loaded when they are run, so that none pays for another. */
const COMMANDS: readonly Command[] = [
  {
    name: "demo",
    synopsis: "demo [DIR]",
    summary: "one wait for many threads: the case for it, measured here and now",
    run: async (args) => (await import("./demo.js")).demo(args),
  },
];

function usage(): string {
  const width = Math.max(...COMMANDS.map(({ synopsis }) => synopsis.length));
  return [
    "Usage: knell COMMAND [ARGUMENTS]",
    "",
    "Commands:",
    ...COMMANDS.map(({ synopsis, summary }) => `  ${synopsis.padEnd(width)}   ${summary}`),
    "",
    "Options:",
    `  ${"-h, --help".padEnd(width)}   this text; after a command, what that command takes`,
    `  ${"--version".padEnd(width)}   the version of Knell`,
  ].join("\n");
}

function version(): string {
  const manifest = readFileSync(new URL("../../package.json", import.meta.url), "utf8");
  return String((JSON.parse(manifest) as { version: unknown }).version);
}

function refuse(message: string): number {
  console.error(`knell: ${message}\nTry 'knell --help'.`);
  return USAGE_STATUS;
}

/** Options before any command. */
function withoutCommand(args: readonly string[]): number {
  const options = {
    help: { type: "boolean", short: "h" },
    version: { type: "boolean" },
  } as const;
  try {
    const { values } = parseArgs({ args: [...args], options });
    if (values.version) console.log(version());
    else if (values.help) console.log(usage());
    else {
      console.error(usage());
      return USAGE_STATUS;
    }
    return 0;
  } catch (error) {
    return refuse((error as Error).message);
  }
}

async function main(args: readonly string[]): Promise<number> {
  const [name = "", ...rest] = args;
  if (name === "" || name.startsWith("-")) return withoutCommand(args);
  const command = COMMANDS.find((known) => known.name === name);
  if (command !== undefined) return command.run(rest);
  return refuse(`${JSON.stringify(name)} is not a command.`);
}

// A reader that has seen enough (`knell demo | head`) is no error of ours: end as SIGPIPE would.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  process.exit(error.code === "EPIPE" ? 141 : 1);
});

process.exitCode = await main(process.argv.slice(2));
