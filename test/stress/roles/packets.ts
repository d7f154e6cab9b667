// SPDX-License-Identifier: ISC
/**
 * Packets: writers send numbered records with a checksum through one packet-mode pipe; readers,
 * some blocked in read and some in kevent, get each record whole, once, by exactly one of them.
 * The pipe ends when the last writer closes its end.
 */
import assert from "node:assert/strict";
import { EAGAIN } from "#src/abi/errno.js";
import { EV_EOF } from "#src/abi/event.js";
import { KeventList } from "#src/sys/face.js";
import type { Member } from "../member.js";

const HEADER = 12;
const RECORD_MAX = 2000;
/** Board: writers that are done, then how often each record was read. */
const DONE = 0;
export const RECORDS = 64;

/** Make a record: writer, number, checksum, and bytes that follow from these. */
function fill(bytes: Uint8Array, length: number, writer: number, number: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  let sum = writer * 31 + number;
  for (let i = HEADER; i < length; i++) {
    const byte = (number * 7 + i * 13 + writer) & 0xff;
    bytes[i] = byte;
    sum = (Math.imul(sum, 33) + byte) | 0;
  }
  view.setInt32(0, writer);
  view.setInt32(4, number);
  view.setInt32(8, sum);
}

/** args: fd (blocking), writer, turns, writers. */
export function packetWriter(m: Member): number {
  const fd = m.arg("fd");
  const bytes = new Uint8Array(RECORD_MAX);
  for (let number = 0; number < m.arg("turns"); number++) {
    const length = HEADER + m.random.below(m.random.below(8) === 0 ? RECORD_MAX - HEADER : 40);
    fill(bytes, length, m.arg("writer"), number);
    assert.equal(m.s.write(fd, bytes, length), length);
  }
  if (m.add(DONE) === m.arg("writers") - 1) assert.equal(m.s.close(fd), 0);
  return m.arg("turns");
}

/** args: fd (blocking), pollFd (O_NONBLOCK), kq (0: block in read), turns. Returns records read. */
export function packetReader(m: Member): number {
  const bytes = new Uint8Array(RECORD_MAX);
  const expected = new Uint8Array(RECORD_MAX);
  const kq = m.arg("kq");
  const events = new KeventList(1);
  let records = 0;
  for (;;) {
    let eof = false;
    if (kq !== 0) {
      assert.equal(m.s.kevent(kq, null, 0, events, 1, null), 1);
      eof = (events.flags(0) & EV_EOF) !== 0;
    }
    for (;;) {
      const n = m.s.read(m.arg("fd"), bytes);
      if (n === -EAGAIN) break;
      if (n === 0) return records;
      assert.ok(n >= HEADER, `read returned ${n}`);
      const view = new DataView(bytes.buffer);
      const writer = view.getInt32(0);
      const number = view.getInt32(4);
      fill(expected, n, writer, number);
      assert.deepEqual(bytes.subarray(0, n), expected.subarray(0, n), "a record is damaged");
      assert.equal(m.add(RECORDS + writer * m.arg("turns") + number), 0, "a record came twice");
      records++;
      if (kq === 0 || m.random.below(4) === 0) break;
    }
    assert.ok(!eof || kq !== 0);
  }
}
