// SPDX-License-Identifier: ISC
/**
 * Handles: a kernel and some of its objects as plain data that can be posted to another thread. A
 * handle holds no reference. Attaching takes one on each object, and fails if it is gone.
 */
import { EINVAL, ESTALE } from "../abi/errno.js";
import {
  FREAD,
  FT_BELL,
  FT_CHANNEL,
  FT_EVENTFD,
  FT_KQUEUE,
  FT_PIPE,
  FT_SOURCE,
  FWRITE,
} from "../kern/file.js";
import { type FileName, type Handle, handleAttach } from "../sys/handle.js";
import { Bell } from "./bell.js";
import { Channel } from "./channel.js";
import { argument, badArgument } from "./check.js";
import type { Core } from "./core.js";
import { Counter } from "./counter.js";
import { KernelError } from "./errors.js";
import { KernelObject, ObjectState, stateOf } from "./object.js";
import { endsOf, Pipe } from "./pipe.js";
import { Queue } from "./queue.js";
import type { CheckedContents, Kind, ObjectRef, PipeRef, ShareContents } from "./share-contents.js";
import { SharedQueue } from "./shared-queue.js";
import { UserSource, UserSourceState } from "./user-source.js";

/** What `share` can hand to another thread. */
export type Shareable = KernelObject | Pipe;
/** Shareable objects by name. */
export type Shareables = { readonly [name: string]: Shareable };

/** What the other thread gets for what was shared. */
export type SharedAs<T> = {
  [K in keyof T]: T[K] extends { eventsSync(): unknown } ? SharedQueue : T[K];
};

/** File types by kind. */
const FILE_TYPE: Record<Kind, number> = {
  channel: FT_CHANNEL,
  counter: FT_EVENTFD,
  bell: FT_BELL,
  source: FT_SOURCE,
  queue: FT_KQUEUE,
};

function kindOf(object: KernelObject): Kind | null {
  if (object instanceof Channel) return "channel";
  if (object instanceof Counter) return "counter";
  if (object instanceof Bell) return "bell";
  if (object instanceof UserSource) return "source";
  return object instanceof Queue || object instanceof SharedQueue ? "queue" : null;
}

function refOf(core: Core, name: string, state: ObjectState): FileName {
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
  const end = (state: ObjectState | null): FileName | null =>
    state === null || state.closed ? null : refOf(core, name, state);
  return { kind: "pipe", reader: end(reader), writer: end(writer) };
}

/** The handle of a kernel and objects. `name` says which argument the objects are. */
export function shareContents(core: Core, objects: unknown, warden: number): ShareContents {
  core.check("share", "share");
  if (typeof objects !== "object" || objects === null) {
    const of = argument("share", "share", "objects");
    throw badArgument(
      of,
      "an object with channels, counters, bells, sources, pipes or queues",
      objects,
    );
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
      const must = "a channel, counter, bell, source, pipe or queue";
      throw badArgument(argument("share", "share", name), must, object);
    }
  }
  const { id, buffer } = core;
  return { version: 1, arena: id, buffer, warden, objects: { ...refs } };
}

const BOTH = FREAD | FWRITE;

/** How an object of a handle is spoken of in messages. */
function attaching(name: string): string {
  return `attach ${JSON.stringify(name)}`;
}

function why(errno: number): string | undefined {
  if (errno === EINVAL) return "the handle names no such object of this kernel";
  return errno === ESTALE ? "it was closed" : undefined;
}

function open(core: Core, name: string, type: number, mode: number, ref: FileName): Handle {
  const handle = handleAttach(core.k, type, mode, ref);
  if (typeof handle !== "number") return handle;
  throw new KernelError(-handle, "attach", attaching(name), why(-handle));
}

function reopenPipe(core: Core, name: string, ref: PipeRef): Pipe {
  const end = (file: FileName | null, mode: number, which: string): ObjectState | null =>
    file === null ? null : new ObjectState(core, which, open(core, name, FT_PIPE, mode, file));
  const reader = end(ref.reader, FREAD, "pipe's read end");
  const writer = end(ref.writer, FWRITE, "pipe's write end");
  if (reader !== null && writer !== null && reader.handle.obj !== writer.handle.obj) {
    const why = "its two ends are of different pipes";
    throw new KernelError(EINVAL, "attach", attaching(name), why);
  }
  return new Pipe(core, reader, writer);
}

function reopenSource(core: Core, name: string, handle: Handle): UserSource {
  const state = new UserSourceState(core, handle, false);
  const source = new UserSource(state);
  if (handle.obj !== 0) return source;
  source.close();
  throw new KernelError(ESTALE, "attach", attaching(name), "it was destroyed");
}

function reopen(core: Core, name: string, ref: ObjectRef): Shareable {
  if (ref.kind === "pipe") return reopenPipe(core, name, ref);
  const handle = open(core, name, FILE_TYPE[ref.kind], BOTH, ref);
  if (ref.kind === "source") return reopenSource(core, name, handle);
  const state = new ObjectState(core, ref.kind, handle);
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
export function reopenAll(core: Core, contents: CheckedContents): Record<string, Shareable> {
  return Object.fromEntries(
    contents.objects.map(([name, ref]) => [name, reopen(core, name, ref)] as const),
  );
}
