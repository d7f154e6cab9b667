// SPDX-License-Identifier: ISC
/**
 * Random operations: what is tried, and how often.
 *
 * An operation names its target by a number that is taken modulo what exists when it is run. So a
 * sequence stays meaningful when shrinking removes an operation before it.
 */
import fc from "fast-check";
import * as N from "./numbers.js";

/** Where a change points: at a descriptor, a word of its own, or a knote that is there. */
type Target =
  | { readonly kind: "descriptor"; readonly choice: number; readonly write: boolean }
  | { readonly kind: "raw"; readonly ident: bigint; readonly filter: number }
  | { readonly kind: "user"; readonly ident: bigint }
  | { readonly kind: "timer"; readonly ident: bigint; readonly time: Time }
  | { readonly kind: "existing"; readonly choice: number; readonly time: Time };

export interface Time {
  readonly unit: number;
  readonly amount: bigint;
  /** Add this many units to the wall clock's reading, with NOTE_ABSTIME. */
  readonly absolute: bigint | null;
}

export interface ChangeOp {
  readonly target: Target;
  readonly flags: number;
  readonly fflags: number;
  readonly data: bigint;
  readonly udata: bigint;
  readonly ext: bigint;
}

export type Op =
  | { readonly op: "kqueue"; readonly how: number }
  | { readonly op: "eventfd"; readonly initval: number; readonly flags: number }
  | { readonly op: "pipe"; readonly flags: number }
  | {
      readonly op: "kevent";
      readonly choice: number;
      readonly changes: readonly ChangeOp[];
      readonly nevents: number;
      readonly alias: boolean;
    }
  | { readonly op: "kevent-bad"; readonly choice: number; readonly fault: number }
  | { readonly op: "read"; readonly choice: number; readonly length: number }
  | {
      readonly op: "write";
      readonly choice: number;
      readonly length: number;
      readonly value: bigint;
    }
  | { readonly op: "close"; readonly choice: number }
  | { readonly op: "dup"; readonly choice: number; readonly to: number; readonly how: number }
  | {
      readonly op: "fcntl";
      readonly choice: number;
      readonly cmd: number;
      readonly arg: number;
    }
  | { readonly op: "advance"; readonly ms: number };

/** What every sequence starts with, so that the first operations already have something to do. */
export const PRELUDE: readonly Op[] = [
  { op: "kqueue", how: 0 },
  { op: "kqueue", how: 0 },
  { op: "eventfd", initval: 0, flags: N.O_NONBLOCK },
];

/** Added to a choice to say "this number itself", open or not. */
export const RAW = 1000;

// Random operations.

function weighted<T>(...pairs: readonly [number, T][]): fc.Arbitrary<T> {
  return fc.oneof(
    ...pairs.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })),
  ) as fc.Arbitrary<T>;
}

const choice = fc.oneof(
  { weight: 8, arbitrary: fc.nat(11) },
  { weight: 6, arbitrary: fc.nat(1) },
  { weight: 1, arbitrary: fc.integer({ min: RAW - 2, max: RAW + 20 }) },
);

const creating = weighted(
  [26, N.EV_ADD],
  [20, N.EV_ADD | N.EV_CLEAR],
  [9, N.EV_ADD | N.EV_ONESHOT],
  [9, N.EV_ADD | N.EV_DISPATCH],
  [4, N.EV_ADD | N.EV_CLEAR | N.EV_DISPATCH],
  [4, N.EV_ADD | N.EV_DISABLE],
  [2, N.EV_ADD | N.EV_ENABLE],
  [1, N.EV_ADD | N.EV_FORCEONESHOT],
  [1, N.EV_ADD | N.EV_KEEPUDATA],
  [1, N.EV_ADD | N.EV_ENABLE | N.EV_DISABLE],
  [2, N.EV_ADD | N.EV_DELETE],
  [1, N.EV_ADD | N.EV_CLEAR | N.EV_ONESHOT | N.EV_DISPATCH],
  [1, 0],
  [1, N.EV_ENABLE],
  [1, N.EV_DELETE],
);

const modifying = weighted(
  [10, N.EV_ENABLE],
  [8, N.EV_DISABLE],
  [9, 0],
  [5, N.EV_ADD],
  [2, N.EV_ADD | N.EV_ONESHOT],
  [2, N.EV_ADD | N.EV_ENABLE],
  [1, N.EV_ADD | N.EV_DISABLE],
  [4, N.EV_CLEAR],
  [2, N.EV_ADD | N.EV_CLEAR],
  [3, N.EV_FORCEONESHOT],
  [3, N.EV_KEEPUDATA],
  [2, N.EV_KEEPUDATA | N.EV_ENABLE],
  [4, N.EV_DELETE],
  [1, N.EV_ADD | N.EV_DELETE],
  [1, N.EV_DELETE | N.EV_ENABLE],
  [1, N.EV_ENABLE | N.EV_DISABLE],
);

