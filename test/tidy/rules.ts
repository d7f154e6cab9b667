// SPDX-License-Identifier: ISC
/**
 * The rules that hold for the whole tree. Each takes what it judges and returns one line per
 * offence, so that it can be tried on a bad snippet as well as on the tree.
 */
import { posix } from "node:path";
import type { TextFile } from "../../tools/tree.js";
import { codeOnly, importsOf } from "./code.js";

/** The folders of src in their order: each may import only from itself and from earlier ones. */
export const LAYERS = [
  "abi",
  "limits.ts",
  "arena",
  "sync",
  "kern",
  "event",
  "fd",
  "watch",
  "sys",
  "inspect",
  "host",
  "wasm",
  "api",
  "cli",
];

/** What any folder may import: the seams that a build condition exchanges. */
const SEAMS = new Set(["#atomics", "#field", "#invariants"]);
/** Who may import the host, and then by its seam. */
const HOST_USERS = new Set(["api", "cli"]);

const MAX_COLUMNS = 100;
const MAX_LINES = 500;

/** Words that are written apart here, so that this file does not break its own rule. */
const UNFINISHED = new RegExp(`\\b(?:${["TO" + "DO", "FIX" + "ME", "X" + "XX"].join("|")})\\b`);
const MACHINE_PATHS = ["/wo" + "rk/", "/tmp/" + "knell", "/ro" + "ot/"];

const SCRIPT = /\.(?:[cm]?[jt]s|c|h|sh)$|^\.ci\/run$/;

/** Sources in the sense of the rules: what is compiled or run. */
export function isSource(file: TextFile): boolean {
  return SCRIPT.test(file.path);
}

type Rule = (file: TextFile) => string[];

function eachLine(file: TextFile, complain: (line: string) => string | null): string[] {
  return file.text.split("\n").flatMap((line, index) => {
    const complaint = complain(line);
    return complaint === null ? [] : [`${file.path}:${index + 1}: ${complaint}`];
  });
}

/** The layer of a path below src, or null for another path. */
function layerOf(path: string): string | null {
  const match = /^src\/([^/]+)/.exec(path);
  return match?.[1] ?? null;
}

function judgeImport(path: string, specifier: string, typeOnly: boolean): string | null {
  const from = layerOf(path) ?? "";
  if (SEAMS.has(specifier)) return null;
  if (specifier.startsWith("node:")) {
    const allowed = from === "cli" || /^src\/host\/node[^/]*\.ts$/.test(path);
    return allowed ? null : `imports ${specifier}, which browsers do not have`;
  }
  if (specifier === "#host") {
    return HOST_USERS.has(from) ? null : "imports #host: only api and cli may";
  }
  if (!specifier.startsWith("."))
    return `imports ${specifier}: no packages and no other seams here`;
  const target = posix.join(posix.dirname(path), specifier).replace(/\.js$/, ".ts");
  const to = layerOf(target);
  if (to === null || !LAYERS.includes(to)) return `imports ${specifier}, outside the layers`;
  if (to === from) return null;
  if (to === "host" && !typeOnly) return `imports ${specifier}: the host is reached by #host`;
  if (LAYERS.indexOf(to) > LAYERS.indexOf(from)) return `imports ${to}, which is above ${from}`;
  return null;
}

/** Files of src import downwards only, node: modules only where there is a Node. */
export const importDirection: Rule = (file) => {
  const layer = layerOf(file.path);
  if (layer === null) return [];
  if (!LAYERS.includes(layer)) return [`${file.path}: src/${layer} is no layer`];
  return importsOf(file.text).flatMap(({ specifier, line, typeOnly }) => {
    const complaint = judgeImport(file.path, specifier, typeOnly);
    return complaint === null ? [] : [`${file.path}:${line}: ${complaint}`];
  });
};

/** Only src/sync names Atomics; the rest imports the seam, which the explorer exchanges. */
export const atomicsOnlyInSync: Rule = (file) => {
  if (!file.path.startsWith("src/") || file.path.startsWith("src/sync/")) return [];
  return eachLine({ ...file, text: codeOnly(file.text) }, (line) =>
    /\bAtomics\b/.test(line) ? "names Atomics: use #atomics" : null,
  );
};

/**
 * No source brings in a library of its own accord: tsconfig.json has no DOM, so that what is only
 * there in a page does not compile.
 */
export const noReference: Rule = (file) => {
  if (!file.path.startsWith("src/")) return [];
  return eachLine(file, (line) => (/^\/\/\/\s*<reference\b/.test(line) ? "a reference" : null));
};

