// SPDX-License-Identifier: ISC
/**
 * The real kernel behind the interface that the model has, through `knell/sys`.
 *
 * Besides translating, it checks what holds for every call: errno agrees with the result, nothing
 * is written behind the records or bytes that were asked for, and the caller's changes stay as
 * they were.
 */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";
import * as N from "./numbers.js";
import { NOTHING } from "./objects.js";
import { DEFAULT_RULES, type Rules } from "./rules.js";
import type { Subject } from "./run.js";
import type { Kev, KeventCall, KeventResult, System, Timespec } from "./system.js";

/** What is used of the library; looked up at run time, so that the model builds without it. */
interface KeventList {
  readonly words: Int32Array;
  set(
    index: number,
    ident: bigint,
    filter: number,
    flags: number,
    fflags: number,
    data: bigint,
    udata: bigint,
  ): KeventList;
  setExt(index: number, word: number, value: bigint): KeventList;
  filter(index: number): number;
  flags(index: number): number;
  fflags(index: number): number;
  identBig(index: number): bigint;
  dataBig(index: number): bigint;
  udataBig(index: number): bigint;
  ext(index: number, word: number): bigint;
}

interface Sys {
  errno: number;
  kqueue(): number;
  kqueue1(flags: number): number;
  kqueuex(flags: number): number;
  kevent(
    kq: number,
    changes: KeventList | null,
    nchanges: number,
    events: KeventList | null,
    nevents: number,
    timeout: Timespec | null,
  ): number;
  eventfd(initval: number, flags: number): number;
  eventfd_read(fd: number, value: BigUint64Array): number;
  eventfd_write(fd: number, value: bigint): number;
  pipe2(fds: Int32Array, flags: number): number;
  read(fd: number, buffer: Uint8Array, length: number): number;
  write(fd: number, buffer: Uint8Array, length: number): number;
  close(fd: number): number;
  dup(fd: number): number;
  dup2(from: number, to: number): number;
  dup3(from: number, to: number, flags: number): number;
  fcntl(fd: number, cmd: number, arg: number): number;
  userEventCount(): number;
}

interface Kernel {
  readonly clock: { advance(ms: number): void; setWall(ms: number): void };
  close(): void;
}

interface Library {
  boot(options: object): Kernel;
  sys(kernel: Kernel): Sys;
  readonly KeventList: new (capacity: number) => KeventList;
  checkInvariants(kernel: Kernel): string[];
}

const SENTINEL = 0x5a;

/** Whether the library has been built. */
export function kernelExists(): boolean {
  return existsSync(fileURLToPath(import.meta.resolve("knell/sys")));
}

/** Load what is needed; anything that is missing is an error. */
export async function loadLibrary(): Promise<Library> {
  const [main, face, inspect] = await Promise.all(
    ["knell", "knell/sys", "#src/inspect/invariants.js"].map((name) => import(name)),
  );
  const library = {
    boot: main.boot,
    sys: face.sys,
    KeventList: face.KeventList,
    checkInvariants: inspect.checkInvariants,
  };
  for (const [name, value] of Object.entries(library)) {
    assert.equal(typeof value, "function", `the library does not export ${name}`);
  }
  return library;
}

export class KernelSystem implements System, Subject {
  readonly system = this;
  /** The model's parameters that go with this kernel. */
  readonly rules: Partial<Rules>;
  readonly #library: Library;
  readonly #kernel: Kernel;
  readonly #sys: Sys;

