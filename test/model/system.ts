// SPDX-License-Identifier: ISC
/**
 * What the model and the kernel have in common: the calls that a random sequence makes.
 *
 * Every method returns what the manual page's face returns: a number >= 0, or -errno. `SLEEPS` and
 * `UNSETTLED` come from the model only: the first says that the call would block, the second that
 * the specification does not settle its result. Such a call is not made on the other system.
 */

export const SLEEPS = -1_000_001;
export const UNSETTLED = -1_000_002;

/** One struct kevent. */
export interface Kev {
  readonly ident: bigint;
  readonly filter: number;
  readonly flags: number;
  readonly fflags: number;
  readonly data: bigint;
  readonly udata: bigint;
  readonly ext: readonly [bigint, bigint, bigint, bigint];
  /** Set by the model where an implementation is free to report another `data`. */
  readonly anyData?: true;
}

export interface Timespec {
  readonly sec: number;
  readonly nsec: number;
}

export interface KeventCall {
  readonly kq: number;
  readonly changes: readonly Kev[];
  readonly nevents: number;
  readonly timeout: Timespec | null;
  /** Use one array for changes and events. */
  readonly alias: boolean;
  /** A count to pass as nchanges in place of the number of changes. */
  readonly nchanges?: number;
}

export interface KeventResult {
  readonly ret: number;
  /** The first `ret` records; none when the call failed. */
  readonly events: readonly Kev[];
}

/** What a process has open. */
export interface Counts {
  readonly descriptors: number;
  readonly queues: number;
  readonly registrations: number;
  readonly userEvents: number;
  readonly timers: number;
}

export interface System {
  kqueue(): number;
  kqueue1(flags: number): number;
  kqueuex(flags: number): number;
  /** `seen`: the other system's records, by which the model settles what order leaves open. */
  kevent(call: KeventCall, seen?: readonly Kev[]): KeventResult;
  eventfd(initval: number, flags: number): number;
  eventfdRead(fd: number): { readonly ret: number; readonly value: bigint };
  eventfdWrite(fd: number, value: bigint): number;
  pipe2(flags: number): { readonly ret: number; readonly fds: readonly [number, number] };
  read(fd: number, length: number): { readonly ret: number; readonly bytes: Uint8Array };
  write(fd: number, bytes: Uint8Array): number;
  close(fd: number): number;
  dup(fd: number): number;
  dup2(from: number, to: number): number;
  dup3(from: number, to: number, flags: number): number;
  fcntl(fd: number, cmd: number, arg: number): number;
  counts(): Counts;
  /** Move the manual clocks on. */
  advance(ms: number): void;
}

/** A record with everything zero but what is given. */
export function kev(fields: Partial<Kev>): Kev {
  return {
    ident: 0n,
    filter: 0,
    flags: 0,
    fflags: 0,
    data: 0n,
    udata: 0n,
    ext: [0n, 0n, 0n, 0n],
    ...fields,
  };
}
