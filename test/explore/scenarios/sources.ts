// SPDX-License-Identifier: ISC
/**
 * Sources destroyed under their registrations: klistFini against everything else that works on a
 * knote. The source is that of the thread which set the scene; it is destroyed as a reaper would,
 * in that thread's name.
 */
import assert from "node:assert/strict";
import {
  EINVAL,
  ENOENT,
  ENXIO,
  EV_ADD,
  EV_CLEAR,
  EV_DELETE,
  EV_DISABLE,
  EV_ENABLE,
  EV_ONESHOT,
  EVFILT_READ,
  SRC_READY,
} from "knell/abi";
import { KeventList } from "knell/sys";
import { Source, type SourcePtr } from "#src/event/source.js";
import { fdHint } from "#src/kern/fdtable.js";
import { File } from "#src/kern/file.js";
import type { Scenario, Stage } from "../engine/scenario.js";
import {
  destroyer,
  END,
  ends,
  gone,
  LARGE,
  look,
  NEWS,
  poller,
  ready,
  scene,
} from "./source-support.js";
import {
  change,
  fdOf,
  kqOf,
  live,
  made,
  poll,
  queue,
  registered,
  THREE_THREADS,
  watchReadable,
} from "./support.js";

export const finiClose: Scenario = {
  name: "fini-close",
  text: "a source destroyed while its number is closed: nothing is left of either",
  threads: [destroyer, { name: "closer", run: (stage) => [stage.s.close(fdOf(stage))] }],
  setup: (stage) => scene(stage, 5),
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0]);
    gone(outcome);
    assert.equal(live(outcome, "file"), 1, "open files");
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
  },
};

export const finiScan: Scenario = {
  name: "fini-scan",
  text: "a source destroyed while it is polled: one end, and nothing after it",
  threads: [destroyer, poller(3)],
  setup: (stage) => scene(stage, 5),
  check(outcome) {
    const heard = outcome.returned[1] as readonly number[];
    gone(outcome);
    assert.equal(ends(outcome, heard), 1, "ends heard");
    const last = heard.indexOf(END);
    if (last >= 0)
      assert.ok(
        heard.slice(last + 1).every((one) => one === 0),
        "after the end",
      );
  },
};

export const finiAsk: Scenario = {
  name: "fini-ask",
  text: "a source destroyed while a scan asks it: the asker finishes first, and hears of the end",
  threads: [destroyer, poller(2)],
  setup: (stage) => scene(stage, LARGE, EV_CLEAR),
  check(outcome) {
    const heard = outcome.returned[1] as readonly number[];
    gone(outcome);
    assert.equal(ends(outcome, heard), 1, "ends heard");
  },
};

export const finiWait: Scenario = {
  name: "fini-wait",
  text: "a thread that sleeps on the queue is woken for the end",
  threads: [destroyer, poller(1, true)],
  setup: (stage) => scene(stage, 0),
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [END]);
    gone(outcome);
  },
};

export const finiAdd: Scenario = {
  name: "fini-add",
  text: "EV_ADD on a source that is destroyed: refused, or told of the end",
  threads: [
    destroyer,
    { name: "adder", run: (stage) => [watchReadable(stage, kqOf(stage), fdOf(stage))] },
  ],
  setup(stage) {
    const kq = queue(stage);
    const fd = made(stage.s.source(0));
    ready(stage, fd, 5);
    return { kq, fd, owner: stage.k.owner };
  },
  check(outcome) {
    const added = outcome.returned[1]?.[0];
    assert.ok(added === 0 || added === -ENXIO, `EV_ADD said ${added}`);
    gone(outcome);
    assert.equal(ends(outcome, []), added === 0 ? 1 : 0, "ends heard");
    assert.equal(registered(outcome, kqOf(outcome), fdOf(outcome)), false);
  },
};

