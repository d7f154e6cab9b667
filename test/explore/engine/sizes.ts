// SPDX-License-Identifier: ISC
/** Sizes that the shared words of an exploration are laid out by. */

/** Threads of a scenario, at most: the masks of a row have four bits each. */
export const THREADS_MAX = 4;
/** Departures of a schedule from the default, at most. */
export const DECISIONS_MAX = 256;

/** By which number the warden would know the worker of thread 0; the others follow. */
export const HOST_THREAD = 1000;
