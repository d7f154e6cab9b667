// SPDX-License-Identifier: ISC
/** A second instance of the model in the place of the kernel. */
import { type Op, withPrelude } from "./commands.js";
import { Model } from "./model.js";
import { resolve } from "./resolve.js";
import type { Rules } from "./rules.js";
import { type Report, runSequence, type Subject } from "./run.js";
import type { Kev, KeventCall, KeventResult } from "./system.js";

/** Never follows another system's order, and forgets the mark on data that may differ. */
class Fake extends Model {
  override kevent(call: KeventCall): KeventResult {
    const { ret, events } = super.kevent(call);
    return { ret, events: events.map(({ anyData: _, ...event }: Kev) => event) };
  }
}

export function runOnFake(ops: readonly Op[], rules: Partial<Rules>): Report {
  const fake = new Fake(rules);
  const check = () => (fake.rules.mutants.size === 0 ? fake.audit() : []);
  const subject: Subject = { system: fake, check };
  return runSequence(withPrelude(ops), resolve, new Model(), subject);
}
