// SPDX-License-Identifier: ISC
/** The invariant walk notices damage to sources, named filters, and what klistFini has left. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EV_DISABLE, EVFILT_READ } from "#src/abi/event.js";
import { SOURCE_SILENT, SRC_READY } from "#src/abi/source.js";
import type { Kthread } from "#src/arena/kthread.js";
import type { FieldInfo } from "#src/arena/layout.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { OPS_NOP_FD, OPS_SOURCE_READ } from "#src/event/filterops.js";
import { fileKqueue } from "#src/event/kqueue.js";
import { Kfilter } from "#src/event/registry.js";
import { Source } from "#src/event/source.js";
import { KN_ANSWERED, Kncold, Knote, Kqueue } from "#src/event/structs.js";
import { dump } from "#src/inspect/dump.js";
import { checkInvariants } from "#src/inspect/invariants.js";
import { chain, peek } from "#src/inspect/peek.js";
import { fdHint } from "#src/kern/fdtable.js";
import { File } from "#src/kern/file.js";
import { Obj, VIEW_ASK } from "#src/kern/object.js";
import { KeventList, sys } from "#src/sys/face.js";
import { bootThread, notices, word } from "./support.js";

const ZERO = { sec: 0, nsec: 0 };

interface Busy {
  readonly k: Kthread;
  readonly plain: number;
  readonly named: number;
  readonly told: number;
  readonly silent: number;
  readonly queue: number;
}

/** Two sources that are watched, one by a named filter, and two that were destroyed. */
function busy(): Busy {
  const k = bootThread();
  const s = sys({ thread: k });
  const kq = s.kqueue();
  const filter = s.kfilter_register("keys");
  const plain = s.source(0);
  const named = s.source(0, filter, 7);
  const told = s.source(0);
  const silent = s.source(0);
  const list = new KeventList(5)
    .set(0, plain, EVFILT_READ, EV_ADD)
    .set(1, 7, filter, EV_ADD)
    .set(2, told, EVFILT_READ, EV_ADD | EV_DISABLE)
    .set(3, silent, EVFILT_READ, EV_ADD);
  assert.equal(s.kevent(kq, list, 4, null, 0, ZERO), 0);
  for (const [fd, data] of [
    [plain, 5],
    [named, 2 ** 40],
  ] as const) {
    assert.equal(s.source_set(fd, EVFILT_READ, SRC_READY, 0, data), 0);
    assert.equal(s.source_notify(fd), 0);
  }
  assert.equal(s.source_destroy(told), 0);
  assert.equal(s.source_destroy(silent, SOURCE_SILENT), 0);
  const objectOf = (fd: number): number => peek(k, File.object, fdHint(k, fd));
  const queue = fileKqueue(k, fdHint(k, kq));
  return { k, plain: objectOf(plain), named: objectOf(named), told, silent, queue };
}

/** The knote of an identifier. */
function knoteOf({ k, queue }: Busy, ident: number): number {
  const buckets = peek(k, Kqueue.hash, queue);
  for (let i = 0; i < 2 ** peek(k, Kqueue.hashBits, queue); i++) {
    for (const kn of chain(k, k.a[buckets + i] as number, Knote.hashNext, 99)) {
      if (peek(k, Knote.ident, kn) === ident) return kn;
    }
  }
  assert.fail(`no knote for ${ident}`);
}

test("sources, filters and orphans are sound, and are described", () => {
  const { k } = busy();
  assert.deepEqual(checkInvariants(k), []);
  for (const part of ["source", "NAMED", "NOP", "owner"]) assert.ok(dump(k).includes(part), part);
});

test("damage to sources and named filters is noticed", () => {
  const { k, plain, named } = busy();
  const kf = peek(k, Super.filters, SUPER);
  const places: readonly [FieldInfo, number][] = [
    [Super.sources, SUPER],
    [Super.filters, SUPER],
    [Source.owner, plain],
    [Source.opened, plain],
    [Source.readFlags, plain],
    [Source.next, named],
    [Source.prev, plain],
    [Source.filter, named],
    [Obj.readView, plain],
    [Obj.state, plain],
    [Kfilter.number, kf],
    [Kfilter.knotes, kf],
    [Kfilter.sources, kf],
    [Kfilter.nameBytes, kf],
    [Kfilter.owner, kf],
  ];
  for (const [field, p] of places) {
    const [at, value] = word(k, field, p);
    if (value !== 0) notices(k, at, 0, `${field.name} lost`);
    else notices(k, at, kf, `${field.name} out of nothing`);
  }
  const [view] = word(k, Obj.readView, plain);
  notices(k, view, 6, "a view of other data");
  notices(k, Source.identLo.at(named as never), 8, "an identifier in another's bucket");
});

test("damage to what klistFini has left is noticed", () => {
  const all = busy();
  const { k, told, silent, named } = all;
  const [orphan, quiet] = [knoteOf(all, told), knoteOf(all, silent)];
  const ops = (kn: number, number: number): void => {
    const [at, value] = word(k, Knote.ops, kn);
    notices(k, at, (value & 0xffff) | (number << 16), `operations ${number} of ${kn}`);
  };
  ops(orphan, OPS_SOURCE_READ);
  ops(quiet, OPS_SOURCE_READ);
  ops(knoteOf(all, 7), OPS_NOP_FD);
  notices(k, Knote.obj.at(orphan as never), named, "an object of an orphan");
  const [status, value] = word(k, Knote.status, orphan);
  notices(k, status, value & ~1, "an end that nobody will hear");
  notices(k, status, value | KN_ANSWERED, "an answer of nobody");
  notices(k, Kncold.file.at(peek(k, Knote.cold, quiet) as never), 0, "a file lost");
  const [live] = word(k, Obj.readView, named);
  assert.notEqual((k.a[live] as number) & VIEW_ASK, 0, "large data have to be asked for");
});
