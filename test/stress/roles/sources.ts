// SPDX-License-Identifier: ISC
/**
 * Sources destroyed under those who watch them.
 *
 * `sourceOwner` and `sourceWatcher` play laps: the owner makes a source and destroys it at some
 * moment, while every watcher adds it to its queue, changes the registration, and waits. Who has
 * added it gets exactly one end, with the lap in its udata.
 *
 * `sourceChurn` has no order: everybody makes, sets and destroys sources of its own, also under
 * named filters, and adds, deletes, scans, duplicates and closes those of all others. What a call
 * may answer is known; between rounds one member looks at the whole arena.
 */
import assert from "node:assert/strict";
import {
  EBADF,
  EBUSY,
  EEXIST,
  EINVAL,
  EMFILE,
  ENOENT,
  ENOMEM,
  ENXIO,
  EPERM,
  ESTALE,
} from "#src/abi/errno.js";
import {
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_DISPATCH,
  EV_ENABLE,
  EV_EOF,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_WRITE,
} from "#src/abi/event.js";
import { SOURCE_SILENT, SRC_READY } from "#src/abi/source.js";
import { sourcesEnd } from "#src/fd/source.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { fdHint } from "#src/kern/fdtable.js";
import { File, FREAD, FT_SOURCE, FWRITE } from "#src/kern/file.js";
import { KeventList } from "#src/sys/face.js";
import { handleAttach } from "#src/sys/handle.js";
import { handleSourceGone } from "#src/sys/source.js";
import { type Member, ZERO } from "../member.js";

const START = 8;
const END = 10;
/** The descriptor of the lap's source. */
const FD = 12;
const LARGE = 2 ** 40;

function spin(m: Member): void {
  for (let i = m.random.below(4000); i > 0; i--) Atomics.load(m.board, FD);
}

function set(m: Member, fd: number): void {
  const data = m.random.pick([1, 2, LARGE, LARGE + 1]);
  assert.equal(m.s.source_set(fd, EVFILT_READ, SRC_READY, m.random.below(2), data), 0);
  if (m.random.below(3) > 0) assert.equal(m.s.source_notify(fd), 0);
}

/** args: turns. Returns the sources destroyed. */
export function sourceOwner(m: Member): number {
  const turns = m.arg("turns");
  for (let turn = 0; turn < turns; turn++) {
    const fd = m.s.source(0);
    assert.ok(fd >= 0, `source: ${fd}`);
    Atomics.store(m.board, FD, fd);
    m.meet(START);
    spin(m);
    for (let i = m.random.below(4); i > 0; i--) set(m, fd);
    spin(m);
    assert.equal(m.s.source_destroy(fd, 0, 7), 0);
    m.meet(END);
    assert.equal(m.s.close(fd), 0);
  }
  return turns;
}

/** args: turns. Returns how often it had added the source in time. */
export function sourceWatcher(m: Member): number {
  const kq = m.s.kqueue();
  const list = new KeventList(1);
  let added = 0;
  for (let turn = 0; turn < m.arg("turns"); turn++) {
    m.meet(START);
    spin(m);
    const fd = Atomics.load(m.board, FD);
    const flags = EV_ADD | m.random.pick([0, EV_CLEAR, EV_CLEAR | EV_DISPATCH]);
    list.set(0, fd, EVFILT_READ, flags, 0, 0, turn);
    const result = m.s.kevent(kq, list, 1, null, 0, ZERO);
    assert.ok(result === 0 || result === -ENXIO, `EV_ADD: ${result}`);
    if (result === 0) {
      added++;
      untilEnd(m, kq, fd, turn);
    }
    assert.equal(m.s.kevent(kq, null, 0, list, 1, ZERO), 0, "an event after the end");
    m.meet(END);
  }
  assert.equal(m.s.close(kq), 0);
  return added;
}

/** Collect until the end comes, turning the registration off and on meanwhile. */
function untilEnd(m: Member, kq: number, fd: number, turn: number): void {
  const list = new KeventList(1);
  for (;;) {
    if (m.random.below(3) === 0) {
      for (const flags of [EV_DISABLE, EV_ENABLE]) {
        list.set(0, fd, EVFILT_READ, flags, 0, 0, turn);
        assert.equal(m.s.kevent(kq, list, 1, null, 0, ZERO), 0);
      }
    }
    const timeout = m.random.below(2) === 0 ? null : { sec: 0, nsec: 100_000 };
    const n = m.s.kevent(kq, null, 0, list, 1, timeout);
    assert.ok(n === 0 || n === 1, `kevent: ${n}`);
    if (n === 0) continue;
    assert.deepEqual([list.ident(0), list.udata(0)], [fd, turn], "an event of another lap");
    if ((list.flags(0) & EV_EOF) !== 0) {
      assert.deepEqual([list.fflags(0), list.data(0)], [7, 0]);
      return;
    }
    const data = list.data(0);
    assert.ok([1, 2, LARGE, LARGE + 1].includes(data), `data ${data}`);
    if ((list.flags(0) & EV_DISPATCH) === 0) continue;
    list.set(0, fd, EVFILT_READ, EV_ENABLE, 0, 0, turn);
    assert.equal(m.s.kevent(kq, list, 1, null, 0, ZERO), 0);
  }
}

