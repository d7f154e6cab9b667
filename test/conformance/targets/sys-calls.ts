// SPDX-License-Identifier: ISC
/** Does one step through `knell/sys` in the calling thread. */
import type { Kernel } from "knell";
import { KeventList, type Sys, sys } from "knell/sys";
import type {
  Bytes,
  CallStep,
  Change,
  EventRecord,
  KeventStep,
  Observed,
  SourceStep,
} from "../case.js";
import * as N from "../numbers.js";

const UNTOUCHED = 0xa5;
/** What stands in an eventlist before a call, to see which records it wrote. */
const SENTINEL = -559038737;

function bytesOf(bytes: Bytes): Uint8Array {
  if ("text" in bytes) return new TextEncoder().encode(bytes.text);
  if ("size" in bytes) return new Uint8Array(bytes.size).fill(120);
  const buffer = Buffer.alloc(Math.max(8, bytes.length ?? 8));
  buffer.writeBigUInt64LE(BigInt.asUintN(64, BigInt(bytes.u64)));
  return new Uint8Array(buffer.subarray(0, bytes.length ?? 8));
}

/** The word as the list takes it; variables are resolved by now. */
function word(value: number | bigint | string): number | bigint {
  if (typeof value === "string") throw new Error(`unresolved ${value}`);
  return value;
}

function setChange(list: KeventList, index: number, change: Change): void {
  const { ident, filter, flags, fflags = 0, data = 0, udata = 0, ext = [] } = change;
  list.set(index, word(ident), filter, flags, fflags, word(data), word(udata));
  for (const [slot, value] of ext.entries()) list.setExt(index, slot, BigInt(value));
}

function recordOf(list: KeventList, index: number): EventRecord {
  return {
    ident: list.identBig(index),
    filter: list.filter(index),
    flags: list.flags(index),
    fflags: list.fflags(index),
    data: list.dataBig(index),
    udata: list.udataBig(index),
    ext: [0, 1, 2, 3].map((slot) => list.ext(index, slot)),
  };
}

/** The getters that give numbers must agree with the exact ones, as far as numbers are exact. */
function gettersDisagree(list: KeventList, index: number): string | null {
  const pairs: readonly (readonly [string, number, bigint])[] = [
    ["ident", list.ident(index), list.identBig(index)],
    ["data", list.data(index), list.dataBig(index)],
    ["udata", list.udata(index), list.udataBig(index)],
  ];
  for (const [name, asNumber, exact] of pairs) {
    if (asNumber !== Number(exact)) return `${name} is ${asNumber} as a number, exactly ${exact}`;
  }
  return null;
}

