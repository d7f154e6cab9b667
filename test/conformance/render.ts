// SPDX-License-Identifier: ISC
/** Records, results and steps as text, for messages and for the table of deviations. */
import type { Change, EventRecord, Expected, Observed, Ret, Step } from "./case.js";
import * as N from "./numbers.js";

const FILTERS: ReadonlyMap<number, string> = new Map([
  [N.READ, "READ"],
  [N.WRITE, "WRITE"],
  [N.VNODE, "VNODE"],
  [N.TIMER, "TIMER"],
  [N.USER, "USER"],
]);

const FLAGS: readonly (readonly [bit: number, name: string])[] = [
  [N.ADD, "ADD"],
  [N.DELETE, "DELETE"],
  [N.ENABLE, "ENABLE"],
  [N.DISABLE, "DISABLE"],
  [N.ONESHOT, "ONESHOT"],
  [N.CLEAR, "CLEAR"],
  [N.RECEIPT, "RECEIPT"],
  [N.DISPATCH, "DISPATCH"],
  [N.FORCEONESHOT, "FORCEONESHOT"],
  [N.KEEPUDATA, "KEEPUDATA"],
  [N.ERROR, "ERROR"],
  [N.EOF, "EOF"],
];

/** "CLEAR|EOF"; bits without a name in hex; "0" for none. */
export function flagsText(flags: number): string {
  const names: string[] = [];
  let rest = flags;
  for (const [bit, name] of FLAGS) {
    if ((rest & bit) === 0) continue;
    names.push(name);
    rest &= ~bit;
  }
  if (rest !== 0) names.push(`0x${(rest >>> 0).toString(16)}`);
  return names.length === 0 ? "0" : names.join("|");
}

const hex = (value: number): string => (value === 0 ? "0" : `0x${(value >>> 0).toString(16)}`);

/** A record or an expectation as one line. */
export function eventText(record: EventRecord | Expected | Change): string {
  const filter = FILTERS.get(record.filter) ?? `filter ${record.filter}`;
  const fflags = record.fflags === "any" ? "any" : hex(record.fflags ?? 0);
  const parts = [
    `${filter} ${record.ident}`,
    `flags ${flagsText(record.flags)}`,
    `fflags ${fflags}`,
    `data ${record.data ?? 0}`,
    `udata ${record.udata ?? 0}`,
  ];
  if (record.ext?.some((word) => BigInt(word) !== 0n)) parts.push(`ext ${record.ext.join(",")}`);
  return `{${parts.join(", ")}}`;
}

export function eventsText(records: readonly (EventRecord | Expected)[]): string {
  return records.length === 0 ? "none" : records.map(eventText).join(" ");
}

export function observedText(observed: Observed): string {
  return observed.error ?? `${observed.ret}`;
}

export function retText(ret: Ret): string {
  return `${ret}`;
}

/** The step as it stands in the table, on one line. */
export function stepText(step: Step): string {
  const plain = JSON.stringify(step, (_key, value: unknown) =>
    typeof value === "bigint" ? `${value}n` : value,
  );
  return plain.length > 400 ? `${plain.slice(0, 400)}...` : plain;
}
