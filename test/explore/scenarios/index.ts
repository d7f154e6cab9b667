// SPDX-License-Identifier: ISC
/** Every scenario, by name: workers find theirs here. */
import type { Scenario } from "../engine/scenario.js";
import * as awaiting from "./await.js";
import { closeAdd, dupAdd } from "./close-add.js";
import * as closing from "./closing.js";
import * as death from "./death.js";
import * as dying from "./dying.js";
import { eventfdCarry, eventfdReadWrite, eventfdTwoSizes } from "./eventfd.js";
import * as objects from "./objects.js";
import * as objectsDeath from "./objects-death.js";
import { dueNestedPollers, duePollers, levelPollers, onlyOnePoller } from "./pollers.js";
import { randomNamed } from "./random.js";
import { reapTwice } from "./reaping.js";
import * as register from "./register.js";
import * as sources from "./sources.js";
import * as sourcesDeath from "./sources-death.js";
import * as streams from "./streams.js";
import * as teardown from "./teardown.js";
import * as toy from "./toy.js";
import { lostWake, passOn, timeoutClaim } from "./wake.js";

export const scenarios: readonly Scenario[] = [
  lostWake,
  timeoutClaim,
  passOn,
  closeAdd,
  dupAdd,
  duePollers,
  dueNestedPollers,
  levelPollers,
  onlyOnePoller,
  eventfdReadWrite,
  eventfdTwoSizes,
  eventfdCarry,
  ...Object.values(awaiting),
  ...Object.values(objects),
  ...Object.values(register),
  ...Object.values(closing),
  ...Object.values(streams),
  ...Object.values(teardown),
  ...Object.values(sources),
  ...Object.values(sourcesDeath),
  ...Object.values(death),
  ...Object.values(dying),
  ...Object.values(objectsDeath),
  reapTwice,
  toy.toyMended,
  toy.deathMended,
  toy.messageOrdered,
];

/** Must fail. */
export const canaries: readonly Scenario[] = [
  toy.toyBroken,
  toy.deathBroken,
  toy.messageRacing,
  toy.messageUntold,
];

export function scenarioNamed(name: string): Scenario {
  const scenario =
    [...scenarios, ...canaries].find((other) => other.name === name) ?? randomNamed(name);
  if (scenario === undefined) throw new Error(`there is no scenario ${name}`);
  return scenario;
}
