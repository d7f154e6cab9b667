// SPDX-License-Identifier: ISC

/** The native program of the benchmarks: built when a C compiler is there, and driven. */

import { spawnSync } from "node:child_process";
import { mkdirSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type CountFor, Driven, drivenVariant } from "./driven.js";
import { Skipped, type Variant } from "./harness.js";

const sources = fileURLToPath(new URL("../../bench/native/", import.meta.url));
const folder = fileURLToPath(new URL("../native/", import.meta.url));
const program = `${folder}peers`;

function modified(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;
}

/** Compiles the program unless it is newer than its sources; returns why it could not. */
function build(): string | undefined {
  const files = readdirSync(sources).map((name) => sources + name);
  if (modified(program) > Math.max(...files.map(modified))) return undefined;
  mkdirSync(folder, { recursive: true });
  const fresh = `${program}.${process.pid}`;
  const c = files.filter((name) => name.endsWith(".c"));
  const compiler = process.env["CC"] ?? "cc";
  const result = spawnSync(compiler, ["-O2", "-pthread", "-o", fresh, ...c], { encoding: "utf8" });
  if (result.error !== undefined) return "no C compiler: skipped";
  if (result.status !== 0) {
    console.error(result.stderr);
    rmSync(fresh, { force: true });
    return "the C compiler failed: skipped";
  }
  renameSync(fresh, program); // another benchmark may be building too
  return undefined;
}

interface NativeProgram {
  readonly child: Driven;
  readonly names: ReadonlySet<string>;
}

async function start(): Promise<NativeProgram | string> {
  const failure = build();
  if (failure !== undefined) return failure;
  const child = new Driven(program, []);
  const names = (await child.ask("list")).trim().split(" ");
  return { child, names: new Set(names) };
}

let started: Promise<NativeProgram | string> | undefined;

/** Starts the program once. It is to be called before the thread is put on one processor. */
export function startNative(): Promise<NativeProgram | string> {
  started ??= start();
  return started;
}

async function open(operation: string): Promise<Driven> {
  const native = await startNative();
  if (typeof native === "string") throw new Skipped(native);
  if (!native.names.has(operation)) throw new Skipped("not on this system: skipped");
  return native.child;
}

/** Nanoseconds per native operation; undefined where there is no native program. */
export async function nativeNs(operation: string, count: number): Promise<number | undefined> {
  try {
    return (await (await open(operation)).run(operation, count)) / count;
  } catch {
    return undefined;
  }
}

const variants = new Map<string, Variant>();

function native(operation: string, label: string, countFor?: CountFor): Variant {
  const id = `native/${operation}`;
  let variant = variants.get(id);
  if (variant === undefined) {
    variant = drivenVariant("native", id, label, () => open(operation), operation, countFor);
    variants.set(id, variant);
  }
  return variant;
}

/** A wake-up is preceded by a fifth of a millisecond in which the sleeper falls asleep. */
const wakes: CountFor = (budgetNs) => Math.max(16, Math.round(budgetNs / 250e3));

export const eventfdWriteRead = native("eventfd-write-read", "eventfd write + read");
export const eventfdEpoll = native("eventfd-write-epoll-wait", "eventfd write + epoll_wait");
export const eventfdEpollBatch = native(
  "eventfd-write-epoll-wait-batch",
  "64 eventfd writes + epoll_wait",
);
export const epollAddDel = native("epoll-add-del", "epoll_ctl ADD + DEL");
export const epollMod = native("epoll-mod", "epoll_ctl MOD");
export const epollWaitEmpty = native("epoll-wait-empty", "epoll_wait, nothing ready");
export const timerfdArmDisarm = native("timerfd-arm-disarm", "timerfd arm + disarm");
export const pipeWriteRead8 = native("pipe-write-read-8", "pipe write + read, 8 bytes");
export const pipeWriteRead32 = native("pipe-write-read-32", "pipe write + read, 32 bytes");
export const futexWake = native("futex-wake", "futex wake", wakes);
export const eventfdEpollWake = native("eventfd-epoll-wake", "eventfd wakes epoll_wait", wakes);
export const futexPingPong = native("futex-ping-pong", "futex round trip");
export const eventfdEpollPingPong = native("eventfd-epoll-ping-pong", "eventfd + epoll round trip");
export const eventfdEpollStream = native("eventfd-epoll-stream", "eventfd + epoll, two threads");
export const algorithmTwoCalls = native("algorithm-trigger-collect", "the same in C");
export const algorithmBatch = native("algorithm-batch-64", "the same loop in C");
export const algorithmPingPong = native("algorithm-ping-pong", "the same round trip in C");
export const algorithmStream = native("algorithm-stream", "the same two threads in C");
