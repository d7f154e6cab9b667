// SPDX-License-Identifier: ISC
/**
 * Where the real Linux kernel disagrees with a row that is checked against it, and why we keep our
 * expectation. A disagreement that is not here fails; so does a line here that no longer occurs.
 */

export interface Deviation {
  readonly id: string;
  /** Index of the step, and what of its outcome differs. */
  readonly step: number;
  readonly what: string;
  readonly linux: string;
  readonly ours: string;
  readonly reason: string;
  /** The Linux version since which it is so; without it, every version we know. */
  readonly since?: readonly [major: number, minor: number];
}

/** Whether a kernel of this release ("6.8.0-49-generic") has the deviation. */
export function occursIn(release: string, deviation: Deviation): boolean {
  const [major = 0, minor = 0] = release.split(".", 2).map(Number);
  const [sinceMajor, sinceMinor] = deviation.since ?? [0, 0];
  return major > sinceMajor || (major === sinceMajor && minor >= sinceMinor);
}

const PAGES =
  "A Linux pipe is a ring of pages, and a page that is partly read is not free yet; ours counts " +
  "bytes, as FreeBSD's does.";
const KEYED =
  "An epoll wake says what became possible, so an interest in one direction does not hear the " +
  "other; FreeBSD keeps one list for both, and each accepted read or write is an edge.";
const NO_ATTACH_ERROR =
  "epoll takes any interest and reports the missing reader as an event; FreeBSD refuses the knote.";

export const DEVIATIONS: readonly Deviation[] = [
  {
    id: "pipe.full.one-byte-makes-room-for-one",
    step: 3,
    what: "ret",
    linux: "EAGAIN",
    ours: "1",
    reason: PAGES,
  },
  {
    id: "pipe.atomic.small-write-is-never-split",
    step: 4,
    what: "ret",
    linux: "EAGAIN",
    ours: "100",
    reason: PAGES,
  },
  {
    id: "pipe.atomic.small-write-is-never-split",
    step: 7,
    what: "ret",
    linux: "EAGAIN",
    ours: "511",
    reason: PAGES,
  },
  {
    id: "pipe.write.ready-from-pipe-buf-on",
    step: 7,
    what: "ret",
    linux: "0",
    ours: "1",
    reason: PAGES,
  },
  {
    id: "pipe.eof.add-write-without-reader",
    step: 3,
    what: "ret",
    linux: "0",
    ours: "EPIPE",
    reason: NO_ATTACH_ERROR,
  },
  {
    id: "pipe.eof.add-write-without-reader",
    step: 4,
    what: "ret",
    linux: "0",
    ours: "ENOENT",
    reason: NO_ATTACH_ERROR,
  },
  {
    id: "pipe.edge.partial-read-is-one-too",
    step: 6,
    what: "ret",
    linux: "0",
    ours: "1",
    reason: KEYED,
  },
  {
    id: "pipe.edge.writer-hears-reads-and-writes",
    step: 8,
    what: "ret",
    linux: "0",
    ours: "1",
    reason: KEYED,
  },
  {
    id: "pipe.edge.writer-hears-reads-and-writes",
    step: 11,
    what: "ret",
    linux: "0",
    ours: "1",
    reason: `${KEYED} A Linux pipe that was not full wakes no writer.`,
  },
  {
    id: "eventfd.write.longer-buffer",
    step: 1,
    what: "ret",
    linux: "EINVAL",
    ours: "8",
    reason: "Linux takes exactly eight bytes since 6.9, FreeBSD eight or more.",
    since: [6, 9],
  },
  {
    id: "eventfd.edge.semaphore-read-is-one-too",
    step: 5,
    what: "ret",
    linux: "0",
    ours: "1",
    reason: KEYED,
  },
  {
    id: "eventfd.edge.writer-hears-writes-and-reads",
    step: 7,
    what: "ret",
    linux: "0",
    ours: "1",
    reason: KEYED,
  },
];
