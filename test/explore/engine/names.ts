// SPDX-License-Identifier: ISC
/**
 * What a word of the arena is, for people: its struct and field, by the struct layouts. Slots are
 * found by their zone's chunks. A zone tells only where its newest chunk is, so a watch during the
 * setup notes each chunk as it is carved.
 */
import { RacyField } from "#field";
import type { Kthread } from "#src/arena/kthread.js";
import { type FieldInfo, LOCK, PRIVATE, type StructInfo } from "#src/arena/layout.js";
import { SUPER, Super } from "#src/arena/superblock.js";
import { Zone, zoneHead, zones } from "#src/arena/zone.js";
import { Fdentry, fdHint } from "#src/kern/fdtable.js";
import { File } from "#src/kern/file.js";
import { ownerWord, Thread, threadSlot } from "#src/kern/thread.js";
import { FD_CHUNK_ENTRIES } from "#src/limits.js";
import { exploreInstall } from "#src/sync/atomics-explore.js";
import { LOCK_OWNER_MASK, LOCK_WAITERS } from "#src/sync/mutex.js";
import { WORD_SLEEPING, WORD_SPINNING, WORD_WOKEN } from "#src/sync/wait.js";
import { type Races, WORD_POINTER, WORD_RACY } from "./races.js";
import type { Shared } from "./scenario.js";

/** A run of slots of one struct. */
interface Region {
  readonly struct: StructInfo;
  readonly from: number;
  readonly to: number;
  /** Slots of the struct before the first of this region. */
  readonly before: number;
}

/** What is known of a word. */
export interface Place {
  readonly text: string;
  readonly isLock: boolean;
  /** Name of the field, or "" when no struct has the word. */
  readonly field: string;
}

const FDENTRY_WORDS = 4;
const SYNC_WORDS = new Map([
  [WORD_SPINNING, "spinning"],
  [WORD_WOKEN, "woken"],
  [WORD_SLEEPING, "sleeping"],
]);
/** Fields that point to slots, by their names, and fields of bits. */
const POINTER_NAMES =
  "file|file2|obj|object|kq|cold|ext|record|records|claimed|process|fired|queues|waitq|limbo";
const POINTERS = new RegExp(`^(?:${POINTER_NAMES})$|(?:head|tail|next|prev|magazine)$`, "i");
const BITS = /flags|status/i;
/** Keys of `shared` that are descriptors: kq, kq2, fd, childFd. */
const DESCRIPTOR = /^kq\d*$|^fd\d*$|(?:Kq|Fd)$/;

export class Names {
  readonly #regions: Region[] = [];
  readonly #slots = new Map<number, string>();
  readonly #words = new Map<number, string>();
  readonly #owners = new Map<number, string>();
  readonly #ends: number[] = [];
  #brk: number;

  constructor(k: Kthread) {
    this.#brk = k.a[Super.brk.at(SUPER)] as number;
    const zoneTable = Super.zoneTable.get(k, SUPER);
    const threads = threadSlot(k, 1);
    const threadWords = Super.threadsMax.get(k, SUPER) * Thread.struct.words;
    this.#add(Super.struct, SUPER, zoneTable);
    this.#add(Zone.struct, zoneTable, threads);
    this.#add(Thread.struct, threads, threads + threadWords);
    this.#slots.set(SUPER, "kernel");
    for (const zone of zones) this.#slots.set(zoneHead(k, zone), `zone of ${zone.struct.name}s`);
    this.#slots.set(k.thread, "thread setup");
    this.#owners.set(k.owner, "setup");
    this.newest(k);
  }

  #add(struct: StructInfo, from: number, to: number): void {
    if (this.#regions.some((region) => region.from === from)) return;
    const earlier = this.#regions.filter((region) => region.struct === struct);
    const before = earlier.reduce((n, { from: a, to: b }) => n + (b - a) / struct.words, 0);
    this.#regions.push({ struct, from, to, before });
  }

