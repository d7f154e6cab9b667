// SPDX-License-Identifier: ISC
/** The body of a worker that does steps on request; see pool.ts for the other side. */
import { parentPort } from "node:worker_threads";
import { attach, boot, type Kernel } from "knell";
import { waiters } from "#src/inspect/usage.js";
import type { CallStep, Limits, Observed } from "../case.js";
import { ApiCalls } from "./api-calls.js";
import { audit } from "./audit.js";
import { SysCalls } from "./sys-calls.js";

/** Which face of the kernel a worker uses. */
export type Face = "sys" | "api";

export type Request =
  | {
      readonly kind: "boot";
      readonly face: Face;
      readonly clock: "real" | "manual";
      readonly limits: Limits;
      readonly arenaBytes: number | undefined;
    }
  | { readonly kind: "attach"; readonly face: Face; readonly handle: unknown }
  | { readonly kind: "call"; readonly step: CallStep }
  | { readonly kind: "waiters"; readonly fd: number }
  | { readonly kind: "audit" }
  | { readonly kind: "leave" };

/** `value` is a handle, an Observed, a count or a list of faults, as the request has it. */
export type Reply =
  | { readonly id: number; readonly value: unknown }
  | { readonly id: number; readonly thrown: string };

interface Calls {
  perform(step: CallStep): Observed | Promise<Observed>;
}

/** Memory of dead kernels is freed late, so a row's is no larger than most rows need. */
const ARENA_BYTES = 1024 * 1024;
/** Time between two looks at the waiters of a descriptor. */
const LOOK_MS = 1;
const nobodyWrites = new Int32Array(new SharedArrayBuffer(4));

let kernel: Kernel | null = null;
let calls: Calls | null = null;

function enter(joined: Kernel, face: Face): void {
  kernel = joined;
  calls = face === "sys" ? new SysCalls(joined) : new ApiCalls(joined);
}

function entered<T>(value: T | null): T {
  if (value === null) throw new Error("this worker has no kernel");
  return value;
}

async function answer(request: Request): Promise<unknown> {
  switch (request.kind) {
    case "boot": {
      const { clock, limits, arenaBytes = ARENA_BYTES } = request;
      const booted = boot({ arenaBytes, clock, limits });
      enter(booted, request.face);
      return booted.share({});
    }
    case "attach":
      enter(attach(request.handle).kernel, request.face);
      return null;
    case "call":
      return entered(calls).perform(request.step);
    case "waiters":
      Atomics.wait(nobodyWrites, 0, 0, LOOK_MS);
      return waiters(entered(kernel), request.fd);
    case "audit":
      return audit(entered(kernel));
    case "leave":
      entered(kernel).close();
      kernel = null;
      calls = null;
      return null;
  }
}

parentPort?.on("message", async ({ id, request }: { id: number; request: Request }) => {
  let reply: Reply;
  try {
    reply = { id, value: await answer(request) };
  } catch (error) {
    reply = { id, thrown: error instanceof Error ? (error.stack ?? error.message) : `${error}` };
  }
  parentPort?.postMessage(reply);
});
