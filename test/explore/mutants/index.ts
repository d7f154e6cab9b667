// SPDX-License-Identifier: ISC
/**
 * Seeded bugs: each is one change of a compiled file, and a scenario that must find it. Each would
 * pass a test that does not meet just the right moment.
 */

export interface Mutant {
  readonly name: string;
  /** What is wrong with it. */
  readonly text: string;
  /** Scenario that kills it. */
  readonly scenario: string;
  /** Path below dist. */
  readonly file: string;
  /** Text that is there exactly once, however it is broken into lines, and what replaces it. */
  readonly find: string;
  readonly replace: string;
  /** What the replacement needs besides. */
  readonly imports?: string;
  /** Ordinary tests that see it as well; see ordinary.ts. */
  readonly caughtBy?: readonly string[];
}

/** A mutant by its name. */
export function mutantNamed(name: string): Mutant {
  const mutant = mutants.find((other) => other.name === name);
  if (mutant === undefined) throw new Error(`there is no mutant ${name}`);
  return mutant;
}

export const mutants: readonly Mutant[] = [
  {
    name: "notify-before-store",
    text: "the waker notifies the sleeper's word before it has set it",
    scenario: "lost-wake",
    file: "sync/wait.js",
    find: "if (atomicExchange(k.a, at, WORD_WOKEN) === WORD_SLEEPING)",
    replace: `atomicNotify(k.a, at, 1);
        atomicExchange(k.a, at, WORD_WOKEN);
        if (false)`,
  },
  {
    name: "late-sync-word",
    text: "the sleeper says that it sleeps only after it has unlocked the queue",
    scenario: "lost-wake",
    file: "sync/sleep.js",
    find: "    const net = ",
    replace: "    atomicCas(a, k.syncWord, WORD_WOKEN, WORD_SLEEPING);\n    const net = ",
  },
  {
    name: "no-recheck",
    text: "the waiter unlocks the queue between looking for events and linking its record",
    scenario: "lost-wake",
    file: "event/scan.js",
    find: "        const alone = Waitq.head.get(k, wq) === 0;",
    replace: `        kqueueUnlock(k, kq);
        mutexLock(k, Kqueue.lock.at(kq), RANK_QUEUE);
        const alone = Waitq.head.get(k, wq) === 0;`,
  },
  {
    name: "wake-not-passed-on",
    text: "a thread that leaves events behind wakes nobody for them",
    scenario: "pass-on",
    caughtBy: ["test/unit/wait"],
    file: "event/scan.js",
    find: "if (a[kq + FRESH] > 0)\n        queueWakeLocked(k, kq);",
    replace: "",
  },
  {
    name: "timed-out-is-gone",
    text: "a waiter whose time is up leaves without looking whether it was claimed",
    scenario: "pass-on",
    caughtBy: ["test/conformance/conformance"],
    file: "event/scan.js",
    find: "        netWake = slept === SLEPT_NET",
    replace: `        if (slept === 1) {
            kqueueUnlock(k, kq);
            return 0;
        }
        netWake = slept === SLEPT_NET`,
  },
  {
    name: "stays-linked",
    text: "a record that nobody claimed stays on the wait queue after a time-out",
    scenario: "timeout-claim",
    caughtBy: ["test/unit/wait", "test/conformance/conformance"],
    file: "sync/wait.js",
    find: "if (Waitrec.async.get(k, rec) === 0 || state === REC_ARMED)",
    replace: "if (state === REC_CLAIMED)",
  },
  {
    name: "unlock-wakes-nobody",
    text: "an unlock does not look whether somebody sleeps on the lock",
    scenario: "level-pollers",
    file: "sync/mutex.js",
    find: "if ((old & LOCK_WAITERS) !== 0)",
    replace: "if (false)",
  },
  {
    name: "add-without-second-look",
    text: "EV_ADD does not look at the descriptor again after it has linked the knote",
    scenario: "close-add",
    file: "event/attach.js",
    find: "fdHint(k, fd) !== fp",
    replace: "false",
  },
  {
    name: "queue-found-once",
    text: "kevent does not look again whether the file it found is still that queue",
    scenario: "close-kevent-reuse",
    file: "sys/calls.js",
    find: "|| fileKqueue(k, fp) !== kq",
    replace: "",
  },
  {
    name: "number-free-too-early",
    text: "close gives the number away before its knotes are gone",
    scenario: "close-reuse",
    file: "kern/descrip.js",
    find: `        upperLayers(k).fdClosed(k, fd);
        lockTable(k, table);
        fdVacateLocked(k, table, fd);
        unlockTable(k, table);`,
    replace: `        lockTable(k, table);
        fdVacateLocked(k, table, fd);
        unlockTable(k, table);
        upperLayers(k).fdClosed(k, fd);`,
  },
  {
    name: "claim-not-awaited",
    text: "EV_DELETE drops a knote that another thread is attaching",
    scenario: "add-delete",
    caughtBy: ["test/conformance/conformance"],
    file: "event/register.js",
    find: "else if (Knote.claim.get(k, kn) !== 0) {",
    replace: "else if (false) {",
  },
  {
    name: "reader-not-woken",
    text: "a write to an eventfd wakes no blocked reader",
    scenario: "eventfd-read-write",
    file: "fd/eventfd.js",
    find: "wakeOneLocked(k, readers(p));",
    replace: "{ }",
  },
  {
    name: "cleared-after-unlock",
    text: "a scan unlocks the queue between copying an event and taking it",
    scenario: "only-one-poller",
    file: "event/deliver.js",
    find: "consumeLocked(k, kn, word, ops);",
    replace: `{
                mutexUnlock(k, Kqueue.lock.at(kq));
                mutexLock(k, Kqueue.lock.at(kq), 8);
                consumeLocked(k, kn, word, ops);
            }`,
    imports: 'import { mutexLock, mutexUnlock } from "../sync/mutex.js";',
  },
  {
    name: "fini-without-swap",
    text: "klistFini takes the object away and leaves the operations",
    scenario: "fini-enable",
    caughtBy: ["test/unit/source", "test/unit/source-invariants", "test/conformance/conformance"],
    file: "event/fini.js",
    find: "Knote.ops.set(k, kn, filterops[ops]?.isDescriptor === true ? OPS_NOP_FD : OPS_NOP);",
    replace: "",
  },
  {
    name: "swapped-in-use",
    text: "klistFini swaps the operations of a knote that another thread has claimed",
    scenario: "fini-ask",
    file: "event/fini.js",
    find: "if (Knote.claim.get(k, kn) === 0) {",
    replace: "if (true) {",
  },
  {
    name: "dying-object-accepted",
    text: "EV_ADD joins an object that is being torn down",
    scenario: "fini-add",
    file: "event/attach.js",
    find: "if (!objectIsOf(k, obj, fp)) {",
    replace: "if (false) {",
  },
  {
    name: "one-shot-drops-claimed",
    text: "a scan drops a one-shot knote that another thread has claimed",
    scenario: "ask-oneshot",
    file: "event/drop.js",
    find: "if (Knote.claim.get(k, kn) !== 0) return; Knote.claim.set",
    replace: "Knote.claim.set",
  },
  {
    name: "claims-of-the-dead",
    text: "recovery leaves the claims of a dead thread as they are",
    scenario: "death-add",
    file: "sys/recover.js",
    find: "claimsEnd(k);",
    replace: "",
  },
  {
    name: "limbo-of-the-dead",
    text: "recovery does not give back what a dead thread had in its hands",
    scenario: "death-pipe2",
    file: "sys/recover.js",
    find: "limboReturn(k);",
    replace: "",
  },
  {
    name: "step-not-finished",
    text: "recovery neither finishes nor undoes the call that a thread died in",
    scenario: "death-kqueue",
    file: "sys/recover.js",
    find: "stepFinish(k);",
    replace: "",
  },
  {
    name: "freed-without-repair",
    text: "recovery frees the locks of a dead thread without mending what they guard",
    scenario: "death-delete",
    file: "sys/recover.js",
    find: "lockRepair(k, place);",
    replace: "",
  },
  {
    name: "wakes-of-the-dead",
    text: "recovery leaves the wait records of a dead thread on their queues",
    scenario: "death-parked",
    file: "sys/recover.js",
    find: "waitsLeave(k, alive);",
    replace: "",
  },
  {
    name: "batches-of-the-dead",
    text: "recovery loses the batch of knotes that a dead thread had just taken",
    scenario: "death-timer",
    file: "sys/recover.js",
    find: "batchesReturn(k);",
    replace: "",
  },
  {
    name: "torn-pair",
    text: "a write to an eventfd unlocks it between the low and the high word of the count",
    scenario: "eventfd-carry",
    file: "fd/eventfd.js",
    find: "a[p + COUNT] = sum | 0;",
    replace: `a[p + COUNT] = sum | 0;
            objectUnlock(k, p);
            objectLock(k, p);`,
  },
  {
    name: "double-enqueue",
    text: "an activation unlocks the queue after it has looked whether the knote is queued",
    scenario: "trigger-same",
    file: "event/ready.js",
    find: `const word = a[kn + STATUS_FLAGS];
      if ((word & DISABLED) !== 0 || (word & (QUEUED | DELIVERED)) === QUEUED) {`,
    replace: `const word = a[kn + STATUS_FLAGS];
      mutexUnlock(k, Kqueue.lock.at(kq));
      mutexLock(k, Kqueue.lock.at(kq), 8);
      if ((word & DISABLED) !== 0 || (word & (QUEUED | DELIVERED)) === QUEUED) {`,
    imports: 'import { mutexLock, mutexUnlock } from "../sync/mutex.js";',
  },
  {
    name: "count-lowered-early",
    text: "a scan lowers the ready count before it puts level-triggered knotes back (PR 50094)",
    scenario: "level-pollers",
    file: "event/deliver.js",
    find: "let left = a[kq + COUNT];",
    replace: `let left = a[kq + COUNT];
      racyPoint(a, kq + COUNT);
      a[kq + COUNT] = 0;`,
  },
  {
    name: "one-shot-after-unlock",
    text: "a scan unlocks the queue between copying a one-shot event and dropping its knote",
    scenario: "oneshot-pollers",
    file: "event/deliver.js",
    find: "if ((word & ONESHOT) !== 0) knoteDropLocked(k, kq, kn);",
    replace: `if ((word & ONESHOT) !== 0) {
                mutexUnlock(k, Kqueue.lock.at(kq));
                mutexLock(k, Kqueue.lock.at(kq), 8);
                knoteDropLocked(k, kq, kn);
            }`,
    imports: 'import { mutexLock, mutexUnlock } from "../sync/mutex.js";',
  },
  {
    name: "stale-generation",
    text: "a stale handle's generation is compared before the reference is taken, and not after",
    scenario: "attach-close",
    file: "kern/file.js",
    find: `for (let refs = File.refs.load(k, fp); refs > 0;) {
        const seen = File.refs.cas(k, fp, refs, refs + 1);
        if (seen === refs) {
            k.a[note] = fp;
            k.limboCount++;
            if (File.generation.load(k, fp) === generation)`,
    replace: `if (File.generation.load(k, fp) !== generation) return false;
      for (let refs = File.refs.load(k, fp); refs > 0;) {
        const seen = File.refs.cas(k, fp, refs, refs + 1);
        if (seen === refs) {
            k.a[note] = fp;
            k.limboCount++;
            if (true)`,
  },
  {
    name: "recovered-twice",
    text: "whoever hears of a thread's end recovers it, though somebody else is about it",
    scenario: "reap-twice",
    file: "sys/exits.js",
    find: "if (before !== 0 && before !== me)",
    replace: "if (false)",
  },
];
