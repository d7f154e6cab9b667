// SPDX-License-Identifier: ISC
/**
 * The account of numbered jobs when some of those who take them are ended. Jobs are numbered in
 * the order in which they are sent, and that is the order in which they are taken. A worker has one
 * job in its hands at most, and notes its number when it has it.
 */

/** What is known of a worker that was ended. */
export interface DeadHand {
  /** Number of the last job that it noted, -1 if none. */
  readonly noted: number;
  /** How many jobs had been sent when its end was confirmed. */
  readonly sent: number;
}

export interface Account {
  readonly sent: number;
  /** Jobs that were answered. */
  readonly done: number;
  /** Numbers of jobs that a dead worker took and did not answer. */
  readonly inHands: readonly number[];
  /** Jobs that were not answered and cannot have been in anybody's hands. */
  readonly lost: number;
  /** Answers to a job after its first. */
  readonly doubled: number;
}

/**
 * Balance the account, once there are no more jobs to take and all answers have come.
 *
 * A job without an answer was in the hands of the dead worker that noted it. One that nobody noted
 * was taken by a worker that was ended before it could: after the one that it noted last, and
 * before its end. So each such job needs a dead worker of its own whose life it fits.
 *
 * @param answers answers to each job, by number
 */
export function balance(answers: readonly number[], dead: readonly DeadHand[]): Account {
  const open = new Set<number>();
  let doubled = 0;
  for (const [job, times] of answers.entries()) {
    if (times === 0) open.add(job);
    else doubled += times - 1;
  }
  const inHands: number[] = [];
  const take = (job: number): void => {
    open.delete(job);
    inHands.push(job);
  };
  const empty: DeadHand[] = [];
  for (const hand of dead) {
    if (open.has(hand.noted)) take(hand.noted);
    else empty.push(hand);
  }
  // Whoever ended first has the least choice.
  empty.sort((a, b) => a.sent - b.sent);
  for (const { noted, sent } of empty) {
    const job = [...open].find((number) => number > noted && number < sent);
    if (job !== undefined) take(job);
  }
  const sent = answers.length;
  const done = sent - open.size - inHands.length;
  return { sent, done, inHands: inHands.sort((a, b) => a - b), lost: open.size, doubled };
}
