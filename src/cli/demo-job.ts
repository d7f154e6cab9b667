// SPDX-License-Identifier: ISC
/** Second part of the demo: files hashed by four workers, and what became of them. */
import { type Found, hasChanged } from "./demo-files.js";
import type { KnellTeam, Outcome } from "./demo-knell.js";
import { type PlainPass, plainPass } from "./demo-plain.js";
import type { Run } from "./demo-run.js";
import { WORKERS } from "./demo-team.js";
import type { Heard } from "./demo-worker.js";
import { lane, printable } from "./screen.js";
import { bytes, plural, seconds, whole } from "./stats.js";

const RELOADS_WHILE_HASHING = 3;

function lanes({ screen }: Run, team: KnellTeam, total: number): string[] {
  const all = team.lanes.slice(1);
  const full = Math.max(total / WORKERS, ...all.map(({ jobs }) => jobs));
  return all.map(({ jobs, bytes: size }, i) =>
    lane(screen, `worker ${i + 1}`, jobs / full, plural(jobs, "file"), bytes(size)),
  );
}

export interface Compared {
  readonly equal: number;
  readonly different: number;
  /** Files that somebody changed meanwhile. */
  readonly changed: number;
  readonly missing: number;
  /** Bytes that the workers must have hashed, all in all. */
  readonly expectedBytes: number;
}

/** Compare job by job; what somebody changed meanwhile is left out. */
export function compareDigests(
  outcome: Pick<Outcome, "digests">,
  plain: Pick<PlainPass, "jobs" | "digests">,
): Compared {
  let equal = 0;
  let different = 0;
  let changed = 0;
  let missing = 0;
  let expectedBytes = 0;
  for (const [index, file] of plain.jobs.entries()) {
    const ours = outcome.digests[index];
    const theirs = plain.digests[index];
    if (ours?.hex === theirs?.hex) equal++;
    else if (hasChanged(file)) changed++;
    else if (ours === undefined) missing++;
    else different++;
    if (ours?.hex === theirs?.hex) expectedBytes += theirs?.bytes ?? 0;
    else expectedBytes += ours?.bytes ?? 0;
  }
  return { equal, different, changed, missing, expectedBytes };
}

export async function hashing(
  run: Run,
  team: KnellTeam,
  found: Found,
  folder: string,
): Promise<Compared> {
  const { screen } = run;
  screen.heading(2, "Four workers, each parked in one wait");
  screen.text(
    "Jobs come by a channel, ticks by a timer, a reload by a bell, a stop by a counter, Ctrl-C " +
      "by its signal handler: all to the same wait. The job: SHA-256 of real files.",
  );
  const files = `${plural(found.files.length, "file")} of ${printable(folder)}`;
  const times = found.files.some((file) => file.times > 1) ? ", small ones several times over" : "";
  screen.line();
  screen.text(files + times, "   ", (line) => screen.dim(line));
  for (const note of found.notes)
    screen.text(`Note: ${printable(note)}`, "   ", (line) => screen.yellow(line));
  screen.line();
  run.doing = "hashing in one thread";
  const plain = await plainPass(run, found.files, (fraction) => {
    screen.paint([lane(screen, "one thread", fraction, "", "")]);
  });
  if (plain.leftOut > 0) screen.text(`(${plural(plain.leftOut, "more file")} left out for time)`);
  const total = plain.jobs.length;
  const size = plain.digests.reduce((sum, digest) => sum + digest.bytes, 0);
  run.doing = "waiting for four workers to start";
  await team.ready();
  run.doing = "hashing in four workers";
  team.onProgress = () => screen.paint(lanes(run, team, total));
  const start = performance.now();
  await team.hash(plain.jobs, RELOADS_WHILE_HASHING);
  const ms = performance.now() - start;
  team.onProgress = () => {};
  for (const line of lanes(run, team, total)) screen.line(line);
  const work = `${plural(total, "job")}, ${bytes(size)}`;
  screen.text(`${work}: ${seconds(plain.ms)} in one plain thread, ${seconds(ms)} in four workers.`);
  screen.line();
  const compared = compareDigests(team.outcome, plain);
  const { equal, changed } = compared;
  run.check(
    team.outcome.twice === 0 && compared.missing === 0,
    `each of ${plural(total, "job")} was taken by exactly one worker`,
  );
  run.check(
    compared.different === 0 && equal > 0,
    `${whole(equal)} of ${plural(total, "digest")} equal those of node:crypto in one thread` +
      (changed > 0 ? ` (${plural(changed, "file")} changed meanwhile)` : ""),
  );
  return compared;
}

/** After the last worker has ended: what all of them heard, summed up. */
export function checkSums(run: Run, team: KnellTeam, compared: Compared, all: Heard[]): void {
  const { sent } = team;
  const sum = (pick: (heard: Heard) => number): number => all.reduce((n, one) => n + pick(one), 0);
  const each = (pick: (heard: Heard) => number, n: number): number =>
    all.filter((one) => pick(one) === n).length;
  const four = `of ${WORKERS} workers`;

  const hashed = sum(({ bytes: n }) => n);
  run.check(
    hashed === compared.expectedBytes,
    `${whole(hashed)} bytes: the sum of the workers' own sums is right`,
  );
  const reloads = each(({ reload }) => reload, sent.reload);
  run.check(
    reloads === WORKERS,
    `${plural(sent.reload, "reload")} rung, every one heard by ${reloads} ${four}`,
  );
  const stops = sum(({ stop }) => stop);
  run.check(
    stops === sent.stop,
    `${plural(sent.stop, "stop")} counted, ${whole(stops)} taken, each by one worker`,
  );
  const signals = each(({ ctrlC }) => ctrlC, sent.ctrlC);
  run.check(
    signals === WORKERS && team.heardCtrlC === sent.ctrlC,
    `${whole(sent.ctrlC)} times Ctrl-C (SIGINT), every one heard by ${signals} ${four} and by main`,
  );
  run.check(
    team.wellEnded === WORKERS,
    `${team.wellEnded} ${four} ended by themselves at their last stop`,
  );
}
