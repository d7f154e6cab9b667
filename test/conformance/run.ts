// SPDX-License-Identifier: ISC
/** Runs one case on a machine and compares what it does, step by step, with what the case says. */
import type { Bytes, CallStep, Case, EventRecord, Expected, Observed, Ret, Step } from "./case.js";
import { eventsText, eventText, observedText, retText, stepText } from "./render.js";

/** What a target gives the runner: one kernel, made for one case. */
export interface Machine {
  call(step: CallStep): Promise<Observed>;
  /** Starts the call in the named thread; returns when it sleeps, or at once if it should not. */
  begin(thread: string, step: CallStep, parks: boolean): Promise<void>;
  end(thread: string): Promise<Observed>;
  /** Whether the call begun in this thread is asleep in the kernel. */
  blocked(thread: string): Promise<boolean>;
  /** The first of these threads whose call has returned. */
  race(threads: readonly string[]): Promise<{ thread: string; observed: Observed }>;
  /** What is wrong with the kernel after a row that went well; ends the use of its descriptors. */
  audit(): Promise<readonly string[]>;
  close(): Promise<void>;
}

/** One difference between a case and what happened. */
export interface Mismatch {
  readonly step: number;
  readonly what: string;
  readonly expected: string;
  readonly got: string;
}

type Value = number | bigint;
type Variables = Map<string, Value>;

const VARIABLE = /^(\$\w+)([+-]\d+)?$/;
/** Keys that name variables to bind instead of using them. */
const BINDING = new Set(["as", "ends"]);

function valueBound(text: string, variables: Variables): Value {
  const [, name, offset] = VARIABLE.exec(text) ?? [];
  const value = name === undefined ? undefined : variables.get(name);
  if (value === undefined) throw new Error(`the case uses ${text} before anything bound it`);
  if (offset === undefined) return value;
  return typeof value === "bigint" ? value + BigInt(offset) : value + Number(offset);
}

/** The same plain data with every variable replaced by what it stands for. */
function resolve<T>(data: T, variables: Variables): T;
function resolve(data: unknown, variables: Variables): unknown {
  if (typeof data === "string") return data.startsWith("$") ? valueBound(data, variables) : data;
  if (Array.isArray(data)) return data.map((item) => resolve(item, variables));
  if (typeof data !== "object" || data === null) return data;
  const entries = Object.entries(data).map(([key, value]) => {
    return [key, BINDING.has(key) ? value : resolve(value, variables)];
  });
  return Object.fromEntries(entries);
}

function bind(step: CallStep, observed: Observed, variables: Variables): void {
  if (observed.error !== undefined) return;
  if ("ends" in step && observed.fds !== undefined) {
    variables.set(step.ends[0], observed.fds[0]);
    variables.set(step.ends[1], observed.fds[1]);
  }
  if ("as" in step && step.as !== undefined) variables.set(step.as, observed.ret);
}

function retHolds(ret: Ret, observed: Observed): boolean {
  if (ret === "any" || (ret === "fd" && observed.error === undefined)) return true;
  if (typeof ret === "string") return observed.error === ret;
  return observed.error === undefined && observed.ret === ret;
}

function eventHolds(expected: Expected, got: EventRecord): boolean {
  const data = expected.data ?? 0;
  const ext = expected.ext ?? [0, 0, 0, 0];
  return (
    got.ident === BigInt(expected.ident) &&
    got.filter === expected.filter &&
    got.flags === expected.flags &&
    (expected.fflags === "any" || got.fflags === (expected.fflags ?? 0) >>> 0) &&
    (data === "any" || got.data === BigInt(data)) &&
    got.udata === BigInt(expected.udata ?? 0) &&
    ext.every((word, index) => got.ext[index] === BigInt(word))
  );
}

/** The records in the order of the expectations, as far as each finds its own. */
function inExpectedOrder(
  expected: readonly Expected[],
  got: readonly EventRecord[],
): readonly EventRecord[] {
  const left = [...got];
  const ordered: EventRecord[] = [];
  for (const one of expected) {
    const index = left.findIndex((record) => eventHolds(one, record));
    if (index >= 0) ordered.push(...left.splice(index, 1));
  }
  return [...ordered, ...left];
}

function bytesOf(bytes: Bytes): Uint8Array | null {
  if ("text" in bytes) return new TextEncoder().encode(bytes.text);
  if ("size" in bytes) return null;
  const words = new BigUint64Array([BigInt.asUintN(64, BigInt(bytes.u64))]);
  return new Uint8Array(words.buffer);
}

const bytesText = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** How a call's outcome differs from its step; nothing when it is as expected. */
function differences(step: CallStep, observed: Observed): Omit<Mismatch, "step">[] {
  if (observed.fault !== undefined) {
    return [{ what: "fault", expected: "none", got: observed.fault }];
  }
  if (!retHolds(step.ret, observed)) {
    const events = observed.events ?? [];
    const got = observedText(observed) + (events.length > 0 ? ` ${eventsText(events)}` : "");
    return [{ what: "ret", expected: retText(step.ret), got }];
  }
  if (observed.error !== undefined) return [];
  if (step.call === "kevent") {
    const { elapsedMs = 0 } = observed;
    if (step.atLeastMs !== undefined && elapsedMs < step.atLeastMs) {
      return [{ what: "time", expected: `at least ${step.atLeastMs} ms`, got: `${elapsedMs} ms` }];
    }
    const got = observed.events ?? [];
    const ordered = step.unordered ? inExpectedOrder(step.events, got) : got;
    return recordDifferences(step.events, ordered);
  }
  if (step.call === "read" && step.bytes !== undefined) {
    const want = bytesOf(step.bytes);
    const got = observed.bytes ?? new Uint8Array();
    if (want !== null && bytesText(want) !== bytesText(got)) {
      return [{ what: "bytes", expected: bytesText(want), got: bytesText(got) }];
    }
  }
  if (step.call === "eventfd_read" && step.value !== undefined) {
    if (observed.value !== BigInt(step.value)) {
      return [{ what: "value", expected: `${step.value}`, got: `${observed.value}` }];
    }
  }
  return [];
}

