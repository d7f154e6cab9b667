// SPDX-License-Identifier: ISC
/** Third part of the demo: how soon sleepers wake, by Knell and by MessagePort. */
import type { KnellTeam } from "./demo-knell.js";
import { PortTeam } from "./demo-port.js";
import type { Run } from "./demo-run.js";
import { type Kind, measureTeams, type Rounds } from "./demo-team.js";
import { lane } from "./screen.js";
import { compare, micros, summarize, verdict, whole } from "./stats.js";
import { type Column, table } from "./table.js";

const MEASURE_MS = 5000;

interface Row {
  readonly kind: Kind;
  readonly who: string;
  readonly what: string;
  readonly by: string;
  readonly waker: string;
}

const ROWS: readonly Row[] = [
  { kind: "job", who: "a worker", what: "a job", by: "channel", waker: "main" },
  { kind: "reload", who: "all workers", what: "a reload", by: "bell", waker: "main" },
  { kind: "stop", who: "a worker", what: "a stop", by: "counter", waker: "main" },
  { kind: "ctrl-c", who: "all workers", what: "Ctrl-C", by: "bell", waker: "SIGINT" },
  { kind: "digest", who: "main", what: "a digest", by: "channel", waker: "a worker" },
  { kind: "tick", who: "each worker", what: "a tick", by: "timer", waker: "the clock" },
];

/** Terminals from this width on get the column that says what carries the event. */
const WIDE_COLUMNS = 90;

/** The table; `port` is measured beside `knell`, round by round. */
export function showLatencies(run: Run, knell: Rounds, port: Rounds): void {
  const { screen } = run;
  const wide = screen.columns >= WIDE_COLUMNS;
  const rows = ROWS.map(({ kind, who, what, by, waker }) => {
    const ours = knell.get(kind) ?? [];
    const theirs = port.get(kind) ?? [];
    const our = summarize(ours.flat());
    const their = summarize(theirs.flat());
    const outcome = verdict(compare(ours, theirs), "Knell", "port");
    return [
      who,
      what,
      ...(wide ? [by] : []),
      waker,
      whole(our.count),
      screen.bold(micros(our.median)),
      micros(our.p99),
      micros(their.median),
      micros(their.p99),
      outcome === "a tie" ? screen.dim(outcome) : outcome,
    ];
  });
  const right = "right";
  const columns: Column[] = [
    { title: "who waited" },
    { title: "for what" },
    ...(wide ? [{ title: "by" }] : []),
    { title: "who woke" },
    { title: "wakes", align: right },
    { title: "median", align: right, group: "Knell, us" },
    { title: "p99", align: right, group: "Knell, us" },
    { title: "median", align: right, group: "a port, us" },
    { title: "p99", align: right, group: "a port, us" },
    { title: "faster" },
  ];
  table(screen, columns, rows);
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
    const [ours, theirs] = await measureTeams(run, [team, port], MEASURE_MS, (fraction) => {
      screen.paint([lane(screen, "measuring", fraction, `${Math.round(fraction * 100)} %`, "")]);
    });
    return [ours as Rounds, theirs as Rounds];
  } finally {
    await port.close();
  }
}
