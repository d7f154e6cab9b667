// SPDX-License-Identifier: ISC
/** Events handed from thread to thread: each to exactly one, none lost, through shared queues. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { EV_ADD, EV_CLEAR, EVFILT_READ, EVFILT_USER } from "#src/abi/event.js";
import { KeventList } from "#src/sys/face.js";
import { MODE_CLEAR, MODE_DISPATCH, MODE_ONESHOT, STOP } from "./roles/handoff.js";
import { type Part, SEED, SOAK, Team } from "./team.js";

const ZERO = { sec: 0, nsec: 0 };
const TURNS = 1500 * SOAK;

interface Shape {
  readonly producers: number;
  readonly consumers: number;
  readonly mode: number;
  /** Levels of queues between the events and the consumers. */
  readonly levels: number;
  /** 1 if consumers also wait for short times. */
  readonly impatient: number;
  readonly spin: boolean;
}

async function handOff(shape: Shape): Promise<void> {
  const { producers, consumers, mode, levels, impatient } = shape;
  const team = new Team({ spin: shape.spin });
  const { s } = team;
  const list = new KeventList(1);
  const change = (kq: number, ident: number, filter: number, flags: number): void => {
    list.set(0, ident, filter, flags);
    assert.equal(s.kevent(kq, list, 1, null, 0, ZERO), 0);
  };
  const top = s.kqueue();
  change(top, STOP, EVFILT_USER, EV_ADD);
  const acks = Array.from({ length: producers }, () => s.eventfd(0, 0));
  const queues: number[] = [];
  for (let id = 0; id < producers; id++) {
    let above = top;
    for (let level = 0; level < levels; level++) {
      const below = s.kqueue();
      change(above, below, EVFILT_READ, level === 0 && id % 2 === 1 ? EV_ADD | EV_CLEAR : EV_ADD);
      above = below;
    }
    queues.push(above);
  }
  const parts: Part[] = [];
  for (let id = 0; id < producers; id++) {
    const args = { id, kq: queues[id] ?? top, top, ack: acks[id] as number };
    parts.push({ role: "producer", args: { ...args, turns: TURNS, mode, producers } });
  }
  for (let i = 0; i < consumers; i++) {
    const args = { top, mode, firstAck: acks[0] as number, most: 1 + (i % 3), impatient };
    parts.push({ role: "consumer", args });
  }
  const results = await team.run(parts);
  const taken = results.slice(producers).reduce((sum, n) => sum + n, 0);
  assert.equal(taken, producers * TURNS);
  team.finish();
}

const base = { producers: 4, consumers: 4, levels: 0, impatient: 0, spin: true };

test(`EV_CLEAR, waits for ever, KNELL_SEED=${SEED}`, () => handOff({ ...base, mode: MODE_CLEAR }));

test("EV_ONESHOT, added again for every event", () => handOff({ ...base, mode: MODE_ONESHOT }));

test("EV_DISPATCH, enabled again by whoever had the event", () => {
  return handOff({ ...base, mode: MODE_DISPATCH });
});

test("consumers that give up and come back", () => {
  return handOff({ ...base, producers: 3, consumers: 6, mode: MODE_CLEAR, impatient: 1 });
});

test("consumers that give up, without spinning", () => {
  return handOff({ ...base, consumers: 5, mode: MODE_ONESHOT, impatient: 1, spin: false });
});

test("one consumer for many producers", () => {
  return handOff({ ...base, producers: 7, consumers: 1, mode: MODE_CLEAR });
});

test("through a queue that watches queues", () => {
  return handOff({ ...base, mode: MODE_CLEAR, levels: 1 });
});

test("through three levels of queues, with consumers that give up", () => {
  return handOff({ ...base, mode: MODE_ONESHOT, levels: 3, impatient: 1 });
});