export class SysCalls {
  readonly #kernel: Kernel;
  readonly #sys: Sys;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
    this.#sys = sys(kernel);
  }

  perform(step: CallStep): Observed {
    switch (step.call) {
      case "kevent":
        return this.#kevent(step);
      case "pipe":
      case "pipe2":
        return this.#pipe(step);
      case "read":
        return this.#read(Number(step.fd), step.length, step.claim ?? step.length);
      case "eventfd_read":
        return this.#eventfdRead(Number(step.fd));
      case "eventfd_write":
        return this.#libc(this.#sys.eventfd_write(Number(step.fd), BigInt(word(step.value))));
      case "fill":
        return this.#fill(Number(step.fd));
      case "pollLoop":
        return this.#pollLoop(Number(step.kq), step.times, step.each);
      case "source":
      case "sourceSet":
      case "sourceNotify":
      case "sourceDestroy":
      case "filterRegister":
      case "filterUnregister":
      case "filterByName":
      case "filterByNumber":
        return this.#source(step);
      case "advance":
        this.#kernel.clock.advance(step.ms);
        return { ret: 0 };
      case "setWall":
        this.#kernel.clock.setWall(step.ms);
        return { ret: 0 };
      default:
        return this.#result(this.#plain(step));
    }
  }

  /** Calls whose result is their return value and nothing else. */
  #plain(step: CallStep): number {
    const s = this.#sys;
    switch (step.call) {
      case "kqueue":
        return s.kqueue();
      case "kqueue1":
        return s.kqueue1(step.flags);
      case "kqueuex":
        return s.kqueuex(step.flags);
      case "eventfd":
        return s.eventfd(step.initval, step.flags);
      case "write": {
        const bytes = bytesOf(step.bytes);
        return s.write(Number(step.fd), bytes, step.claim ?? bytes.length);
      }
      case "close":
        return s.close(Number(step.fd));
      case "dup":
        return s.dup(Number(step.fd));
      case "dup2":
        return s.dup2(Number(step.fd), Number(step.to));
      case "dup3":
        return s.dup3(Number(step.fd), Number(step.to), step.flags);
      case "fcntl":
        return s.fcntl(Number(step.fd), step.cmd, Number(step.arg));
      case "getrlimit":
        return s.getrlimit(step.resource);
      case "setrlimit":
        return s.setrlimit(step.resource, Number(step.value));
      case "userEventCount":
        return s.userEventCount();
      default:
        throw new Error(`${step.call} is not a plain call`);
    }
  }

  #source(step: SourceStep): Observed {
    const s = this.#sys;
    switch (step.call) {
      case "source":
        return this.#result(s.source(0, step.filter ?? 0, word(step.ident ?? 0)));
      case "sourceSet": {
        const { filter, flags, fflags, data } = step;
        const set = s.source_set(Number(step.fd), filter, flags, fflags, word(data));
        return this.#result(set < 0 || step.quiet ? set : s.source_notify(Number(step.fd)));
      }
      case "sourceNotify":
        return this.#result(s.source_notify(Number(step.fd)));
      case "sourceDestroy": {
        const flags = step.silent ? N.SOURCE_SILENT : 0;
        return this.#result(s.source_destroy(Number(step.fd), flags, step.fflags));
      }
      case "filterRegister":
        return this.#result(s.kfilter_register(step.name));
      case "filterUnregister":
        return this.#result(s.kfilter_unregister(step.filter));
      case "filterByName": {
        const found = new Int32Array(1);
        const result = this.#result(s.kfilter_byname(step.name, found));
        return result.ret === 0 ? { ret: found[0] ?? 0 } : result;
      }
      case "filterByNumber":
        return this.#result(s.kfilter_byfilter(step.filter, new Uint8Array(64)));
    }
  }

  /** A call returns -errno and leaves the same number in `errno`. */
  #result(ret: number): Observed {
    if (ret >= 0) return { ret };
    const kept = this.#sys.errno;
    const fault = kept === -ret ? {} : { fault: `returned ${ret}, but errno is ${kept}` };
    return { ret: -1, error: N.errnoText(-ret), ...fault };
  }

  /** The two wrappers of the C library return -1 and leave the reason in `errno`. */
  #libc(ret: number): Observed {
    return ret === 0 ? { ret } : { ret: -1, error: N.errnoText(this.#sys.errno) };
  }

  #kevent(step: KeventStep): Observed {
    const count = step.changes.length;
    const room = step.capacity ?? Math.max(step.nevents, 1);
    const changes = new KeventList(step.alias ? Math.max(count, room) : Math.max(count, 1));
    for (const [index, change] of step.changes.entries()) setChange(changes, index, change);
    const events = step.alias ? changes : new KeventList(room);
    if (!step.alias) events.words.fill(SENTINEL);
    const started = performance.now();
    const ret = this.#sys.kevent(
      Number(step.kq),
      count === 0 ? null : changes,
      step.nchanges ?? count,
      step.nevents === 0 ? null : events,
      step.nevents,
      step.timeout,
    );
    const elapsedMs = performance.now() - started;
    const result = this.#result(ret);
    if (ret < 0 || result.fault !== undefined) return result;
    const records: EventRecord[] = [];
    let fault: string | null = null;
    for (let i = 0; i < ret; i++) {
      records.push(recordOf(events, i));
      fault ??= gettersDisagree(events, i);
    }
    const behind = (ret * events.words.length) / events.capacity;
    if (!step.alias && events.words.subarray(behind).some((value) => value !== SENTINEL)) {
      fault ??= "records behind the count changed";
    }
    return { ret, events: records, elapsedMs, ...(fault === null ? {} : { fault }) };
  }

  #pipe(step: CallStep & { call: "pipe" | "pipe2" }): Observed {
    const fds = new Int32Array([-7, -7]);
    const s = this.#sys;
    const result = this.#result(step.call === "pipe" ? s.pipe(fds) : s.pipe2(fds, step.flags));
    const [first = -1, second = -1] = fds;
    if (result.error !== undefined && (first !== -7 || second !== -7)) {
      return { ...result, fault: "a failing pipe call wrote descriptors" };
    }
    return { ...result, fds: [first, second] };
  }

  #read(fd: number, length: number, claim: number): Observed {
    const buffer = new Uint8Array(length).fill(UNTOUCHED);
    const result = this.#result(this.#sys.read(fd, buffer, claim));
    const behind = buffer.subarray(Math.max(result.ret, 0));
    if (behind.some((value) => value !== UNTOUCHED)) {
      return { ...result, fault: "bytes behind the count changed" };
    }
    return { ...result, bytes: buffer.subarray(0, Math.max(result.ret, 0)) };
  }

  #eventfdRead(fd: number): Observed {
    const value = new BigUint64Array(1);
    return { ...this.#libc(this.#sys.eventfd_read(fd, value)), value: value[0] ?? 0n };
  }

  #fill(fd: number): Observed {
    const s = this.#sys;
    const flags = s.fcntl(fd, N.F_GETFL);
    s.fcntl(fd, N.F_SETFL, flags | N.O_NONBLOCK);
    let total = 0;
    for (const chunk of [4096, 1]) {
      const bytes = new Uint8Array(chunk);
      for (let put = s.write(fd, bytes); put > 0; put = s.write(fd, bytes)) total += put;
    }
    s.fcntl(fd, N.F_SETFL, flags);
    return { ret: total };
  }

  #pollLoop(kq: number, times: number, each: number): Observed {
    const events = new KeventList(8);
    const now = { sec: 0, nsec: 0 };
    let right = 0;
    for (let i = 0; i < times; i++) {
      if (this.#sys.kevent(kq, null, 0, events, 8, now) === each) right++;
    }
    return { ret: right };
  }
}
