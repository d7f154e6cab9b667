// SPDX-License-Identifier: ISC
/** Turns a random operation into a call with its arguments, given what the model has open. */
import { type ChangeOp, type Op, RAW, type Time } from "./commands.js";
import { formatKevent } from "./format.js";
import { Kqueue } from "./kqueue.js";
import type { Model } from "./model.js";
import * as N from "./numbers.js";
import { Eventfd, type OpenFile, Pipe } from "./objects.js";
import type { Call, Outcome } from "./run.js";
import { type Kev, type KeventCall, kev, type System, type Timespec } from "./system.js";

function choose(model: Model, number: number, wanted?: (file: OpenFile) => boolean): number {
  if (number >= RAW - 2) return number - RAW;
  const open = model.descriptors(wanted);
  return open.length === 0 ? number : (open[number % open.length] as number);
}

function simple(text: string, make: (system: System) => number | [number, string]): Call {
  return {
    text,
    otherFirst: false,
    settled: () => true,
    make(system) {
      const result = make(system);
      const [ret, note] = typeof result === "number" ? [result, ""] : result;
      return { ret, note, events: [] };
    },
  };
}

/** A call that makes a descriptor: the flags of a new one belong to the result. */
function opening(text: string, make: (system: System) => number): Call {
  return simple(text, (system) => {
    const fd = make(system);
    if (fd < 0) return fd;
    const flags = system.fcntl(fd, N.F_GETFD, 0);
    return [fd, `FD 0x${flags.toString(16)} FL 0x${system.fcntl(fd, N.F_GETFL, 0).toString(16)}`];
  });
}

function keventCall(call: KeventCall): Call {
  return {
    text: formatKevent(call),
    otherFirst: true,
    settled: (model) => model.settled(call),
    make(system, seen): Outcome {
      return { ...system.kevent(call, seen), note: "" };
    },
  };
}

const UNITS_PER_MS = new Map<number, bigint>([
  [N.NOTE_USECONDS, 1000n],
  [N.NOTE_NSECONDS, 1_000_000n],
]);

function timerFields(time: Time, model: Model): { fflags: number; data: bigint } {
  if (time.absolute === null) return { fflags: time.unit, data: time.amount };
  const perMs = UNITS_PER_MS.get(time.unit) ?? 1n;
  const data = BigInt(model.wallMs) * perMs + time.absolute;
  return { fflags: time.unit | N.NOTE_ABSTIME, data };
}

/** Point a change at a knote that the queue has. */
function pointAt(change: ChangeOp & { target: { kind: "existing" } }, kq: number, model: Model) {
  const { choice, time } = change.target;
  const knotes = model.knotes(kq);
  const kn = knotes[choice % Math.max(knotes.length, 1)];
  if (kn === undefined) return null;
  const { ident, filter } = kn;
  if (filter === N.EVFILT_USER) return { ...change, target: { kind: "user" as const, ident } };
  if (filter === N.EVFILT_TIMER) {
    return { ...change, target: { kind: "timer" as const, ident, time } };
  }
  const write = filter === N.EVFILT_WRITE;
  return { ...change, target: { kind: "descriptor" as const, choice: -1 - Number(ident), write } };
}

