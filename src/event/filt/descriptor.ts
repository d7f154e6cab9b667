// SPDX-License-Identifier: ISC
/**
 * EVFILT_READ and EVFILT_WRITE on what descriptors name: pipes, eventfds, queues and bells. They
 * share attach and detach (the object's klist) and evaluate the view of their direction:
 *
 *   pipe       READ: bytes buffered, ready from 1 or the low-water mark, or at EOF
 *              WRITE: free bytes, ready from PIPE_BUF or the low-water mark, or with no reader left
 *   eventfd    READ: the counter; WRITE: what can still be added to it
 *   queue      READ: knotes on its ready list
 *   bell       READ: rings since the last delivery, each watching queue on its own
 *   wrong end  never ready
 *
 * Data beyond the 30 bits of a view is what the last notification left in the cold line.
 */
import { racyPoint } from "#atomics";
import { ENXIO } from "../../abi/errno.js";
import { EV_ADD, EV_EOF, NOTE_LOWAT } from "../../abi/event.js";
import type { Kthread } from "../../arena/kthread.js";
import { Obj, VIEW_EOF } from "../../kern/object.js";
import { PIPE_BUF_BYTES, VIEW_DATA_MAX } from "../../limits.js";
import {
  type Change,
  type Filterops,
  OPS_BELL,
  OPS_EVENTFD_READ,
  OPS_EVENTFD_WRITE,
  OPS_KQUEUE_READ,
  OPS_NOP,
  OPS_NOP_FD,
  OPS_PIPE_READ,
  OPS_PIPE_WRITE,
  OPS_SILENT,
} from "../filterops.js";
import { klistInsertLocked, klistRemoveLocked } from "../klist.js";
import { Kncold, Knote, type KnotePtr, Kqueue, type KqueuePtr } from "../structs.js";
import { dataSet, sdataNumber } from "../value.js";

export function attach(k: Kthread, _kq: KqueuePtr, kn: KnotePtr): number {
  klistInsertLocked(k, Knote.obj.get(k, kn), kn);
  return 0;
}

export function detach(k: Kthread, _kq: KqueuePtr, kn: KnotePtr): void {
  klistRemoveLocked(k, Knote.obj.get(k, kn), kn);
}

/** Put a view's data into the knote; saturated views mean the exact value of the cold line. */
function takeData(k: Kthread, kn: KnotePtr, data: number): void {
  if (data !== VIEW_DATA_MAX) {
    dataSet(k, kn, data, 0);
    return;
  }
  const cold = Knote.cold.get(k, kn);
  dataSet(k, kn, Kncold.exactLo.get(k, cold), Kncold.exactHi.get(k, cold));
}

function takeEof(k: Kthread, kn: KnotePtr, view: number): boolean {
  if ((view & VIEW_EOF) === 0) return false;
  Knote.flags.or(k, kn, EV_EOF);
  return true;
}

export function lowWater(k: Kthread, kn: KnotePtr, otherwise: number): number {
  return (Knote.sfflags.get(k, kn) & NOTE_LOWAT) !== 0 ? sdataNumber(k, kn) : otherwise;
}

function pipeRead(k: Kthread, kn: KnotePtr): boolean {
  const view = Obj.readView.hint(k, Knote.obj.get(k, kn));
  const data = view & VIEW_DATA_MAX;
  takeData(k, kn, data);
  return takeEof(k, kn, view) || data >= lowWater(k, kn, 1);
}

function pipeWrite(k: Kthread, kn: KnotePtr): boolean {
  const view = Obj.writeView.hint(k, Knote.obj.get(k, kn));
  const data = view & VIEW_DATA_MAX;
  takeData(k, kn, data);
  return takeEof(k, kn, view) || data >= lowWater(k, kn, PIPE_BUF_BYTES);
}