export const finiDelete: Scenario = {
  name: "fini-delete",
  text: "EV_DELETE of a registration whose source is destroyed",
  threads: [
    destroyer,
    {
      name: "deleter",
      run: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_DELETE)],
    },
  ],
  setup: (stage) => scene(stage, 5),
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0]);
    gone(outcome);
    assert.equal(ends(outcome, []), 0, "a deleted registration says nothing");
  },
};

export const finiEnable: Scenario = {
  name: "fini-enable",
  text: "a registration is enabled while its source is destroyed: it hears of the end",
  threads: [
    destroyer,
    {
      name: "enabler",
      run: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_ENABLE)],
    },
  ],
  setup(stage) {
    const shared = scene(stage, LARGE);
    const { kq, fd } = shared as { kq: number; fd: number };
    made(change(stage, kq, fd, EVFILT_READ, EV_DISABLE));
    return shared;
  },
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0]);
    gone(outcome);
    assert.equal(ends(outcome, []), 1, "ends heard");
  },
};

export const finiCloseQueue: Scenario = {
  name: "fini-close-queue",
  text: "a queue closed while a source that it watches is destroyed",
  threads: [destroyer, { name: "closer", run: (stage) => [stage.s.close(kqOf(stage))] }],
  setup: (stage) => scene(stage, 5),
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0]);
    assert.equal(live(outcome, "source"), 0);
    assert.equal(live(outcome, "kqueue"), 0);
    assert.equal(live(outcome, "file"), 1, "open files");
  },
};

export const finiNotifyOther: Scenario = {
  name: "fini-notify-other",
  text: "another object of the queue is notified while a source is destroyed: both are heard",
  threads: [
    destroyer,
    {
      name: "writer",
      run: ({ s, shared }) => [s.eventfd_write(shared["other"] as number, 1)],
    },
  ],
  setup(stage) {
    const shared = scene(stage, 0);
    const other = made(stage.s.eventfd(0, 0));
    made(watchReadable(stage, shared["kq"] as number, other));
    return { ...shared, other };
  },
  check(outcome) {
    const other = outcome.shared["other"] as number;
    assert.deepEqual(poll(outcome, kqOf(outcome)).sort(), [fdOf(outcome), other].sort());
    assert.deepEqual(poll(outcome, kqOf(outcome)), [other]);
    gone(outcome);
  },
};

export const finiWaitingClaim: Scenario = {
  name: "fini-waiting-claim",
  text: "a scan asks, and both klistFini and EV_DELETE wait for its claim",
  limits: THREE_THREADS,
  threads: [
    destroyer,
    poller(1),
    {
      name: "deleter",
      run: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_DELETE)],
    },
  ],
  setup: (stage) => scene(stage, LARGE, EV_CLEAR),
  check(outcome) {
    const heard = outcome.returned[1] as readonly number[];
    const deleted = outcome.returned[2]?.[0];
    gone(outcome);
    // The end was one-shot: whoever heard it took the registration away.
    if (heard.includes(END)) assert.equal(deleted, -ENOENT);
    else assert.equal(deleted, 0);
    assert.equal(ends(outcome, heard), heard.includes(END) ? 1 : 0);
  },
};

export const finiNamed: Scenario = {
  name: "fini-named",
  text: "EV_ADD by a named filter whose owner ends: its number goes with the last registration",
  threads: [
    destroyer,
    {
      name: "adder",
      run: (stage) => [change(stage, kqOf(stage), 7, stage.shared["filter"] as number, EV_ADD)],
    },
  ],
  setup(stage) {
    const kq = queue(stage);
    const filter = made(stage.s.kfilter_register("keys"));
    const fd = made(stage.s.source(0, filter, 7));
    ready(stage, fd, 5);
    return { kq, fd, filter, owner: stage.k.owner };
  },
  check(outcome) {
    const added = outcome.returned[1]?.[0] as number;
    assert.ok([0, -ENXIO, -ENOENT, -EINVAL].includes(added), `EV_ADD said ${added}`);
    assert.equal(live(outcome, "kfilter"), added === 0 ? 1 : 0, "filters");
    gone(outcome);
    assert.equal(ends(outcome, []), added === 0 ? 1 : 0, "ends heard");
    assert.equal(live(outcome, "kfilter"), 0, "filters in the end");
  },
};

