// SPDX-License-Identifier: ISC
/**
 * `knell demo`: what goes wrong when a thread waits for any of several things without Knell, the
 * same with Knell, a job for four workers, how soon sleepers wake, and workers that die with a lock
 * in their hands. Every number is measured in the run that prints it, and everything that must hold
 * is checked.
 */
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { deathDemo } from "./demo-deaths.js";
import { FolderError, type Found, findFiles, packageFolder } from "./demo-files.js";
import { checkSums, hashing } from "./demo-job.js";
import { KnellTeam } from "./demo-knell.js";
import { measure, showLatencies } from "./demo-latency.js";
import { raceDemo } from "./demo-race.js";
import { Interrupted, Run, within } from "./demo-run.js";
import { WORKERS } from "./demo-team.js";
import { printable, Screen } from "./screen.js";
import { plural, seconds } from "./stats.js";

const FAILED_STATUS = 1;
const USAGE_STATUS = 2;
const INTERRUPTED_STATUS = 130;
/** The demo takes some half of this; if it hangs, it says so. */
const GIVE_UP_MS = 19_000;
/** Workers that have heard Ctrl-C finish the file they are at. */
const LEAVE_MS = 2000;

const HELP = `Usage: knell demo [DIR]

Shows what one wait for many threads is good for, on this machine, in about ten
seconds: what Promise.race over Atomics.waitAsync leaves behind, four workers
that hash the files below DIR (those of Knell itself if left out), how soon
sleeping threads wake, and what becomes of the jobs when a worker is terminated
with a lock in its hand. Ctrl-C ends it.

Options:
  -h, --help   this text

Exit status: 0 if all checks held, 1 if not, 2 for a wrong argument, 130 after
Ctrl-C. Colours are left out if NO_COLOR is set or the output is no terminal.`;

function refuse(message: string): number {
  console.error(`knell demo: ${printable(message)}`);
  return USAGE_STATUS;
}

/** Second to fourth part, all with the same four workers. */
async function teamDemo(run: Run, found: Found, folder: string): Promise<void> {
  const { screen } = run;
  const team = new KnellTeam(run.ctrlC);
  try {
    const compared = await hashing(run, team, found, folder);
    const [ours, theirs] = await measure(run, team);
    run.doing = "stopping the workers";
    const heard = await team.stop();
    ours.set("tick", [team.samples.list("tick")]);
    showLatencies(run, ours, theirs);
    screen.heading(4, "Was anything lost?");
    checkSums(run, team, compared, heard);
  } catch (error) {
    if (error instanceof Interrupted) {
      const left = await within(LEAVE_MS, team.leave());
      const workers = left ? `${WORKERS} of ${WORKERS} workers` : "not all workers";
      screen.line();
      screen.text(`Ctrl-C came to the wait of every thread: ${workers} left it and ended.`);
    }
    throw error;
  } finally {
    team.close();
  }
}

function summarizeRun(run: Run, error: unknown): number {
  const { screen, checks, failed } = run;
  const time = seconds(run.elapsedMs);
  screen.line();
  if (error instanceof Interrupted) {
    const held = `${checks - failed} of ${plural(checks, "check")} held until then`;
    screen.line(`${screen.yellow("interrupted")} after ${time}: ${held}`);
    return INTERRUPTED_STATUS;
  }
  if (error !== null) {
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    screen.line(`${screen.red("FAILED")} while ${run.doing}, after ${time}: ${text}`);
    return FAILED_STATUS;
  }
  if (failed > 0) {
    screen.line(`${screen.red("FAILED")}: ${failed} of ${plural(checks, "check")}, in ${time}`);
    return FAILED_STATUS;
  }
  screen.line(`${screen.green("ok")}: ${checks} of ${plural(checks, "check")} held, in ${time}`);
  return 0;
}

function title({ screen }: Run): void {
  const cpus = plural(availableParallelism(), "CPU");
  const machine = `Node ${process.version}, ${cpus}, ${process.platform} ${process.arch}`;
  screen.line(`${screen.bold("Knell")}: one wait for many threads`);
  screen.line(screen.dim(`${machine}; every number below is measured now`));
}

/** Run the demo; returns the exit status. */
export async function demo(args: readonly string[]): Promise<number> {
  let folder: string | undefined;
  let found: Found;
  try {
    const options = { help: { type: "boolean", short: "h" } } as const;
    const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
    if (values.help) {
      console.log(HELP);
      return 0;
    }
    if (positionals.length > 1) return refuse("one folder at most. Try 'knell demo --help'.");
    folder = positionals[0];
    found = findFiles(folder);
  } catch (error) {
    const known = error instanceof FolderError;
    return refuse(`${(error as Error).message}${known ? "" : " Try 'knell demo --help'."}`);
  }
  return present(found, folder ?? packageFolder());
}

async function present(found: Found, folder: string): Promise<number> {
  const run = new Run(new Screen(process.stdout));
  const watchdog = setTimeout(() => {
    const error = new Error(`gave up after ${seconds(GIVE_UP_MS)}`);
    error.stack = error.message;
    process.exit(summarizeRun(run, error));
  }, GIVE_UP_MS);
  let error: unknown = null;
  try {
    title(run);
    await raceDemo(run);
    await teamDemo(run, found, folder);
    await deathDemo(run);
  } catch (thrown) {
    error = thrown;
  } finally {
    clearTimeout(watchdog);
    run.ctrlC.ignore();
    run.screen.clear();
  }
  return summarizeRun(run, error);
}
