// SPDX-License-Identifier: ISC
/**
 * A thread that dies at any point of a call, one scenario per call of more than one step. The
 * bystander uses the same objects meanwhile and afterwards, and must not wait for ever. A call that
 * is cut off has happened or has not, as if it had been made by nobody.
 */
import assert from "node:assert/strict";
import {
  EBADF,
  ENOENT,
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_ONESHOT,
  EVFILT_READ,
  EVFILT_TIMER,
} from "knell/abi";
import type { Stage } from "../engine/scenario.js";
import { dying } from "./dying-support.js";
import {
  A_WHILE_MS,
  change,
  collect,
  fdOf,
  kqOf,
  made,
  poll,
  queue,
  registered,
  trigger,
  userEvent,
  watchReadable,
} from "./support.js";

/** A queue with two user events. */
function twoEvents(stage: Stage): Record<string, number> {
  const kq = queue(stage);
  userEvent(stage, kq, 7);
  userEvent(stage, kq, 8);
  return { kq };
}

/** A queue that has carved its knotes already, and a readable eventfd. */
function queueAndFd(stage: Stage): Record<string, number> {
  const kq = queue(stage);
  const fd = made(stage.s.eventfd(1, 0));
  made(watchReadable(stage, kq, fd));
  made(change(stage, kq, fd, EVFILT_READ, EV_DELETE));
  return { kq, fd };
}

/** A queue that watches a readable eventfd. */
function watching(stage: Stage): Record<string, number> {
  const made_ = queueAndFd(stage);
  made(watchReadable(stage, made_["kq"] as number, made_["fd"] as number));
  return made_;
}

export const deathTrigger = dying("trigger", "a trigger that is cut off hurts no other", {
  setup: twoEvents,
  victim: (stage) => [trigger(stage, kqOf(stage), 7)],
  bystander: (stage) => [trigger(stage, kqOf(stage), 8), ...collect(stage, kqOf(stage), 4, null)],
  check(outcome) {
    const [triggered, ...got] = outcome.returned[1] as number[];
    const all = [...got, ...poll(outcome, kqOf(outcome))].sort();
    assert.equal(triggered, 0);
    assert.deepEqual(
      all.filter((ident) => ident === 8),
      [8],
    );
    if (outcome.died[0]) assert.ok(all.length <= 2);
    else assert.deepEqual(all, [7, 8]);
  },
});

export const deathCollect = dying("collect", "what a dying poll had not taken, another one gets", {
  setup(stage) {
    const made_ = twoEvents(stage);
    made(trigger(stage, made_["kq"] as number, 7));
    return made_;
  },
  victim: (stage) => poll(stage, kqOf(stage)),
  bystander: (stage) => [trigger(stage, kqOf(stage), 8), ...collect(stage, kqOf(stage), 4, 0)],
  check(outcome) {
    const [victim, [triggered, ...got]] = outcome.returned as [number[], number[]];
    const all = [...victim, ...got, ...poll(outcome, kqOf(outcome))].sort();
    assert.equal(triggered, 0);
    assert.equal(new Set(all).size, all.length, `an event came twice: ${all}`);
    if (!outcome.died[0]) assert.deepEqual(all, [7, 8]);
  },
});

export const deathWait = dying("wait", "a waiter that dies takes no wake with it", {
  setup: twoEvents,
  victim: (stage) => collect(stage, kqOf(stage), 1, null),
  bystander: (stage) => [
    trigger(stage, kqOf(stage), 7),
    trigger(stage, kqOf(stage), 8),
    ...collect(stage, kqOf(stage), 1, null),
  ],
  check(outcome) {
    const [victim, [first, second, ...got]] = outcome.returned as [number[], number[]];
    assert.deepEqual([first, second, got.length], [0, 0, 1]);
    const all = [...victim, ...got, ...poll(outcome, kqOf(outcome))].sort();
    assert.equal(new Set(all).size, all.length, `an event came twice: ${all}`);
    if (!outcome.died[0]) assert.deepEqual(all, [7, 8]);
  },
});

export const deathAdd = dying("add", "a registration that is cut off is there or is not", {
  setup: queueAndFd,
  victim: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage), EV_CLEAR)],
  bystander: (stage) => [stage.s.eventfd_write(fdOf(stage), 1), ...poll(stage, kqOf(stage))],
  check(outcome) {
    const there = registered(outcome, kqOf(outcome), fdOf(outcome));
    if (!outcome.died[0]) assert.ok(there);
    assert.equal(outcome.s.eventfd_write(fdOf(outcome), 1), 0);
    assert.deepEqual(poll(outcome, kqOf(outcome)), there ? [fdOf(outcome)] : []);
    const deleted = change(outcome, kqOf(outcome), fdOf(outcome), EVFILT_READ, EV_DELETE);
    assert.equal(deleted, there ? 0 : -ENOENT);
    assert.equal(outcome.s.close(fdOf(outcome)), 0);
  },
});

