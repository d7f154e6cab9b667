// SPDX-License-Identifier: ISC
/**
 * Workers are terminated at random moments under load. Nobody stands still for a second, the arena
 * is sound afterwards, and no message is lost or doubled but what a dead worker had in its hands.
 */
import assert from "node:assert/strict";
import { test } from "node:test";
import { SUPER, Super } from "#src/arena/superblock.js";
import { handleChannel } from "#src/sys/handle.js";
import { type Member, report, SEED, SOAK, Team } from "./team.js";
import type { Trade } from "./trade.js";

const DEATHS = 16 * SOAK;
const TRADERS = 10 * SOAK;
const AT_ONCE = 3;
/** A second, and another one for a machine that has other things to do. */
const HANG_MS = 2000;

test(`calls of every kind, KNELL_SEED=${SEED}`, async (t) => {
  const team = new Team();
  t.after(() => team.abandon());
  await Promise.all(Array.from({ length: AT_ONCE }, () => team.start()));
  for (let death = 0; death < DEATHS; death += 2) {
    // Two at a time: one may hold what the recovery of the other needs.
    const first = team.random.below(AT_ONCE);
    const all = [...team.members];
    const doomed = [all[first], all[(first + 1) % AT_ONCE]] as Member[];
    await team.kill(doomed);
    await Promise.all([team.start(), team.start()]);
  }
  await team.finish();
  console.log(`${report()}; others went on after ${team.slowestMs.toFixed(0)} ms at most`);
  assert.ok(team.slowestMs < HANG_MS, `${team.slowestMs} ms`);
  const hits = Super.netHits.load(team.k, SUPER);
  assert.ok(hits <= DEATHS, `${hits} wakes by the net for ${DEATHS} deaths`);
});

test(`messages are counted, KNELL_SEED=${SEED}`, async (t) => {
  const team = new Team();
  t.after(() => team.abandon());
  const handle = handleChannel(team.k, 4096);
  assert.ok(typeof handle !== "number");
  const taken = 1024;
  const room = 8192;
  let from = 0;
  const sent: { first: number; index: number; next: number }[] = [];
  const trade = (role: Trade["role"]): Trade => {
    const made = { channel: handle.obj, file: handle.fp, role, taken, from, room };
    if (role === "send") from += room;
    return made;
  };
  const senders = new Map<object, { first: number; index: number }>();
  const startSender = async (): Promise<void> => {
    const it = trade("send");
    const member = await team.start(it);
    senders.set(member, { first: it.from, index: member.index });
  };
  await startSender();
  await team.start(trade("take"));
  let takersDead = 0;
  for (let death = 0; death < TRADERS; death++) {
    const member = team.random.pick([...team.members]);
    const sender = senders.get(member);
    // A sender stands still while the ring is full, and a taker while it is empty.
    await team.kill([member], false);
    if (sender === undefined) {
      takersDead++;
      await team.start(trade("take"));
    } else {
      sent.push({ ...sender, next: Atomics.load(team.board, sender.index) });
      senders.delete(member);
      await startSender();
    }
  }
  // The last sender is ended, and the taker takes what is left.
  const [last] = senders;
  assert.ok(last !== undefined);
  const [member, { first, index }] = last as [Member, (typeof last)[1]];
  await team.kill([member], false);
  sent.push({ first, index, next: Atomics.load(team.board, index) });
  await emptied(team, handle.fd);
  await team.finish();
  let lost = 0;
  let doubled = 0;
  for (const { first: low, next } of sent) {
    for (let number = low; number < next; number++) {
      const times = Atomics.load(team.board, taken + number);
      if (times === 0) lost++;
      if (times > 1) doubled++;
    }
  }
  assert.equal(doubled, 0);
  assert.ok(lost <= takersDead + 1, `${lost} lost, ${takersDead} takers ended`);
  console.log(`${report()}; ${lost} in the hands of ${takersDead + 1} takers that were ended`);
});

/** Wait until the channel is empty: its reader does that. */
async function emptied(team: Team, fd: number): Promise<void> {
  const until = performance.now() + 5000;
  const { fdHint } = await import("#src/kern/fdtable.js");
  const { File } = await import("#src/kern/file.js");
  const { Pipe } = await import("#src/fd/pipe-ring.js");
  const p = File.object.load(team.k, fdHint(team.k, fd));
  while (team.k.a[p + Pipe.records.offset] !== 0) {
    assert.ok(performance.now() < until, "nobody takes what was sent");
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
