// SPDX-License-Identifier: ISC
/** The tables of numbers agree with themselves. */
import assert from "node:assert/strict";
import { test } from "node:test";
import * as abi from "knell/abi";

test("row n - 1 of the errors is error n, and each constant names its row", () => {
  assert.equal(abi.ERRNO_TABLE.length, abi.ELAST);
  const constants = new Map<string, unknown>(Object.entries(abi));
  abi.ERRNO_TABLE.forEach(([number, name, text], index) => {
    assert.equal(number, index + 1);
    assert.equal(constants.get(name), number);
    assert.equal(abi.errnoName(number), name);
    assert.equal(abi.errnoText(number), text);
    assert.match(text, /^[A-Z].*\.$/);
  });
  assert.equal(abi.errnoName(200), "ERRNO_200");
  assert.match(abi.errnoText(0), /0/);
});

test("every profile has a value, or openly none, for every switch", () => {
  const rows: [string, { doc: string; values: readonly string[] }][] = Object.entries(abi.SWITCHES);
  for (const [name, row] of rows) {
    assert.match(row.doc, /^[A-Z].*\.$/, name);
    assert.equal(new Set(row.values).size, row.values.length, name);
    for (const profile of abi.PROFILES) {
      const value: unknown = Reflect.get(row, profile);
      assert.ok(value === null || row.values.includes(String(value)), `${name} of ${profile}`);
    }
    for (const profile of abi.BOOTABLE_PROFILES) assert.notEqual(Reflect.get(row, profile), null);
  }
  assert.equal(abi.profileSwitch("knell", "nest"), "strict");
});