export const deathDelete = dying("delete", "a deletion that is cut off has happened or has not", {
  setup: watching,
  victim: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_DELETE)],
  bystander: (stage) => [stage.s.eventfd_write(fdOf(stage), 1), ...poll(stage, kqOf(stage))],
  check(outcome) {
    const there = registered(outcome, kqOf(outcome), fdOf(outcome));
    if (!outcome.died[0]) assert.equal(there, false);
    assert.deepEqual(poll(outcome, kqOf(outcome)), there ? [fdOf(outcome)] : []);
    assert.equal(watchReadable(outcome, kqOf(outcome), fdOf(outcome)), 0);
  },
});

export const deathClose = dying("close", "a close that is cut off is finished, or was not begun", {
  setup: watching,
  victim: (stage) => [stage.s.close(fdOf(stage))],
  bystander: (stage) => {
    const fd = made(stage.s.eventfd(1, 0));
    return [fd, watchReadable(stage, kqOf(stage), fd), ...poll(stage, kqOf(stage))];
  },
  check(outcome) {
    const [fd, added, ...got] = outcome.returned[1] as number[];
    assert.equal(added, 0);
    assert.ok(got.includes(fd as number), "the new descriptor is ready");
    const closed = !registered(outcome, kqOf(outcome), fdOf(outcome)) || fd === fdOf(outcome);
    if (!closed) assert.equal(outcome.s.close(fdOf(outcome)), 0);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [fd]);
  },
});

export const deathCloseQueue = dying("close-queue", "a queue half closed is closed: EBADF", {
  setup: watching,
  victim: (stage) => [stage.s.close(kqOf(stage))],
  bystander: (stage) => collect(stage, kqOf(stage), 1, null),
  check(outcome) {
    const [victim, [got]] = outcome.returned as [number[], number[]];
    assert.ok(got === -EBADF || got === fdOf(outcome), `kevent said ${got}`);
    const again = poll(outcome, kqOf(outcome))[0];
    if (victim[0] === 0 || got === -EBADF) assert.equal(again, -EBADF);
    assert.equal(outcome.s.close(fdOf(outcome)), 0);
  },
});

export const deathDup2 = dying("dup2", "a number half replaced names one file or the other", {
  setup(stage) {
    return { ...watching(stage), other: made(stage.s.eventfd(0, 0)) };
  },
  victim: ({ s, shared }) => [s.dup2(shared["other"] as number, shared["fd"] as number)],
  bystander: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))],
  check(outcome) {
    const { fd } = outcome.shared as { fd: number };
    const there = registered(outcome, kqOf(outcome), fd);
    const ready = poll(outcome, kqOf(outcome));
    if (!there) assert.deepEqual(ready, []);
    const closed = outcome.s.close(fd);
    assert.ok(closed === 0 || closed === -EBADF, `close said ${closed}`);
    assert.equal(registered(outcome, kqOf(outcome), fd), false);
    assert.equal(outcome.s.close(outcome.shared["other"] as number), 0);
  },
});

export const deathWrite = dying("write", "an addition that is cut off counts or does not", {
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.eventfd(0, 0));
    made(watchReadable(stage, kq, fd));
    return { kq, fd };
  },
  victim: (stage) => [stage.s.eventfd_write(fdOf(stage), 2)],
  bystander(stage) {
    const wrote = stage.s.eventfd_write(fdOf(stage), 1);
    return [wrote, ...collect(stage, kqOf(stage), 1, null)];
  },
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, fdOf(outcome)]);
    const value = new BigUint64Array(1);
    assert.equal(outcome.s.eventfd_read(fdOf(outcome), value), 0);
    assert.ok(value[0] === 3n || (outcome.died[0] === true && value[0] === 1n));
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
  },
});

export const deathRead = dying("read", "a reader that dies leaves the next one its wake", {
  setup: (stage) => ({ fd: made(stage.s.eventfd(0, 0)) }),
  victim: ({ s, shared }) => [s.read(shared["fd"] as number, new Uint8Array(8))],
  bystander: ({ s, shared }) => [
    s.eventfd_write(shared["fd"] as number, 1),
    s.eventfd_write(shared["fd"] as number, 1),
  ],
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, 0]);
    assert.equal(outcome.s.close(fdOf(outcome)), 0);
  },
});

