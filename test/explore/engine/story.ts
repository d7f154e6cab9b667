// SPDX-License-Identifier: ISC
/** A run as a story: who did what to which lock or field, and what it saw. */
import {
  OP_ADD,
  OP_CAS,
  OP_EXCHANGE,
  OP_LOAD,
  OP_NOTIFY,
  OP_PUBLISH,
  OP_RACY,
  OP_STORE,
  OP_WAIT,
} from "#src/sync/atomics-explore.js";
import { TIMED_OUT } from "./choose.js";
import { CHOICE_DEATH, CHOICE_THREAD, CHOICE_TIMEOUT, NO_CHOICE } from "./control.js";
import type { Names } from "./names.js";
import {
  NOBODY,
  ROW_DIED,
  ROW_END,
  ROW_LOCKED,
  ROW_REST,
  ROW_SLEEP,
  ROW_SPIN,
  ROW_START,
  ROW_SWITCH,
  ROW_UNLOCKING,
  ROW_WOKE,
  ROW_WRITE,
  type Row,
} from "./rows.js";
import { WAIT_AWAITS, WAIT_NO_TIME, WAIT_NOT_EQUAL } from "./turnstile.js";

/** What the thread of a row did. Empty for rows that another one tells better. */
function deed(row: Row, names: Names): string {
  const place = names.place(row.word);
  const at = place.text;
  const show = (value: number): string => names.value(place, value);
  switch (row.kind) {
    case OP_LOAD:
      return `reads ${at}: ${show(row.result)}`;
    case OP_STORE:
      return `sets ${at} to ${show(row.x)}`;
    case OP_ADD:
      return `adds ${row.x} to ${at}, which was ${show(row.result)}`;
    case OP_EXCHANGE:
      if (place.isLock)
        return `unlocks ${at}${/awaited/.test(show(row.result)) ? ", awaited" : ""}`;
      return `exchanges ${at}: ${show(row.x)} for ${show(row.result)}`;
    case OP_CAS:
      return cas(row, at, place.isLock, show);
    case OP_RACY:
      return `glances at ${at}: ${show(row.result)}`;
    case OP_PUBLISH:
      return `publishes ${at}: ${show(row.x)} for ${show(row.result)}`;
    case ROW_WRITE:
      return `stores ${show(row.x)} in ${at}, which was ${show(row.result)}`;
    case OP_NOTIFY:
      return `notifies ${at}: ${row.result} woken`;
    case OP_WAIT:
      if (row.result === WAIT_AWAITS) return `awaits ${at}`;
      if (row.result === WAIT_NOT_EQUAL) return `need not sleep on ${at}`;
      return row.result === WAIT_NO_TIME ? `has no time to sleep on ${at}` : "";
    case ROW_SLEEP:
      return `sleeps on ${at}`;
    case ROW_WOKE:
      return row.result === TIMED_OUT ? `times out on ${at}` : `is awake again`;
    case ROW_SPIN:
      return "spins";
    case ROW_DIED:
      return "has ended, and somebody hears of it";
    case ROW_END:
      return row.x === 0 ? "is done" : "";
    default:
      return "";
  }
}

function cas(row: Row, at: string, isLock: boolean, show: (value: number) => string): string {
  const done = row.result === row.x;
  if (isLock && row.x === 0)
    return done ? `locks ${at}` : `finds ${at} locked by ${show(row.result)}`;
  const change = `${at} from ${show(row.x)} to ${show(row.y)}`;
  return done ? `changes ${change}` : `does not change ${change}: it is ${show(row.result)}`;
}

/** What was chosen at a row beside going on, or null. */
function turn(row: Row, threads: readonly string[]): string | null {
  if (row.choice === NO_CHOICE || row.choice === row.thread) return null;
  const who = threads[row.choice & CHOICE_THREAD] ?? "?";
  if ((row.choice & CHOICE_DEATH) !== 0) return `${who} DIES`;
  if ((row.choice & CHOICE_TIMEOUT) !== 0) return `time passes until ${who} has slept long enough`;
  if (row.kind === ROW_SWITCH) return `${threads[row.thread]} is preempted; ${who} goes on`;
  return row.kind === ROW_START ? `${who} begins` : `${who} goes on`;
}

/** What a dead thread's place is called from then on. */
const REAPER = "reaper";

/** The lines of a story. */
export function story(rows: readonly Row[], threads: readonly string[], names: Names): string[] {
  const cast = [...threads];
  const width = Math.max(REAPER.length, ...cast.map((name) => name.length));
  const lines: string[] = [];
  let step = 0;
  for (const row of rows) {
    const number = row.choice === NO_CHOICE ? "" : String(step);
    const quiet = row.kind === ROW_SWITCH || row.kind === ROW_START || row.kind === ROW_REST;
    const held = row.kind === ROW_LOCKED || row.kind === ROW_UNLOCKING;
    const text = quiet || held ? "" : deed(row, names);
    if (row.kind === ROW_DIED) cast[row.thread] = REAPER;
    if (text !== "" && row.thread !== NOBODY) {
      const name = (cast[row.thread] ?? "?").padEnd(width);
      lines.push(`${number.padStart(5)}  ${name}  ${text}`.trimEnd());
    }
    const turned = turn(row, cast);
    if (turned !== null) lines.push(`${(quiet ? number : "").padStart(5)}  -- ${turned} --`);
    if (row.choice !== NO_CHOICE) step++;
  }
  return lines;
}
