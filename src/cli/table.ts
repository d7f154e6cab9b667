// SPDX-License-Identifier: ISC
/** Tables of text for a terminal: a header, a rule, rows, columns as wide as what is in them. */
import { padEnd, padStart, type Screen, visibleLength } from "./screen.js";

export interface Column {
  readonly title: string;
  /** Heading over this column and its neighbours of the same group. */
  readonly group?: string;
  readonly align?: "left" | "right";
}

const GAP = 2;

/** One line over the titles: each group's name over its columns; null if there are no groups. */
function groupLine(columns: readonly Column[], widths: readonly number[]): string | null {
  if (columns.every(({ group }) => group === undefined)) return null;
  let line = "";
  for (let i = 0; i < columns.length; ) {
    const { group } = columns[i] as Column;
    let width = widths[i] as number;
    for (i++; i < columns.length && columns[i]?.group === group; i++) {
      width += GAP + (widths[i] as number);
    }
    line += padEnd(padStart(group ?? "", (width + (group ?? "").length) >> 1), width + GAP);
  }
  return line;
}

/** Print rows of cells below their titles. Cells may have colours. */
export function table(
  screen: Screen,
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
  indent = 3,
): void {
  const widths = columns.map(({ title }, i) =>
    Math.max(visibleLength(title), ...rows.map((row) => visibleLength(row[i] ?? ""))),
  );
  const margin = " ".repeat(indent);
  const format = (cells: readonly string[]): string =>
    columns
      .map(({ align = "left" }, i) => {
        const pad = align === "left" ? padEnd : padStart;
        return pad(cells[i] ?? "", widths[i] as number);
      })
      .join(" ".repeat(GAP));
  const width = widths.reduce((sum, one) => sum + one + GAP, -GAP);
  const groups = groupLine(columns, widths);
  if (groups !== null) screen.line(margin + screen.dim(groups.trimEnd()));
  screen.line(margin + screen.dim(format(columns.map(({ title }) => title)).trimEnd()));
  screen.line(margin + screen.rule(width));
  for (const row of rows) screen.line(margin + format(row));
}