export const deathPipeWrite = dying("pipe-write", "a cut off write is whole or not there", {
  setup(stage) {
    const fds = new Int32Array(2);
    made(stage.s.pipe2(fds, 0));
    const kq = queue(stage);
    made(watchReadable(stage, kq, fds[0] as number));
    return { kq, fd: fds[0] as number, writeFd: fds[1] as number };
  },
  victim: ({ s, shared }) => [s.write(shared["writeFd"] as number, new Uint8Array([1, 2, 3]))],
  bystander({ s, shared }) {
    const wrote = s.write(shared["writeFd"] as number, new Uint8Array([9]));
    return [wrote, s.read(shared["fd"] as number, new Uint8Array(1))];
  },
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [1, 1]);
    const { fd, writeFd } = outcome.shared as { fd: number; writeFd: number };
    assert.equal(outcome.s.write(writeFd, new Uint8Array([9])), 1);
    const n = outcome.s.read(fd, new Uint8Array(8));
    assert.ok(n === 4 || (outcome.died[0] === true && n === 1), `${n} bytes are left`);
  },
});

export const deathPipe2 = dying("pipe2", "a pipe half made is nowhere to be found", {
  setup: (stage) => ({ kq: queue(stage) }),
  victim: ({ s }) => [s.pipe2(new Int32Array(2), 0)],
  bystander: (stage) => [stage.s.eventfd(1, 0)],
  check(outcome) {
    const [fd] = outcome.returned[1] as [number];
    assert.equal(watchReadable(outcome, kqOf(outcome), fd), 0);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [fd]);
  },
});

export const deathKqueue = dying("kqueue", "a queue half made is nowhere to be found", {
  setup: (stage) => ({ kq: queue(stage) }),
  victim: ({ s }) => [s.kqueue()],
  bystander: (stage) => [stage.s.kqueue()],
  check(outcome) {
    const [kq] = outcome.returned[1] as [number];
    userEvent(outcome, kq, 1);
    assert.equal(trigger(outcome, kq, 1), 0);
    assert.deepEqual(poll(outcome, kq), [1]);
  },
});

export const deathUserAdd = dying("user-add", "a user event half added is counted if it is there", {
  setup: twoEvents,
  victim(stage) {
    userEvent(stage, kqOf(stage), 9);
    return [];
  },
  bystander: (stage) => [trigger(stage, kqOf(stage), 8), ...poll(stage, kqOf(stage))],
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, 8]);
    const there = trigger(outcome, kqOf(outcome), 9) === 0;
    assert.equal(outcome.s.userEventCount(), there ? 3 : 2);
    assert.deepEqual(poll(outcome, kqOf(outcome)), there ? [9] : []);
  },
});

export const deathTimer = dying("timer", "a timer half added is there or is not; others are due", {
  setup: (stage) => ({ kq: queue(stage) }),
  victim: (stage) => [change(stage, kqOf(stage), 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, 50)],
  bystander(stage) {
    const added = change(stage, kqOf(stage), 2, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 0, A_WHILE_MS);
    return [added, ...collect(stage, kqOf(stage), 1, null)];
  },
  check(outcome) {
    const [added, got] = outcome.returned[1] as number[];
    assert.equal(added, 0);
    assert.ok(got === 1 || got === 2, `timer ${got}`);
  },
});

export const deathNestTrigger = dying("nest-trigger", "a queue of queues hears of the next event", {
  setup(stage) {
    const kq = queue(stage);
    const kq2 = queue(stage);
    userEvent(stage, kq2, 7);
    userEvent(stage, kq2, 8);
    made(watchReadable(stage, kq, kq2));
    return { kq, kq2 };
  },
  victim: (stage) => [trigger(stage, stage.shared["kq2"] as number, 7)],
  bystander: (stage) => [
    trigger(stage, stage.shared["kq2"] as number, 8),
    ...collect(stage, kqOf(stage), 1, null),
  ],
  check(outcome) {
    const { kq2 } = outcome.shared as { kq2: number };
    assert.deepEqual(outcome.returned[1], [0, kq2]);
    const got = poll(outcome, kq2);
    assert.ok(got.includes(8));
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
  },
});

export const deathNestAdd = dying("nest-add", "a queue half added to another is there or is not", {
  setup(stage) {
    const kq = queue(stage);
    const kq2 = queue(stage);
    userEvent(stage, kq2, 7);
    return { kq, kq2 };
  },
  victim: (stage) => [watchReadable(stage, kqOf(stage), stage.shared["kq2"] as number)],
  bystander: (stage) => [trigger(stage, stage.shared["kq2"] as number, 7)],
  check(outcome) {
    const { kq2 } = outcome.shared as { kq2: number };
    const there = registered(outcome, kqOf(outcome), kq2);
    if (!outcome.died[0]) assert.ok(there);
    assert.deepEqual(poll(outcome, kqOf(outcome)), there ? [kq2] : []);
    assert.equal(outcome.s.close(kq2), 0);
  },
});
