// SPDX-License-Identifier: ISC
/** What explorations did, as lines of a table. */
import type { Report } from "./search.js";

const HEAD = ["scenario", "points", "bound", "schedules", "cut", "spared", "switches", "time", ""];
const WIDTHS = [24, 9, 5, 9, 7, 7, 9, 8];

function line(cells: readonly string[]): string {
  const padded = cells.map((cell, i) => {
    const width = WIDTHS[i] ?? 0;
    return i === 0 ? cell.padEnd(width) : cell.padStart(width);
  });
  return padded.join("  ").trimEnd();
}

export function tableHead(): string {
  return line(HEAD);
}

export function tableLine(report: Report): string {
  const { points, pointsMax } = report;
  const verdict = report.found !== null ? "FOUND" : report.exhausted ? "all" : "cut short";
  const random = report.random > 0 ? `, ${report.random} at random` : "";
  return line([
    report.scenario,
    points === pointsMax ? String(points) : `${points}-${pointsMax}`,
    String(report.preemptions),
    String(report.schedules),
    String(report.cut),
    String(report.foreseen),
    String(report.switches),
    `${(report.milliseconds / 1000).toFixed(2)} s`,
    verdict + random,
  ]);
}
