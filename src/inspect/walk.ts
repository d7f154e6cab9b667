// SPDX-License-Identifier: ISC
/**
 * The state of one invariant walk: what was found reachable so far, and what is wrong. Everything
 * that is allocated is reachable in exactly one way, which the walk finds out by claiming it.
 */
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import type { ZoneDef } from "../arena/zone.js";
import { fixedWords } from "../kern/attach.js";
import { LINE_WORDS } from "../limits.js";
import { peek } from "./peek.js";

export class Walk {
  readonly k: Kthread;
  readonly problems: string[] = [];
  /** Reachable slots: which zone they are of, and what they were reached as. */
  readonly slots = new Map<number, { readonly zone: ZoneDef<string>; readonly what: string }>();
  /** Reachable byte buffers and their sizes in words, as powers of two. */
  readonly buffers = new Map<number, number>();
  /** Knotes found on the klist of each object. */
  readonly klists = new Map<number, Set<number>>();
  /** Knotes on descriptors: the object and the number that each watches. */
  readonly watching = new Map<number, { readonly obj: number; readonly fd: number }>();
  /** Queues on the list of the descriptor table. */
  readonly queues = new Set<number>();
  /** References found on each file. */
  readonly fileRefs = new Map<number, number>();
  /** Wait records found on wait queues. */
  readonly parked = new Set<number>();
  /** Registrations found of each named filter. */
  readonly named = new Map<number, number>();
  /** Files that those hold, whether or not a number names them. */
  readonly namedFiles = new Set<number>();
  /** Sources that files are open on. */
  readonly sources = new Set<number>();
  userEvents = 0;
  timers = 0;
  /** First word that slots and buffers can be at. */
  readonly first: number;
  readonly brk: number;
  /** More elements than any list can have. */
  readonly limit: number;

  constructor(k: Kthread) {
    this.k = k;
    const threads = peek(k, Super.threadsMax, SUPER);
    this.first = fixedWords(threads, k.a.length);
    this.brk = peek(k, Super.brk, SUPER);
    this.limit = k.a.length / LINE_WORDS;
  }

  /** Note a problem unless the condition holds. */
  check(holds: boolean, text: () => string): boolean {
    if (!holds) this.problems.push(text());
    return holds;
  }

  /** Two values that must agree. */
  same(got: number, expected: number, what: () => string): boolean {
    return this.check(got === expected, () => `${what()} is ${got}, expected ${expected}`);
  }

  /** A slot was reached; false if it cannot be one, or was reached before. */
  claim(zone: ZoneDef<string>, slot: number, what: string): boolean {
    const { name, words } = zone.struct;
    const inside = slot >= this.first && slot + words <= this.brk && slot % LINE_WORDS === 0;
    if (!this.check(inside, () => `${what}: ${slot} is no ${name}`)) return false;
    const before = this.slots.get(slot);
    if (before !== undefined) {
      this.problems.push(`${name} ${slot} is both ${before.what} and ${what}`);
      return false;
    }
    this.slots.set(slot, { zone, what });
    return true;
  }

  /** A byte buffer of 2^n words was reached. */
  claimBuffer(buffer: number, words: number, what: string): void {
    const inside = buffer >= this.first && buffer + words <= this.brk;
    if (!this.check(inside, () => `${what}: ${buffer} is no buffer of ${words} words`)) return;
    if (!this.check(!this.buffers.has(buffer), () => `${what}: buffer ${buffer} has two users`)) {
      return;
    }
    this.buffers.set(buffer, words);
  }

  referTo(file: number): void {
    this.fileRefs.set(file, (this.fileRefs.get(file) ?? 0) + 1);
  }

  /** A lock that nobody holds or waits for. */
  unlocked(lock: number, what: () => string): void {
    this.check(this.k.a[lock] === 0, () => `${what()} is locked: ${this.k.a[lock]}`);
  }
}