export const askDelete: Scenario = {
  name: "ask-delete",
  text: "a registration is deleted while a scan asks for it: deleted it stays",
  threads: [
    poller(2),
    {
      name: "deleter",
      run: (stage) => {
        const deleted = change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_DELETE);
        return [deleted, look(stage, kqOf(stage), false)];
      },
    },
  ],
  setup: (stage) => scene(stage, LARGE),
  check(outcome) {
    assert.deepEqual(outcome.returned[1], [0, 0]);
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
    assert.equal(live(outcome, "source"), 1);
  },
};

export const askTwoPollers: Scenario = {
  name: "ask-two-pollers",
  text: "two threads wait for one asked event with EV_CLEAR: exactly one gets it, without the net",
  threads: [poller(1, true), poller(1, true)],
  setup: (stage) => scene(stage, LARGE, EV_CLEAR),
  check(outcome) {
    const heard = outcome.returned.flat();
    assert.equal(heard.filter((one) => one === NEWS).length, 1, `heard ${heard.join(" ")}`);
    assert.deepEqual(poll(outcome, kqOf(outcome)), []);
  },
};

export const askOneshot: Scenario = {
  name: "ask-oneshot",
  text: "a one-shot event is delivered while a change asks for it: the asker drops it",
  threads: [
    {
      name: "enabler",
      run: (stage) => [change(stage, kqOf(stage), fdOf(stage), EVFILT_READ, EV_ENABLE)],
    },
    poller(2),
  ],
  setup: (stage) => scene(stage, LARGE, EV_ONESHOT | EV_DISABLE),
  check(outcome) {
    assert.deepEqual(outcome.returned[0], [0]);
    const heard = outcome.returned[1] as readonly number[];
    const rest = look(outcome, kqOf(outcome), false);
    assert.equal([...heard, rest].filter((one) => one === NEWS).length, 1, "delivered once");
    assert.equal(registered(outcome, kqOf(outcome), fdOf(outcome)), false);
  },
};

/** What the next event's data are beyond LARGE; -1 without an event. */
function beyond({ s }: Stage, kq: number): number {
  const list = new KeventList(1);
  return s.kevent(kq, null, 0, list, 1, { sec: 0, nsec: 0 }) === 1 ? list.data(0) - LARGE : -1;
}

export const askNotify: Scenario = {
  name: "ask-notify",
  text: "a source is set and notified while a scan asks it: the last state is heard",
  threads: [
    {
      name: "owner",
      run({ k, s, shared }) {
        // The scene was set by another thread, who gives it away.
        k.a[Source.owner.at(shared["source"] as SourcePtr)] = k.owner;
        const set = s.source_set(shared["fd"] as number, EVFILT_READ, SRC_READY, 0, LARGE + 7);
        return [set, s.source_notify(shared["fd"] as number)];
      },
    },
    { name: "poller", run: (stage) => [0, 0].map(() => beyond(stage, kqOf(stage))) },
  ],
  setup(stage) {
    const shared = scene(stage, LARGE, EV_CLEAR);
    const fp = fdHint(stage.k, shared["fd"] as number);
    return { ...shared, source: File.object.load(stage.k, fp) };
  },
  check(outcome) {
    assert.deepEqual(outcome.returned[0], [0, 0]);
    const heard = [...(outcome.returned[1] as readonly number[])];
    for (let data = beyond(outcome, kqOf(outcome)); data >= 0; ) {
      heard.push(data);
      data = beyond(outcome, kqOf(outcome));
    }
    const news = heard.filter((data) => data >= 0);
    assert.equal(news.at(-1), 7, `heard ${heard.join(" ")}`);
    assert.ok(news.length <= 3 && news.every((data) => [0, 1, 7].includes(data)), `${news}`);
  },
};