/** The first line names the licence; in a script it is the line after the interpreter. */
export const licenceLine: Rule = (file) => {
  if (!isSource(file)) return [];
  const lines = file.text.split("\n");
  const line = lines[0]?.startsWith("#!") ? lines[1] : lines[0];
  if (/^(?:\/\/|#|\/\*) SPDX-License-Identifier: ISC\b/.test(line ?? "")) return [];
  return [`${file.path}: no licence line at the top`];
};

/** Lines have at most 100 columns. */
export const columns: Rule = (file) => {
  if (!isSource(file)) return [];
  return eachLine(file, (line) => {
    const width = [...line].length;
    return width > MAX_COLUMNS ? `${width} columns, more than ${MAX_COLUMNS}` : null;
  });
};

/** Files have at most 500 lines. */
export const fileLength: Rule = (file) => {
  const lines = file.text.split("\n").length - 1;
  if (!isSource(file) || lines <= MAX_LINES) return [];
  return [`${file.path}: ${lines} lines, more than ${MAX_LINES}`];
};

/** Nothing is left to be done in the source: it is in the issues. */
export const nothingUnfinished: Rule = (file) =>
  eachLine(file, (line) => {
    const word = UNFINISHED.exec(line);
    return word === null ? null : `says ${word[0]}`;
  });

/** No file depends on where somebody's copy of the tree is. */
export const noMachinePaths: Rule = (file) =>
  eachLine(file, (line) => {
    const path = MACHINE_PATHS.find((word) => line.includes(word));
    return path === undefined ? null : `has the path ${path} of one machine`;
  });

/** Text files end in exactly one newline and have no blanks at line ends. */
export const cleanEnds: Rule = (file) => {
  const ends = /[^\n]\n$/.test(file.text) ? [] : [`${file.path}: does not end in one newline`];
  const blanks = eachLine(file, (line) => (/[ \t\r]$/.test(line) ? "blanks at the end" : null));
  return [...ends, ...blanks];
};

/** Who may see the claim of a knote: the event core, who looks at an arena, and who repairs it. */
const SEES_CLAIMS = /^src\/(?:event|inspect)\/|^src\/sys\/recover\.ts$/;

/** Claim and in-flight state are private to the event core. */
export const claimPrivate: Rule = (file) => {
  if (!file.path.startsWith("src/") || SEES_CLAIMS.test(file.path)) return [];
  return eachLine({ ...file, text: codeOnly(file.text) }, (line) =>
    /\bKnote\.claim\b|\bKN_(?:DETACHED|ANSWERED)\b/.test(line) ? "looks at a knote's claim" : null,
  );
};

/** The rules for single files. */
export const FILE_RULES: Readonly<Record<string, Rule>> = {
  importDirection,
  atomicsOnlyInSync,
  claimPrivate,
  noReference,
  licenceLine,
  columns,
  fileLength,
  nothingUnfinished,
  noMachinePaths,
  cleanEnds,
};

/** A struct as far as the rule looks at it. */
export interface StructShape {
  readonly name: string;
  readonly fields: readonly {
    readonly name: string;
    readonly doc: string;
    readonly guard: { readonly key: string } | undefined;
  }[];
}

/** Every field of a shared struct says who guards it and what it means. */
export function guardedFields(structs: readonly StructShape[]): string[] {
  return structs.flatMap((struct) =>
    struct.fields.flatMap((field) => {
      const complaints: string[] = [];
      if (!field.guard?.key) complaints.push(`${struct.name}.${field.name} has no guard`);
      if (!field.doc) complaints.push(`${struct.name}.${field.name} says nothing of its meaning`);
      return complaints;
    }),
  );
}

/** The package needs nothing at run time, and its tools are pinned. */
export function noDependencies(packageJson: string, lockfile: string): string[] {
  const manifest = JSON.parse(packageJson) as Record<string, Record<string, string> | undefined>;
  const complaints: string[] = [];
  for (const key of ["dependencies", "peerDependencies", "optionalDependencies"]) {
    const names = Object.keys(manifest[key] ?? {});
    if (names.length > 0) complaints.push(`package.json: ${key} has ${names.join(", ")}`);
  }
  for (const [name, version] of Object.entries(manifest["devDependencies"] ?? {})) {
    if (!/^\d+\.\d+\.\d+$/.test(version)) complaints.push(`package.json: ${name} is not pinned`);
  }
  if (/"resolved":/.test(lockfile)) complaints.push("package-lock.json has download addresses");
  return complaints;
}

/** The names that the NAME sections of the manual pages list, before the dash. */
export function manualNames(pages: readonly TextFile[]): Set<string> {
  const names = new Set<string>();
  for (const page of pages) {
    const section = /^#*\s*NAME\s*$([\s\S]*?)(?=^#|^[A-Z][A-Z ]+$|(?![\s\S]))/m.exec(page.text);
    const [listed = ""] = (section?.[1] ?? "").split(/\s[-\u2013\u2014]+\s/);
    for (const word of listed.match(/\w+/g) ?? []) names.add(word);
  }
  return names;
}

/** Every call has a page in the manual that names it. */
export function documentedCalls(calls: readonly string[], pages: readonly TextFile[]): string[] {
  const names = manualNames(pages);
  return calls.filter((call) => !names.has(call)).map((call) => `${call} has no manual page`);
}
