// SPDX-License-Identifier: ISC
/**
 * Seeded bugs of the explorer under ordinary tests: what those do not see, the explorer is for.
 * KNELL_SOAK=n takes n of the mutants, below 10 one, from a place that KNELL_SEED says.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { mutants } from "../explore/mutants/index.js";
import { asExpected, catchers, failures } from "../explore/mutants/ordinary.js";

const SOAK = Math.max(1, Number(process.env["KNELL_SOAK"] ?? 1));
const SEED = Number(process.env["KNELL_SEED"] ?? Date.now() % 1_000_000);

console.log(`KNELL_SEED=${SEED} KNELL_SOAK=${SOAK}`);

const COUNT = SOAK < 10 ? 1 : Math.min(SOAK, mutants.length);
const chosen = Array.from({ length: COUNT }, (_, i) => {
  return mutants[(SEED + i) % mutants.length];
}).filter((mutant) => mutant !== undefined);

// Some tests need more of the package than a copy has.
const anyway = failures(undefined);

for (const mutant of chosen) {
  test(`ordinary tests of ${mutant.name}`, () => {
    const caught = catchers(mutant, anyway);
    assert.ok(asExpected(mutant, caught), `caught by ${caught.join(" ") || "nothing"}`);
  });
}
