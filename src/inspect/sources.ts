// SPDX-License-Identifier: ISC
/** Invariants of sources and named filters. */
import { hashBucket } from "../arena/hash.js";
import { SUPER, Super } from "../arena/superblock.js";
import { Kfilter, type KfilterPtr, kfilterZone } from "../event/registry.js";
import { Source, type SourcePtr } from "../event/source.js";
import { File } from "../kern/file.js";
import { Obj, VIEW_ASK, VIEW_EOF } from "../kern/object.js";
import { FILTER_BUCKETS, FILTER_NAME_BYTES, FILTERS_MAX } from "../limits.js";
import { chain, peek } from "./peek.js";
import type { Walk } from "./walk.js";

const BUCKET_BITS = 31 - Math.clz32(FILTER_BUCKETS);

/** A source that a file is open on. */
export function checkSource(w: Walk, p: SourcePtr, name: string): void {
  const { k } = w;
  w.sources.add(p);
  const file = peek(k, Source.opened, p);
  w.same(file, peek(k, Obj.file, p), () => `${name}: file by which it is found`);
  w.same(peek(k, File.object, file), p, () => `${name}: object of its file`);
  w.check(peek(k, Source.owner, p) !== 0, () => `${name} has no owner`);
  const directions = [
    [Source.readFlags, Source.readFflags, Obj.exactRead, Obj.readView],
    [Source.writeFlags, Source.writeFflags, Obj.exactWrite, Obj.writeView],
  ] as const;
  for (const [flags, fflags, data, view] of directions) {
    const lo = k.a[p + data.offset] as number;
    const hi = k.a[p + data.offset + 1] as number;
    const published = peek(k, view, p);
    const state = peek(k, flags, p);
    w.same(published < 0 ? 2 : 0, state & 2, () => `${name}: end in its ${view.name}`);
    if ((published & VIEW_ASK) !== 0) continue;
    const said = published & ~VIEW_EOF;
    const plain = state === 0 || (peek(k, fflags, p) === 0 && hi === 0 && said === lo);
    w.check(plain && (state !== 0 || said === 0), () => `${name}: ${view.name} ${published}`);
  }
}

/** The named filters and the list of sources; comes after all files and queues were walked. */
export function checkFilters(w: Walk): void {
  const { k } = w;
  const listed = chain(k, peek(k, Super.sources, SUPER), Source.next, w.limit);
  let before = 0;
  for (const p of listed) {
    w.same(peek(k, Source.prev, p), before, () => `source ${p}: link back`);
    w.check(w.sources.has(p), () => `source ${p} is listed, and no file is open on it`);
    before = p;
  }
  w.same(listed.length, w.sources.size, () => "sources on the list");
  const byFilter = new Map<number, number>();
  for (const p of listed) {
    const number = peek(k, Source.filter, p);
    if (number !== 0) byFilter.set(number, (byFilter.get(number) ?? 0) + 1);
  }
  let last = 0;
  for (const kf of chain(k, peek(k, Super.filters, SUPER), Kfilter.next, w.limit)) {
    if (!w.claim(kfilterZone, kf, "a named filter")) break;
    const number = peek(k, Kfilter.number, kf);
    const name = `filter ${number}`;
    w.check(number > last && number <= FILTERS_MAX, () => `${name} stands behind ${last}`);
    last = number;
    w.same(peek(k, Kfilter.knotes, kf), w.named.get(number) ?? 0, () => `${name}: knotes`);
    w.named.delete(number);
    w.same(peek(k, Kfilter.sources, kf), byFilter.get(number) ?? 0, () => `${name}: sources`);
    byFilter.delete(number);
    checkBuckets(w, kf as KfilterPtr, number, name);
    const bytes = peek(k, Kfilter.nameBytes, kf);
    const ended = peek(k, Kfilter.owner, kf) === 0;
    w.check(bytes <= FILTER_NAME_BYTES && (bytes === 0) === ended, () => `${name}: ${bytes} bytes`);
    const kept = !ended || peek(k, Kfilter.knotes, kf) > 0;
    w.check(kept, () => `${name} has ended, and nothing keeps it`);
  }
  for (const number of [...w.named.keys(), ...byFilter.keys()]) {
    w.problems.push(`filter ${number} is in use and does not exist`);
  }
}

/** Each bucket has the sources of its identifiers, and as many as are counted. */
function checkBuckets(w: Walk, kf: KfilterPtr, number: number, name: string): void {
  const { k } = w;
  let found = 0;
  for (let i = 0; i < FILTER_BUCKETS; i++) {
    const head = k.a[Kfilter.buckets.at(kf) + i] as number;
    for (const p of chain(k, head, Source.bucketNext, w.limit)) {
      found++;
      const key = peek(k, Source.identLo, p) ^ peek(k, Source.identHi, p);
      w.same(i, hashBucket(key, 0, BUCKET_BITS, true), () => `${name}: bucket of source ${p}`);
      w.same(peek(k, Source.filter, p), number, () => `${name}: filter of source ${p}`);
    }
  }
  w.same(found, peek(k, Kfilter.sources, kf), () => `${name}: sources in its buckets`);
}