/** The action with, now and then, a receipt asked for or bits that a caller cannot set. */
function flagsOf(action: fc.Arbitrary<number>): fc.Arbitrary<number> {
  return fc
    .tuple(action, weighted([9, 0], [1, N.EV_RECEIPT]), weighted([30, 0], [1, 0xb000]))
    .map(([base, receipt, system]) => base | receipt | system);
}

const userFflags = fc
  .tuple(
    weighted([3, 0], [3, N.NOTE_TRIGGER]),
    weighted([4, N.NOTE_FFNOP], [1, N.NOTE_FFAND], [1, N.NOTE_FFOR], [1, N.NOTE_FFCOPY]),
    weighted([3, 0], [2, 0x3], [2, 0x11], [1, 0xffffff], [1, 0x0ffff0]),
    weighted([20, 0], [1, 0x02000000]),
  )
  .map(([trigger, operation, low, undefined_]) => {
    return (trigger | operation | low | undefined_) >>> 0;
  });

const time: fc.Arbitrary<Time> = fc.oneof(
  {
    weight: 8,
    arbitrary: weighted<[number, bigint]>(
      [3, [0, 3n]],
      [3, [0, 10n]],
      [2, [N.NOTE_MSECONDS, 25n]],
      [2, [N.NOTE_USECONDS, 1500n]],
      [2, [N.NOTE_NSECONDS, 7_000_001n]],
      [1, [N.NOTE_NSECONDS, 1n]],
      [1, [N.NOTE_SECONDS, 1n]],
      [2, [0, 0n]],
      [1, [N.NOTE_NSECONDS, 0n]],
      [1, [0, -1n]],
      [1, [N.NOTE_SECONDS, N.I64_MAX]],
      [1, [N.NOTE_SECONDS | N.NOTE_MSECONDS, 1n]],
      [1, [0x20, 1n]],
    ).map(([unit, amount]) => ({ unit, amount, absolute: null })),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      unit: weighted([2, 0], [1, N.NOTE_MSECONDS], [1, N.NOTE_USECONDS], [1, N.NOTE_NSECONDS]),
      amount: fc.constant(0n),
      absolute: weighted([1, -5n], [1, 0n], [1, 4n], [1, 60n], [1, 2_000_000n]),
    }),
  },
);

const smallIdent = weighted<bigint>(
  [9, 1n],
  [6, 2n],
  [3, 3n],
  [2, 4n],
  [2, 5n],
  [1, 0n],
  [1, 1n << 32n],
  [1, (1n << 32n) + 1n],
  [1, N.U64_MAX],
);

const target: fc.Arbitrary<Target> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      kind: fc.constant("descriptor" as const),
      choice: fc.nat(11),
      write: weighted([3, false], [2, true]),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({ kind: fc.constant("user" as const), ident: smallIdent }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant("timer" as const),
      ident: smallIdent,
      time,
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("raw" as const),
      ident: weighted([3, 9n], [2, 13n], [1, 99n], [1, N.INT_MAX + 1n], [1, N.U64_MAX]),
      filter: weighted(
        [4, N.EVFILT_READ],
        [4, N.EVFILT_WRITE],
        [2, 0],
        [1, 5],
        [1, 100],
        [1, -100],
        [1, N.EVFILT_VNODE],
        [1, N.EVFILT_EMPTY],
      ),
    }),
  },
);

const values = {
  fflags: userFflags,
  data: weighted([6, 0n], [2, 1n], [2, 600n], [1, 70000n], [1, (1n << 53n) + 1n], [1, -9n]),
  udata: weighted([3, 0n], [3, 7n], [2, 8n], [1, N.U64_MAX]),
  ext: weighted([8, 0n], [1, 5n], [1, N.U64_MAX]),
};

const existing: fc.Arbitrary<Target> = fc.record({
  kind: fc.constant("existing" as const),
  choice: fc.nat(11),
  time,
});

const change: fc.Arbitrary<ChangeOp> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ target, flags: flagsOf(creating), ...values }) },
  { weight: 2, arbitrary: fc.record({ target: existing, flags: flagsOf(modifying), ...values }) },
);

