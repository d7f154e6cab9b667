// SPDX-License-Identifier: ISC
/** What the scenarios of sources have in common. */
import assert from "node:assert/strict";
import { EBADF, ENXIO, EV_ADD, EV_EOF, EVFILT_READ, SRC_READY } from "knell/abi";
import { KeventList } from "knell/sys";
import { sourcesEnd } from "#src/fd/source.js";
import type { Outcome, ScenarioThread, Stage } from "../engine/scenario.js";
import { A_WHILE_MS, fdOf, kqOf, live, made, queue, watchReadable } from "./support.js";

/** What does not fit a view, so that a scan has to ask. */
export const LARGE = 2 ** 40;
/** A poll's result: 1 for an event, 2 for one with EV_EOF, 0 for none; -errno. */
export const NEWS = 1;
export const END = 2;

/** A source of the calling thread in a queue; ready with `data`, unless they are 0. */
export function scene(stage: Stage, data: number, flags = 0): Record<string, number> {
  const kq = queue(stage);
  const fd = made(stage.s.source(0));
  made(watchReadable(stage, kq, fd, flags));
  if (data > 0) ready(stage, fd, data);
  return { kq, fd, owner: stage.k.owner };
}

/** Notified, and large data set once more since, so that a scan has to ask. */
export function ready({ s }: Stage, fd: number, data: number): void {
  made(s.source_set(fd, EVFILT_READ, SRC_READY, 0, data));
  made(s.source_notify(fd));
  if (data >= LARGE) made(s.source_set(fd, EVFILT_READ, SRC_READY, 0, data + 1));
}

/** Wait for one event, at most a while if `waits`. */
export function look({ s }: Stage, kq: number, waits: boolean): number {
  const list = new KeventList(1);
  const n = s.kevent(kq, null, 0, list, 1, { sec: 0, nsec: waits ? A_WHILE_MS * 1e6 : 0 });
  if (n <= 0) return n;
  return (list.flags(0) & EV_EOF) !== 0 ? END : NEWS;
}

export const destroyer: ScenarioThread = {
  name: "destroyer",
  run({ k, shared }) {
    sourcesEnd(k, shared["owner"] as number);
    return [0];
  },
};

export function poller(times: number, waits = false): ScenarioThread {
  return {
    name: "poller",
    run: (stage) => Array.from({ length: times }, () => look(stage, kqOf(stage), waits)),
  };
}

/** What is left: no source, and of the registration at most what can still be deleted. */
export function gone(outcome: Outcome): void {
  assert.equal(live(outcome, "source"), 0, "the source is gone");
  const { s } = outcome;
  const ch = new KeventList(1).set(0, fdOf(outcome), EVFILT_READ, EV_ADD);
  const added = s.kevent(kqOf(outcome), ch, 1, null, 0, null);
  assert.ok(added === -ENXIO || added === -EBADF, `EV_ADD said ${added}`);
}

/** Ends that were heard, and those that wait to be. */
export function ends(outcome: Outcome, heard: readonly number[]): number {
  let count = heard.filter((one) => one === END).length;
  for (let one = look(outcome, kqOf(outcome), false); one > 0; count++) {
    assert.equal(one, END, "an event of a source that is gone");
    one = look(outcome, kqOf(outcome), false);
  }
  return count;
}
