// SPDX-License-Identifier: ISC
/** Last part of the demo: workers are ended until one dies with a lock in its hand. */
import { type Account, balance } from "./demo-account.js";
import { Mortals } from "./demo-mortals.js";
import type { Run } from "./demo-run.js";
import { WORKERS } from "./demo-team.js";
import { lane } from "./screen.js";
import { plural, seconds, whole } from "./stats.js";
import { table } from "./table.js";

/** One end in three or four finds a lock. */
const ENDS_MAX = 40;
const BUDGET_MS = 6000;
/** On a slow machine there are fewer ends, so that the demo keeps to its time. */
const END_MS = 15_000;
/** Later than this the part is left out. */
const START_MS_MAX = 13_500;
/** Before an end the workers are let work for some time up to this. */
const WORK_MS_MAX = 10;

/** With fewer workers than these there would be nobody to stand in each other's way. */
const LIVING_MIN = 2;

/** What the ends came to. */
export interface Ends {
  readonly ended: number;
  /** Classes of the locks that the last one held; empty if none of them held any. */
  readonly locks: readonly string[];
  readonly ms: number;
}

/** `startMs` is what starting all workers took. */
async function endSome(run: Run, mortals: Mortals, startMs: number): Promise<Ends> {
  const { screen } = run;
  const start = performance.now();
  const deadline = Math.min(run.elapsedMs + BUDGET_MS, END_MS);
  let ended = 0;
  let locks: readonly string[] = [];
  for (;;) {
    screen.paint([lane(screen, "ending", ended / ENDS_MAX, plural(ended, "end"), "")]);
    await mortals.work(Math.random() * WORK_MS_MAX);
    locks = await mortals.end();
    ended++;
    if (locks.length > 0 || ended === ENDS_MAX) break;
    const few = mortals.living < LIVING_MIN;
    if (run.elapsedMs + (few ? startMs : 0) > deadline) break;
    if (few) await mortals.start(WORKERS - mortals.living);
  }
  return { ended, locks, ms: performance.now() - start };
}

function showEnds(run: Run, { ended, locks, ms }: Ends, longestMs: number): void {
  const { screen } = run;
  const workers = plural(ended, "worker");
  if (locks.length === 0) {
    screen.text(
      `None of the ${workers} that were terminated in ${seconds(ms)} held a lock: this run does ` +
        "not show what it was to show. The account is of their ends between locks.",
      "   ",
      (line) => screen.yellow(line),
    );
  } else {
    const what = locks.map((name) => `${name} lock`).join(", ");
    screen.text(`${workers} terminated, the last with a lock in its hand: ${screen.bold(what)}.`);
  }
  const longest = `${longestMs < 10 ? longestMs.toFixed(1) : whole(longestMs)} ms`;
  screen.text(`The others stood still for ${longest} at most, from one answer to the next.`);
}

/** Checks of the account, in the order in which they are printed. */
export function accountChecks(
  first: Account,
  second: Account,
  ended: number,
): readonly (readonly [held: boolean, text: string])[] {
  const hands = first.inHands.length;
  const dead = `${whole(ended)} dead ${ended === 1 ? "worker" : "workers"}`;
  return [
    [
      first.sent === first.done + hands && hands <= ended,
      `${plural(first.sent, "job")} sent = ${whole(first.done)} done + ${whole(hands)} in the ` +
        `hands of ${dead}`,
    ],
    [
      first.lost === 0 && first.doubled === 0,
      `lost ${whole(first.lost)}, doubled ${whole(first.doubled)}`,
    ],
    [
      second.sent === second.done && second.doubled === 0,
      `${plural(hands, "job")} sent again: ${whole(second.sent)} sent = ${whole(second.done)} done`,
    ],
  ];
}

function showAccounts(run: Run, first: Account, second: Account): void {
  const { screen } = run;
  const right = "right" as const;
  const none = (n: number): string => (n === 0 ? screen.green("0") : screen.red(whole(n)));
  const row = (name: string, { sent, done, inHands, lost, doubled }: Account): string[] => {
    return [name, whole(sent), whole(done), whole(inHands.length), none(lost), none(doubled)];
  };
  table(
    screen,
    [
      { title: "jobs" },
      { title: "sent", align: right },
      { title: "done", align: right },
      { title: "in dead hands", align: right },
      { title: "lost", align: right },
      { title: "doubled", align: right },
    ],
    [row("after the deaths", first), row("these sent again", second)],
  );
}

export async function deathDemo(run: Run): Promise<void> {
  const { screen } = run;
  screen.heading(5, "A worker dies with a lock in its hand");
  screen.text(
    "Workers take numbered jobs from a channel, make, fill and close a queue for each, and " +
      "answer on another channel, as fast as they can. One after the other is terminated at a " +
      "random moment, until one was in the middle of a call, with a lock of the kernel held.",
  );
  screen.line();
  if (run.elapsedMs > START_MS_MAX) {
    const why = `Left out: the machine was so busy that ${seconds(run.elapsedMs)} are over.`;
    screen.text(why, "   ", (line) => screen.yellow(line));
    return;
  }
  run.doing = "starting workers that are to be ended";
  const mortals = new Mortals(run, WORKERS + ENDS_MAX);
  try {
    const start = performance.now();
    await mortals.start(WORKERS);
    const startMs = performance.now() - start;
    run.doing = "terminating workers";
    const ends = await endSome(run, mortals, startMs);
    run.doing = "waiting for the answers of those who live";
    await mortals.drain();
    const first = balance(mortals.answers, mortals.dead);
    const { living } = mortals;
    run.doing = "sending again what was in the hands of the dead";
    const well = await mortals.sendAgain(first.inHands);
    const second = balance(mortals.answers, []);
    showEnds(run, ends, mortals.longestMs);
    screen.line();
    showAccounts(run, first, second);
    screen.line();
    for (const [held, text] of accountChecks(first, second, ends.ended)) run.check(held, text);
    const broken = mortals.invariants();
    const sound = broken.length === 0 ? "the kernel is whole" : `broken: ${broken[0]}`;
    run.check(
      well === living && broken.length === 0,
      `${whole(well)} of ${whole(living)} workers that lived ended well, and ${sound}`,
    );
  } finally {
    await mortals.close();
  }
}
