// SPDX-License-Identifier: ISC
/** Threads that die while they use channels and bells, or await; and a channel that is ended. */
import assert from "node:assert/strict";
import { EBADF, EPIPE, EVFILT_USER, NOTE_TRIGGER } from "knell/abi";
import { fileKqueue } from "#src/event/kqueue.js";
import { kqueueTrigger } from "#src/event/scan.js";
import { Kqueue, type KqueuePtr } from "#src/event/structs.js";
import { type BellPtr, bellRing } from "#src/fd/bell.js";
import { CHANNEL_END, channelEnd, channelReceive, channelSend } from "#src/fd/channel.js";
import type { PipePtr } from "#src/fd/pipe-ring.js";
import { fdHint } from "#src/kern/fdtable.js";
import { handleBell, handleChannel } from "#src/sys/handle.js";
import type { Scenario, Stage } from "../engine/scenario.js";
import { awaitOne, withRecord } from "./await-support.js";
import { dying } from "./dying-support.js";
import { fileOf, handle } from "./object-support.js";
import {
  change,
  collect,
  fdOf,
  kqOf,
  live,
  made,
  poll,
  queue,
  trigger,
  userEvent,
  watchReadable,
} from "./support.js";

const channelOf = ({ shared }: Stage): PipePtr => shared["object"] as PipePtr;

function send(stage: Stage, byte: number): number {
  const bytes = new Uint8Array([byte]);
  return channelSend(stage.k, channelOf(stage), fileOf(stage), false, bytes, 1, null);
}

/** The byte of the next record, or what channelReceive says. */
function receive(stage: Stage, nonblock: boolean): number {
  const into = new Uint8Array(8);
  const n = channelReceive(stage.k, channelOf(stage), fileOf(stage), nonblock, into, null);
  return n === 1 ? (into[0] as number) : n;
}

/** The records that are left of an ended channel. */
function drain(stage: Stage): number[] {
  const left: number[] = [];
  channelEnd(stage.k, channelOf(stage), fileOf(stage));
  for (let one = receive(stage, true); one !== CHANNEL_END; one = receive(stage, true)) {
    assert.ok(one > 0, `receive said ${one}`);
    left.push(one);
  }
  return left;
}

export const channelSendEnd: Scenario = {
  name: "channel-send-end",
  text: "what is sent while a channel is ended arrives, or is refused",
  threads: [
    { name: "sender", run: (stage) => [send(stage, 1), send(stage, 2)] },
    { name: "ender", run: (stage) => [channelEnd(stage.k, channelOf(stage), fileOf(stage))] },
  ],
  setup: ({ k }) => handle(handleChannel(k, 4096)),
  check(outcome) {
    const [[first, second], ended] = outcome.returned as [number[], number[]];
    const left = drain(outcome);
    assert.deepEqual(ended, [0]);
    assert.deepEqual(
      [first, second],
      [1, 2].map((one) => (left.includes(one) ? 0 : -EPIPE)),
    );
    assert.ok(left.length !== 1 || left[0] === 1, "the later one alone");
  },
};

export const deathSend = dying("channel-send", "a message cut off is whole or not there", {
  setup: (stage) => ({ kq: queue(stage), ...handle(handleChannel(stage.k, 4096)) }),
  victim: (stage) => [send(stage, 1)],
  bystander: (stage) => [send(stage, 2), receive(stage, false)],
  check(outcome) {
    const [sent, got] = outcome.returned[1] as [number, number];
    assert.equal(sent, 0);
    const all = [got, ...drain(outcome)].sort();
    if (outcome.died[0] === true && all.length === 1) assert.deepEqual(all, [2]);
    else assert.deepEqual(all, [1, 2]);
  },
});

export const deathReceive = dying("channel-receive", "a receiver that dies takes one message", {
  setup: (stage) => ({ kq: queue(stage), ...handle(handleChannel(stage.k, 4096)) }),
  victim: (stage) => [receive(stage, false)],
  bystander: (stage) => [send(stage, 1), send(stage, 2), receive(stage, false)],
  check(outcome) {
    const [[taken], [first, second, got]] = outcome.returned as [number[], number[]];
    assert.deepEqual([first, second], [0, 0]);
    const all = [got as number, ...drain(outcome)];
    if (taken !== undefined) all.push(taken);
    all.sort();
    assert.equal(new Set(all).size, all.length, `a message came twice: ${all}`);
    if (outcome.died[0] !== true) assert.deepEqual(all, [1, 2]);
  },
});

export const deathRing = dying("ring", "a bell whose ringer dies is heard when it rings again", {
  setup(stage) {
    const kq = queue(stage);
    const shared = { kq, ...handle(handleBell(stage.k)) };
    made(watchReadable(stage, kq, shared.fd));
    return shared;
  },
  victim: (stage) => [bellRing(stage.k, stage.shared["object"] as BellPtr, fileOf(stage))],
  bystander: (stage) => [
    bellRing(stage.k, stage.shared["object"] as BellPtr, fileOf(stage)),
    ...collect(stage, kqOf(stage), 1, null),
  ],
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, fdOf(outcome)]);
    poll(outcome, kqOf(outcome));
    assert.deepEqual(poll(outcome, kqOf(outcome)), [], "each ring once");
    assert.equal(bellRing(outcome.k, outcome.shared["object"] as BellPtr, fileOf(outcome)), 0);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [fdOf(outcome)]);
  },
});

export const deathAwait = dying("await", "an awaiting thread that dies takes no wake with it", {
  setup(stage) {
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    userEvent(stage, kq, 8);
    return { kq, records: live(stage, "waitrec") };
  },
  victim: withRecord((stage, rec) => awaitOne(stage, rec, Number.POSITIVE_INFINITY)),
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
    if (outcome.died[0] !== true) assert.deepEqual(all, [7, 8]);
  },
});

export const staleTrigger: Scenario = {
  name: "stale-trigger",
  text: "a queue named by slot and generation is freed, and its slot taken: the old one, or EBADF",
  threads: [
    {
      name: "trigger",
      run({ k, shared }) {
        const { slot, generation } = shared as { slot: number; generation: number };
        return [kqueueTrigger(k, slot as KqueuePtr, generation, 7, 0, NOTE_TRIGGER)];
      },
    },
    {
      name: "closer",
      run(stage) {
        const closed = stage.s.close(kqOf(stage));
        const kq = queue(stage);
        userEvent(stage, kq, 7);
        return [closed, kq, fileKqueue(stage.k, fdHint(stage.k, kq))];
      },
    },
  ],
  setup(stage) {
    const { k } = stage;
    const kq = queue(stage);
    userEvent(stage, kq, 7);
    const slot = fileKqueue(k, fdHint(k, kq)) as KqueuePtr;
    return { kq, slot, generation: Kqueue.generation.load(k, slot) };
  },
  check(outcome) {
    const [[said], [closed, kq, slot]] = outcome.returned as [number[], number[]];
    assert.ok(said === 0 || said === -EBADF, `the trigger said ${said}`);
    assert.equal(closed, 0);
    assert.equal(slot, outcome.shared["slot"], "the slot is used again");
    assert.deepEqual(poll(outcome, kq as number), [], "the new queue was triggered");
    assert.equal(change(outcome, kq as number, 7, EVFILT_USER, 0, NOTE_TRIGGER), 0);
    assert.deepEqual(poll(outcome, kq as number), [7]);
  },
};
