// SPDX-License-Identifier: ISC
import type { Case } from "../case.js";
export function apiGate(_one: Case): string | null {
  return "not yet";
}
