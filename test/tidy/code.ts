// SPDX-License-Identifier: ISC
/** A light reading of TypeScript: enough to tell code from comments and strings. */

interface Piece {
  readonly kind: "code" | "comment" | "string";
  readonly text: string;
}

/** After one of these a slash starts a regular expression, not a division. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+*%~^<>-]|\b(?:return|typeof|case|in|of|delete|void))\s*$/;

const REGEX = /^\/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*/;
const QUOTED = /^(["'])(?:\\[\s\S]|(?!\1)[^\\\n])*\1/;
const COMMENT = /^(?:\/\/[^\n]*|\/\*[\s\S]*?\*\/)/;

/** Length of the template literal at the start of `text`, with what is nested in it. */
function templateLength(text: string): number {
  let i = 1;
  while (i < text.length && text[i] !== "`") {
    if (text[i] === "\\") i += 2;
    else if (text.startsWith("${", i)) {
      let depth = 1;
      for (i += 2; i < text.length && depth > 0; i++) {
        if (text[i] === "`") i += templateLength(text.slice(i)) - 1;
        else if (text[i] === "{") depth++;
        else if (text[i] === "}") depth--;
      }
    } else i++;
  }
  return i + 1;
}

function pieces(text: string): Piece[] {
  const found: Piece[] = [];
  let code = "";
  let i = 0;
  const put = (kind: Piece["kind"], length: number): void => {
    found.push({ kind: "code", text: code }, { kind, text: text.slice(i, i + length) });
    code = "";
    i += length;
  };
  while (i < text.length) {
    const c = text[i];
    const rest = c === "/" || c === '"' || c === "'" || c === "`" ? text.slice(i) : "";
    const comment = COMMENT.exec(rest);
    const quoted = QUOTED.exec(rest);
    const regex = BEFORE_REGEX.test(code.slice(-20)) ? REGEX.exec(rest) : null;
    if (comment !== null) put("comment", comment[0].length);
    else if (quoted !== null) put("string", quoted[0].length);
    else if (c === "`") put("string", templateLength(rest));
    else if (regex !== null) put("string", regex[0].length);
    else code += text[i++];
  }
  found.push({ kind: "code", text: code });
  return found;
}

/** The text with its comments blanked out; every line stays where it is. */
export function withoutComments(text: string): string {
  return blank(text, ["comment"]);
}

/**
 * The text with comments, strings, templates and regular expressions blanked out. What is computed
 * inside a template goes with it, which the rules can live with.
 */
export function codeOnly(text: string): string {
  return blank(text, ["comment", "string"]);
}

function blank(text: string, kinds: readonly Piece["kind"][]): string {
  return pieces(text)
    .map((piece) => (kinds.includes(piece.kind) ? piece.text.replace(/[^\n]/g, " ") : piece.text))
    .join("");
}

export interface Import {
  readonly specifier: string;
  readonly line: number;
  /** Only types are imported, so nothing remains at run time. */
  readonly typeOnly: boolean;
}

const IMPORT =
  /^[ \t]*(import|export)\b(\s+type\b)?[^;"'()]*?\bfrom\s*"([^"]+)"|\bimport\s*\(?\s*"([^"]+)"/gm;

/** Every module that a source names: import, export from, import() and typeof import(). */
export function importsOf(text: string): Import[] {
  const source = withoutComments(text);
  return [...source.matchAll(IMPORT)].map((match) => ({
    specifier: match[3] ?? match[4] ?? "",
    line: source.slice(0, match.index).split("\n").length,
    typeOnly: match[2] !== undefined,
  }));
}