// Constants of this module are folded into the code; imported ones are loads.
const OBJ = Knote.obj.offset;
const DATA = Knote.data.offset;
const COLD = Knote.cold.offset;
const DATA_HI = Kncold.dataHi.offset;
const READ_VIEW = Obj.readView.offset;
const VIEW_MAX = VIEW_DATA_MAX;

function eventfdRead(k: Kthread, kn: KnotePtr): boolean {
  const a = k.a;
  const at = (a[kn + OBJ] as number) + READ_VIEW;
  racyPoint(a, at, true);
  const data = a[at] as number;
  if (data === VIEW_MAX) takeData(k, kn, data);
  else {
    a[kn + DATA] = data;
    a[(a[kn + COLD] as number) + DATA_HI] = 0;
  }
  return data > 0;
}

function eventfdWrite(k: Kthread, kn: KnotePtr): boolean {
  const data = Obj.writeView.hint(k, Knote.obj.get(k, kn));
  takeData(k, kn, data);
  return data > 0;
}

function kqueueRead(k: Kthread, kn: KnotePtr): boolean {
  const child = Knote.obj.get(k, kn) as KqueuePtr;
  const count = Kqueue.count.hint(k, child);
  dataSet(k, kn, count, 0);
  return count > 0;
}

function bell(k: Kthread, kn: KnotePtr): boolean {
  const cold = Knote.cold.get(k, kn);
  // exactLo holds the rings already delivered to this queue; the difference wraps as edges do.
  const rings = Obj.edge.hint(k, Knote.obj.get(k, kn)) - Kncold.exactLo.get(k, cold);
  dataSet(k, kn, rings | 0, 0);
  return (rings | 0) !== 0;
}

/** The rings delivered are not delivered again. */
function bellCleared(k: Kthread, kn: KnotePtr): void {
  const cold = Knote.cold.get(k, kn);
  const rings = Knote.data.get(k, kn);
  Kncold.exactLo.set(k, cold, (Kncold.exactLo.get(k, cold) + rings) | 0);
}

function never(): boolean {
  return false;
}

function nothing(): void {}

function descriptorFilter(
  id: number,
  name: string,
  event: Filterops["event"],
  cleared: Filterops["cleared"] = null,
): Filterops {
  return {
    id,
    name,
    isDescriptor: true,
    exact: id === OPS_EVENTFD_READ || id === OPS_EVENTFD_WRITE,
    attach,
    detach,
    event,
    ask: null,
    refuse: null,
    touch: null,
    cleared,
    copy: null,
    dump: null,
  };
}

/** What is left of a registration can be disabled, enabled and deleted, but not added to again. */
function refuseAdd(change: Change): number {
  return (change.flags & EV_ADD) === 0 ? 0 : -ENXIO;
}

function nop(id: number, isDescriptor: boolean): Filterops {
  return {
    id,
    name: "NOP",
    isDescriptor,
    exact: false,
    attach: () => 0,
    detach: nothing,
    event: never,
    ask: null,
    refuse: refuseAdd,
    touch: null,
    cleared: null,
    copy: null,
    dump: null,
  };
}

export const pipeReadFilter = descriptorFilter(OPS_PIPE_READ, "READ", pipeRead);
export const pipeWriteFilter = descriptorFilter(OPS_PIPE_WRITE, "WRITE", pipeWrite);
export const eventfdReadFilter = descriptorFilter(OPS_EVENTFD_READ, "READ", eventfdRead);
export const eventfdWriteFilter = descriptorFilter(OPS_EVENTFD_WRITE, "WRITE", eventfdWrite);
export const kqueueReadFilter = descriptorFilter(OPS_KQUEUE_READ, "READ", kqueueRead);
export const bellFilter = descriptorFilter(OPS_BELL, "READ", bell, bellCleared);
export const silentFilter = descriptorFilter(OPS_SILENT, "READ", never);
export const nopDescriptorFilter = nop(OPS_NOP_FD, true);
export const nopFilter = nop(OPS_NOP, false);
