// SPDX-License-Identifier: ISC
/** The runner itself: a kernel that is wrong in any one field must be found out. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { CallStep, Case, EventRecord, Observed } from "./case.js";
import type { Deviation } from "./deviations.js";
import { occursIn } from "./deviations.js";
import * as N from "./numbers.js";
import { type Machine, type Mismatch, runCase } from "./run.js";
import { begin, endTogether, kevent, kqueue, put, read, text, wait } from "./steps.js";
import { explain } from "./suite.js";

/** A machine that answers from a list, one answer per call, whatever the call is. */
function scripted(...answers: Observed[]): Machine & { readonly asked: CallStep[] } {
  const asked: CallStep[] = [];
  const begun = new Map<string, Observed>();
  const next = (step: CallStep): Observed => {
    asked.push(step);
    const answer = answers.shift();
    if (answer === undefined) throw new Error("no answer left");
    return answer;
  };
  const ended = (thread: string): Observed => begun.get(thread) ?? { ret: 0 };
  return {
    asked,
    call: async (step) => next(step),
    begin: async (thread, step) => {
      begun.set(thread, next(step));
    },
    end: async (thread) => ended(thread),
    blocked: async () => true,
    race: async ([thread = ""]) => ({ thread, observed: ended(thread) }),
    audit: async () => [],
    close: async () => {},
  };
}

const row = (...steps: Case["steps"]): Case => ({ id: "row", source: "here", steps });

const good: EventRecord = {
  ident: 7n,
  filter: N.USER,
  flags: N.CLEAR,
  fflags: 3,
  data: -1n,
  udata: 9n,
  ext: [1n, 2n, 3n, 4n],
};
const expected = { ...good };
const polling = row(kqueue(), kevent("$q", { events: [expected] }));

test("a result as expected is no difference, and variables are filled in", async () => {
  const machine = scripted({ ret: 5 }, { ret: 1, events: [good] });
  assert.deepEqual(await runCase(polling, machine), []);
  assert.equal((machine.asked[1] as { kq: unknown }).kq, 5);
});

test("a record that differs in one field is found", async () => {
  const wrong: Partial<EventRecord>[] = [
    { ident: 8n },
    { filter: N.TIMER },
    { flags: N.CLEAR | N.ADD },
    { flags: 0 },
    { fflags: 2 },
    { data: 1n },
    { udata: 0n },
    { ext: [1n, 2n, 3n, 5n] },
  ];
  for (const field of wrong) {
    const events = [{ ...good, ...field }];
    const found = await runCase(polling, scripted({ ret: 5 }, { ret: 1, events }));
    assert.equal(found.length, 1, JSON.stringify(Object.keys(field)));
  }
});

test("a wrong count, a wrong error and no error at all are found", async () => {
  const none = scripted({ ret: 5 }, { ret: 0, events: [] });
  assert.equal((await runCase(polling, none))[0]?.what, "ret");
  const refusing = row(put(3, 1, "EAGAIN"));
  assert.deepEqual(await runCase(refusing, scripted({ ret: -1, error: "EAGAIN" })), []);
  assert.equal((await runCase(refusing, scripted({ ret: -1, error: "EINVAL" }))).length, 1);
  assert.equal((await runCase(refusing, scripted({ ret: 8 }))).length, 1);
});

test("wrong bytes and an adapter's fault are found", async () => {
  const reading = row(read(3, 8, 2, text("ab")));
  const bytes = (value: string): Observed => ({ ret: 2, bytes: new TextEncoder().encode(value) });
  assert.deepEqual(await runCase(reading, scripted(bytes("ab"))), []);
  assert.equal((await runCase(reading, scripted(bytes("ba")))).length, 1);
  assert.equal((await runCase(reading, scripted({ ...bytes("ab"), fault: "x" }))).length, 1);
});

test("order counts unless the row says otherwise", async () => {
  const other = { ...good, ident: 8n };
  const swapped = { ret: 2, events: [other, good] };
  const events = [expected, { ...expected, ident: 8 }];
  assert.equal((await runCase(row(kevent(5, { events })), scripted(swapped))).length, 2);
  const open = row(kevent(5, { events, unordered: true }));
  assert.deepEqual(await runCase(open, scripted(swapped)), []);
});

test("records of several threads taken together: none twice, none missing", async () => {
  const events = [expected, { ...expected, ident: 8 }];
  const steps = [
    begin("one", wait(5, [])),
    begin("two", wait(5, [])),
    endTogether(["one", "two"], 1, ...events),
  ];
  const seven = { ret: 1, events: [good] };
  const eight = { ret: 1, events: [{ ...good, ident: 8n }] };
  assert.deepEqual(await runCase(row(...steps), scripted(eight, seven)), []);
  assert.notEqual((await runCase(row(...steps), scripted(seven, seven))).length, 0);
});

test("a call left running and a variable never bound are mistakes of the row", async () => {
  const open = row(begin("one", wait(5, [])));
  await assert.rejects(runCase(open, scripted({ ret: 0 })), /leaves one running/);
  await assert.rejects(runCase(row(kevent("$q", {})), scripted()), /\$q before anything bound it/);
});

test("Linux: a difference needs its explanation, an explanation its difference", () => {
  const one = row(put(3, 1));
  const found: Mismatch = { step: 0, what: "ret", expected: "8", got: "EINVAL" };
  const known: Deviation = {
    id: "row",
    step: 0,
    what: "ret",
    ours: "8",
    linux: "EINVAL",
    reason: "because",
  };
  assert.deepEqual(explain(one, [found], [known]), []);
  assert.equal(explain(one, [found], []).length, 1);
  assert.equal(explain(one, [], [known]).length, 1);
  assert.equal(explain(one, [{ ...found, got: "EPERM" }], [known]).length, 1);
  assert.equal(explain(one, [], [{ ...known, id: "other" }]).length, 0);
});

test("a deviation with a first version is expected from that version on", () => {
  const since: Deviation = {
    id: "row",
    step: 0,
    what: "ret",
    ours: "8",
    linux: "EINVAL",
    reason: "because",
    since: [6, 9],
  };
  assert.equal(occursIn("6.8.0-49-generic", since), false);
  assert.equal(occursIn("6.9.1", since), true);
  assert.equal(occursIn("7.0.0", since), true);
  assert.equal(occursIn("5.15.0", since), false);
});