  constructor(library: Library, limits: Partial<Rules> = {}) {
    const { descriptors, userEvents, timers, wallMs } = { ...DEFAULT_RULES, ...limits };
    this.#library = library;
    this.#kernel = library.boot({
      clock: "manual",
      arenaBytes: 4 << 20,
      limits: { descriptors, userEvents, timers },
    });
    this.#kernel.clock.setWall(wallMs);
    this.#sys = library.sys(this.#kernel);
    const firstDescriptor = this.#sys.kqueue();
    this.#sys.close(firstDescriptor);
    this.rules = { ...limits, firstDescriptor };
  }

  check(): readonly string[] {
    return this.#library.checkInvariants(this.#kernel);
  }

  shutDown(): void {
    this.#kernel.close();
  }

  #result(ret: number): number {
    if (ret < 0) assert.equal(this.#sys.errno, -ret, "errno is that of the failed call");
    return ret;
  }

  kqueue(): number {
    return this.#result(this.#sys.kqueue());
  }

  kqueue1(flags: number): number {
    return this.#result(this.#sys.kqueue1(flags));
  }

  kqueuex(flags: number): number {
    return this.#result(this.#sys.kqueuex(flags));
  }

  eventfd(initval: number, flags: number): number {
    return this.#result(this.#sys.eventfd(initval, flags));
  }

  eventfdRead(fd: number): { ret: number; value: bigint } {
    const value = new BigUint64Array(1);
    const ret = this.#sys.eventfd_read(fd, value);
    return ret === 0
      ? { ret, value: value[0] as bigint }
      : { ret: this.#libcError(ret), value: 0n };
  }

  eventfdWrite(fd: number, value: bigint): number {
    const ret = this.#sys.eventfd_write(fd, value);
    return ret === 0 ? ret : this.#libcError(ret);
  }

  #libcError(ret: number): number {
    assert.equal(ret, -1, "a failed library call returns -1");
    return -this.#sys.errno;
  }

  pipe2(flags: number): { ret: number; fds: [number, number] } {
    const fds = Int32Array.of(-1, -1);
    const ret = this.#result(this.#sys.pipe2(fds, flags));
    return { ret, fds: [fds[0] as number, fds[1] as number] };
  }

  read(fd: number, length: number): { ret: number; bytes: Uint8Array } {
    const buffer = new Uint8Array(length + 1).fill(SENTINEL);
    const ret = this.#result(this.#sys.read(fd, buffer, length));
    const rest = buffer.subarray(Math.max(ret, 0));
    assert.ok(
      rest.every((byte) => byte === SENTINEL),
      "read leaves the rest of the buffer alone",
    );
    return { ret, bytes: ret > 0 ? buffer.subarray(0, ret) : NOTHING };
  }

  write(fd: number, bytes: Uint8Array): number {
    return this.#result(this.#sys.write(fd, bytes, bytes.length));
  }

  close(fd: number): number {
    return this.#result(this.#sys.close(fd));
  }

  dup(fd: number): number {
    return this.#result(this.#sys.dup(fd));
  }

  dup2(from: number, to: number): number {
    return this.#result(this.#sys.dup2(from, to));
  }

  dup3(from: number, to: number, flags: number): number {
    return this.#result(this.#sys.dup3(from, to, flags));
  }

  /** O_DIRECT is not shown: whether both ends of a packet pipe report it is open. */
  fcntl(fd: number, cmd: number, arg: number): number {
    const ret = this.#result(this.#sys.fcntl(fd, cmd, arg));
    return cmd === N.F_GETFL && ret > 0 ? ret & ~N.O_DIRECT : ret;
  }

  userEventCount(): number {
    return this.#sys.userEventCount();
  }

  advance(ms: number): void {
    this.#kernel.clock.advance(ms);
  }

  kevent(call: KeventCall): KeventResult {
    const { changes, alias } = call;
    const room = Math.max(call.nevents, 0);
    const input = this.#list(alias ? Math.max(changes.length, room) + 1 : changes.length + 1);
    changes.forEach((change, i) => {
      const { ident, filter, flags, fflags, data, udata, ext } = change;
      input.set(i, ident, filter, flags, fflags, data, udata);
      for (const [j, word] of ext.entries()) input.setExt(i, j, word);
    });
    const output = alias ? input : this.#list(room + 1);
    const inputBefore = input.words.slice();
    const nchanges = call.nchanges ?? changes.length;
    const { kq, nevents, timeout } = call;
    const ret = this.#result(this.#sys.kevent(kq, input, nchanges, output, nevents, timeout));
    if (!alias) assert.deepEqual(input.words, inputBefore, "the changes are the caller's");
    if (!alias || changes.length <= room) {
      const behind = output.words.subarray(room * 16);
      assert.ok(
        behind.every((word) => word === FILLED),
        "no record behind the event list",
      );
    }
    const events: Kev[] = [];
    for (let i = 0; i < ret; i++) events.push(readKev(output, i));
    return { ret, events };
  }

  #list(capacity: number): KeventList {
    const list = new this.#library.KeventList(capacity);
    list.words.fill(FILLED);
    return list;
  }
}

const FILLED = SENTINEL * 0x01010101;

function readKev(list: KeventList, index: number): Kev {
  return {
    ident: list.identBig(index),
    filter: list.filter(index),
    flags: list.flags(index),
    fflags: list.fflags(index),
    data: list.dataBig(index),
    udata: list.udataBig(index),
    ext: [list.ext(index, 0), list.ext(index, 1), list.ext(index, 2), list.ext(index, 3)],
  };
}