const operation: fc.Arbitrary<Op> = fc.oneof(
  {
    weight: 26,
    arbitrary: fc.record({
      op: fc.constant("kevent" as const),
      choice,
      changes: fc.array(change, { minLength: 1, maxLength: 4 }),
      nevents: weighted([4, 0], [2, 1], [1, 2], [5, 64]),
      alias: weighted([6, false], [1, true]),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant("kevent" as const),
      choice,
      changes: fc.array(change, { minLength: 5, maxLength: 12 }),
      nevents: weighted([2, 0], [1, 3], [3, 64]),
      alias: weighted([2, false], [1, true]),
    }),
  },
  {
    weight: 18,
    arbitrary: fc.record({
      op: fc.constant("kevent" as const),
      choice,
      changes: fc.constant([]),
      nevents: weighted([1, 0], [4, 1], [2, 2], [8, 64]),
      alias: fc.constant(false),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant("kevent-bad" as const), choice, fault: fc.nat(5) }),
  },
  {
    weight: 14,
    arbitrary: fc.record({
      op: fc.constant("read" as const),
      choice,
      length: weighted([4, 8], [2, 100], [1, 0], [1, 7], [1, 16], [1, 512], [1, 5000], [2, 70000]),
    }),
  },
  {
    weight: 18,
    arbitrary: fc.record({
      op: fc.constant("write" as const),
      choice,
      length: weighted(
        [6, 8],
        [4, 100],
        [1, 0],
        [1, 7],
        [1, 16],
        [2, 512],
        [1, 513],
        [1, 1000],
        [2, 65024],
        [2, 65025],
        [1, 65536],
        [1, 70000],
      ),
      value: weighted(
        [5, 1n],
        [4, 0n],
        [2, 2n],
        [1, 1n << 32n],
        [1, 1n << 63n],
        [1, N.EVENTFD_TOP - 1n],
        [1, N.EVENTFD_TOP],
        [1, N.U64_MAX],
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("kqueue" as const),
      how: weighted([4, 0], [2, 1], [2, 2], [1, 3], [1, 4]),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("eventfd" as const),
      initval: weighted([4, 0], [2, 3], [1, 0xffffffff]),
      flags: weighted(
        [6, N.O_NONBLOCK],
        [3, N.O_NONBLOCK | N.EFD_SEMAPHORE],
        [1, N.EFD_SEMAPHORE],
        [2, N.O_NONBLOCK | N.O_CLOEXEC],
        [1, 0x40],
      ),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      op: fc.constant("pipe" as const),
      flags: weighted(
        [6, N.O_NONBLOCK],
        [5, N.O_NONBLOCK | N.O_DIRECT],
        [1, N.O_NONBLOCK | N.O_CLOEXEC],
        [1, 0],
        [1, 0x40],
      ),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant("close" as const), choice }) },
  {
    weight: 5,
    arbitrary: fc.record({
      op: fc.constant("dup" as const),
      choice,
      to: fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 2, max: 7 }) },
        { weight: 2, arbitrary: fc.integer({ min: -1, max: 17 }) },
      ),
      how: weighted([4, 0], [5, 1], [2, 2], [2, 3], [1, 4]),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant("fcntl" as const),
      choice,
      cmd: weighted(
        [2, N.F_DUPFD],
        [2, N.F_DUPFD_CLOEXEC],
        [5, N.F_GETFD],
        [4, N.F_SETFD],
        [3, N.F_GETFL],
        [3, N.F_SETFL],
        [1, N.F_DUP2FD],
        [1, 77],
      ),
      arg: weighted([3, 0], [3, 4], [4, 1], [2, 11], [1, 15], [1, 16], [1, -1]),
    }),
  },
  {
    weight: 7,
    arbitrary: fc.record({
      op: fc.constant("advance" as const),
      ms: weighted([2, 1], [3, 5], [3, 10], [3, 30], [1, 100], [1, 1000]),
    }),
  },
);

const firstPipe: fc.Arbitrary<Op> = fc.record({
  op: fc.constant("pipe" as const),
  flags: weighted([5, N.O_NONBLOCK], [3, N.O_NONBLOCK | N.O_DIRECT]),
});

/** A pipe and at most `length` random operations, to be run after the prelude. */
export function sequences(length: number): fc.Arbitrary<Op[]> {
  const rest = fc.array(operation, { minLength: 1, maxLength: length, size: "max" });
  return fc.tuple(firstPipe, rest).map(([pipe, ops]) => [pipe, ...ops]);
}

/** The operations in full, with what comes before them. */
export function withPrelude(ops: readonly Op[]): Op[] {
  return [...PRELUDE, ...ops];
}