function resolveChange(change: ChangeOp, kq: number, model: Model): Kev | null {
  const { target, flags, udata } = change;
  const ext: Kev["ext"] = [0n, 0n, change.ext, change.ext];
  switch (target.kind) {
    case "existing": {
      const pointed = pointAt({ ...change, target }, kq, model);
      return pointed === null ? null : resolveChange(pointed, kq, model);
    }
    case "user": {
      const { fflags, data } = change;
      return kev({ ident: target.ident, filter: N.EVFILT_USER, flags, fflags, data, udata, ext });
    }
    case "timer": {
      const fields = timerFields(target.time, model);
      return kev({ ident: target.ident, filter: N.EVFILT_TIMER, flags, udata, ext, ...fields });
    }
    case "raw": {
      const { ident, filter } = target;
      // Whether a filter that is not there yet is missed before the descriptor is, is open.
      const missing = filter === N.EVFILT_VNODE || filter === N.EVFILT_EMPTY;
      if (missing && (model.object(Number(ident)) === null || (flags & N.EV_ADD) === 0))
        return null;
      return kev({ ident, filter, flags, udata });
    }
    case "descriptor": {
      const ident = BigInt(target.choice < 0 ? -1 - target.choice : choose(model, target.choice));
      const filter = target.write ? N.EVFILT_WRITE : N.EVFILT_READ;
      const mark = change.data > 0n && model.object(Number(ident)) instanceof Pipe;
      const fflags = mark ? N.NOTE_LOWAT : 0;
      return kev({ ident, filter, flags, fflags, data: mark ? change.data : 0n, udata, ext });
    }
  }
}

function resolveKevent(op: Op & { op: "kevent" }, model: Model): Call {
  const kq = choose(model, op.choice, (file) => file.object instanceof Kqueue);
  const changes = op.changes
    .map((change) => resolveChange(change, kq, model))
    .filter((change) => change !== null);
  // A count of 0 never sleeps, so any timeout will do.
  const timeout = op.nevents === 0 && op.choice % 2 === 1 ? null : { sec: 0, nsec: 0 };
  return keventCall({ kq, changes, nevents: op.nevents, timeout, alias: op.alias });
}

const BAD_TIMEOUTS: readonly Timespec[] = [
  { sec: -1, nsec: 0 },
  { sec: 0, nsec: -1 },
  { sec: 0, nsec: 1_000_000_000 },
];

function resolveBad(op: Op & { op: "kevent-bad" }, model: Model): Call {
  const kq = choose(model, op.choice, (file) => file.object instanceof Kqueue);
  const trigger = { ident: 1n, filter: N.EVFILT_USER, flags: N.EV_ADD, fflags: N.NOTE_TRIGGER };
  const common = { kq, alias: false, timeout: { sec: 0, nsec: 0 } };
  if (op.fault === 3) return keventCall({ ...common, changes: [], nchanges: -1, nevents: 4 });
  if (op.fault === 4) return keventCall({ ...common, changes: [], nevents: -1 });
  if (op.fault === 5) {
    const notQueue = choose(model, op.choice, (file) => !(file.object instanceof Kqueue));
    return keventCall({ ...common, kq: notQueue, changes: [kev(trigger)], nevents: 4 });
  }
  const timeout = BAD_TIMEOUTS[op.fault] as Timespec;
  return keventCall({ ...common, timeout, changes: [kev(trigger)], nevents: op.choice % 3 });
}

function resolveKqueue(how: number): Call {
  switch (how) {
    case 1:
      return opening("kqueue1(O_CLOEXEC)", (system) => system.kqueue1(N.O_CLOEXEC));
    case 2:
      return opening("kqueuex(KQUEUE_CPONFORK|KQUEUE_CLOEXEC)", (system) => {
        return system.kqueuex(N.KQUEUE_CPONFORK | N.KQUEUE_CLOEXEC);
      });
    case 3:
      return opening("kqueuex(0x10)", (system) => system.kqueuex(0x10));
    case 4:
      return opening("kqueue1(0x1000)", (system) => system.kqueue1(0x1000));
    default:
      return opening("kqueue()", (system) => system.kqueue());
  }
}

/** Bytes that differ from their neighbours and from those of other writes. */
function pattern(length: number, value: bigint): Uint8Array {
  const seed = Number(value & 0xffn);
  return Uint8Array.from({ length }, (_, i) => (i * 31 + (i >> 8) + seed) & 0xff);
}