  /** Note the newest chunk of each zone. */
  newest(k: Kthread): void {
    for (const zone of zones) {
      const end = k.a[Zone.chunkEnd.at(zoneHead(k, zone))] as number;
      if (end === 0 || end === this.#ends[zone.index]) continue;
      this.#ends[zone.index] = end;
      this.#add(zone.struct, end - zone.chunkSlots * zone.struct.words, end);
    }
  }

  /** Note every chunk that is carved while `setup` runs, and what its descriptors are called. */
  watch(k: Kthread, setup: () => Shared): Shared {
    const nothing = (): void => {};
    exploreInstall({
      before: nothing,
      after: nothing,
      read: nothing,
      write: nothing,
      rest: nothing,
      spin: nothing,
      lock: (_a, _lock, taken) => (taken ? undefined : this.#carved(k)),
      wait: () => {
        throw new Error("setup must not sleep");
      },
      waitAsync: () => false,
      notify: () => 0,
    });
    const shared = setup();
    exploreInstall(null);
    for (const [key, fd] of Object.entries(shared)) {
      if (!DESCRIPTOR.test(key)) continue;
      const fp = fdHint(k, fd);
      const object = fp === 0 ? 0 : File.object.hint(k, fp);
      if (!this.#slots.has(object)) this.#slots.set(object, key);
    }
    return shared;
  }

  /** The memory that one hold of the memory lock carved belongs to one zone, or is a buffer. */
  #carved(k: Kthread): void {
    const brk = k.a[Super.brk.at(SUPER)] as number;
    if (brk === this.#brk) return;
    for (const zone of zones) {
      const end = k.a[Zone.chunkEnd.at(zoneHead(k, zone))] as number;
      if (end === (this.#ends[zone.index] ?? 0)) continue;
      this.#ends[zone.index] = end;
      this.#add(zone.struct, this.#brk, end);
    }
    this.#brk = brk;
  }

  /** The thread that attached as number `me` after the one that did the setup. */
  thread(k: Kthread, me: number, name: string): void {
    const slot = threadSlot(k, me + 2);
    this.#slots.set(slot, name);
    const epoch = k.a[Thread.epoch.at(slot)] as number;
    this.#owners.set(ownerWord(me + 2, epoch), name);
  }

  /** Mark every racy word that the layouts have; true if some were not known. */
  markRacy(races: Races): boolean {
    let news = false;
    for (const { struct, from, to } of this.#regions) {
      const [fields, words] =
        struct.name === "fdchunk"
          ? [Fdentry.struct.fields, FDENTRY_WORDS]
          : [struct.fields, struct.words];
      for (const field of fields) {
        if (!(field instanceof RacyField) || field.guard === PRIVATE) continue;
        const pointer = field === Fdentry.file || field === File.object;
        for (let word = from + field.offset; word < to; word += words) {
          if (races.mark(word, pointer ? WORD_POINTER : WORD_RACY)) news = true;
        }
      }
    }
    return news;
  }

  label(words: Readonly<Record<number, string>>): void {
    for (const [word, name] of Object.entries(words)) this.#words.set(Number(word), name);
  }

  /** What a word is. */
  place(word: number): Place {
    const label = this.#words.get(word);
    if (label !== undefined) return { text: label, isLock: false, field: "" };
    const region = this.#regionOf(word);
    if (region === undefined) return { text: `word ${word}`, isLock: false, field: "" };
    const { struct, from } = region;
    const offset = (word - from) % struct.words;
    const slot = word - offset;
    if (struct.name === "fdchunk") return this.#descriptor(region, slot, offset);
    return this.#member(this.#slotName(region, slot), struct.fields, offset);
  }

  #regionOf(word: number): Region | undefined {
    return this.#regions.find(({ from, to }) => word >= from && word < to);
  }

  #slotName({ struct, from, before }: Region, slot: number): string {
    const number = before + (slot - from) / struct.words + 1;
    return this.#slots.get(slot) ?? `${struct.name} ${number}`;
  }

  #descriptor(region: Region, slot: number, offset: number): Place {
    const chunk = region.before + (slot - region.from) / region.struct.words;
    const fd = chunk * FD_CHUNK_ENTRIES + Math.trunc(offset / FDENTRY_WORDS);
    return this.#member(`descriptor ${fd}`, Fdentry.struct.fields, offset % FDENTRY_WORDS);
  }

  #member(owner: string, fields: StructInfo["fields"], offset: number): Place {
    let found: FieldInfo | undefined;
    for (const field of fields) {
      if (field.offset <= offset && (found === undefined || field.offset >= found.offset)) {
        found = field;
      }
    }
    if (found === undefined) return { text: `${owner} + ${offset}`, isLock: false, field: "" };
    const rest = offset - found.offset;
    const text = `${owner}.${found.name}${rest === 0 ? "" : ` + ${rest}`}`;
    return { text, isLock: found.guard === LOCK, field: found.name };
  }

  /** What the value of a word means. */
  value(place: Place, value: number): string {
    if (place.isLock) return this.owner(value);
    if (place.field === "syncWord" || place.field === "asyncWord")
      return SYNC_WORDS.get(value) ?? String(value);
    if (place.field === "locks") return value === 0 ? "nothing" : this.place(value).text;
    if (POINTERS.test(place.field)) {
      if (value === 0) return "none";
      const region = this.#regionOf(value);
      if (region !== undefined) return this.#slotName(region, value);
    }
    if (BITS.test(place.field)) return `0x${(value >>> 0).toString(16)}`;
    return String(value);
  }

  /** Who has a lock, by its word. */
  owner(word: number): string {
    if (word === 0) return "free";
    const name = this.#owners.get(word & LOCK_OWNER_MASK) ?? `owner ${word & LOCK_OWNER_MASK}`;
    return (word & LOCK_WAITERS) === 0 ? name : `${name}, awaited`;
  }
}
