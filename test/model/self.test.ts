// SPDX-License-Identifier: ISC
/** The model by itself: right on hand-written cases, and able to notice a wrong system. */
import assert from "node:assert/strict";
import test from "node:test";
import fc from "fast-check";
import { sequences } from "./commands.js";
import { DIRECTED, tenSteps } from "./directed.js";
import { Model } from "./model.js";
import { MUTANTS, type Rules } from "./rules.js";
import { runOnFake } from "./self.js";

const LENGTH = 60;

function firstDifference(rules: Partial<Rules>, numRuns: number, seed: number) {
  const property = fc.property(sequences(LENGTH), (ops) => {
    return runOnFake(ops, rules).difference === null;
  });
  return fc.check(property, { numRuns, seed, endOnFailure: true });
}

test("the model passes OpenBSD's test of EVFILT_USER", () => {
  tenSteps(new Model({ userEvents: 1024 }), 1024);
});

for (const [name, run] of DIRECTED) {
  test(`the model is right about ${name}`, () => {
    const model = new Model();
    run(model, model.rules.wallMs);
    assert.deepEqual(model.descriptors(), [], "everything is closed again");
  });
}

test("the model agrees with itself, whatever order an object notifies in", () => {
  const result = firstDifference({ klist: "newest first" }, 300, 1);
  assert.equal(result.failed, false);
});

test("the model says which call differed", () => {
  const rules = { mutants: new Set(["nested queue reports one"] as const) };
  const { counterexample } = firstDifference(rules, 3000, 1);
  assert.ok(counterexample !== null);
  const report = runOnFake(counterexample[0], rules);
  assert.match(report.difference ?? "", /model: .*\n.*other: /);
  assert.match(report.transcript.at(-1) ?? "", /^kevent\(/);
});

for (const mutant of MUTANTS) {
  test(`a system is found out in which: ${mutant}`, () => {
    const result = firstDifference({ mutants: new Set([mutant]) }, 3000, 7);
    assert.equal(result.failed, true, "no random sequence showed the difference");
  });
}