function fingerprint(bytes: Uint8Array): string {
  if (bytes.length === 0) return "";
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  const head = [...bytes.subarray(0, 8)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `bytes ${head.join(" ")}${bytes.length > 8 ? ".." : ""} #${hash.toString(16)}`;
}

function resolveRead(op: Op & { op: "read" }, model: Model): Call {
  const fd = choose(model, op.choice, (file) => file.object.kind !== "kqueue");
  if (model.object(fd) instanceof Eventfd && op.length === 16) {
    return simple(`eventfd_read(${fd})`, (system) => {
      const { ret, value } = system.eventfdRead(fd);
      return [ret, ret < 0 ? "" : `value ${value}`];
    });
  }
  return simple(`read(${fd}, ${op.length})`, (system) => {
    const { ret, bytes } = system.read(fd, op.length);
    return [ret, fingerprint(bytes)];
  });
}

function resolveWrite(op: Op & { op: "write" }, model: Model): Call {
  const fd = choose(model, op.choice, (file) => {
    return file.object.kind !== "kqueue" && file.access !== N.O_RDONLY;
  });
  const object = model.object(fd);
  if (object instanceof Eventfd) {
    const length = op.length > 16 ? 8 : op.length;
    if (op.length === 100) {
      return simple(`eventfd_write(${fd}, ${op.value})`, (system) => {
        return system.eventfdWrite(fd, op.value);
      });
    }
    const bytes = new Uint8Array(length);
    if (length >= 8) new DataView(bytes.buffer).setBigUint64(0, op.value, true);
    return simple(`write(${fd}, ${length} bytes of ${op.value})`, (system) => {
      return system.write(fd, bytes);
    });
  }
  const packets = object instanceof Pipe && object.packets;
  const bytes = pattern(packets ? (op.length % 600) + 1 : op.length, op.value);
  return simple(`write(${fd}, ${bytes.length} bytes)`, (system) => system.write(fd, bytes));
}

function resolveDup(op: Op & { op: "dup" }, model: Model): Call {
  const fd = choose(model, op.choice);
  const { to } = op;
  if (op.how === 0) return opening(`dup(${fd})`, (system) => system.dup(fd));
  if (op.how === 1) return opening(`dup2(${fd}, ${to})`, (system) => system.dup2(fd, to));
  const how = [0, 0, N.O_CLOEXEC, 0, 1][op.how] as number;
  return opening(`dup3(${fd}, ${to}, ${how})`, (system) => system.dup3(fd, to, how));
}

export function resolve(op: Op, model: Model): Call | null {
  switch (op.op) {
    case "kqueue":
      return resolveKqueue(op.how);
    case "eventfd":
      return opening(`eventfd(${op.initval}, 0x${op.flags.toString(16)})`, (system) => {
        return system.eventfd(op.initval, op.flags);
      });
    case "pipe":
      return simple(`pipe2(0x${op.flags.toString(16)})`, (system) => {
        const { ret, fds } = system.pipe2(op.flags);
        if (ret < 0) return ret;
        const flags = fds.map((fd) => system.fcntl(fd, N.F_GETFL, 0).toString(16));
        return [ret, `fds ${fds.join(" ")} FL ${flags.join(" ")}`];
      });
    case "kevent":
      return resolveKevent(op, model);
    case "kevent-bad":
      return resolveBad(op, model);
    case "read":
      return resolveRead(op, model);
    case "write":
      return resolveWrite(op, model);
    case "close": {
      const fd = choose(model, op.choice);
      return simple(`close(${fd})`, (system) => system.close(fd));
    }
    case "dup":
      return resolveDup(op, model);
    case "fcntl": {
      const fd = choose(model, op.choice);
      return simple(`fcntl(${fd}, ${op.cmd}, ${op.arg})`, (system) => {
        return system.fcntl(fd, op.cmd, op.arg);
      });
    }
    case "advance":
      return simple(`clock.advance(${op.ms})`, (system) => {
        system.advance(op.ms);
        return 0;
      });
  }
}
