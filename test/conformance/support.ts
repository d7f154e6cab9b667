// SPDX-License-Identifier: ISC
/**
 * The support table: which rows run on which target, what is gated and why, where Linux differs.
 *
 *     node build/test/conformance/support.js            prints it
 *     node build/test/conformance/support.js --write    writes man/support.7.md
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { TARGETS } from "./case.js";
import { DEVIATIONS } from "./deviations.js";
import { makeTargets, type Outcome, reasonCounts, runRow } from "./suite.js";
import { TABLES } from "./tables/index.js";

export const PAGE = fileURLToPath(new URL("../../../man/support.7.md", import.meta.url));

const HEAD = `# support(7)

## NAME

support - what the conformance tables check, and on which target

## DESCRIPTION

Each row of a table is a sequence of calls with their expected results, taken from the sources that
the row names. A row runs on these targets:

- \`direct\`: \`knell/sys\`, every call in one thread.
- \`threads\`: \`knell/sys\`, two threads taking turns; a call that sleeps has a thread of its own.
- \`api\`: the JavaScript face, as far as it has a form for what the row does.
- \`native-linux\`: the calls of a Linux kernel itself, kevent by epoll; it checks the expectations.

This page is made by \`node build/test/conformance/support.js --write\`.
`;

const tableRow = (cells: readonly (string | number)[]): string => `| ${cells.join(" | ")} |`;

/** Text that a cell of a markdown table can hold. */
const cell = (text: string): string => text.replaceAll("|", "\\|");

function countCell(outcomes: readonly Outcome[]): string {
  const ran = outcomes.filter(({ result }) => result === "passed" || result === "failed");
  const passed = ran.filter(({ result }) => result === "passed");
  if (ran.length === 0) return "-";
  return passed.length === ran.length ? `${ran.length}` : `${passed.length} of ${ran.length}`;
}

function rowsSection(outcomes: readonly Outcome[]): string[] {
  const lines = ["## ROWS", "", "Rows that run and pass; the others are gated, see below.", ""];
  lines.push(tableRow(["table", "what", "rows", ...TARGETS]));
  lines.push(tableRow(["---", "---", "---:", ...TARGETS.map(() => "---:")]));
  for (const table of TABLES) {
    const own = outcomes.filter((outcome) => outcome.table === table.name);
    const counts = TARGETS.map((target) =>
      countCell(own.filter((outcome) => outcome.target === target)),
    );
    lines.push(tableRow([table.name, cell(table.about), table.cases.length, ...counts]));
  }
  const all = TABLES.reduce((sum, table) => sum + table.cases.length, 0);
  const totals = TARGETS.map((target) =>
    countCell(outcomes.filter((outcome) => outcome.target === target)),
  );
  lines.push(tableRow(["all", "", all, ...totals]));
  return lines;
}

function gatesSection(outcomes: readonly Outcome[]): string[] {
  const lines = ["## GATES", "", tableRow(["target", "rows", "reason"])];
  lines.push(tableRow(["---", "---:", "---"]));
  for (const target of TARGETS) {
    const gated = outcomes.filter((one) => one.target === target && one.result === "gated");
    for (const [reason, count] of reasonCounts(gated)) {
      lines.push(tableRow([target, count, cell(reason)]));
    }
  }
  return lines;
}

function deviationsSection(): string[] {
  const lines = ["## WHERE LINUX DIFFERS", "", tableRow(["row", "ours", "Linux", "reason"])];
  lines.push(tableRow(["---", "---", "---", "---"]));
  for (const { id, ours, linux, reason } of DEVIATIONS) {
    lines.push(tableRow([id, cell(ours), cell(linux), cell(reason)]));
  }
  return lines;
}

/** The page, from the outcomes of every row on every target. */
export function renderSupport(outcomes: readonly Outcome[]): string {
  const sections = [rowsSection(outcomes), gatesSection(outcomes), deviationsSection()];
  return `${HEAD}\n${sections.map((lines) => lines.join("\n")).join("\n\n")}\n`;
}

async function main(): Promise<void> {
  const outcomes: Outcome[] = [];
  for (const target of makeTargets()) {
    for (const table of TABLES) {
      for (const one of table.cases) outcomes.push(await runRow(target, table.name, one));
    }
    await target.stop();
  }
  for (const { result, target, id, reason } of outcomes) {
    if (result === "failed") process.stderr.write(`${target} ${id}\n${reason}\n`);
  }
  if (process.argv.includes("--write")) await writeFile(PAGE, renderSupport(outcomes));
  else process.stdout.write(renderSupport(outcomes));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
