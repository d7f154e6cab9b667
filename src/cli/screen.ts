// SPDX-License-Identifier: ISC
/**
 * What is printed, for three kinds of reader: a terminal (colours, and a region at the bottom that
 * is painted anew), a terminal that wants no colours, and a log (plain lines, nothing repainted).
 */
import type { WriteStream } from "node:tty";

type Env = Readonly<Record<string, string | undefined>>;
type Out = Pick<WriteStream, "write"> & Partial<Pick<WriteStream, "columns" | "isTTY">>;

const ESC = "\u001b";
const SGR = new RegExp(`${ESC}\\[[0-9;]*m`, "g");
const CLEAR_BELOW = `${ESC}[J`;

const COLUMNS_IN_A_LOG = 80;
const COLUMNS_MIN = 40;
/** Lines longer than this are hard to read, however wide the terminal is. */
const COLUMNS_MAX = 110;

/** Number of columns that a text takes. */
export function visibleLength(text: string): number {
  return [...text.replace(SGR, "")].length;
}

/** padEnd and padStart that do not count colours. */
export function padEnd(text: string, width: number): string {
  return text + " ".repeat(Math.max(0, width - visibleLength(text)));
}

export function padStart(text: string, width: number): string {
  return " ".repeat(Math.max(0, width - visibleLength(text))) + text;
}

/** Words of a text in lines of at most `width` columns. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
    if (line !== "" && visibleLength(line) + 1 + visibleLength(word) > width) {
      lines.push(line);
      line = word;
    } else line = line === "" ? word : `${line} ${word}`;
  }
  lines.push(line);
  return lines;
}

/** Control characters of a name that somebody else chose must not reach the terminal. */
export function printable(text: string): string {
  return text.replace(/\p{C}/gu, "?");
}

function speaksUtf8(env: Env): boolean {
  const locale = env["LC_ALL"] || env["LC_CTYPE"] || env["LANG"] || "";
  if (/utf-?8/i.test(locale)) return true;
  return locale === "" && (process.platform === "darwin" || process.platform === "win32");
}

export class Screen {
  /** The bottom lines can be painted anew. */
  readonly live: boolean;
  readonly colours: boolean;
  readonly unicode: boolean;
  readonly #out: Out;
  #painted = 0;
  #blank = false;

  constructor(out: Out, env: Env = process.env) {
    this.#out = out;
    this.live = out.isTTY === true && env["TERM"] !== "dumb";
    this.colours = this.live && !env["NO_COLOR"];
    this.unicode = this.live && env["TERM"] !== "linux" && speaksUtf8(env);
  }

  /** Columns to fill, from the terminal as it is now. */
  get columns(): number {
    const columns = this.live ? (this.#out.columns ?? COLUMNS_IN_A_LOG) : COLUMNS_IN_A_LOG;
    return Math.min(COLUMNS_MAX, Math.max(COLUMNS_MIN, columns));
  }

  #sgr(code: number, text: string): string {
    return this.colours ? `${ESC}[${code}m${text}${ESC}[0m` : text;
  }

  bold(text: string): string {
    return this.#sgr(1, text);
  }

  dim(text: string): string {
    return this.#sgr(2, text);
  }

  red(text: string): string {
    return this.#sgr(31, text);
  }

  green(text: string): string {
    return this.#sgr(32, text);
  }

  yellow(text: string): string {
    return this.#sgr(33, text);
  }

  cyan(text: string): string {
    return this.#sgr(36, text);
  }

  /** One line that stays; an empty one only if the last was not. */
  line(text = ""): void {
    this.clear();
    const blank = text === "";
    if (!blank || !this.#blank) this.#out.write(`${text.trimEnd()}\n`);
    this.#blank = blank;
  }

  /** A paragraph, wrapped and indented. */
  text(text: string, indent = "   ", style: (line: string) => string = (line) => line): void {
    for (const line of wrap(text, this.columns - indent.length - 1)) {
      this.line(indent + style(line));
    }
  }

  /** Put these lines at the bottom, in place of those painted before. Nothing in a log. */
  paint(lines: readonly string[]): void {
    if (!this.live) return;
    const fitting = lines.map((line) => this.#cut(line));
    this.#out.write(`${this.#back()}${fitting.join("\n")}\n`);
    this.#painted = fitting.length;
  }

  /** Remove what was painted. */
  clear(): void {
    if (this.#painted > 0) this.#out.write(this.#back());
    this.#painted = 0;
  }

  /** Back to the first line of what was painted, and nothing below. */
  #back(): string {
    return this.#painted === 0 ? "" : `${ESC}[${this.#painted}A\r${CLEAR_BELOW}`;
  }

  /** A line that would wrap would spoil the region: without its colours, cut. */
  #cut(line: string): string {
    const room = (this.#out.columns ?? COLUMNS_IN_A_LOG) - 1;
    if (visibleLength(line) <= room) return line;
    return [...line.replace(SGR, "")].slice(0, room).join("");
  }

  /** A bar of `width` columns, filled by a fraction. */
  bar(fraction: number, width: number): string {
    const full = Math.max(0, Math.min(1, fraction)) * width;
    if (!this.unicode) {
      const n = Math.round(full);
      return this.cyan("#".repeat(n)) + this.dim(".".repeat(width - n));
    }
    const eighths = Math.round(full * 8);
    const part = eighths % 8;
    const blocks =
      "\u2588".repeat(eighths >> 3) +
      (part === 0 ? "" : " \u258f\u258e\u258d\u258c\u258b\u258a\u2589"[part]);
    return this.cyan(blocks) + this.dim("\u00b7".repeat(width - [...blocks].length));
  }

  /** The sign before something that held, or did not. */
  mark(held: boolean): string {
    if (held) return this.green(this.unicode ? "\u2713" : "ok");
    return this.red(this.bold(this.unicode ? "\u2717" : "FAILED"));
  }

  /** Title of a part. */
  heading(number: number, title: string): void {
    this.line();
    this.line(`${this.bold(this.cyan(String(number)))}  ${this.bold(title)}`);
    this.line();
  }

  rule(width: number): string {
    return this.dim((this.unicode ? "\u2500" : "-").repeat(width));
  }
}

const LANE_COLUMNS = 30;

/** A line with a bar, and two figures to the right of it. */
export function lane(
  screen: Screen,
  name: string,
  fraction: number,
  first: string,
  second: string,
): string {
  const bar = screen.bar(fraction, LANE_COLUMNS);
  return `   ${padEnd(name, 11)} ${bar} ${padStart(first, 12)} ${padStart(second, 9)}`.trimEnd();
}
