// SPDX-License-Identifier: ISC
/** Calls and records as text, in the manner of a system-call trace. */
import * as N from "./numbers.js";
import type { Kev, KeventCall } from "./system.js";

const FLAG_NAMES: readonly [string, number][] = [
  ["ADD", N.EV_ADD],
  ["DELETE", N.EV_DELETE],
  ["ENABLE", N.EV_ENABLE],
  ["DISABLE", N.EV_DISABLE],
  ["ONESHOT", N.EV_ONESHOT],
  ["CLEAR", N.EV_CLEAR],
  ["RECEIPT", N.EV_RECEIPT],
  ["DISPATCH", N.EV_DISPATCH],
  ["FORCEONESHOT", N.EV_FORCEONESHOT],
  ["KEEPUDATA", N.EV_KEEPUDATA],
  ["ERROR", N.EV_ERROR],
  ["EOF", N.EV_EOF],
];

const FILTER_NAMES = new Map<number, string>([
  [N.EVFILT_READ, "READ"],
  [N.EVFILT_WRITE, "WRITE"],
  [N.EVFILT_VNODE, "VNODE"],
  [N.EVFILT_TIMER, "TIMER"],
  [N.EVFILT_USER, "USER"],
  [N.EVFILT_EMPTY, "EMPTY"],
]);

const ERRNO_NAMES = new Map<number, string>([
  [N.ENOENT, "ENOENT"],
  [N.ENXIO, "ENXIO"],
  [N.EBADF, "EBADF"],
  [N.ENOMEM, "ENOMEM"],
  [N.EINVAL, "EINVAL"],
  [N.EMFILE, "EMFILE"],
  [N.EPIPE, "EPIPE"],
  [N.EAGAIN, "EAGAIN"],
]);

function names(value: number, table: readonly [string, number][]): string {
  let rest = value;
  const found: string[] = [];
  for (const [name, bit] of table) {
    if ((rest & bit) === 0) continue;
    found.push(name);
    rest &= ~bit;
  }
  if (rest !== 0 || found.length === 0) found.push(hex(rest));
  return found.join("|");
}

function hex(value: number): string {
  return value === 0 ? "0" : `0x${(value >>> 0).toString(16)}`;
}

export function formatKev(event: Kev): string {
  const fields = [
    `ident=${event.ident}`,
    FILTER_NAMES.get(event.filter) ?? `filter=${event.filter}`,
    names(event.flags, FLAG_NAMES),
    `fflags=${hex(event.fflags)}`,
    `data=${event.anyData ? "any" : event.data}`,
    `udata=${event.udata}`,
  ];
  if (event.ext.some((word) => word !== 0n)) fields.push(`ext=${event.ext.join(",")}`);
  return `{${fields.join(" ")}}`;
}

export function formatList(events: readonly Kev[]): string {
  return `[${events.map(formatKev).join(", ")}]`;
}

export function formatKevent(call: KeventCall): string {
  const timeout = call.timeout === null ? "NULL" : `{${call.timeout.sec},${call.timeout.nsec}}`;
  const nchanges = call.nchanges ?? call.changes.length;
  const same = call.alias ? ", events = changes" : "";
  const lists = `${formatList(call.changes)}, ${nchanges}, ${call.nevents}`;
  return `kevent(${call.kq}, ${lists}, ${timeout}${same})`;
}

export function formatReturn(ret: number): string {
  return ret < 0 ? (ERRNO_NAMES.get(-ret) ?? String(ret)) : String(ret);
}
