// SPDX-License-Identifier: ISC

/** MessagePort, the way in which JavaScript threads talk without shared memory. */

import { MessageChannel, type MessagePort, receiveMessageOnPort } from "node:worker_threads";
import { nowNs } from "../clock.js";
import { loopVariant, type Variant } from "../harness.js";
import { type Control, Partner, type Work } from "../partner.js";
import { wakeVariant } from "../two-threads.js";

const messages = {
  number: 1,
  object: { kind: "event", value: 1 },
  bytes: new Uint8Array(32),
} as const;

type MessageName = keyof typeof messages;

function sameThread(name: MessageName, label: string): Variant {
  const id = `message-port/same-thread-${name}`;
  return loopVariant("peer", id, label, () => {
    const { port1, port2 } = new MessageChannel();
    const message = messages[name];
    return (count) => {
      for (let i = 0; i < count; i++) {
        port1.postMessage(message);
        if (receiveMessageOnPort(port2) === undefined) throw new Error("no message");
      }
    };
  });
}

export const sameThreadNumber = sameThread("number", "port post + receive, a number");
export const sameThreadObject = sameThread("object", "port post + receive, an object");
export const sameThreadBytes = sameThread("bytes", "port post + receive, 32 bytes");

async function open(role: string): Promise<{ partner: Partner; port: MessagePort }> {
  const { port1, port2 } = new MessageChannel();
  const partner = await Partner.start(import.meta.url, role, { port: port2 }, [port2]);
  return { partner, port: port1 };
}

function portOf(data: unknown): MessagePort {
  return (data as { port: MessagePort }).port;
}

/** Takes `count` messages, each given to `each` in the handler itself. */
function takeAll(port: MessagePort, count: number, each: (i: number) => void): Promise<void> {
  return new Promise((resolve) => {
    let taken = 0;
    const handler = (): void => {
      each(++taken);
      if (taken < count) return;
      port.off("message", handler);
      resolve();
    };
    port.on("message", handler);
  });
}

export function echo(control: Control, data: unknown): Work {
  const port = portOf(data);
  return (count) => {
    const answered = takeAll(port, count, () => port.postMessage(messages.object));
    control.announce(1);
    return answered;
  };
}

/** Round trips of an object; this side needs its event loop too. */
export const roundTrip: Variant = {
  id: "message-port/round-trip",
  label: "MessagePort round trip",
  kind: "peer",
  async prepare() {
    const { partner, port } = await open("echo");
    let perTrip = 50e3;
    return {
      async round(budgetNs) {
        const count = Math.max(16, Math.round(budgetNs / perTrip));
        partner.begin(count);
        partner.control.awaitAnnounced(1);
        const start = nowNs();
        const done = takeAll(port, count, (i) => {
          if (i < count) port.postMessage(messages.object);
        });
        port.postMessage(messages.object);
        await done;
        perTrip = (nowNs() - start) / count;
        await partner.finish();
        return perTrip;
      },
      async close() {
        port.close();
        await partner.close();
      },
    };
  },
};

export function sink(control: Control, data: unknown): Work {
  const port = portOf(data);
  return (count) => {
    const taken = takeAll(port, count, () => {});
    control.announce(1);
    return taken;
  };
}

/** One way, as fast as the sender can, until the receiver has had everything. */
function stream(name: MessageName, label: string): Variant {
  return {
    id: `message-port/stream-${name}`,
    label,
    kind: "peer",
    async prepare() {
      const { partner, port } = await open("sink");
      const message = messages[name];
      let perMessage = 1500;
      return {
        async round(budgetNs) {
          const count = Math.max(64, Math.round(budgetNs / perMessage));
          partner.begin(count);
          partner.control.awaitAnnounced(1);
          const start = nowNs();
          for (let i = 0; i < count; i++) port.postMessage(message);
          partner.finishSync();
          perMessage = (nowNs() - start) / count;
          await partner.finish();
          return perMessage;
        },
        async close() {
          port.close();
          await partner.close();
        },
      };
    },
  };
}

export const streamNumber = stream("number", "MessagePort one way, a number");
export const streamObject = stream("object", "MessagePort one way, an object");
export const streamBytes = stream("bytes", "MessagePort one way, 32 bytes");

export function sleeper(control: Control, data: unknown): Work {
  const port = portOf(data);
  return (count) => {
    const woken = takeAll(port, count, (i) => {
      control.stamp(i);
      if (i < count) control.announce(i + 1);
    });
    control.announce(1);
    return woken;
  };
}

export const wake = wakeVariant("peer", "message-port/wake", "MessagePort wakes", async () => {
  const { partner, port } = await open("sleeper");
  return {
    partner,
    send: () => port.postMessage(messages.object),
    close: () => port.close(),
  };
});
