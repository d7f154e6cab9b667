// SPDX-License-Identifier: ISC
/**
 * The real kernel behind the interface that the model has, through `knell/sys`.
 *
 * Besides translating, it checks what holds for every call: errno agrees with the result, nothing
 * is written behind the records or bytes that were asked for, and the caller's changes stay as
 * they were.
 */
import assert from "node:assert/strict";
import { boot, type Kernel } from "knell";
import { KeventList, type Sys, sys } from "knell/sys";
import { checkInvariants } from "#src/inspect/invariants.js";
import * as N from "./numbers.js";
import { NOTHING } from "./objects.js";
import { DEFAULT_RULES, type Rules } from "./rules.js";
import type { Subject } from "./run.js";
import type { Counts, Kev, KeventCall, KeventResult, System } from "./system.js";

const SENTINEL = 0x5a;

export class KernelSystem implements System, Subject {
  readonly system = this;
  /** The model's parameters that go with this kernel. */
  readonly rules: Partial<Rules>;
  readonly #kernel: Kernel;
  readonly #sys: Sys;

  constructor(limits: Partial<Rules> = {}) {
    const { descriptors, userEvents, timers, wallMs } = { ...DEFAULT_RULES, ...limits };
    this.#kernel = boot({
      clock: "manual",
      arenaBytes: 4 << 20,
      limits: { descriptors, userEvents, timers },
    });
    this.#kernel.clock.setWall(wallMs);
    this.#sys = sys(this.#kernel);
    const firstDescriptor = this.#sys.kqueue();
    this.#sys.close(firstDescriptor);
    this.rules = { ...limits, firstDescriptor };
  }

  check(): readonly string[] {
    return checkInvariants(this.#kernel);
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

  counts(): Counts {
    const { descriptors, queues, registrations, userEvents, timers } = this.#kernel.usage();
    assert.equal(this.#sys.userEventCount(), userEvents, "the two counts of user events agree");
    return { descriptors, queues, registrations, userEvents, timers };
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
    const list = new KeventList(capacity);
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
