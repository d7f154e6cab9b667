// SPDX-License-Identifier: ISC
/**
 * A picture of the whole arena as text: threads and what they do, descriptors and what is behind
 * them, queues with every registration, who sleeps where. For an arena that is stuck: it takes no
 * lock, and follows no list further than that list can be long.
 */
import type { Kthread } from "../arena/kthread.js";
import { SUPER, Super } from "../arena/superblock.js";
import { filterops } from "../event/filters.js";
import { Source } from "../event/source.js";
import { Kncold, Knote, Kqueue, type KqueuePtr, kqClaimWaitq } from "../event/structs.js";
import { Eventfd } from "../fd/eventfd.js";
import { Pipe } from "../fd/pipe-ring.js";
import { FD_EMPTY, Fdentry, Fdtable, fdEntry, type TablePtr } from "../kern/fdtable.js";
import {
  File,
  FT_BELL,
  FT_CHANNEL,
  FT_EVENTFD,
  FT_KQUEUE,
  FT_PIPE,
  FT_SOURCE,
} from "../kern/file.js";
import { Obj } from "../kern/object.js";
import { Proc } from "../kern/process.js";
import { THREAD_FREE, Thread } from "../kern/thread.js";
import { DESCRIPTORS_MAX, LIMBO_MAX, LOCKS_HELD_MAX } from "../limits.js";
import { LOCK_OWNER_MASK, LOCK_WAITERS } from "../sync/mutex.js";
import { Waitq, type WaitqPtr, Waitrec } from "../sync/wait.js";
import { chain, type Inspected, peek, peekNumber, threadOf } from "./peek.js";
import { waitQueues } from "./usage.js";

const LIST_MAX = 4096;
const REC_NAMES = ["free", "armed", "claimed", "detached"];
const TYPE_NAMES = new Map([
  [FT_KQUEUE, "kqueue"],
  [FT_EVENTFD, "eventfd"],
  [FT_PIPE, "pipe"],
  [FT_CHANNEL, "channel"],
  [FT_BELL, "bell"],
  [FT_SOURCE, "source"],
]);

/** The arena as text, one line per thing. Never sleeps, takes no lock. */
export function dump(of: Inspected): string {
  const k = threadOf(of);
  const lines: string[] = [];
  for (const name of [
    "memoryLock",
    "threadsLock",
    "nestLock",
    "clockLock",
    "filtersLock",
  ] as const) {
    const word = k.a[Super[name].at(SUPER)] as number;
    if (word !== 0) lines.push(`${name}: ${lockText(word)}`);
  }
  lines.push(`netHits ${peek(k, Super.netHits, SUPER)}`);
  threads(k, lines);
  descriptors(k, lines);
  return lines.join("\n");
}

function lockText(word: number): string {
  if (word === 0) return "free";
  const slot = word & LOCK_OWNER_MASK & 0xfff;
  return `held by thread ${slot}${(word & LOCK_WAITERS) !== 0 ? ", contended" : ""}`;
}

function threads(k: Kthread, lines: string[]): void {
  const table = peek(k, Super.threadTable, SUPER);
  for (let i = 0; i < peek(k, Super.threadsMax, SUPER); i++) {
    const thread = table + i * Thread.struct.words;
    const state = peek(k, Thread.state, thread);
    if (state === THREAD_FREE) continue;
    const words = (at: number, count: number): string => {
      return [...k.a.subarray(at, at + count)].filter((word) => word !== 0).join(" ");
    };
    const record = peek(k, Thread.record, thread);
    lines.push(
      `thread ${i + 1} at ${thread}: state ${state} call ${peek(k, Thread.call, thread)} ` +
        `syncWord ${peek(k, Thread.syncWord, thread)} ` +
        `asyncWord ${peek(k, Thread.asyncWord, thread)} ` +
        `locks [${words(thread + Thread.locks.offset, LOCKS_HELD_MAX)}] ` +
        `limbo [${words(thread + Thread.limbo.offset, LIMBO_MAX)}] ` +
        `record ${record === 0 ? "none" : recordText(k, record)}`,
    );
  }
}

function recordText(k: Kthread, record: number): string {
  const state = REC_NAMES[peek(k, Waitrec.state, record)] ?? "?";
  const wakeAt = peekNumber(k, Waitrec.wakeAt, record);
  return `${record} ${state} on ${peek(k, Waitrec.waitq, record)} wakeAt ${wakeAt}`;
}

