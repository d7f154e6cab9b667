// SPDX-License-Identifier: ISC
/**
 * A worker that does nothing but calls, until it is ended. It takes the number of a job, makes a
 * queue and a counter, registers for the counter, some timers and user events, collects what is
 * ready, closes both, and sends the number to another channel. When there are no more jobs it says
 * so, and then does what is sent again.
 */
import { workerData } from "node:worker_threads";
import { EV_ADD, EVFILT_READ, EVFILT_TIMER, EVFILT_USER, NOTE_TRIGGER } from "../abi/index.js";
import { attach } from "../api/index.js";
import { KeventList, sys } from "../sys/face.js";
import { Board, DRAINED, type MortalData, type MortalTools, READY } from "./demo-board.js";

/** Timers and user events of each kind. */
const EACH = 4;
const FAR_AWAY_MS = 3_600_000;
const AT_ONCE = { sec: 0, nsec: 0 };

const { kernel, jobs, again, answers } = attach<MortalTools>(workerData);
const { worker, words } = (workerData as MortalData).workerData;
const board = new Board(words);
const calls = sys(kernel);
const changes = new KeventList(2 * EACH + 1);
const events = new KeventList(2 * EACH + 1);
for (let i = 0; i < EACH; i++) {
  changes.set(2 * i, i, EVFILT_TIMER, EV_ADD, 0, FAR_AWAY_MS);
  changes.set(2 * i + 1, i, EVFILT_USER, EV_ADD, NOTE_TRIGGER);
}

/** Calls that take every lock that waiting takes. */
function work(): void {
  const kq = calls.kqueue();
  const counter = calls.eventfd(1, 0);
  changes.set(2 * EACH, counter, EVFILT_READ, EV_ADD);
  calls.kevent(kq, changes, changes.capacity, null, 0, AT_ONCE);
  calls.kevent(kq, null, 0, events, events.capacity, AT_ONCE);
  calls.close(counter);
  calls.close(kq);
}

answers.send([worker, READY]);
let last = -1;
let before = 0;
for (;;) {
  const job = jobs.receiveSync();
  if (job === undefined) break;
  board.note(worker, job);
  work();
  answers.send([worker, job]);
  const now = performance.now();
  if (last >= board.burst) board.stood(worker, now - before);
  last = job;
  before = now;
}
answers.send([worker, DRAINED]);
for (;;) {
  const job = again.receiveSync();
  if (job === undefined) break;
  work();
  answers.send([worker, job]);
}
kernel.close();
