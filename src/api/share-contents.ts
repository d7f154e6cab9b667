// SPDX-License-Identifier: ISC
/**
 * The contents of a handle, and the check of what a thread was given as one. It came through a
 * message, so it may be anything: of another version, written by hand, damaged on the way. All of
 * it is checked, and copied, before the thread attaches; whether its numbers name anything in the
 * arena is found out there.
 */
import { EINVAL } from "../abi/errno.js";
import { THREADS_MAX } from "../limits.js";
import type { FileName } from "../sys/handle.js";
import { argument, badArgument, checkChoice, checkInteger } from "./check.js";
import { KernelError } from "./errors.js";

/** Kinds of objects with one open file. */
export type Kind = "channel" | "counter" | "bell" | "source" | "queue";
const KINDS: readonly (Kind | "pipe")[] = ["channel", "counter", "bell", "source", "queue", "pipe"];

/** A pipe with the ends that were open when it was shared. */
export interface PipeRef {
  readonly kind: "pipe";
  readonly reader: FileName | null;
  readonly writer: FileName | null;
}

export type ObjectRef = ({ readonly kind: Kind } & FileName) | PipeRef;

/** What stands in a handle. */
export interface ShareContents {
  readonly version: 1;
  /** Random number of the arena. */
  readonly arena: number;
  readonly buffer: SharedArrayBuffer;
  /** Slot of the thread that keeps the warden which started this thread, 0 for others. */
  readonly warden: number;
  readonly objects: { readonly [name: string]: ObjectRef };
}

declare const sharedTypes: unique symbol;

/** A kernel and some of its objects, as data that can be cloned. Made by `kernel.share`. */
export interface ShareHandle<T extends object = object> {
  readonly knell: ShareContents;
  readonly [sharedTypes]?: T;
}

/** A handle whose form is right. */
export interface CheckedContents {
  readonly arena: number;
  readonly buffer: SharedArrayBuffer;
  readonly warden: number;
  readonly objects: readonly (readonly [name: string, ref: ObjectRef])[];
}

type Fields = { readonly [name: string]: unknown };

const of = (name: string) => argument("attach", "attach", name);

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function fieldsOf(name: string, value: unknown): Fields {
  if (!isObject(value)) throw badArgument(of(name), "an object", value);
  return value;
}

function fileName(name: string, value: unknown): FileName {
  const { file, generation } = fieldsOf(name, value);
  return {
    file: checkInteger(of(`${name}.file`), file, 1, 2 ** 31 - 1),
    generation: checkInteger(of(`${name}.generation`), generation, -(2 ** 31), 2 ** 31 - 1),
  };
}

function objectRef(name: string, value: unknown): ObjectRef {
  const fields = fieldsOf(name, value);
  const kind = checkChoice(of(`${name}.kind`), fields["kind"], KINDS);
  if (kind !== "pipe") return { kind, ...fileName(name, value) };
  const { reader, writer } = fields;
  if (reader === null && writer === null) {
    throw badArgument(of(name), "a pipe with an open end", value);
  }
  const end = (which: string, ref: unknown): FileName | null =>
    ref === null ? null : fileName(`${name}.${which}`, ref);
  return { kind, reader: end("reader", reader), writer: end("writer", writer) };
}

/** Find the contents in what a thread was given: a handle, or spawn's workerData. */
export function contentsIn(data: unknown): CheckedContents {
  const contents = isObject(data) ? data["knell"] : undefined;
  if (!isObject(contents)) {
    const must = "what kernel.share() gave, or the workerData of kernel.spawn()";
    throw badArgument(of("handle"), must, data);
  }
  const { version, arena, buffer, warden, objects } = contents;
  if (version !== 1) {
    throw new KernelError(EINVAL, "attach", "attach", "the handle is of another version of knell");
  }
  if (!(buffer instanceof SharedArrayBuffer)) {
    throw badArgument(of("handle.knell.buffer"), "an arena", buffer);
  }
  const path = "handle.knell.objects";
  const refs = Object.entries(fieldsOf(path, objects)).map(([name, ref]) => {
    if (name === "kernel") throw badArgument(of(`${path}.kernel`), "left out", ref);
    return [name, objectRef(`${path}.${name}`, ref)] as const;
  });
  return {
    arena: checkInteger(of("handle.knell.arena"), arena, 0, 2 ** 31 - 1),
    buffer,
    warden: checkInteger(of("handle.knell.warden"), warden, 0, THREADS_MAX),
    objects: refs,
  };
}
