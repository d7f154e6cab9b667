// SPDX-License-Identifier: ISC
/**
 * Filters on sources: EVFILT_READ and EVFILT_WRITE by descriptor, and named filters, which report
 * the reading direction. Small states are in the view; the rest is asked for (event/ask.ts).
 *
 * EV_EOF follows the source: its owner may take the end back, as a FIFO gets a new writer.
 */
import { EV_EOF, EVFILT_WRITE, NOTE_LOWAT } from "../../abi/event.js";
import { SRC_EOF, SRC_READY } from "../../abi/source.js";
import type { Kthread } from "../../arena/kthread.js";
import { Obj, VIEW_ASK, VIEW_EOF } from "../../kern/object.js";
import { VIEW_DATA_MAX } from "../../limits.js";
import {
  type Filterops,
  OPS_SOURCE_NAMED,
  OPS_SOURCE_READ,
  OPS_SOURCE_WRITE,
} from "../filterops.js";
import { Source, type SourcePtr } from "../source.js";
import { KN_ANSWERED, Kncold, Knote, type KnotePtr } from "../structs.js";
import { dataNumber, dataSet, sdataNumber } from "../value.js";
import { attach, detach } from "./descriptor.js";

function eofSet(k: Kthread, kn: KnotePtr, eof: boolean): void {
  const flags = Knote.flags.get(k, kn);
  Knote.flags.set(k, kn, eof ? flags | EV_EOF : flags & ~EV_EOF);
}

/** Whether the data in the knote reach its low-water mark. A named filter has none. */
function reachesMark(k: Kthread, kn: KnotePtr): boolean {
  if (Knote.filter.get(k, kn) > 0) return true;
  if ((Knote.sfflags.get(k, kn) & NOTE_LOWAT) === 0) return true;
  return dataNumber(k, kn) >= sdataNumber(k, kn);
}

/** Whether the source said that the condition holds, and has not been set since. */
function answered(k: Kthread, kn: KnotePtr): boolean {
  if ((Knote.status.get(k, kn) & KN_ANSWERED) === 0) return false;
  const asked = Kncold.exactLo.get(k, Knote.cold.get(k, kn));
  return asked === Obj.edge.hint(k, Knote.obj.get(k, kn));
}

/** Delivery has reset the knote's data and fflags: they are the source's no more. */
function cleared(k: Kthread, kn: KnotePtr): void {
  Knote.status.clear(k, kn, KN_ANSWERED);
}

function evaluate(k: Kthread, kn: KnotePtr, view: number): boolean {
  if ((view & VIEW_ASK) !== 0) return answered(k, kn);
  const data = view & VIEW_DATA_MAX;
  const eof = (view & VIEW_EOF) !== 0;
  dataSet(k, kn, data, 0);
  Knote.fflags.set(k, kn, 0);
  eofSet(k, kn, eof);
  return eof || (data !== 0 && reachesMark(k, kn));
}

function readEvent(k: Kthread, kn: KnotePtr): boolean {
  return evaluate(k, kn, Obj.readView.hint(k, Knote.obj.get(k, kn)));
}

function writeEvent(k: Kthread, kn: KnotePtr): boolean {
  return evaluate(k, kn, Obj.writeView.hint(k, Knote.obj.get(k, kn)));
}

/** The same from the source itself, with all 64 bits and the fflags. */
function ask(k: Kthread, kn: KnotePtr): boolean {
  const p = Knote.obj.get(k, kn) as SourcePtr;
  const write = Knote.filter.get(k, kn) === EVFILT_WRITE;
  const flags = (write ? Source.writeFlags : Source.readFlags).get(k, p);
  const data = write ? Obj.exactWrite : Obj.exactRead;
  dataSet(k, kn, data.lo(k, p), data.hi(k, p));
  Knote.fflags.set(k, kn, (write ? Source.writeFflags : Source.readFflags).get(k, p));
  eofSet(k, kn, (flags & SRC_EOF) !== 0);
  if ((flags & SRC_EOF) !== 0) return true;
  return (flags & SRC_READY) !== 0 && reachesMark(k, kn);
}

function sourceFilter(
  id: number,
  name: string,
  isDescriptor: boolean,
  event: Filterops["event"],
): Filterops {
  return {
    id,
    name,
    isDescriptor,
    exact: true,
    attach,
    detach,
    event,
    ask,
    refuse: null,
    touch: null,
    cleared,
    copy: null,
    dump: null,
  };
}

export const sourceReadFilter = sourceFilter(OPS_SOURCE_READ, "READ", true, readEvent);
export const sourceWriteFilter = sourceFilter(OPS_SOURCE_WRITE, "WRITE", true, writeEvent);
export const sourceNamedFilter = sourceFilter(OPS_SOURCE_NAMED, "NAMED", false, readEvent);
