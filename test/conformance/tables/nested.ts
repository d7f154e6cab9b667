// SPDX-License-Identifier: ISC
/** Queues watched by queues. Spec 3.6, 4.7. */
import type { Case, Expected, Ref, Step, Table, Variable } from "../case.js";
import * as N from "../numbers.js";
import {
  advance,
  apply,
  begin,
  blocked,
  change,
  close,
  dup,
  end,
  event,
  eventfd,
  kqueue,
  poll,
  put,
  refuse,
  times,
  wait,
} from "../steps.js";
import { add, fired, trigger } from "./user-steps.js";

/** Watches the queue `child` in the queue `parent`. */
const link = (parent: Ref, child: Variable, flags = 0): Step => {
  return apply(parent, change(child, N.READ, N.ADD | flags));
};
/** The parent's event: the number of queued knotes in the child. */
const holds = (child: Variable, data: number, flags = 0): Expected => {
  return event(child, N.READ, flags, { data });
};
const counting: Case[] = [
  {
    id: "nested.data.is-the-number-of-queued",
    source: "spec 3.6, 4.7",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      poll("$p"),
      apply("$c", add(1, N.CLEAR), add(2, N.CLEAR), add(3, N.CLEAR)),
      poll("$p"),
      apply("$c", trigger(1), trigger(2)),
      poll("$p", holds("$c", 2)),
      apply("$c", trigger(3), trigger(3)),
      poll("$p", holds("$c", 3)),
      poll("$p", holds("$c", 3)),
      poll("$c", fired(1, {}, N.CLEAR), fired(2, {}, N.CLEAR), fired(3, {}, N.CLEAR)),
      poll("$p"),
    ],
  },
  {
    id: "nested.data.level-in-the-child",
    source: "spec 4.7: reported until the child is drained",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      apply("$c", add(1), trigger(1)),
      poll("$p", holds("$c", 1)),
      poll("$c", fired(1)),
      poll("$p", holds("$c", 1)),
      apply("$c", change(1, N.USER, N.DELETE)),
      poll("$p"),
    ],
  },
  {
    id: "nested.data.ready-before-the-add",
    source: "spec 3.6",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      apply("$c", add(1), add(2), trigger(1), trigger(2)),
      link("$p", "$c", N.ONESHOT),
      poll("$p", holds("$c", 2, N.ONESHOT)),
      poll("$p"),
    ],
  },
  {
    id: "nested.data.disabled-do-not-count",
    source: "spec 2.2. Deviation: a disabled knote leaves the queue at once",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      apply("$c", add(1), add(2), trigger(1), trigger(2)),
      apply("$c", change(1, N.USER, N.DISABLE)),
      poll("$p", holds("$c", 1)),
      apply("$c", change(2, N.USER, N.DISABLE)),
      poll("$p"),
      apply("$c", trigger(1)),
      poll("$p"),
      apply("$c", change(1, N.USER, N.ENABLE)),
      poll("$p", holds("$c", 1)),
    ],
  },
  {
    id: "nested.data.dispatch-counts-once",
    source: "spec 2.5, 3.6",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      apply("$c", add(1, N.DISPATCH), trigger(1)),
      poll("$p", holds("$c", 1)),
      poll("$c", fired(1, {}, N.DISPATCH)),
      poll("$p"),
      apply("$c", change(1, N.USER, N.ENABLE)),
      poll("$p", holds("$c", 1)),
    ],
  },
  {
    id: "nested.edge.each-activation-in-the-child",
    source: "spec 2.5, 4.7",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c", N.CLEAR),
      apply("$c", add(1), add(2), trigger(1)),
      poll("$p", holds("$c", 1, N.CLEAR)),
      poll("$p"),
      apply("$c", trigger(2)),
      poll("$p", holds("$c", 2, N.CLEAR)),
      poll("$p"),
    ],
  },
  {
    id: "nested.two-parents",
    source: "spec 4.4: independent knotes",
    steps: [
      kqueue("$p"),
      kqueue("$o"),
      kqueue("$c"),
      link("$p", "$c"),
      link("$o", "$c"),
      apply("$c", add(1, N.CLEAR), trigger(1)),
      poll("$p", holds("$c", 1)),
      poll("$o", holds("$c", 1)),
      poll("$c", fired(1, {}, N.CLEAR)),
      poll("$p"),
      poll("$o"),
    ],
  },
  {
    id: "nested.source.eventfd",
    source: "spec 4.7",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      eventfd("$e"),
      link("$p", "$c"),
      apply("$c", change("$e", N.READ, N.ADD)),
      poll("$p"),
      put("$e", 5),
      poll("$p", holds("$c", 1)),
      poll("$c", event("$e", N.READ, 0, { data: 5 })),
    ],
  },
  {
    id: "nested.data.level-in-the-middle-until-it-is-looked-at",
    source: "spec 2.2, 3.6: a queued knote counts until a scan of its queue meets it",
    steps: [
      kqueue("$g"),
      kqueue("$p"),
      kqueue("$c"),
      link("$g", "$p"),
      link("$p", "$c"),
      apply("$c", add(1, N.CLEAR), trigger(1)),
      poll("$p", holds("$c", 1)),
      poll("$c", fired(1, {}, N.CLEAR)),
      poll("$g", holds("$p", 1)),
      poll("$p"),
      poll("$g"),
    ],
  },
  {
    id: "nested.source.timer",
    source: "design.md 8: nested queues pass their next due time up",
    steps: [
      kqueue("$g"),
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      link("$g", "$p"),
      apply("$c", change(1, N.TIMER, N.ADD, { data: 10 })),
      poll("$g"),
      advance(9),
      poll("$g"),
      advance(1),
      poll("$g", holds("$p", 1)),
      poll("$p", holds("$c", 1)),
      poll("$c", event(1, N.TIMER, N.CLEAR, { data: 1 })),
      poll("$p"),
      poll("$g"),
      advance(20),
      poll("$g", holds("$p", 1)),
      poll("$c", event(1, N.TIMER, N.CLEAR, { data: 2 })),
    ],
  },
];

