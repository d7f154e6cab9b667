// SPDX-License-Identifier: ISC
/**
 * Struct layouts: one definition, read by code, by the checked build, by tools and by the manual.
 *
 *   export const Thing = defineStruct("thing", {
 *     lock:  racy(LOCK, "mutex of the thing"),
 *     count: word(T, "how many"),
 *     next:  ptr<"thing">(T, "list link"),
 *   });
 *
 * Fields get word offsets in the order in which they are written. `line()` moves to the next
 * 64-byte line, which is how words that different threads write are kept apart.
 */
import {
  Field,
  type FieldInfo,
  type Guard,
  HighField,
  LowField,
  type Ptr,
  RacyField,
  SignedLowField,
  U64Field,
} from "#field";
import { LINE_WORDS } from "../limits.js";
import type { Kthread } from "./kthread.js";

export type { FieldInfo, Guard, Ptr } from "#field";

/** The null pointer, of every kind. */
export const NIL = 0 as never;

/** Written before the slot is published and never again (until the slot is freed). */
export const IMMUTABLE: Guard = { key: "I", text: "immutable while the slot is allocated" };
/** Accessed with Atomics, or as a hint. */
export const ATOMIC: Guard = { key: "a", text: "atomic; hints are checked again under a lock" };
/** A lock word: only sync/mutex.ts touches it. */
export const LOCK: Guard = { key: "L", text: "lock word, only touched by the mutex" };
/** Belongs to the thread whose slot it is in. */
export const PRIVATE: Guard = { key: "p", text: "private to the owning thread" };

/** A guard that is a lock: `lockOf` gives the word index of the lock of one instance, and
 * `orElse` tells of another right to it. */
export function guardedBy(
  key: string,
  text: string,
  lockOf: (k: Kthread, p: number) => number,
  orElse: (k: Kthread, p: number) => boolean = () => false,
): Guard {
  return { key, text, lockOf, orElse };
}

type Kind = "word" | "low" | "signedLow" | "high" | "u64" | "racy" | "array";
export interface Spec<K extends Kind, V extends number = number> {
  readonly kind: K;
  readonly guard: Guard;
  readonly doc: string;
  readonly words: number;
  readonly line: boolean;
  readonly value?: V;
}
type AnySpec = Spec<Kind, number>;

function spec<K extends Kind, V extends number = number>(
  kind: K,
  guard: Guard,
  doc: string,
  more: Partial<AnySpec> = {},
): Spec<K, V> {
  const words = kind === "u64" ? 2 : 1;
  return { words, line: false, ...more, kind, guard, doc } as Spec<K, V>;
}

export function word(guard: Guard, doc: string): Spec<"word"> {
  return spec("word", guard, doc);
}
/** A field that holds a pointer to struct T: `ptr<"knote">(GUARD, "what")`. */
export function ptr<T extends string>(guard: Guard, doc: string): Spec<"word", Ptr<T>> {
  return spec<"word", Ptr<T>>("word", guard, doc);
}
export function racy(guard: Guard, doc: string): Spec<"racy"> {
  return spec("racy", guard, doc);
}
export function racyPtr<T extends string>(guard: Guard, doc: string): Spec<"racy", Ptr<T>> {
  return spec<"racy", Ptr<T>>("racy", guard, doc);
}
export function u64(guard: Guard, doc: string): Spec<"u64"> {
  return spec("u64", guard, doc);
}
/** Low sixteen bits of a new word. */
export function lowHalf(guard: Guard, doc: string): Spec<"low"> {
  return spec("low", guard, doc);
}
/** Low sixteen bits of a new word, signed. */
export function signedLowHalf(guard: Guard, doc: string): Spec<"signedLow"> {
  return spec("signedLow", guard, doc);
}
/** High sixteen bits of the word whose low half was defined just before. */
export function highHalf(guard: Guard, doc: string): Spec<"high"> {
  return spec("high", guard, doc);
}
/** A run of words, reached by index from the field's place. */
export function words(count: number, guard: Guard, doc: string): Spec<"array"> {
  return spec("array", guard, doc, { words: count });
}
/** Puts a field at the start of the next 64-byte line. */
export function line<S extends AnySpec>(field: S): S {
  return { ...field, line: true };
}

type FieldOf<N extends string, S> =
  S extends Spec<"word", infer V>
    ? Field<N, V>
    : S extends Spec<"racy", infer V>
      ? RacyField<N, V>
      : S extends Spec<"low">
        ? LowField<N>
        : S extends Spec<"signedLow">
          ? SignedLowField<N>
          : S extends Spec<"high">
            ? HighField<N>
            : S extends Spec<"u64">
              ? U64Field<N>
              : Field<N>;

/** What tools read of a struct. */
export interface StructInfo {
  readonly name: string;
  /** Size of a slot in words, a whole number of lines. */
  readonly words: number;
  readonly fields: readonly FieldInfo[];
}

export type Struct<N extends string, S> = { readonly [K in keyof S]: FieldOf<N, S[K]> } & {
  readonly struct: StructInfo;
};

/** Every struct that has been defined, in order; the layout hash and the tools read it. */
export const structs: StructInfo[] = [];

function makeField(name: string, s: AnySpec, offset: number): FieldInfo {
  if (s.kind === "racy") return new RacyField(name, offset, s.guard, s.doc);
  if (s.kind === "u64") return new U64Field(name, offset, s.guard, s.doc);
  if (s.kind === "low") return new LowField(name, offset, s.guard, s.doc);
  if (s.kind === "signedLow") return new SignedLowField(name, offset, s.guard, s.doc);
  if (s.kind === "high") return new HighField(name, offset, s.guard, s.doc);
  return new Field(name, offset, s.guard, s.doc);
}

/**
 * Lay out a struct. `head` is a struct whose fields come first: objects that queues can watch all
 * start with struct object.
 */
export function defineStruct<const N extends string, const S extends Record<string, AnySpec>>(
  name: N,
  specs: S,
  head?: { readonly struct: StructInfo },
): Struct<N, S> {
  const fields: FieldInfo[] = head === undefined ? [] : [...head.struct.fields];
  let offset = head === undefined ? 0 : head.struct.words;
  const result: Record<string, unknown> = {};
  for (const [key, s] of Object.entries(specs)) {
    if (s.line) offset = roundToLine(offset);
    const at = s.kind === "high" ? offset - 1 : offset;
    const field = makeField(key, s, at);
    fields.push(field);
    result[key] = field;
    if (at === offset) offset += s.words;
  }
  const struct: StructInfo = { name, words: roundToLine(offset), fields };
  structs.push(struct);
  result["struct"] = struct;
  // A copy, frozen: the engine makes a hash table of what is built key by key, four times slower.
  return Object.freeze({ ...result }) as Struct<N, S>;
}

function roundToLine(n: number): number {
  return Math.ceil(n / LINE_WORDS) * LINE_WORDS;
}

/** A hash of all layouts: attaching to an arena of another version is refused by it. */
export function layoutHash(): number {
  let h = 0x811c9dc5;
  // By name, because the order in which modules load depends on who imports them first.
  const sorted = [...structs].sort((x, y) => (x.name < y.name ? -1 : 1));
  for (const s of sorted) {
    for (const f of s.fields) {
      const text = `${s.name}.${f.name}@${f.offset}:${f.guard.key};`;
      for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
    }
  }
  return h | 0;
}
