// SPDX-License-Identifier: ISC
/** Third part of the demo: how soon sleepers wake, by Knell and by MessagePort. */
import type { KnellTeam } from "./demo-knell.js";
import { PortTeam } from "./demo-port.js";
import type { Run } from "./demo-run.js";
import { type Kind, measureTeams, type Rounds } from "./demo-team.js";
import { lane } from "./screen.js";
import { compare, micros, summarize, TOO_BUSY, verdict, whole } from "./stats.js";
import { type Column, table } from "./table.js";

const MEASURE_MS_MAX = 6000;
const MEASURE_MS_MIN = 1000;
/** On a slow machine there are fewer rounds, so that the demo keeps to its time. */
const END_MS = 11_000;

interface Row {
  readonly kind: Kind;
  readonly who: string;
  readonly what: string;
  readonly by: string;
  readonly waker: string;
}

const ROWS: readonly Row[] = [
  { kind: "note", who: "a worker", what: "a note", by: "channel of its own", waker: "main" },
  { kind: "answer", who: "main", what: "an answer", by: "channel", waker: "a worker" },
  { kind: "job", who: "any worker", what: "a job", by: "channel of all", waker: "main" },
  { kind: "stop", who: "any worker", what: "a stop", by: "counter", waker: "main" },
  { kind: "reload", who: "all workers", what: "a reload", by: "bell", waker: "main" },
  { kind: "ctrl-c", who: "all workers", what: "Ctrl-C", by: "bell", waker: "SIGINT" },
  { kind: "tick", who: "each worker", what: "a tick", by: "timer", waker: "the clock" },
];

/** Terminals from this width on get all columns. */
const WIDE_COLUMNS = 108;

/** The table; `port` is measured beside `knell`, round by round. */
export function showLatencies(run: Run, knell: Rounds, port: Rounds): void {
  const { screen } = run;
  const wide = screen.columns >= WIDE_COLUMNS;
  let tooBusy = false;
  const rows = ROWS.map(({ kind, who, what, by, waker }) => {
    const ours = knell.get(kind) ?? [];
    const theirs = port.get(kind) ?? [];
    const our = summarize(ours.flat());
    const their = summarize(theirs.flat());
    const outcome = verdict(compare(ours, theirs), "Knell", "port");
    tooBusy ||= outcome === TOO_BUSY;
    return [
      who,
      what,
      ...(wide ? [by] : []),
      waker,
      ...(wide ? [whole(our.count)] : []),
      screen.bold(micros(our.median)),
      micros(our.p99),
      micros(their.median),
      micros(their.p99),
      outcome === "a tie" ? screen.dim(outcome) : outcome,
    ];
  });
  const right = "right" as const;
  const columns: Column[] = [
    { title: "who waited" },
    { title: "for what" },
    ...(wide ? [{ title: "by" }] : []),
    { title: "who woke" },
    ...(wide ? [{ title: "wakes", align: right } as const] : []),
    { title: "median", align: right, group: "Knell, us" },
    { title: "p99", align: right, group: "Knell, us" },
    { title: "median", align: right, group: "a port, us" },
    { title: "p99", align: right, group: "a port, us" },
    { title: "faster" },
  ];
  table(screen, columns, rows);
  screen.line();
  const counts = ROWS.map(({ kind }) => knell.get(kind)?.flat().length ?? 0);
  const range = `${whole(Math.min(...counts))} to ${whole(Math.max(...counts))}`;
  screen.text(`Each row rests on ${range} wakes, after some thousands to warm up.`);
  if (tooBusy) screen.text("Too busy: there was no time for the three rounds of a comparison.");
  screen.text(
    "A tie: medians closer than a tenth, or rounds that do not agree. Waking a sleeper is the " +
      "system's work, whoever asks for it; the rest is JavaScript by Knell, and native code by a " +
      "port. A job or a stop wakes every worker that waits for it, and the first takes it; a " +
      "port belongs to one worker, which must not be parked to hear of its messages.",
  );
}

/** Probe both teams in turns; returns the rounds of Knell and those of MessagePort. */
export async function measure(run: Run, team: KnellTeam): Promise<[Rounds, Rounds]> {
  const { screen } = run;
  screen.heading(3, "Who waited for what, and who woke whom");
  screen.text(
    "The same team with nothing to hash, in turns with four workers on MessagePorts. All sleep; " +
      "who wakes another notes the time just before, who is woken looks at the clock just after.",
  );
  screen.line();
  run.doing = "measuring how soon sleepers wake";
  const port = new PortTeam(run.ctrlC);
  try {
    const left = Math.max(MEASURE_MS_MIN, Math.min(MEASURE_MS_MAX, END_MS - run.elapsedMs));
    const [ours, theirs] = await measureTeams(run, [team, port], left, (fraction) => {
      screen.paint([lane(screen, "measuring", fraction, `${Math.round(fraction * 100)} %`, "")]);
    });
    return [ours as Rounds, theirs as Rounds];
  } finally {
    await port.close();
  }
}