function recordDifferences(
  wanted: readonly Expected[],
  got: readonly EventRecord[],
): Omit<Mismatch, "step">[] {
  const found: Omit<Mismatch, "step">[] = [];
  for (let i = 0; i < Math.max(wanted.length, got.length); i++) {
    const one = wanted[i];
    const record = got[i];
    if (one !== undefined && record !== undefined && eventHolds(one, record)) continue;
    found.push({
      what: `event ${i}`,
      expected: one === undefined ? "none" : eventText(one),
      got: record === undefined ? "none" : eventText(record),
    });
  }
  return found;
}

/** The step whose expectation a race or an endAll has for the call begun in a thread. */
function withResult(step: CallStep, ret: Ret, events: readonly Expected[] | undefined): CallStep {
  return step.call === "kevent" ? { ...step, ret, events: events ?? [] } : { ...step, ret };
}

/** The state of one run: variables, and the calls begun but not ended. */
class Run {
  readonly #machine: Machine;
  readonly #variables: Variables = new Map();
  readonly #begun = new Map<string, CallStep>();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  async step(raw: Step): Promise<Omit<Mismatch, "step">[]> {
    const step = resolve(raw, this.#variables);
    switch (step.call) {
      case "begin":
        this.#begun.set(step.thread, step.step);
        await this.#machine.begin(step.thread, step.step, step.parks);
        return [];
      case "end":
        return this.#ended(step.thread, await this.#machine.end(step.thread), (call) => call);
      case "blocked": {
        const asleep = await this.#machine.blocked(step.thread);
        return asleep ? [] : [{ what: step.thread, expected: "asleep", got: "not asleep" }];
      }
      case "race": {
        const threads = step.threads.filter((thread) => this.#begun.has(thread));
        const { thread, observed } = await this.#machine.race(threads);
        return this.#ended(thread, observed, (call) => withResult(call, step.ret, step.events));
      }
      case "endAll":
        return this.#endAll(step);
      default: {
        const observed = await this.#machine.call(step);
        bind(step, observed, this.#variables);
        return differences(step, observed);
      }
    }
  }

  async #endAll(step: Step & { call: "endAll" }): Promise<Omit<Mismatch, "step">[]> {
    const { ret, events, together = false } = step;
    const found: Omit<Mismatch, "step">[] = [];
    const records: EventRecord[] = [];
    for (const thread of step.threads) {
      if (!this.#begun.has(thread)) continue;
      const observed = await this.#machine.end(thread);
      records.push(...(observed.events ?? []));
      const alone = together ? { ...observed, events: [] } : observed;
      const own = together ? [] : events;
      found.push(...this.#ended(thread, alone, (call) => withResult(call, ret, own)));
    }
    const wanted = together ? (events ?? []) : [];
    if (together) found.push(...recordDifferences(wanted, inExpectedOrder(wanted, records)));
    return found;
  }

  #ended(
    thread: string,
    observed: Observed,
    expectation: (call: CallStep) => CallStep,
  ): Omit<Mismatch, "step">[] {
    const call = this.#begun.get(thread);
    if (call === undefined) throw new Error(`the case ends ${thread}, which it never began`);
    this.#begun.delete(thread);
    const step = expectation(call);
    bind(step, observed, this.#variables);
    return differences(step, observed).map((one) => ({ ...one, what: `${thread}: ${one.what}` }));
  }

  get open(): readonly string[] {
    return [...this.#begun.keys()];
  }
}

/**
 * Runs the steps in order. With `goOn`, a difference does not end the run, which is how an oracle
 * is asked everything it would do otherwise.
 */
export async function runCase(
  one: Case,
  machine: Machine,
  goOn = false,
): Promise<readonly Mismatch[]> {
  const run = new Run(machine);
  const found: Mismatch[] = [];
  for (const [index, step] of one.steps.entries()) {
    const differences = await run.step(step).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      throw new Error(`${one.id}, step ${index}: ${reason}\n  ${stepText(step)}`, { cause: error });
    });
    found.push(...differences.map((difference) => ({ step: index, ...difference })));
    if (found.length > 0 && !goOn) return found;
  }
  if (run.open.length > 0) throw new Error(`${one.id} leaves ${run.open.join(", ")} running`);
  return found;
}

/** The differences as a message for a failing test. */
export function mismatchText(one: Case, found: readonly Mismatch[]): string {
  const lines = found.map((difference) => {
    const step = one.steps[difference.step];
    return [
      `step ${difference.step}, ${difference.what}:`,
      `  expected ${difference.expected}`,
      `  got      ${difference.got}`,
      `  in ${step === undefined ? "?" : stepText(step)}`,
    ].join("\n");
  });
  return `${one.id} (${one.source})\n${lines.join("\n")}`;
}
