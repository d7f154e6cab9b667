// SPDX-License-Identifier: ISC
/** Tables of text for a terminal: a header, a rule, rows, columns as wide as what is in them. */
import { padEnd, padStart, type Screen, visibleLength } from "./screen.js";

export interface Column {
  readonly title: string;
  readonly align?: "left" | "right";
  /** Blanks before the column, 2 by default. */
  readonly gap?: number;
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
  const format = (cells: readonly string[]): string =>
    columns
      .map(({ align = "left", gap = 2 }, i) => {
        const cell = cells[i] ?? "";
        const width = widths[i] ?? 0;
        const blanks = " ".repeat(i === 0 ? indent : gap);
        return blanks + (align === "left" ? padEnd(cell, width) : padStart(cell, width));
      })
      .join("");
  const width = columns.reduce(
    (sum, { gap = 2 }, i) => sum + (widths[i] ?? 0) + (i === 0 ? 0 : gap),
    0,
  );
  screen.line(format(columns.map(({ title }) => screen.dim(title))));
  screen.line(" ".repeat(indent) + screen.rule(width));
  for (const row of rows) screen.line(format(row));
}
