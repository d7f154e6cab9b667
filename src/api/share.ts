// SPDX-License-Identifier: ISC
/**
 * Handles: a kernel and some of its objects as plain data that can be posted to another thread. A
 * handle holds no reference. Attaching takes one on each object, and fails if it is gone.
 */
import { EINVAL } from "../abi/errno.js";
import { FT_BELL, FT_CHANNEL, FT_EVENTFD, FT_KQUEUE, FT_PIPE } from "../kern/file.js";
import { type Handle, handleAttach } from "../sys/handle.js";
import { Bell } from "./bell.js";
import { Channel } from "./channel.js";
import { argument, badArgument } from "./check.js";
import type { Core } from "./core.js";
import { Counter } from "./counter.js";
import { KernelError } from "./errors.js";
import { KernelObject, ObjectState, stateOf } from "./object.js";
import { endsOf, Pipe } from "./pipe.js";
import { Queue } from "./queue.js";
import { SharedQueue } from "./shared-queue.js";

/** What `share` can hand to another thread. */
export type Shareable = KernelObject | Pipe;
/** Shareable objects by name. */
export type Shareables = { readonly [name: string]: Shareable };

/** What the other thread gets for what was shared. */
export type SharedAs<T> = {
  [K in keyof T]: T[K] extends { eventsSync(): unknown } ? SharedQueue : T[K];
};

/** An open file as another thread finds it. */
interface FileRef {
  readonly file: number;
  readonly generation: number;
}

type Kind = "channel" | "counter" | "bell" | "queue";

type ObjectRef =
  | ({ readonly kind: Kind } & FileRef)
  | { readonly kind: "pipe"; readonly reader: FileRef | null; readonly writer: FileRef | null };

/** The contents of a handle. */
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

const FILE_TYPE: Record<Kind, number> = {
  channel: FT_CHANNEL,
  counter: FT_EVENTFD,
  bell: FT_BELL,
  queue: FT_KQUEUE,
};

function kindOf(object: KernelObject): Kind | null {
  if (object instanceof Channel) return "channel";
  if (object instanceof Counter) return "counter";
  if (object instanceof Bell) return "bell";
  return object instanceof Queue || object instanceof SharedQueue ? "queue" : null;
}

function refOf(core: Core, name: string, state: ObjectState): FileRef {
  if (state.core !== core) {
    const why = `${name} belongs to another kernel, or to another thread`;
    throw new KernelError(EINVAL, "share", "share", why);
  }
  state.check("share", `share ${name}`);
  const { handle } = state;
  return { file: handle.fp, generation: handle.generation };
}

function pipeRef(core: Core, name: string, pipe: Pipe): ObjectRef {
  const { reader, writer } = endsOf(pipe);
  if (pipe.closed) (reader ?? writer)?.check("share", `share ${name}`);
  const end = (state: ObjectState | null): FileRef | null =>
    state === null || state.closed ? null : refOf(core, name, state);
  return { kind: "pipe", reader: end(reader), writer: end(writer) };
}

/** The handle of a kernel and objects. `name` says which argument the objects are. */
export function shareContents(core: Core, objects: unknown, warden: number): ShareContents {
  core.check("share", "share");
  if (typeof objects !== "object" || objects === null) {
    const of = argument("share", "share", "objects");
    throw badArgument(of, "an object with channels, counters, bells, pipes or queues", objects);
  }
  const refs: Record<string, ObjectRef> = Object.create(null);
  for (const [name, object] of Object.entries(objects)) {
    if (name === "kernel") {
      throw new KernelError(EINVAL, "share", "share", 'an object cannot be shared as "kernel"');
    }
    const kind = object instanceof KernelObject ? kindOf(object) : null;
    if (object instanceof Pipe) refs[name] = pipeRef(core, name, object);
    else if (kind !== null) refs[name] = { kind, ...refOf(core, name, stateOf(object)) };
    else {
      const must = "a channel, counter, bell, pipe or queue";
      throw badArgument(argument("share", "share", name), must, object);
    }
  }
  const { id, buffer } = core;
  return { version: 1, arena: id, buffer, warden, objects: { ...refs } };
}

/** Find the contents in what a thread was given: a handle, or spawn's workerData. */
export function contentsIn(data: unknown): ShareContents {
  const contents = (data as Partial<ShareHandle> | null | undefined)?.knell;
  const of = argument("attach", "attach", "handle");
  if (typeof contents !== "object" || contents === null) {
    throw badArgument(of, "what kernel.share() gave, or the workerData of kernel.spawn()", data);
  }
  const { version, buffer, objects } = contents as Partial<ShareContents>;
  if (version !== 1 || typeof objects !== "object" || objects === null) {
    throw new KernelError(EINVAL, "attach", "attach", "the handle is of another version of knell");
  }
  if (!(buffer instanceof SharedArrayBuffer)) {
    throw badArgument(argument("attach", "attach", "handle.knell.buffer"), "an arena", buffer);
  }
  return contents as ShareContents;
}

function open(core: Core, name: string, type: number, ref: FileRef): Handle {
  const handle = handleAttach(core.k, type, ref.file, ref.generation);
  if (typeof handle !== "number") return handle;
  throw new KernelError(-handle, "attach", `attach "${name}"`);
}

function reopen(core: Core, name: string, ref: ObjectRef): Shareable {
  if (ref.kind === "pipe") {
    const end = (file: FileRef | null, which: string): ObjectState | null =>
      file === null ? null : new ObjectState(core, which, open(core, name, FT_PIPE, file));
    return new Pipe(core, end(ref.reader, "pipe's read end"), end(ref.writer, "pipe's write end"));
  }
  const type = FILE_TYPE[ref.kind];
  if (type === undefined) {
    throw new KernelError(EINVAL, "attach", `attach "${name}"`, "it is of no known kind");
  }
  const state = new ObjectState(core, ref.kind, open(core, name, type, ref));
  switch (ref.kind) {
    case "channel":
      return new Channel(state);
    case "counter":
      return new Counter(state);
    case "bell":
      return new Bell(state);
    default:
      return new SharedQueue(core, state);
  }
}

/** Open every object of a handle. */
export function reopenAll(core: Core, contents: ShareContents): Record<string, Shareable> {
  const objects: Record<string, Shareable> = {};
  for (const [name, ref] of Object.entries(contents.objects)) {
    objects[name] = reopen(core, name, ref);
  }
  return objects;
}
