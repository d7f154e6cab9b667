// SPDX-License-Identifier: ISC
/**
 * A thread's way into a kernel: boot, attach, and what the layers below need of those above them.
 * Importing this module loads every struct, which the layout hash rests on.
 */

import type { Kthread, ThreadHost } from "../arena/kthread.js";
import { knotesFdClosed, kqueueFileOps } from "../event/kqueue.js";
import { bellFileOps } from "../fd/bell.js";
import { channelFileOps } from "../fd/channel.js";
import { eventfdFileOps } from "../fd/eventfd.js";
import { pipeFileOps } from "../fd/pipe.js";
import { sourceFileOps } from "../fd/source.js";
import { arenaAttach, arenaBoot, type BootShape, slotBorrow, slotSeize } from "../kern/attach.js";
import {
  FILE_TYPES,
  type FileOps,
  FT_BELL,
  FT_CHANNEL,
  FT_EVENTFD,
  FT_KQUEUE,
  FT_PIPE,
  FT_SOURCE,
  layersInstall,
  type UpperLayers,
} from "../kern/file.js";
import { recoverInstall } from "../kern/thread.js";
import { recover } from "./recover.js";

const files: (FileOps | null)[] = new Array(FILE_TYPES).fill(null);
files[FT_KQUEUE] = kqueueFileOps;
files[FT_EVENTFD] = eventfdFileOps;
files[FT_PIPE] = pipeFileOps;
files[FT_CHANNEL] = channelFileOps;
files[FT_BELL] = bellFileOps;
files[FT_SOURCE] = sourceFileOps;

recoverInstall((k) => recover(k, true));

const upper: UpperLayers = { files, fdClosed: knotesFdClosed };

/** Make a kernel; returns its first thread or -errno. */
export function kernelBoot(shape: BootShape, host: ThreadHost): Kthread | number {
  // The table of operations has to be there before anything is closed, so install it at once.
  const k = arenaBoot(shape, host);
  if (typeof k !== "number") layersInstall(k, upper);
  return k;
}

/** Join a kernel's process 1; returns the thread or -errno. */
export function kernelAttach(buffer: SharedArrayBuffer, host: ThreadHost): Kthread | number {
  const k = arenaAttach(buffer, host);
  if (typeof k !== "number") layersInstall(k, upper);
  return k;
}

/** An identity for a moment; give it back with slotReturn. */
export function kernelBorrow(buffer: SharedArrayBuffer, host: ThreadHost): Kthread | number {
  const k = slotBorrow(buffer, host);
  if (typeof k !== "number") layersInstall(k, upper);
  return k;
}

/** A thread that has ended, to act in its name; see sys/exits.ts. */
export function kernelSeize(buffer: SharedArrayBuffer, host: ThreadHost, number: number): Kthread {
  const k = slotSeize(buffer, host, number);
  layersInstall(k, upper);
  return k;
}
