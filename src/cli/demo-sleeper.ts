// SPDX-License-Identifier: ISC
/** A worker that sleeps until there is a job, once for each turn it is given. */
import { workerData } from "node:worker_threads";
import { attach, type Channel } from "../api/index.js";

const { kernel, turns, jobs, answers } = attach<{
  turns: Channel<number>;
  jobs: Channel<number>;
  answers: Channel<string>;
}>(workerData);
const queue = kernel.queue().add("job", jobs.receive());
while (turns.receiveSync() !== undefined) {
  answers.send("asleep");
  queue.waitSync();
  answers.send("heard");
}
kernel.close();
