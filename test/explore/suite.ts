// SPDX-License-Identifier: ISC
/**
 * Scenarios as tests. They are explored by processes of their own, as many as there are
 * processors; each takes the next one from the same list. Each test prints the line of its
 * scenario, and a failure is told, and kept as a file.
 */
import assert from "node:assert/strict";
import { availableParallelism } from "node:os";
import { test } from "node:test";
import { tableHead, tableLine } from "./engine/report.js";
import type { Scenario } from "./engine/scenario.js";
import type { Report } from "./engine/search.js";
import { linesOf, type Settings } from "./mutants/build.js";

/** A line of main.js --json. */
export interface Line extends Report {
  readonly file: string | null;
  readonly story: readonly string[];
}

interface Promised {
  readonly promise: Promise<Line>;
  readonly settle: (line: Line) => void;
  readonly fail: (error: Error) => void;
}

function promised(): Promised {
  let settle: Promised["settle"] = () => {};
  let fail: Promised["fail"] = () => {};
  const promise = new Promise<Line>((resolve, reject) => {
    settle = resolve;
    fail = reject;
  });
  promise.catch(() => {});
  return { promise, settle, fail };
}

/** Explore in processes of their own; each result as soon as there is one. */
export function explorations(
  scenarios: readonly Scenario[],
  settings: Settings,
): Map<string, Promise<Line>> {
  const results = new Map(scenarios.map(({ name }) => [name, promised()]));
  const waiting = scenarios.map(({ name }) => name);
  const work = async (): Promise<void> => {
    for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
      const result = results.get(name) as Promised;
      const status = await linesOf("main.js", ["--json", name], settings, (line) => {
        result.settle(JSON.parse(line) as Line);
      });
      result.fail(new Error(`${name}: ended with status ${status} and said nothing`));
    }
  };
  for (let n = 0; n < availableParallelism(); n++) void work();
  return new Map([...results].map(([name, { promise }]) => [name, promise]));
}

export function exploring(scenarios: readonly Scenario[], settings: Settings = {}): void {
  const results = explorations(scenarios, settings);
  console.log(tableHead());
  for (const { name, text, defect } of scenarios) {
    test(`${name}: ${text}`, defect === undefined ? {} : { todo: defect }, async () => {
      const report = (await results.get(name)) as Line;
      console.log(tableLine(report));
      if (report.found === null) return;
      const { file, story } = report;
      assert.fail(`${report.found.failure}\n\n${story.join("\n")}\n\nschedule: ${file}`);
    });
  }
}
