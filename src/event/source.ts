// SPDX-License-Identifier: ISC
/**
 * Sources: watchable objects whose state a program sets itself. What a source is, and what its
 * knotes read of it; making, setting and destroying one is in fd/source.ts.
 *
 * A source differs from all other objects in that it goes away before its knotes do. An open file
 * refers to it, and numbers, handles and knotes refer to the file; destroying the source leaves the
 * file open on nothing (File.object is 0), and its knotes without an object (event/fini.ts).
 *
 * Only the thread that made a source may set, notify or destroy it: what a source means is the
 * program's, and programs' own state is not safe on several threads.
 */
import { SRC_EOF, SRC_READY } from "../abi/source.js";
import type { Kthread } from "../arena/kthread.js";
import { defineStruct, guardedBy, IMMUTABLE, type Ptr, ptr, word } from "../arena/layout.js";
import { SUPER, Super } from "../arena/superblock.js";
import { defineZone } from "../arena/zone.js";
import { O, Obj, type ObjectPtr, VIEW_ASK, VIEW_EOF } from "../kern/object.js";
import { VIEW_DATA_MAX } from "../limits.js";

export type SourcePtr = Ptr<"source"> & ObjectPtr;

/** Guard of what makes sources findable: the filters lock. */
export const F = guardedBy("f", "filters lock", () => Super.filtersLock.at(SUPER));

export const Source = defineStruct(
  "source",
  {
    owner: word(IMMUTABLE, "owner word of the thread that made it: slot and epoch"),
    noFork: word(IMMUTABLE, "1 if its registrations are not copied by fork"),
    readFlags: word(O, "SRC_* of the reading direction, which a named filter reports too"),
    readFflags: word(O, "fflags of its events: an error, or what a named filter says"),
    writeFlags: word(O, "SRC_* of the writing direction"),
    writeFflags: word(O, "fflags of its events"),
    silent: word(O, "1 if it was set and not notified since"),
    opened: ptr<"file">(F, "its open file"),
    filter: word(F, "number of its named filter, 0 if it has none"),
    identLo: word(F, "its identifier there, low word"),
    identHi: word(F, "and high word"),
    bucketNext: ptr<"source">(F, "next source of the filter's bucket"),
    next: ptr<"source">(F, "next source of the kernel"),
    prev: ptr<"source">(F, "previous source of the kernel"),
  },
  Obj,
);
export const sourceZone = defineZone<"source">(Source.struct, Obj.spare.offset, 8);

/** One direction's view, from its state. */
function viewOf(flags: number, fflags: number, lo: number, hi: number): number {
  if ((flags & (SRC_READY | SRC_EOF)) === 0) return 0;
  const eof = (flags & SRC_EOF) !== 0 ? VIEW_EOF : 0;
  const fits = fflags === 0 && hi === 0 && lo >= 0 && lo < VIEW_DATA_MAX;
  // "Ready" is data other than 0 in a view, so ready with no data has to be asked for.
  if (!fits || (lo === 0 && eof === 0)) return eof | VIEW_ASK;
  return eof | lo;
}

/** Publish both views; object lock held. */
export function sourceViewsLocked(k: Kthread, p: SourcePtr): void {
  const read = [Source.readFlags, Source.readFflags, Obj.exactRead, Obj.readView] as const;
  const write = [Source.writeFlags, Source.writeFflags, Obj.exactWrite, Obj.writeView] as const;
  for (const [flags, fflags, data, view] of [read, write]) {
    const now = viewOf(flags.get(k, p), fflags.get(k, p), data.lo(k, p), data.hi(k, p));
    view.publish(k, p, now);
  }
}