const NUMBERS = 24;
/** Sources that a member has at a time. */
const OWN_MAX = 3;
const IDENTS = 6;
const ALLOWED = new Set([EBADF, EBUSY, EEXIST, EINVAL, EMFILE, ENOENT, ENOMEM, ENXIO, EPERM]);
const FLAGS = [
  EV_ADD,
  EV_ADD | EV_CLEAR,
  EV_ADD | EV_ONESHOT,
  EV_ADD | EV_DISABLE,
  EV_DELETE,
  EV_ENABLE,
  EV_DISABLE,
];

/** args: rounds, turns (per round), kq (first of) and queues. Returns calls that did something. */
export function sourceChurn(m: Member): number {
  const filter = m.s.kfilter_register(`filter ${m.index}`);
  assert.ok(filter > 0, `kfilter_register: ${filter}`);
  const events = new KeventList(8);
  const own: number[] = [];
  let done = 0;
  for (let round = 0; round < m.arg("rounds"); round++) {
    for (let turn = 0; turn < m.arg("turns"); turn++) {
      const result = step(m, filter, own, events);
      if (result >= 0) done++;
      else assert.ok(ALLOWED.has(-result), `errno ${-result}`);
    }
    m.meet(START);
    if (m.index === round % m.count) assert.deepEqual(checkInvariants(m.k), []);
    m.meet(END);
  }
  sourcesEnd(m.k, m.k.owner);
  return done;
}

function step(m: Member, filter: number, own: number[], events: KeventList): number {
  const { s, random } = m;
  const kq = m.arg("kq") + random.below(m.arg("queues"));
  const fd = m.arg("kq") + m.arg("queues") + random.below(NUMBERS);
  switch (random.below(13)) {
    case 0: {
      if (own.length >= OWN_MAX) return dropOne(m, own);
      const named = random.below(2) === 0;
      const made = named ? s.source(0, filter, random.below(IDENTS)) : s.source(0);
      if (made >= 0) own.push(made);
      return made;
    }
    case 1:
      return dropOne(m, own);
    case 2:
    case 3: {
      const mine = own[random.below(Math.max(1, own.length))] ?? fd;
      const data = random.pick([0, 5, LARGE]);
      const result = s.source_set(mine, EVFILT_READ, random.below(4), random.below(2), data);
      return result < 0 ? result : s.source_notify(mine);
    }
    case 4:
      // Not the last number of what is somebody's; that one's owner destroys it all the same.
      return s.close(fd);
    case 5:
      return s.dup2(own[0] ?? fd, fd);
    case 6:
    case 7:
      return s.kevent(kq, null, 0, events, 8, ZERO);
    case 8: {
      const other = 1 + random.below(m.count);
      return m.change(kq, random.below(IDENTS), other, random.pick(FLAGS));
    }
    case 12:
      return share(m, fd);
    case 9:
      return s.kfilter_unregister(1 + random.below(m.count)) < 0 ? -EBUSY : again(m);
    default:
      return m.change(kq, fd, random.pick([EVFILT_READ, EVFILT_WRITE]), random.pick(FLAGS));
  }
}

/** Where the members write what a handle to a source says: file and generation. */
const HANDLES = 64;
const NAMES = 8;

/** Write down a handle, or open one that somebody wrote, who may have closed or destroyed it. */
function share(m: Member, fd: number): number {
  const at = HANDLES + 2 * m.random.below(NAMES);
  const fp = fdHint(m.k, fd);
  if (m.random.below(2) === 0 && fp !== 0) {
    m.board[at] = fp;
    m.board[at + 1] = m.k.a[File.generation.at(fp)] as number;
    return 0;
  }
  const name = { file: m.board[at] as number, generation: m.board[at + 1] as number };
  const handle = handleAttach(m.k, FT_SOURCE, FREAD | FWRITE, name);
  if (typeof handle === "number") return handle === -ESTALE ? -ENOENT : handle;
  assert.equal(handle.fp, name.file);
  return handleSourceGone(m.k, handle) ? 1 : handle.fd;
}

/** The member's filter was not in use, and is registered anew, maybe under another number. */
function again(m: Member): number {
  return m.s.kfilter_register(`filter ${m.index} ${m.random.below(1 << 30)}`);
}

function dropOne(m: Member, own: number[]): number {
  const fd = own.pop();
  if (fd === undefined) return 0;
  return m.s.source_destroy(fd, m.random.below(2) === 0 ? SOURCE_SILENT : 0);
}
