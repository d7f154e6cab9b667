// SPDX-License-Identifier: ISC
/**
 * The parts of the documents that are printed from the code: lock order, memory map, structs,
 * limits, profiles, errors, glossary. Each stands between two marks,
 *
 *   <!-- lock-order: printed by tools/arch-tables.ts -->
 *   <!-- end lock-order -->
 *
 * and a test fails when what stands there is not what is printed here.
 *
 *   node build/tools/arch-tables.js             says which parts are out of date
 *   node build/tools/arch-tables.js --write     brings them up to date
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { HighField, LowField, RacyField, SignedLowField, U64Field } from "#field";
import { type StructInfo, structs } from "#src/arena/layout.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { ZONE_COUNT, zones } from "#src/arena/zone.js";
import { Obj } from "#src/kern/object.js";
import { Thread } from "#src/kern/thread.js";
import * as limits from "#src/limits.js";
import { lockOrder } from "#src/sync/order.js";
import "#src/sys/kernel.js";
import { ERRNO_TABLE, PROFILES, SWITCHES } from "knell/abi";
import { GLOSSARY } from "./glossary.js";
import { listFiles, ROOT, readText, type TextFile } from "./tree.js";

const WORD_BYTES = 4;

type Field = StructInfo["fields"][number];

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Each lock below all that may be held when it is taken. */
function lockOrderText(): string {
  const lines = lockOrder.map(({ name, text }, depth) => {
    const branch = depth === 0 ? "" : `${"   ".repeat(depth - 1)}└─ `;
    return `${(branch + name).padEnd(34)}${text}`;
  });
  return ["```text", ...lines, "```"].join("\n");
}

function memoryMap(): string {
  const zoneTable = SUPER + Super.struct.words;
  const threadTable = zoneTable + ZONE_COUNT * limits.LINE_WORDS;
  const bytes = (words: number): string => String(words * WORD_BYTES);
  return table(
    ["from word", "bytes", "what"],
    [
      ["0", bytes(SUPER), "never used, so that 0 can be the null pointer"],
      [String(SUPER), bytes(Super.struct.words), "superblock"],
      [
        String(zoneTable),
        bytes(ZONE_COUNT * limits.LINE_WORDS),
        `heads of the ${ZONE_COUNT} zones, a line each`,
      ],
      [
        String(threadTable),
        `threads × ${bytes(Thread.struct.words)}`,
        "thread table: slots in place, found by number",
      ],
      [
        "behind it",
        "1/512 of the arena",
        "heap map: a bit per line, set where a free buffer starts",
      ],
      [
        "behind it",
        "the rest",
        "chunks of zones and buffers, in the order in which they were needed",
      ],
    ],
  );
}

function zoneTable(): string {
  const rows = zones.map(({ struct, chunkSlots }) => [
    code(struct.name),
    String(struct.words * WORD_BYTES),
    String(chunkSlots),
    String(chunkSlots * struct.words * WORD_BYTES),
  ]);
  return table(["zone", "slot, bytes", "slots per chunk", "chunk, bytes"], rows);
}

