// SPDX-License-Identifier: ISC
/** A descriptor number taken out of use, and used again, while EV_ADD names it. */
import assert from "node:assert/strict";
import { EBADF } from "knell/abi";
import { fdHint } from "#src/kern/fdtable.js";
import type { Outcome, Scenario } from "../engine/scenario.js";
import { live, made, poll, queue, registeredFile, watchReadable } from "./support.js";

/** What is registered is what the number names, and nothing of the old file is left. */
function consistent(outcome: Outcome, added: number, files: number): void {
  const { s, k, shared } = outcome;
  const { kq, fd } = shared as { kq: number; fd: number };
  const registered = registeredFile(outcome, kq, fd);
  if (added === 0) {
    const named = fdHint(k, fd);
    assert.ok(registered === 0 || registered === named, "a registration for the file of before");
  } else {
    assert.equal(added, -EBADF);
    assert.equal(registered, 0, "EV_ADD failed and left a registration");
  }
  assert.equal(live(outcome, "file"), files, "open files");
  // What is registered tells of the new file, and goes with its number.
  assert.equal(s.eventfd_write(fd, 1), 0);
  assert.deepEqual(poll(outcome, kq), registered === 0 ? [] : [fd]);
  assert.equal(s.close(fd), 0);
  assert.equal(live(outcome, "file"), files - 1, "open files after the second close");
  assert.equal(registeredFile(outcome, kq, fd), 0);
}

export const closeAdd: Scenario = {
  name: "close-add",
  text: "EV_ADD on a number that is closed and reused registers no file but the one it names now",
  threads: [
    {
      name: "closer",
      run({ s, shared }) {
        const closed = s.close(shared["fd"] as number);
        return [closed, s.eventfd(0, 0)];
      },
    },
    {
      name: "adder",
      run: (stage) => {
        const { kq, fd } = stage.shared as { kq: number; fd: number };
        return [watchReadable(stage, kq, fd)];
      },
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    return { kq, fd: made(stage.s.eventfd(0, 0)) };
  },
  check(outcome) {
    const [closer, adder] = outcome.returned as [number[], number[]];
    assert.deepEqual(closer, [0, outcome.shared["fd"]], "the number is free after close");
    consistent(outcome, adder[0] as number, 2);
  },
};

export const dupAdd: Scenario = {
  name: "dup2-add",
  text: "as close-add, with the number replaced in one call",
  threads: [
    {
      name: "replacer",
      run: ({ s, shared }) => [s.dup2(shared["otherFd"] as number, shared["fd"] as number)],
    },
    {
      name: "adder",
      run: (stage) => {
        const { kq, fd } = stage.shared as { kq: number; fd: number };
        return [watchReadable(stage, kq, fd)];
      },
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(0, 0));
    return { kq, fd, otherFd: made(stage.s.eventfd(0, 0)) };
  },
  check(outcome) {
    const [replacer, adder] = outcome.returned as [number[], number[]];
    const { s, shared } = outcome;
    assert.deepEqual(replacer, [shared["fd"]]);
    // The other name of the file goes, so that what is left is as after close-add.
    assert.equal(s.close(shared["otherFd"] as number), 0);
    consistent(outcome, adder[0] as number, 2);
  },
};
