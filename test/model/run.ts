// SPDX-License-Identifier: ISC
/** Runs a sequence of operations on the model and on another system, and compares every step. */
import { formatList, formatReturn } from "./format.js";
import type { Model } from "./model.js";
import { type Kev, SLEEPS, type System, UNSETTLED } from "./system.js";

export interface Outcome {
  readonly ret: number;
  /** What the call gave besides its result: bytes, descriptors, a value. */
  readonly note: string;
  readonly events: readonly Kev[];
}

/** A call with its arguments, ready to be made on either system. */
export interface Call {
  readonly text: string;
  /** The other system first, since the model follows its order where that is open. */
  readonly otherFirst: boolean;
  settled(model: Model): boolean;
  make(system: System, seen: readonly Kev[]): Outcome;
}

/** Turns a random operation into a call, given what exists; null when nothing fits. */
export type Resolve<Op> = (op: Op, model: Model) => Call | null;

export interface Report {
  /** What differed, or null. */
  readonly difference: string | null;
  readonly transcript: readonly string[];
  readonly calls: number;
  readonly skipped: number;
  readonly abandoned: string | null;
}

export interface Subject {
  readonly system: System;
  /** Walk the whole state: what is wrong with it, or nothing. */
  check(): readonly string[];
}

export interface RunOptions {
  /** Called with each call's text before it is made: to see where a run hangs. */
  readonly trace?: (text: string) => void;
}

function sameEvent(expected: Kev, actual: Kev): boolean {
  return (
    expected.ident === actual.ident &&
    expected.filter === actual.filter &&
    expected.flags === actual.flags &&
    expected.fflags === actual.fflags &&
    (expected.anyData === true || expected.data === actual.data) &&
    expected.udata === actual.udata &&
    expected.ext.every((word, i) => word === actual.ext[i])
  );
}

function compare(expected: Outcome, actual: Outcome): boolean {
  if (expected.ret !== actual.ret || expected.note !== actual.note) return false;
  if (expected.events.length !== actual.events.length) return false;
  return expected.events.every((event, i) => sameEvent(event, actual.events[i] as Kev));
}

function show(outcome: Outcome): string {
  const events = outcome.events.length > 0 ? ` ${formatList(outcome.events)}` : "";
  return `${formatReturn(outcome.ret)}${outcome.note === "" ? "" : ` ${outcome.note}`}${events}`;
}

/** Make one call on both: null when the specification does not say what it does. */
function step(call: Call, model: Model, system: System): [Outcome, Outcome] | null {
  if (!call.settled(model)) return null;
  if (call.otherFirst) {
    const actual = call.make(system, []);
    return [call.make(model, actual.events), actual];
  }
  const expected = call.make(model, []);
  if (expected.ret === SLEEPS || expected.ret === UNSETTLED) return null;
  return [expected, call.make(system, [])];
}

/** The calls of a sequence, and at its end the closing of all that is open. */
function* callsOf<Op>(ops: readonly Op[], resolve: Resolve<Op>, model: Model): Generator<Call> {
  for (const op of ops) {
    const call = resolve(op, model);
    if (call !== null) yield call;
  }
  for (const fd of model.descriptors()) {
    yield {
      text: `close(${fd})`,
      otherFirst: false,
      settled: () => true,
      make: (system) => ({ ret: system.close(fd), note: "", events: [] }),
    };
  }
}

export function runSequence<Op>(
  ops: readonly Op[],
  resolve: Resolve<Op>,
  model: Model,
  subject: Subject,
  options: RunOptions = {},
): Report {
  const transcript: string[] = [];
  let calls = 0;
  let skipped = 0;
  const report = (difference: string | null): Report => {
    return { difference, transcript, calls, skipped, abandoned: model.abandoned };
  };
  for (const call of callsOf(ops, resolve, model)) {
    options.trace?.(call.text);
    const outcomes = step(call, model, subject.system);
    if (outcomes === null) {
      skipped++;
      continue;
    }
    calls++;
    if (model.abandoned !== null) return report(null);
    const [expected, actual] = outcomes;
    transcript.push(`${call.text} = ${show(expected)}`);
    if (!compare(expected, actual)) {
      transcript[transcript.length - 1] = call.text;
      return report(`    model: ${show(expected)}\n    other: ${show(actual)}`);
    }
    const [ours, theirs] = [model.counts(), subject.system.counts()].map((it) =>
      JSON.stringify(it),
    );
    if (ours !== theirs) return report(`    model: has ${ours}\n    other: has ${theirs}`);
    const broken = subject.check();
    if (broken.length > 0) return report(`broken invariants:\n    ${broken.join("\n    ")}`);
  }
  return report(null);
}
