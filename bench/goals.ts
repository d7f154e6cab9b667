// SPDX-License-Identifier: ISC

/**
 * What each benchmark is to reach, as data. A ratio is against something measured in the same run:
 * a `floor` is the least program that does the same work (ours / floor, at most), the entries of
 * `against` are what one would use instead (theirs / ours, at least). Every figure is time per
 * operation, so a rate of 0.6 of another is a time of 1 / 0.6.
 */

/** What to aim at, and what it may never fall below. */
export interface Aim {
  readonly aim: number;
  readonly least?: number;
}

export interface Goal {
  /** The operation, as it is printed. */
  readonly operation: string;
  /** Our time divided by that of the floor, at most. */
  readonly floor?: number;
  /** Atomics calls per operation, at most. */
  readonly atomics?: number;
  /** Of these, calls of Atomics.notify. */
  readonly notifies?: number;
  /** Bytes of the JavaScript heap per operation, at most; less than half a byte counts as none. */
  readonly bytes?: number;
  /** Peer (the id of a variant): its time divided by ours, at least. */
  readonly against?: Readonly<Record<string, Aim>>;
  /** For a plain figure that is no time per operation: at most so much. */
  readonly atMost?: number;
}

const eventfdEpoll = "native/eventfd-write-epoll-wait";
const epollAddDel = "native/epoll-add-del";

const table = {
  "user-event/two-calls": {
    operation: "trigger + collect, two kevent calls",
    floor: 1.8,
    atomics: 4,
    against: { [eventfdEpoll]: { aim: 14, least: 11 } },
  },
  "user-event/queue": {
    operation: "trigger + collect, Queue methods",
    floor: 1.4,
    bytes: 0,
    against: { [eventfdEpoll]: { aim: 18, least: 16 } },
  },
  "user-event/one-call": {
    operation: "trigger + collect, one kevent call",
    floor: 2.5,
    atomics: 2,
    against: { [eventfdEpoll]: { aim: 21, least: 18 } },
  },
  "user-event/batch": {
    operation: "64 triggers + collect of 64, per event",
    floor: 2,
    against: { "native/eventfd-write-epoll-wait-batch": { aim: 40 } },
  },
  "register/two-calls": {
    operation: "register + delete, two kevent calls",
    floor: 2,
    against: { [epollAddDel]: { aim: 17, least: 11 } },
  },
  "register/one-call": {
    operation: "register + delete, one kevent call",
    floor: 2,
    against: { [epollAddDel]: { aim: 23, least: 14 } },
  },
  "register/modify": {
    operation: "modify a registration",
    floor: 1.8,
    against: { "native/epoll-mod": { aim: 9 } },
  },
  "poll-empty/no-timer": {
    operation: "poll, nothing ready, no timer armed",
    atomics: 1,
    against: { "native/epoll-wait-empty": { aim: 18 } },
  },
  "poll-empty/timer": {
    operation: "poll, nothing ready, a timer armed",
    atomics: 1,
    against: { "native/epoll-wait-empty": { aim: 2.4 } },
  },
  "counter/own-handle": {
    operation: "counter add + take, unwatched, own handle",
    floor: 1.3,
    atomics: 2,
    against: { "native/eventfd-write-read": { aim: 35 } },
  },
  "counter/descriptor": {
    operation: "eventfd write + read, unwatched, by number",
    against: { "native/eventfd-write-read": { aim: 1 } },
  },
  "counter/watched": {
    operation: "eventfd write + collect EVFILT_READ EV_CLEAR",
    floor: 1.4,
    atomics: 6,
    against: { [eventfdEpoll]: { aim: 12, least: 9 } },
  },
  "channel/one-thread": {
    operation: "send + receive 32 bytes, one thread",
    floor: 2,
    against: { "message-port/same-thread-bytes": { aim: 10 } },
  },
  "channel/two-threads": {
    operation: "send + receive 32 bytes, two threads",
    floor: 2,
    against: { "message-port/stream-bytes": { aim: 12 } },
  },
  "pipe/8": {
    operation: "write + read 8 bytes",
    against: { "native/pipe-write-read-8": { aim: 1 } },
  },
  "pipe/32": {
    operation: "write + read 32 bytes",
    against: { "native/pipe-write-read-32": { aim: 1 } },
  },
  "timer/add-delete": {
    operation: "add + delete a timer",
    floor: 2,
    against: {
      "native/timerfd-arm-disarm": { aim: 10, least: 7 },
      "set-timeout/add-clear": { aim: 3.3, least: 2.3 },
    },
  },
  "timer/outstanding": {
    operation: "add + delete, 100,000 outstanding",
    floor: 3,
    against: { "set-timeout/outstanding": { aim: 3.3, least: 2.3 } },
  },
  "timer/expiry": {
    operation: "100,000 timers expire, per timer",
    against: { "set-timeout/expiry": { aim: 1.5 } },
  },
  "wake/blocking": {
    operation: "sleeping thread woken, blocking",
    floor: 1.1,
    against: { "message-port/wake": { aim: 1 } },
  },
  "wake/async": {
    operation: "sleeping thread woken, async",
    floor: 1.15,
    against: { "message-port/wake": { aim: 0.95 } },
  },
  "wake/spinning": {
    operation: "round trip within the spin budget",
    floor: 2.5,
    against: { "message-port/round-trip": { aim: 20 } },
  },
  "wake/one-cpu": {
    operation: "round trip, one processor",
    floor: 1.15,
  },
  "throughput/stream": {
    operation: "one producer, one consumer, per event",
    floor: 1 / 0.6,
    notifies: 0.05,
    against: {
      "native/eventfd-epoll-stream": { aim: 6 },
      "message-port/stream-object": { aim: 12 },
    },
  },
  "throughput/two-queues": {
    operation: "two threads on two queues, per event",
    against: { "knell/one-queue": { aim: 1.8 } },
  },
  "scale/10k": {
    operation: "trigger + collect, one of 10,000 at random",
    floor: 1.15,
  },
  "scale/1m": {
    operation: "trigger + collect, one of 1,000,000 at random",
    floor: 6,
  },
  "scale/three-kernels": {
    operation: "trigger + collect with three kernels alive",
    floor: 1.1,
  },
  "scale/bytes": { operation: "memory per registered user event, all in", atMost: 136 },
  "idle/await": { operation: "CPU time while a thread awaits a queue, 10 s", atMost: 1 },
  "idle/block": { operation: "CPU time while a thread blocks on a queue, 10 s", atMost: 1 },
} as const satisfies Record<string, Goal>;

export type GoalName = keyof typeof table;

export const goals: Readonly<Record<GoalName, Goal>> = table;

/** How a figure stands to its goal. */
export type Verdict = "met" | "within 3x" | "under least" | "over 3x";

/** `distance` is 1 at the goal and grows as it is missed; past `least` an aim is a must. */
export function verdictOf(distance: number, least = Number.POSITIVE_INFINITY): Verdict {
  if (distance <= 1) return "met";
  if (distance > 3) return "over 3x";
  return distance > least ? "under least" : "within 3x";
}