/** `struct.field` of every array, with the number of its words as the source writes it. */
function arrayLengths(): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const { text } of listFiles("src").map(readText)) {
    for (const part of text.split("defineStruct(").slice(1)) {
      const struct = /^\s*"(\w+)"/.exec(part)?.[1];
      for (const match of part.matchAll(/(\w+):\s*(?:line\(\s*)?words\(\s*([^,]+),/g)) {
        found.set(`${struct}.${match[1]}`, String(match[2]));
      }
    }
  }
  return found;
}

function kindOf(struct: string, field: Field, lengths: ReadonlyMap<string, string>): string {
  const length = lengths.get(`${struct}.${field.name}`);
  if (length !== undefined) return `${length} words`;
  if (field instanceof RacyField) return "word, racy";
  if (field instanceof U64Field) return "two words";
  if (field instanceof LowField) return "low half";
  if (field instanceof SignedLowField) return "low half, signed";
  return field instanceof HighField ? "high half" : "word";
}

function structText(struct: StructInfo, lengths: ReadonlyMap<string, string>): string {
  const isObject = struct !== Obj.struct && struct.fields[0] === Obj.struct.fields[0];
  const own = isObject ? struct.fields.slice(Obj.struct.fields.length) : struct.fields;
  const rows = own.map((field) => [
    String(field.offset),
    code(field.name),
    kindOf(struct.name, field, lengths),
    field.guard.key,
    field.doc,
  ]);
  const guards = new Map(own.map(({ guard }) => [guard.key, guard.text]));
  const size = `${struct.words} words, ${struct.words * WORD_BYTES} bytes.`;
  return [
    `### struct ${struct.name}`,
    "",
    isObject ? `${size} Starts with [struct object](#struct-object).` : size,
    "",
    table(["word", "field", "kind", "guard", "meaning"], rows),
    "",
    ...[...guards].map(([key, text]) => `- **${key}**: ${text}`),
  ].join("\n");
}

function structsText(): string {
  const lengths = arrayLengths();
  const sorted = [...structs].sort((x, y) => (x.name < y.name ? -1 : 1));
  return sorted.map((struct) => structText(struct, lengths)).join("\n\n");
}

/** The bounds with the comments that stand above them in limits.ts. */
function limitsText(): string {
  const values = new Map<string, unknown>(Object.entries(limits));
  const rows: string[][] = [];
  let doc = "";
  for (const part of readText("src/limits.ts").text.matchAll(
    /\/\*\*([\s\S]*?)\*\/|^export const (\w+)/gm,
  )) {
    if (part[1] !== undefined) doc = part[1].replace(/\s*\n\s*\*\s*/g, " ").trim();
    const name = part[2];
    if (name === undefined) continue;
    rows.push([code(name), String(values.get(name)), doc]);
    doc = "as above";
  }
  return table(["name", "value", "what and why"], rows);
}

function profilesText(): string {
  const rows = Object.entries(SWITCHES).map(([name, row]) => [
    code(name),
    row.doc,
    ...PROFILES.map((profile) => row[profile] ?? "?"),
  ]);
  return table(["switch", "decides", ...PROFILES], rows);
}

function errorsText(): string {
  const rows = ERRNO_TABLE.map(([number, name, text]) => [String(number), code(name), text]);
  return table(["errno", "code", "meaning"], rows);
}

function glossaryText(): string {
  const rows = GLOSSARY.map(({ noun, short, meaning }) => [
    noun,
    short.map(code).join(", "),
    meaning,
  ]);
  return table(["noun", "in names", "meaning"], rows);
}

/** What is printed, by the name of its marks. */
export const PARTS: Readonly<Record<string, () => string>> = {
  "lock-order": lockOrderText,
  "memory-map": memoryMap,
  zones: zoneTable,
  structs: structsText,
  limits: limitsText,
  profiles: profilesText,
  errors: errorsText,
  glossary: glossaryText,
};

const MARKED = /<!-- ([\w-]+): printed by tools\/arch-tables\.ts -->\n([\s\S]*?)<!-- end \1 -->/g;

/** The names of the parts that a document has. */
export function partsOf(text: string): string[] {
  return [...text.matchAll(MARKED)].map(([, name = ""]) => name);
}

/** A document with its marked parts printed anew. */
export function refreshed(text: string): string {
  return text.replace(MARKED, (whole, name: string) => {
    const print = PARTS[name];
    if (print === undefined) throw new Error(`nothing prints "${name}"`);
    return `${whole.slice(0, whole.indexOf("\n"))}\n${print()}\n<!-- end ${name} -->`;
  });
}

/** The documents that may have such parts. */
export function markedDocuments(): TextFile[] {
  return listFiles()
    .filter((path) => /^(?:[A-Z]+|man\/[^/]+)\.md$/.test(path))
    .map(readText);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const { path, text } of markedDocuments()) {
    const now = refreshed(text);
    if (now === text) continue;
    console.log(`${path} ${process.argv.includes("--write") ? "written" : "is out of date"}`);
    if (process.argv.includes("--write")) writeFileSync(join(ROOT, path), now);
    else process.exitCode = 1;
  }
}