function descriptors(k: Kthread, lines: string[]): void {
  const table = peek(k, Proc.table, peek(k, Super.init, SUPER)) as TablePtr;
  lines.push(`table ${table}: ${lockText(peek(k, Fdtable.lock, table))}`);
  const shown = new Set<number>();
  for (let fd = 0; fd < DESCRIPTORS_MAX; fd++) {
    const entry = fdEntry(k, table, fd);
    if (entry === 0 || peek(k, Fdentry.state, entry) === FD_EMPTY) continue;
    const file = peek(k, Fdentry.file, entry);
    const type = file === 0 ? 0 : peek(k, File.type, file);
    const obj = file === 0 ? 0 : peek(k, File.object, file);
    const refs = file === 0 ? 0 : peek(k, File.refs, file);
    const state = peek(k, Fdentry.state, entry);
    lines.push(
      `fd ${fd}: state ${state} file ${file} refs ${refs} ${TYPE_NAMES.get(type) ?? type} ${obj}`,
    );
    if (obj !== 0 && !shown.has(obj)) object(k, type, obj, lines);
    shown.add(obj);
  }
}

function object(k: Kthread, type: number, obj: number, lines: string[]): void {
  const lock = lockText(k.a[peek(k, Obj.lockAt, obj)] as number);
  const knotes = peek(k, Obj.knotes, obj);
  let text = `  object ${obj}: ${lock}, ${knotes} knotes, edge ${peek(k, Obj.edge, obj)}`;
  if (type === FT_EVENTFD) text += `, count ${peekNumber(k, Eventfd.count, obj)}`;
  if (type === FT_PIPE || type === FT_CHANNEL) {
    text += `, ${peek(k, Pipe.count, obj)} bytes, ${peek(k, Pipe.records, obj)} records`;
    text += `, closed ${peek(k, Pipe.closed, obj)}`;
  }
  if (type === FT_SOURCE) {
    text += `, owner ${peek(k, Source.owner, obj)}, filter ${peek(k, Source.filter, obj)}`;
  }
  lines.push(text);
  for (const wq of waitQueues(type, obj)) waitq(k, wq, "waiters", lines);
  if (type === FT_KQUEUE) queue(k, obj as KqueuePtr, lines);
}

function waitq(k: Kthread, wq: WaitqPtr, name: string, lines: string[]): void {
  const claimed = peek(k, Waitq.claimed, wq);
  for (const field of [Waitq.head, Waitq.asyncHead]) {
    for (const rec of chain(k, peek(k, field, wq), Waitrec.next, LIST_MAX)) {
      const mark = rec === claimed ? " (wake in flight)" : "";
      const thread = peek(k, Waitrec.thread, rec);
      lines.push(`    ${name}: thread at ${thread}, record ${recordText(k, rec)}${mark}`);
    }
  }
}

function queue(k: Kthread, kq: KqueuePtr, lines: string[]): void {
  const number = (field: Parameters<typeof peek>[1]): number => peek(k, field, kq);
  lines.push(
    `    queue: ${lockText(number(Kqueue.lock))}, state ${number(Kqueue.state)} ` +
      `count ${number(Kqueue.count)} fresh ${number(Kqueue.fresh)} ` +
      `knotes ${number(Kqueue.knotes)} timers ${number(Kqueue.heapCount)} ` +
      `watched ${number(Kqueue.watched)} dirty ${number(Kqueue.dirty)}`,
  );
  waitq(k, kqClaimWaitq(kq), "waits for a claim", lines);
  const buckets = number(Kqueue.hash);
  for (let i = 0; i < 2 ** number(Kqueue.hashBits); i++) {
    for (const kn of chain(k, k.a[buckets + i] as number, Knote.hashNext, LIST_MAX)) {
      lines.push(`    ${knoteText(k, kn)}`);
    }
  }
}

function knoteText(k: Kthread, kn: number): string {
  const ops = filterops[peek(k, Knote.ops, kn)]?.name ?? "?";
  const cold = peek(k, Knote.cold, kn);
  const hex = (field: Parameters<typeof peek>[1]): string => peek(k, field, kn).toString(16);
  let text = `knote ${kn}: ${ops} ident ${peek(k, Knote.ident, kn)} status ${hex(Knote.status)}`;
  text += ` flags ${hex(Knote.flags)} fflags ${hex(Knote.fflags)} data ${peek(k, Knote.data, kn)}`;
  text += ` obj ${peek(k, Knote.obj, kn)} claim ${peek(k, Knote.claim, kn)}`;
  if (cold !== 0) text += ` seen ${peek(k, Kncold.seenEdge, cold)}`;
  if (cold !== 0) text += ` due ${peekNumber(k, Kncold.due, cold)}`;
  return text;
}
