// SPDX-License-Identifier: ISC
/** Objects as JavaScript handles use them: counters in their fast lane, channels, bells. */
import assert from "node:assert/strict";
import { ESTALE, EV_CLEAR } from "knell/abi";
import { type BellPtr, bellRing } from "#src/fd/bell.js";
import { CHANNEL_END, channelEnd, channelReceive, channelSend } from "#src/fd/channel.js";
import { counterRead, counterWrite, type EventfdPtr } from "#src/fd/eventfd.js";
import type { PipePtr } from "#src/fd/pipe-ring.js";
import { fdHint } from "#src/kern/fdtable.js";
import { FREAD, FT_EVENTFD } from "#src/kern/file.js";
import {
  handleAttach,
  handleBell,
  handleChannel,
  handleClose,
  handleCounter,
} from "#src/sys/handle.js";
import type { Scenario, Stage } from "../engine/scenario.js";
import { fileOf, handle } from "./object-support.js";
import { collect, fdOf, kqOf, made, poll, queue, THREE_THREADS, watchReadable } from "./support.js";

const counterOf = ({ shared }: Stage): EventfdPtr => shared["object"] as EventfdPtr;

function add(stage: Stage, n: number): number {
  return counterWrite(stage.k, counterOf(stage), fileOf(stage), false, n, 0);
}

function take(stage: Stage, nonblock: boolean): number {
  const taken = { lo: 0, hi: 0 };
  const n = counterRead(stage.k, counterOf(stage), fileOf(stage), nonblock, taken);
  return n < 0 ? n : taken.lo;
}

export const counterBlock: Scenario = {
  name: "counter-block",
  text: "a blocking read of a counter in its fast lane meets an addition",
  threads: [
    { name: "reader", run: (stage) => [take(stage, false)] },
    { name: "adder", run: (stage) => [add(stage, 3), add(stage, 4)] },
  ],
  setup: ({ k }) => handle(handleCounter(k, 0, 0)),
  check(outcome) {
    const [[got]] = outcome.returned as [number[]];
    assert.ok(got === 3 || got === 7, `the reader got ${got}`);
    if (got === 3) assert.equal(take(outcome, true), 4);
  },
};

export const counterWatch: Scenario = {
  name: "counter-watch",
  text: "an addition in the fast lane while the first watcher attaches is not missed",
  threads: [
    {
      name: "waiter",
      run(stage) {
        made(watchReadable(stage, kqOf(stage), fdOf(stage), EV_CLEAR));
        return collect(stage, kqOf(stage), 4, null);
      },
    },
    { name: "adder", run: (stage) => [add(stage, 1)] },
  ],
  setup(stage) {
    return { kq: queue(stage), ...handle(handleCounter(stage.k, 0, 0)) };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned, [[fdOf(outcome)], [8]]);
  },
};

export const attachClose: Scenario = {
  name: "attach-close",
  text: "a handle attached while its file goes and the slot is used again: the old file, or ESTALE",
  threads: [
    {
      name: "attacher",
      run(stage) {
        const { k, shared } = stage;
        const { generation } = shared as { generation: number };
        const h = handleAttach(k, FT_EVENTFD, FREAD, { file: fileOf(stage), generation });
        if (typeof h === "number") return [h];
        const taken = { lo: 0, hi: 0 };
        const n = counterRead(k, h.obj as EventfdPtr, h.fp, true, taken);
        return [n < 0 ? n : taken.lo, handleClose(k, h)];
      },
    },
    { name: "closer", run: (stage) => [stage.s.close(fdOf(stage)), stage.s.eventfd(5, 0)] },
  ],
  setup: ({ k }) => handle(handleCounter(k, 1, 0)),
  check(outcome) {
    const [attacher, closer] = outcome.returned as [number[], number[]];
    assert.ok(
      attacher[0] === -ESTALE || (attacher[0] === 1 && attacher[1] === 0),
      `the attacher got ${attacher}`,
    );
    assert.equal(closer[0], 0);
    const value = new BigUint64Array(1);
    assert.equal(outcome.s.eventfd_read(closer[1] as number, value), 0);
    assert.equal(value[0], 5n);
  },
};

export const channelEnds: Scenario = {
  name: "channel-end",
  text: "a blocked receiver gets what was sent before the end, and then the end",
  threads: [
    {
      name: "receiver",
      run(stage) {
        const p = stage.shared["object"] as PipePtr;
        const into = new Uint8Array(8);
        const receive = (): number => channelReceive(stage.k, p, fileOf(stage), false, into, null);
        const first = receive();
        return first === CHANNEL_END ? [first] : [into[0] as number, receive()];
      },
    },
    {
      name: "sender",
      run(stage) {
        const p = stage.shared["object"] as PipePtr;
        const fp = fileOf(stage);
        return [
          channelSend(stage.k, p, fp, false, new Uint8Array([9]), 1, null),
          channelEnd(stage.k, p, fp),
        ];
      },
    },
  ],
  setup: ({ k }) => handle(handleChannel(k, 4096)),
  check({ returned }) {
    assert.deepEqual(returned, [
      [9, CHANNEL_END],
      [0, 0],
    ]);
  },
};

const receiveOne = (stage: Stage): number[] => [
  channelReceive(
    stage.k,
    stage.shared["object"] as PipePtr,
    fileOf(stage),
    false,
    new Uint8Array(8),
    null,
  ),
];

export const channelEndsTwo: Scenario = {
  name: "channel-end-two",
  text: "the end of a channel reaches both of two blocked receivers",
  threads: [
    { name: "left", run: receiveOne },
    { name: "right", run: receiveOne },
    {
      name: "sender",
      run: (stage) => [channelEnd(stage.k, stage.shared["object"] as PipePtr, fileOf(stage))],
    },
  ],
  setup: channelEnds.setup,
  check({ returned }) {
    assert.deepEqual(returned, [[CHANNEL_END], [CHANNEL_END], [0]]);
  },
  limits: THREE_THREADS,
};

export const bellAttach: Scenario = {
  name: "bell-attach",
  text: "a bell that rings while a queue begins to listen: heard from the registration on",
  threads: [
    {
      name: "ringer",
      run(stage) {
        const p = stage.shared["object"] as BellPtr;
        return [bellRing(stage.k, p, fileOf(stage)), bellRing(stage.k, p, fileOf(stage))];
      },
    },
    {
      name: "listener",
      run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage)), ...poll(stage, kqOf(stage))],
    },
  ],
  setup(stage) {
    return { kq: queue(stage), ...handle(handleBell(stage.k)) };
  },
  check(outcome) {
    const [rung, listened] = outcome.returned as [number[], number[]];
    assert.deepEqual(rung, [0, 0]);
    assert.equal(listened[0], 0);
    assert.ok(fdHint(outcome.k, fdOf(outcome)) === fileOf(outcome));
    poll(outcome, kqOf(outcome));
    assert.deepEqual(poll(outcome, kqOf(outcome)), [], "each ring once");
    assert.equal(bellRing(outcome.k, outcome.shared["object"] as BellPtr, fileOf(outcome)), 0);
    assert.deepEqual(poll(outcome, kqOf(outcome)), [fdOf(outcome)]);
  },
};