const refusals: Case[] = [
  ...(
    [
      ["write", N.WRITE],
      ["vnode", N.VNODE],
      ["empty", N.EMPTY],
    ] as const
  ).map(
    ([name, filter]): Case => ({
      id: `nested.filter.${name}`,
      source: "spec 3.6: any filter but READ is EINVAL",
      steps: [
        kqueue("$p"),
        kqueue("$c"),
        refuse("$p", change("$c", filter, N.ADD | N.CLEAR, { fflags: 1 }), "EINVAL"),
      ],
    }),
  ),
  {
    id: "nested.self",
    source: "FreeBSD; spec 2.3.5, profile self=einval",
    steps: [
      kqueue(),
      refuse("$q", change("$q", N.READ, N.ADD), "EINVAL"),
      apply("$q", add(1), trigger(1)),
      poll("$q", fired(1)),
    ],
  },
  {
    id: "nested.self.through-a-dup",
    source: "spec 2.3.5, profile nest=strict: the same queue by another number",
    steps: [kqueue(), dup("$q", "$d"), refuse("$q", change("$d", N.READ, N.ADD), "EINVAL")],
  },
  {
    id: "nested.cycle.of-two",
    source: "spec 4.7, profile nest=strict",
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      link("$a", "$b"),
      refuse("$b", change("$a", N.READ, N.ADD), "EINVAL"),
      refuse("$b", change("$a", N.READ, N.DELETE), "ENOENT"),
      apply("$b", add(1), trigger(1)),
      poll("$a", holds("$b", 1)),
    ],
  },
  {
    id: "nested.cycle.of-three",
    source: "spec 4.7, profile nest=strict",
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      kqueue("$c"),
      link("$a", "$b"),
      link("$b", "$c"),
      refuse("$c", change("$a", N.READ, N.ADD), "EINVAL"),
      refuse("$c", change("$b", N.READ, N.ADD), "EINVAL"),
      link("$a", "$c"),
    ],
  },
  {
    id: "nested.cycle.other-way-after-delete",
    source: "spec 4.7: a cycle is one of present links",
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      link("$a", "$b"),
      refuse("$b", change("$a", N.READ, N.ADD), "EINVAL"),
      apply("$a", change("$b", N.READ, N.DELETE)),
      link("$b", "$a"),
      refuse("$a", change("$b", N.READ, N.ADD), "EINVAL"),
      apply("$a", add(1), trigger(1)),
      poll("$b", holds("$a", 1)),
    ],
  },
  {
    id: "nested.cycle.disabled-link-counts",
    source: "spec 4.7, profile nest=strict: it could be enabled later",
    steps: [
      kqueue("$a"),
      kqueue("$b"),
      link("$a", "$b", N.DISABLE),
      refuse("$b", change("$a", N.READ, N.ADD), "EINVAL"),
    ],
  },
  {
    id: "nested.diamond-is-no-cycle",
    source: "spec 4.7",
    steps: [
      kqueue("$t"),
      kqueue("$l"),
      kqueue("$r"),
      kqueue("$b"),
      link("$t", "$l"),
      link("$t", "$r"),
      link("$l", "$b"),
      link("$r", "$b"),
      apply("$b", add(1, N.CLEAR), trigger(1)),
      poll("$l", holds("$b", 1)),
      poll("$r", holds("$b", 1)),
      poll("$b", fired(1, {}, N.CLEAR)),
      poll("$l"),
      poll("$r"),
      poll("$t"),
    ],
  },
];

const name = (index: number): Variable => `$k${index}`;

/** Queue 0 at the head watches 1, which watches 2, and so on. */
function chain(length: number): Step[] {
  return [
    ...times(length, (index) => kqueue(name(index))),
    ...times(length - 1, (index) => link(name(index), name(index + 1))),
  ];
}

/** The same links, made from the far end, so that each new link has a long tail below it. */
function chainFromTheEnd(length: number): Step[] {
  return [
    ...times(length, (index) => kqueue(name(index))),
    ...times(length - 1, (index) => link(name(length - 2 - index), name(length - 1 - index))),
  ];
}

