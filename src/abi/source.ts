// SPDX-License-Identifier: ISC
/** Numbers of the calls on sources, which are Knell's own; see source(2). */
import { O_CLOEXEC } from "./fcntl.js";

// Flags of source.

/** A forked copy of a queue leaves the registrations of this source out. */
export const SOURCE_NOFORK = 0x1;
export const SOURCE_CLOEXEC = O_CLOEXEC;

// Flags of source_set.

/** The condition of the direction holds. */
export const SRC_READY = 0x1;
/** The direction has ended: its condition holds, and events have EV_EOF. */
export const SRC_EOF = 0x2;

// Flags of source_destroy.

/** Those who watch are not told. */
export const SOURCE_SILENT = 0x1;
