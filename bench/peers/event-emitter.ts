// SPDX-License-Identifier: ISC

/** EventEmitter: what telling somebody costs inside one thread, without any waiting. */

import { EventEmitter } from "node:events";
import { loopVariant } from "../harness.js";

export const emit = loopVariant("peer", "event-emitter/emit", "EventEmitter.emit", () => {
  const emitter = new EventEmitter();
  let heard = 0;
  emitter.on("event", () => heard++);
  return (count) => {
    for (let i = 0; i < count; i++) emitter.emit("event");
    if (heard === 0) throw new Error("nobody listened");
  };
});
