// SPDX-License-Identifier: ISC
/**
 * Profile switches: every behaviour in which the systems with kqueue differ, as one table.
 *
 * A kernel is booted with a profile, that is a column of this table; the code asks for a switch by
 * name and never for a system. `null` means that the sources do not settle the value, or that the
 * system does something that is none of the values; a profile with such a hole cannot be booted.
 *
 * The column `knell` is FreeBSD's behaviour with its traps mended and OpenBSD's first EVFILT_USER.
 * The column `openbsd` is the system since kern_event.c 1.205.
 */

export const PROFILES = ["knell", "freebsd", "openbsd", "netbsd", "dragonfly", "macos"] as const;
export type ProfileName = (typeof PROFILES)[number];

/** The profiles that `boot` accepts today. */
export const BOOTABLE_PROFILES = ["knell"] as const satisfies readonly ProfileName[];
export type BootableProfile = (typeof BOOTABLE_PROFILES)[number];

/** One row: what the switch decides, its values, and the value of each profile. */
type Row = Readonly<Record<ProfileName, string | null>> & {
  readonly doc: string;
  readonly values: readonly string[];
};

export const SWITCHES = {
  "flags.strip": {
    doc: "Whether an event's flags leave out ADD, ENABLE and DISABLE of its registration.",
    values: ["freebsd", "raw"],
    knell: "freebsd",
    freebsd: "freebsd",
    openbsd: "raw",
    netbsd: "raw",
    dragonfly: "raw",
    macos: "raw",
  },
  modify: {
    doc: "Whether a change without ADD overwrites udata, fflags and data of what exists.",
    values: ["always", "addonly"],
    knell: "always",
    freebsd: "always",
    openbsd: "addonly",
    netbsd: "always",
    dragonfly: "always",
    macos: "always",
  },
  user: {
    doc: "Whose EVFILT_USER: operations on the flags, trigger at ADD, what EV_CLEAR resets.",
    values: ["openbsd-seed", "openbsd-1205", "freebsd", "dragonfly", "xnu"],
    knell: "openbsd-seed",
    freebsd: "freebsd",
    openbsd: "openbsd-1205",
    netbsd: "freebsd",
    dragonfly: "dragonfly",
    macos: "xnu",
  },
  receipt0: {
    doc: "A receipt without room in the event list stops the call, or the next change follows.",
    values: ["stop", "continue"],
    knell: "continue",
    freebsd: "stop",
    openbsd: "stop",
    netbsd: "stop",
    dragonfly: null,
    macos: "continue",
  },
  timeout: {
    doc: "Whether a bad timeout is refused before or after the changes were applied.",
    values: ["early", "late"],
    knell: "early",
    freebsd: "late",
    openbsd: "early",
    netbsd: "late",
    dragonfly: null,
    macos: "early",
  },
  notkq: {
    doc: "The error of kevent on a descriptor that is no queue.",
    values: ["EBADF", "EINVAL"],
    knell: "EINVAL",
    freebsd: "EINVAL",
    openbsd: "EBADF",
    netbsd: "EBADF",
    dragonfly: "EBADF",
    macos: "EBADF",
  },
  "oneshot.user": {
    doc: "Whether a one-shot user event reports its stored flags and data, or zeros.",
    values: ["values", "zero"],
    knell: "values",
    freebsd: "zero",
    openbsd: "values",
    netbsd: "values",
    dragonfly: "values",
    macos: "values",
  },
  clear_dispatch: {
    doc: "CLEAR and DISPATCH together: both take effect, or DISPATCH is ignored.",
    values: ["both", "clearwins"],
    knell: "both",
    freebsd: "both",
    openbsd: "both",
    netbsd: "clearwins",
    dragonfly: "both",
    macos: "both",
  },
  "proc.zombie": {
    doc: "Watching a process that has exited: the exit is reported at once, or ESRCH.",
    values: ["attach", "esrch"],
    knell: "attach",
    freebsd: "attach",
    openbsd: "esrch",
    netbsd: "esrch",
    dragonfly: "attach",
    macos: "esrch",
  },
  "proc.exit_unrequested": {
    doc: "What a registration without NOTE_EXIT does when its process exits.",
    values: ["drop", "deliver"],
    knell: "drop",
    freebsd: "drop",
    openbsd: "deliver",
    netbsd: "deliver",
    dragonfly: "deliver",
    macos: null,
  },
  "proc.track": {
    doc: "Registrations that NOTE_TRACK makes for a child: notice and tracker apart, or in one.",
    values: ["two", "one"],
    knell: "two",
    freebsd: "two",
    openbsd: "one",
    netbsd: "two",
    dragonfly: "one",
    macos: null,
  },
  "timer.neg": {
    doc: "A negative period: refused, fires once, or the shortest period.",
    values: ["einval", "once", "tick"],
    knell: "einval",
    freebsd: "einval",
    openbsd: "tick",
    netbsd: "tick",
    dragonfly: "tick",
    macos: "once",
  },
  "timer.zero": {
    doc: "A period of zero: taken as one, refused, or fires at once.",
    values: ["one", "einval", "immediate"],
    knell: "one",
    freebsd: "one",
    openbsd: "one",
    netbsd: "einval",
    dragonfly: "one",
    macos: "immediate",
  },
  "timer.modify": {
    doc: "What sets a running timer anew: ADD, any change, or nothing until it next fires.",
    values: ["add", "any", "deferred"],
    knell: "add",
    freebsd: "add",
    openbsd: "add",
    netbsd: "add",
    dragonfly: "deferred",
    macos: "any",
  },
  "timer.drift": {
    doc: "Whether a late expiry moves the later ones.",
    values: ["none", "drift"],
    knell: "none",
    freebsd: "none",
    openbsd: "drift",
    netbsd: "drift",
    dragonfly: "drift",
    macos: "none",
  },
  "pipe.write_eof": {
    doc: "Adding WRITE to a pipe without reader: EPIPE, or an event with EV_EOF.",
    values: ["epipe", "eof"],
    knell: "epipe",
    freebsd: "epipe",
    openbsd: "eof",
    netbsd: "eof",
    dragonfly: null,
    macos: null,
  },
  "pipe.lowat": {
    doc: "Whether NOTE_LOWAT is honoured on pipes.",
    values: ["yes", "no"],
    knell: "yes",
    freebsd: "no",
    openbsd: null,
    netbsd: null,
    dragonfly: null,
    macos: null,
  },
  wrongend: {
    doc: "READ on the write end of a pipe, or WRITE on the read end: never fires, or EINVAL.",
    values: ["silent", "einval"],
    knell: "silent",
    freebsd: "silent",
    openbsd: null,
    netbsd: "silent",
    dragonfly: null,
    macos: null,
  },
  "close.wake": {
    doc: "Whether closing a queue wakes its sleepers, with EBADF.",
    values: ["yes", "no"],
    knell: "yes",
    freebsd: "no",
    openbsd: "yes",
    netbsd: "yes",
    dragonfly: "no",
    macos: "yes",
  },
  self: {
    doc: "Whether a queue may watch itself.",
    values: ["einval", "allow"],
    knell: "einval",
    freebsd: "einval",
    openbsd: "allow",
    netbsd: "allow",
    dragonfly: null,
    macos: "einval",
  },
  nest: {
    doc: "Queues in queues: cycles refused, everything accepted, or ten levels at most.",
    values: ["strict", "bsd", "depth10"],
    knell: "strict",
    freebsd: "bsd",
    openbsd: "bsd",
    netbsd: "bsd",
    dragonfly: "bsd",
    macos: "depth10",
  },
  "sig.validate": {
    doc: "Whether a signal number that does not exist is refused.",
    values: ["yes", "no"],
    knell: "no",
    freebsd: "no",
    openbsd: "yes",
    netbsd: "no",
    dragonfly: "no",
    macos: "no",
  },
  limits: {
    doc: "What is limited: user events per process, timers of the whole kernel, or nothing.",
    values: ["openbsd", "freebsd", "none"],
    knell: "openbsd",
    freebsd: "freebsd",
    openbsd: "openbsd",
    netbsd: "freebsd",
    dragonfly: "freebsd",
    macos: "none",
  },
  cponfork: {
    doc: "Whether a queue can be copied by fork.",
    values: ["on", "off"],
    knell: "on",
    freebsd: "on",
    openbsd: "off",
    netbsd: "off",
    dragonfly: "off",
    macos: "off",
  },
} as const satisfies Record<string, Row>;

export type SwitchName = keyof typeof SWITCHES;
export type SwitchValue<N extends SwitchName> = (typeof SWITCHES)[N]["values"][number];

/** The value of switch `name` in a profile that can be booted: `profileSwitch("knell", "nest")`. */
export function profileSwitch<N extends SwitchName>(
  profile: BootableProfile,
  name: N,
): SwitchValue<N> {
  return SWITCHES[name][profile];
}
