// SPDX-License-Identifier: ISC
/**
 * Schedules as files: the scenario, where its run departs from the default, and what came of it.
 * A decision names the step and the thread that goes on there; with `timeout` it goes on because
 * its sleep timed out; with `death` it does not go on, ever. Steps count operations, so a schedule
 * fits the code it was found with.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CHOICE_DEATH, CHOICE_THREAD, CHOICE_TIMEOUT } from "./control.js";
import type { Scenario } from "./scenario.js";
import type { Found } from "./search.js";
import type { Decision } from "./stage.js";

export interface ScheduleFile {
  readonly scenario: string;
  /** The mutant it was found with, if any. */
  readonly mutant?: string;
  readonly decisions: readonly {
    readonly step: number;
    readonly thread: string;
    readonly timeout?: true;
    readonly death?: true;
  }[];
  /** What was wrong. */
  readonly failure: string;
}

function findRoot(): string {
  let dir = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(dir, "package.json"))) dir = dirname(dir);
  return dir;
}

/** The folder of the package; in a copy that is explored, that of its original. */
export const ROOT = process.env["KNELL_EXPLORE_ROOT"] ?? findRoot();
/** Where failing schedules are written. */
const FOLDER = resolve(ROOT, process.env["KNELL_EXPLORE_OUT"] ?? "build/explore");

/** Write a failing schedule; returns its path. The same schedule is not written twice. */
export function scheduleWrite(scenario: Scenario, found: Found, mutant?: string): string {
  mkdirSync(FOLDER, { recursive: true });
  const stem = mutant === undefined ? scenario.name : `${scenario.name}-${mutant}`;
  const file: ScheduleFile = {
    scenario: scenario.name,
    ...(mutant === undefined ? {} : { mutant }),
    decisions: found.decisions.map(({ step, choice }) => ({
      step,
      thread: scenario.threads[choice & CHOICE_THREAD]?.name ?? "?",
      ...((choice & CHOICE_TIMEOUT) === 0 ? {} : { timeout: true }),
      ...((choice & CHOICE_DEATH) === 0 ? {} : { death: true }),
    })),
    failure: found.failure,
  };
  const text = `${JSON.stringify(file, null, 2)}\n`;
  for (let n = 1; ; n++) {
    const path = join(FOLDER, `${stem}-${n}.json`);
    if (existsSync(path)) {
      if (readFileSync(path, "utf8") === text) return path;
    } else {
      writeFileSync(path, text);
      return path;
    }
  }
}

/** The file that a path or a name stands for, null if there is none. */
export function schedulePath(given: string): string | null {
  const named = [FOLDER, join(ROOT, "test/explore/schedules")].map((folder) => {
    return join(folder, `${given}.json`);
  });
  return [resolve(given), ...named].find((path) => existsSync(path)) ?? null;
}

export function scheduleRead(path: string): ScheduleFile {
  return JSON.parse(readFileSync(path, "utf8")) as ScheduleFile;
}

/** The decisions of a file by thread number. */
export function decisionsIn(file: ScheduleFile, scenario: Scenario): Decision[] {
  return file.decisions.map(({ step, thread, timeout, death }) => {
    const number = scenario.threads.findIndex(({ name }) => name === thread);
    if (number < 0) throw new Error(`${scenario.name} has no thread ${thread}`);
    if (death === true) return { step, choice: number | CHOICE_DEATH };
    return { step, choice: timeout === true ? number | CHOICE_TIMEOUT : number };
  });
}