/** Room for some hundred queues. */
const DEEP_BYTES = 8 * 1024 * 1024;

const depth: Case[] = [
  ...(
    [
      ["from-the-head", chain],
      ["from-the-end", chainFromTheEnd],
    ] as const
  ).map(
    ([direction, build]): Case => ({
      id: `nested.depth.120-${direction}`,
      source: "OpenBSD regress kq-regress-3; spec 4.7: no limit of depth",
      arenaBytes: DEEP_BYTES,
      steps: [
        ...build(120),
        refuse(name(119), change(name(0), N.READ, N.ADD), "EINVAL"),
        apply(name(119), add(1, N.CLEAR), trigger(1)),
        poll(name(0), holds(name(1), 1)),
        ...times(120, (index) => close(name(index))),
      ],
    }),
  ),
  {
    id: "nested.depth.500",
    source: "OpenBSD regress kq-regress-4",
    arenaBytes: DEEP_BYTES,
    steps: [
      ...chain(500),
      poll(name(0)),
      apply(name(499), add(1, N.CLEAR), trigger(1)),
      poll(name(0), holds(name(1), 1)),
      poll(name(250), holds(name(251), 1)),
      poll(name(499), fired(1, {}, N.CLEAR)),
      poll(name(498)),
    ],
  },
  {
    id: "nested.depth.closed-from-the-end",
    source: "OpenBSD regress kq-regress-3",
    arenaBytes: DEEP_BYTES,
    steps: [
      ...chain(120),
      apply(name(119), add(1), trigger(1)),
      ...times(119, (index) => close(name(119 - index))),
      poll(name(0)),
    ],
  },
];

const closing: Case[] = [
  {
    id: "nested.close.child",
    source: "spec 4.7: closing the child removes the parent's knote",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      apply("$c", add(1), trigger(1)),
      poll("$p", holds("$c", 1)),
      close("$c"),
      poll("$p"),
      { call: "kqueue", ret: "$c" },
      refuse("$p", change("$c", N.READ, N.ENABLE), "ENOENT"),
    ],
  },
  {
    id: "nested.close.middle",
    source: "spec 4.7",
    steps: [
      kqueue("$g"),
      kqueue("$p"),
      kqueue("$c"),
      link("$g", "$p"),
      link("$p", "$c"),
      close("$p"),
      apply("$c", add(1, N.CLEAR), trigger(1)),
      poll("$g"),
      poll("$c", fired(1, {}, N.CLEAR)),
      link("$g", "$c"),
    ],
  },
  {
    id: "nested.close.dup-of-the-child",
    source: "spec 4.8: the knote goes with the number",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      dup("$c", "$d"),
      link("$p", "$c"),
      link("$p", "$d"),
      apply("$d", add(1), trigger(1)),
      close("$c"),
      poll("$p", holds("$d", 1)),
    ],
  },
];

const sleeping: Case[] = [
  {
    id: "nested.sleep.parent-wakes",
    source: "spec 4.5, 4.7",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      apply("$c", add(1)),
      begin("waiter", wait("$p", [holds("$c", 1)])),
      apply("$c", trigger(1)),
      end("waiter"),
    ],
  },
  {
    id: "nested.sleep.grandparent-wakes-for-an-eventfd",
    source: "spec 4.7: propagation to any depth",
    steps: [
      ...chain(10),
      eventfd("$e"),
      apply(name(9), change("$e", N.READ, N.ADD)),
      begin("waiter", wait(name(0), [holds(name(1), 1)])),
      put("$e", 1),
      end("waiter"),
    ],
  },
  {
    id: "nested.sleep.timer-of-the-child-is-due",
    source: "design.md 8",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      apply("$c", change(1, N.TIMER, N.ADD, { data: 10 })),
      begin("waiter", wait("$p", [holds("$c", 1)])),
      advance(9),
      blocked("waiter"),
      advance(1),
      end("waiter"),
    ],
  },
  {
    id: "nested.sleep.timer-armed-while-the-parent-sleeps",
    source: "design.md 8: whoever makes a due time earlier repairs the sleepers",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      link("$p", "$c"),
      begin("waiter", wait("$p", [holds("$c", 1)])),
      apply("$c", change(1, N.TIMER, N.ADD, { data: 10 })),
      advance(10),
      end("waiter"),
    ],
  },
  {
    id: "nested.sleep.link-made-while-the-parent-sleeps",
    source: "spec 2.3.11: an add wakes waiters if the source is ready",
    steps: [
      kqueue("$p"),
      kqueue("$c"),
      apply("$c", add(1), trigger(1)),
      begin("waiter", wait("$p", [holds("$c", 1)])),
      link("$p", "$c"),
      end("waiter"),
    ],
  },
];

export const nested: Table = {
  name: "nested",
  about: "queues in queues: counts, cycles, depth, closing, sleeping",
  cases: [...counting, ...refusals, ...depth, ...closing, ...sleeping],
};
