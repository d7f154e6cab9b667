// SPDX-License-Identifier: ISC
/**
 * Waiting for one object without a queue of the program's: `sendAsync`, `take`, `read` and so on.
 * Each such call has a queue of its own while it waits, which also serves calls after it.
 */
import { later } from "#host";
import { EAGAIN, EBADF } from "../abi/errno.js";
import { handleQueue } from "../sys/handle.js";
import { argument, checkOptions, checkSignal, checkTimeout } from "./check.js";
import { type Core, made } from "./core.js";
import { KernelError } from "./errors.js";
import { ObjectState, RETRY_MS } from "./object.js";
import { type EventsOptions, Queue } from "./queue.js";
import { NOTHING, type Source } from "./source.js";

/** Queues in no use, by thread. */
const spare = new WeakMap<Core, Queue[]>();

function queueFor(core: Core): Queue {
  const queue = spare.get(core)?.pop();
  if (queue !== undefined && !queue.closed) return queue;
  const handle = made(handleQueue(core.k), "kqueue", "wait");
  return new Queue(core, new ObjectState(core, "queue", handle));
}

function putBack(core: Core, queue: Queue): void {
  if (queue.closed) return;
  for (const tag of queue.tags()) (queue as Queue<Record<string, unknown>>).remove(tag);
  const free = spare.get(core);
  if (free === undefined) spare.set(core, [queue]);
  else free.push(queue);
}

/**
 * Do something that fails with EAGAIN in a thread that may not block while another one holds a
 * lock: there it is tried until it does not.
 */
async function retried<T>(call: () => T): Promise<T> {
  for (;;) {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof KernelError && error.errno === EAGAIN)) throw error;
    }
    await new Promise<void>((resolve) => {
      later(RETRY_MS, resolve);
    });
  }
}

function patiently<T>(core: Core, call: () => T): T | Promise<T> {
  return core.k.host.canBlock ? call() : retried(call);
}

/**
 * Wait for one event of a source. Its value, NOTHING when the time is up.
 * @throws EBADF if the object was closed; the signal's reason
 */
export async function eventOf<V>(
  state: ObjectState,
  source: Source<V>,
  action: string,
  options: EventsOptions | undefined,
): Promise<V | typeof NOTHING> {
  const { core } = state;
  const found = patiently(core, () => queueFor(core));
  const queue = found instanceof Promise ? await found : found;
  try {
    const added = patiently(core, () => queue.add("it", source));
    const adding = added instanceof Promise ? await added : added;
    const [event] = await adding.wait(options);
    if (event === undefined) return NOTHING;
    if (!event.ended || !state.closed) return event.value as V;
    throw new KernelError(EBADF, "kevent", action, `the ${state.kind} was closed`);
  } finally {
    putBack(core, queue);
  }
}

/** As eventOf, with the thread asleep. NOTHING also when the source has ended. */
export function eventOfSync<V>(
  state: ObjectState,
  source: Source<V>,
  timeoutMs: number,
): V | typeof NOTHING {
  const queue = queueFor(state.core);
  const adding = queue.add("it", source);
  try {
    const [event] = adding.waitSync({ timeoutMs });
    return event === undefined || event.ended ? NOTHING : event.value;
  } finally {
    putBack(state.core, queue);
  }
}

/** Take a value with `take`, or wait for the source that takes it. NOTHING when the time is up. */
export async function takeAsync<V>(
  state: ObjectState,
  source: Source<V>,
  take: () => unknown,
  action: string,
  options: EventsOptions | undefined,
): Promise<unknown> {
  const given = checkOptions(argument("kevent", action, "options"), options);
  const signal = checkSignal("kevent", action, given.signal);
  checkTimeout("kevent", action, given.timeoutMs);
  if (signal?.aborted) throw signal.reason;
  const at = take();
  if (at !== NOTHING) return at;
  return eventOf(state, source, action, options);
}
