import type { CallStep, Observed } from "../case.js";
export class ApiCalls {
  perform(_step: CallStep): Observed {
    throw new Error("not yet");
  }
}
