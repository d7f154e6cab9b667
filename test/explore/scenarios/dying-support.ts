// SPDX-License-Identifier: ISC
/** A scenario of a thread that dies anywhere in a call, and a bystander. */
import type { Outcome, Scenario, Stage } from "../engine/scenario.js";

type Run = (stage: Stage) => readonly number[];

interface Plan {
  readonly setup: (stage: Stage) => Record<string, number>;
  readonly victim: Run;
  readonly bystander: Run;
  readonly check: (outcome: Outcome) => void;
}

export function dying(
  name: string,
  text: string,
  { setup, victim, bystander, check }: Plan,
): Scenario {
  return {
    name: `death-${name}`,
    text,
    threads: [
      { name: "victim", mayDie: "anywhere", run: victim },
      { name: "bystander", run: bystander },
    ],
    setup,
    check,
  };
}
