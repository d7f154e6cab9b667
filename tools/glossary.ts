// SPDX-License-Identifier: ISC
/**
 * The nouns of the kernel, which ARCHITECTURE.md prints at its end. The abbreviations here are the
 * only ones that names inside the kernel use, besides the words of the abi.
 */

export interface Term {
  readonly noun: string;
  /** Abbreviations, as in names of variables, types and structs. */
  readonly short: readonly string[];
  readonly meaning: string;
}

function term(noun: string, short: string, meaning: string): Term {
  return { noun, short: short === "" ? [] : short.split(" "), meaning };
}

export const GLOSSARY: readonly Term[] = [
  term("activation", "", "a knote's condition has come to hold, and it joins the ready list"),
  term("arena", "a", "the one SharedArrayBuffer that holds a kernel; as a variable, its words"),
  term("bell", "", "an object that tells every watching queue of every ring, each on its own"),
  term("brk", "", "the first word of the arena that was never handed out"),
  term("bucket", "", "one chain of a hash"),
  term("buffer", "", "memory of no fixed kind: pipe contents, hashes, heaps"),
  term("change", "ch c", "a record of kevent's change list; unpacked, and as words"),
  term("channel", "", "a packet pipe with one file that is both ends, and that can be ended"),
  term("chunk", "", "what a zone carves from the arena at a time; 64 entries of a table"),
  term("claim", "", "the right to work on a knote with its queue unlocked"),
  term("claimed wake", "", "the one wake in flight to a blocking waiter of a wait queue"),
  term("cold line", "cold kncold", "the second 64 bytes of a knote that needs them"),
  term("deferred work", "", "what a thread does when it has dropped its last lock"),
  term("descriptor", "fd", "a number of a process that names an open file"),
  term("descriptor table", "fdtable table", "numbers to open files, in chunks of entries"),
  term("edge", "", "an accepted operation on an object, counted"),
  term("entry", "fdentry", "one number of a descriptor table"),
  term("entry chunk", "fdchunk", "64 entries of a descriptor table, one slot of their zone"),
  term("epoch", "", "how often a thread slot was used; part of the owner word"),
  term("evaluate", "", "look whether a knote's condition holds, and queue or unqueue it"),
  term("event", "ev", "what kevent delivers; as a variable, the words of the event list"),
  term("eventfd", "efd", "a 64-bit counter with a descriptor"),
  term("expiry", "", "a due time of a timer that has come"),
  term("ext values", "knext ext", "ext[4] of a registration, in a slot of their own"),
  term("fast lane", "lane", "a counter that lives in one word, changed by compare-and-swap"),
  term("file", "fp", "an open file: what descriptors, handles and knotes refer to"),
  term("filter", "filt", "a kind of event source, and its code"),
  term("filter operations", "ops filterops", "what a filter does at each point of a knote's life"),
  term("fresh", "", "on the ready list, and not delivered since its activation"),
  term("generation", "", "how often a slot was freed; a handle is a slot and a generation"),
  term("guard", "", "the lock, or other right, that a field may be touched with"),
  term("handle", "", "a descriptor owned by a JavaScript object"),
  term("hint", "", "a plain load without a lock, to be checked again under one"),
  term("host", "", "the runtime as the kernel sees it: clocks, processors, workers"),
  term("klist", "", "the knotes on a watched object"),
  term("knote", "kn", "one registration of a queue"),
  term("kthread", "k", "the calling thread as its own realm sees it; first parameter everywhere"),
  term("level", "", "delivered for as long as the condition holds"),
  term("limbo", "", "where a slot is that was taken from a zone and is not linked yet"),
  term("line", "", "64 bytes; slots are whole lines"),
  term("magazine", "", "the free knotes that a queue keeps for itself"),
  term("named filter", "kfilter kf", "a filter that a program has registered: a table of sources"),
  term("nest", "", "queues that watch queues"),
  term("net wake", "net", "a sleep that ended by itself; finding work then is a defect"),
  term("notification", "notify", "an object tells its knotes of an edge"),
  term("object", "obj", "what can be watched: its lock, klist, views and edge count"),
  term("orphan", "", "a knote whose object is gone; its operations are the no-ops"),
  term("owner word", "", "slot and epoch of a thread: what a lock holds while it is taken"),
  term("panic", "", "a broken invariant: KernelPanic"),
  term("pipe", "", "a ring of bytes or packets with two ends"),
  term("poke", "", "run the due timers of a queue that another queue watches"),
  term("process", "proc", "credentials, limits, counts and a descriptor table"),
  term("profile", "", "a column of the table of switches by which systems differ"),
  term("publish", "", "a plain store that a lock operation makes visible; to leave limbo"),
  term("queue", "kqueue kq", "registrations, a ready list, timers and waiters under one lock"),
  term("queue lock", "", "guards a queue, its knotes, timers and waiters; the innermost lock"),
  term("rank", "", "a lock's place in the lock order"),
  term("ready list", "", "the knotes of a queue that are KN_QUEUED, oldest activation first"),
  term("reap", "", "take back what a thread that ended has left behind"),
  term("register", "", "apply one change"),
  term("scan", "", "copy ready events out, under one hold of the queue lock"),
  term("slot", "", "a place for one struct, which stays one of that kind for ever"),
  term("source", "src", "an object whose state a program sets, and destroys under its watchers"),
  term("superblock", "super", "the start of the arena: what it is, limits, global counts"),
  term("switch", "", "one behaviour in which systems differ"),
  term("sync word, async word", "", "the words that a thread sleeps on, or awaits"),
  term("thread", "", "a JavaScript thread attached to an arena; its slot in the thread table"),
  term("touch", "", "what a filter does when a change meets an existing knote"),
  term("view", "", "an object's state for one direction in one word"),
  term("wait queue", "waitq wq", "the waiters of an object or queue"),
  term("wait record", "waitrec rec", "one waiter"),
  term("warden", "", "the worker that starts other workers and hears of their end"),
  term("zone", "", "slots of one size for one struct"),
];
