// SPDX-License-Identifier: ISC

/**
 * A process with a number of kernels, for scale.ts: `node kernel-child.js 3`. What one kernel
 * costs when others are alive cannot be measured in the process that measured it alone, since
 * the runtime specialises a function for what it has seen.
 */

import { boot } from "knell";
import { KeventList, sys } from "knell/sys";
import { nowNs } from "./clock.js";
import { serve } from "./driven.js";
import type { Loop } from "./harness.js";
import { addUserEvents, expect, kernel, poll, queueWithOne, userTrigger } from "./ours.js";

function triggerAndCollect(): Loop {
  const s = sys(boot());
  const kq = queueWithOne(s);
  const trigger = userTrigger(1);
  const events = new KeventList(64);
  return (count) => {
    let got = 0;
    for (let i = 0; i < count; i++) {
      s.kevent(kq, trigger, 1, null, 0, null);
      got += s.kevent(kq, null, 0, events, 64, poll);
    }
    expect("events", got, count);
  };
}

const loops = Array.from({ length: Number(process.argv[2] ?? 0) }, triggerAndCollect);
for (let i = 0; i < 500; i++) for (const loop of loops) loop(64);

await serve({
  /** Goes round all kernels. */
  trigger(count) {
    const start = nowNs();
    for (let done = 0; done < count; ) {
      for (const loop of loops) {
        loop(64);
        done += 64;
        if (done >= count) break;
      }
    }
    return nowNs() - start;
  },
  /** Bytes, not nanoseconds: by how much registering so many user events made the process grow. */
  bytes(count) {
    const s = sys(kernel());
    const kq = s.kqueue();
    addUserEvents(s, kq, 1, 64);
    const before = process.memoryUsage.rss();
    addUserEvents(s, kq, 65, count + 64);
    return process.memoryUsage.rss() - before;
  },
});
