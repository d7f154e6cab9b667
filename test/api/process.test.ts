// SPDX-License-Identifier: ISC
/** What keeps a process alive, and what does not: each case is a program of its own. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { describe, test } from "node:test";
import { pathToFileURL } from "node:url";
import { program, run, runNode, runText } from "./support.js";

const NODE_EVENTS = `import { boot, userEvent, every, after, attach } from "knell";
const kernel = boot({ arenaBytes: 1 << 20 });
const queue = kernel.queue().add("go", userEvent(1));
process.on("exit", (code) => console.log("exit", code));
`;

const WORKER_TEXT = `import { workerData } from "node:worker_threads";
import { attach } from "knell";
const { kernel, bell, done } = attach(workerData);
const queue = kernel.queue().add("ring", bell.rings());
done.send("ready");
queue.waitSync();
`;

async function prints(text: string, expected: string, code = 0): Promise<void> {
  const ran = await runText(NODE_EVENTS + text);
  assert.equal(ran.stdout, expected, ran.stderr);
  assert.equal(ran.code, code, ran.stderr);
}

/** A worker that tells which of V8's options it has, and a program that starts it. */
const OPTIONS_WORKER = `import { workerData } from "node:worker_threads";
import { attach } from "knell";
const { kernel, out } = attach(workerData);
out.send([typeof globalThis.gc, process.execArgv.join(" ")]);
kernel.close();
`;
const optionsText = (dir: string): string => `import { boot } from "knell";
const kernel = boot({ arenaBytes: 1 << 20 });
const out = kernel.channel();
kernel.spawn(new URL("worker.mjs", ${dir}), { share: { out } });
console.log((await out.receiveAsync())[0]);
kernel.close();
`;

describe("a process with options for V8", () => {
  const files = { "main.mjs": optionsText("import.meta.url"), "worker.mjs": OPTIONS_WORKER };

  test("starts workers, which have them too", async () => {
    const path = program(files);
    const plain = await run(path);
    assert.deepEqual([plain.stdout, plain.code], ["undefined\n", 0], plain.stderr);
    for (const flags of [["--expose-gc"], ["--stack-size=900", "--expose_gc"]]) {
      const ran = await runNode([...flags, path]);
      assert.deepEqual([ran.stdout, ran.code], ["function\n", 0], ran.stderr);
    }
  });

  test("starts workers although it is a text on the command line", async () => {
    const path = program(files);
    const text = optionsText(JSON.stringify(pathToFileURL(path).href));
    const flags = ["--expose-gc", "--no-warnings", "--input-type=module", "-e", text];
    const ran = await runNode(flags, dirname(path));
    assert.match(ran.stdout, /^(?:undefined|function)\n$/, ran.stderr);
    assert.equal(ran.code, 0, ran.stderr);
  });
});

describe("a process", () => {
  test("ends when nothing is awaited, with the kernel closed or not", async () => {
    await prints("", "exit 0\n");
    await prints("kernel.close();", "exit 0\n");
  });

  test("stays while a wait is pending, until the event", async () => {
    const text = `
      setTimeout(() => queue.trigger(1), 30).unref();
      console.log((await queue.wait()).length);
    `;
    await prints(text, "1\nexit 0\n");
  });

  test("stays until a timer of the kernel, or the time-out", async () => {
    await prints(
      `queue.add("late", after(30)); console.log((await queue.wait())[0].tag);`,
      "late\nexit 0\n",
    );
    await prints("console.log((await queue.wait({ timeoutMs: 30 })).length);", "0\nexit 0\n");
  });

  test("does not stay for a wait that is unref'd, and node says so by code 13", async () => {
    assert.equal((await runText(`${NODE_EVENTS}queue.unref(); await queue.wait();`)).code, 13);
    await prints("queue.unref(); void queue.wait();", "exit 0\n");
    await prints("void queue.wait(); queue.unref();", "exit 0\n");
    const text = `
      queue.unref(); const wait = queue.wait(); queue.ref();
      setTimeout(() => queue.trigger(1), 30).unref();
      console.log((await wait).length);
    `;
    await prints(text, "1\nexit 0\n");
  });

  test("ends when its waits are aborted or the kernel is closed", async () => {
    const text = `
      const controller = new AbortController();
      queue.wait({ signal: controller.signal }).catch((error) => console.log(error.name));
      void kernel.queue().add("go", userEvent(1)).wait().catch((error) => console.log(error.code));
      controller.abort();
      setImmediate(() => kernel.close());
    `;
    await prints(text, "AbortError\nEBADF\nexit 0\n");
  });

  test("can leave a loop over events by an interrupt", async () => {
    const text = `
      process.once("SIGINT", () => { console.log("interrupted"); kernel.close(); });
      setImmediate(() => process.kill(process.pid, "SIGINT"));
      for await (const _ of queue.events());
    `;
    await prints(text, "interrupted\nexit 0\n");
  });

  test("that only awaits uses no processor time", async () => {
    const text = `
      void queue.wait();
      void kernel.queue().add("late", after(3_600_000)).wait();
      void kernel.queue().add("go", userEvent(1)).wait({ timeoutMs: 3_600_000 });
      const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
      await sleep(300);
      const before = process.cpuUsage();
      await sleep(2000);
      const { user, system } = process.cpuUsage(before);
      console.log(user + system < 2000 ? "idle" : user + system);
      process.exit(0);
    `;
    await prints(text, "idle\nexit 0\n");
  });
});

describe("a process with workers", () => {
  const files = (main: string): string =>
    program({ "main.mjs": NODE_EVENTS + main, "worker.mjs": WORKER_TEXT });
  const spawn = `
    const share = { bell: kernel.bell(), done: kernel.channel() };
    const worker = kernel.spawn(new URL("worker.mjs", import.meta.url), { share });
    worker.ref();
  `;

  test("stays while a spawned worker runs, and ends after it", async () => {
    const text = `${spawn}
      share.done.receiveSync();
      setTimeout(() => { console.log("ring"); share.bell.ring(); }, 50).unref();
    `;
    const ran = await run(files(text));
    assert.equal(ran.stdout, "ring\nexit 0\n", ran.stderr);
    assert.equal(ran.code, 0);
  });

  test("does not stay for one that is unref'd, nor after the kernel is closed", async () => {
    for (const leave of ["worker.unref();", "kernel.close();"]) {
      const ran = await run(files(`${spawn} share.done.receiveSync(); ${leave}`));
      assert.equal(ran.stdout, "exit 0\n", ran.stderr);
      assert.equal(ran.code, 0);
    }
  });

  test("ends by process.exit with workers parked", async () => {
    const ran = await run(files(`${spawn} share.done.receiveSync(); process.exit(5);`));
    assert.equal(ran.stdout, "exit 5\n", ran.stderr);
    assert.equal(ran.code, 5);
  });

  test("warns of a worker's error if nobody asks for exits", async () => {
    const text = `
      kernel.spawn(new URL("data:text/javascript,throw new Error('unheard')"), { name: "odd" });
    `;
    const ran = await run(files(text));
    assert.equal(ran.stdout, "exit 0\n");
    assert.match(ran.stderr, /KNELL_WORKER.*Worker 1 \(odd\) ended with code 1/);
    assert.match(ran.stderr, /unheard/);
  });

  test("workers of a keeper that ends, end with it, and are released", async () => {
    const keeper = `import { workerData } from "node:worker_threads";
      import { attach } from "knell";
      const { kernel, bell, done } = attach(workerData);
      kernel.spawn(new URL("worker.mjs", import.meta.url), { share: { bell, done } });
      kernel.queue().add("ring", bell.rings()).waitSync();
      process.exit(3);
    `;
    const main = `${NODE_EVENTS}
      import { Worker } from "node:worker_threads";
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const url = new URL("keeper.mjs", import.meta.url);
      kernel.adopt(new Worker(url, { workerData: kernel.share(share) }), { name: "keeper" });
      console.log(await share.done.receiveAsync(), kernel.usage().threads);
      while (kernel.usage().waiters < 2) await new Promise((resolve) => setTimeout(resolve, 1));
      share.bell.ring();
      const gone = kernel.queue().add("gone", kernel.exits());
      let ends = 0;
      for await (const { value } of gone.events()) {
        if (value.name === "keeper") console.log(value.code);
        if (++ends === 2) break;
      }
      console.log(kernel.usage().threads, kernel.usage().waiters);
      kernel.close();
    `;
    const ran = await run(
      program({ "main.mjs": main, "keeper.mjs": keeper, "worker.mjs": WORKER_TEXT }),
    );
    assert.equal(ran.stdout, "ready 3\n3\n1 0\nexit 0\n", ran.stderr);
  });

  test("a warden is started again after its keeper has left", async () => {
    const text = `
      import { Worker } from "node:worker_threads";
      const other = attach(kernel.share());
      const share = { bell: kernel.bell(), done: kernel.channel() };
      const url = new URL("worker.mjs", import.meta.url);
      kernel.spawn(url, { share });
      share.done.receiveSync();
      const opened = attach(kernel.share(share));
      kernel.close();
      opened.kernel.spawn(url, { share: { bell: opened.bell, done: opened.done } });
      console.log(opened.done.receiveSync());
      opened.bell.ring();
      const gone = opened.kernel.queue().add("gone", opened.kernel.exits());
      let ends = 0;
      for (const { value } of gone.eventsSync()) if (++ends === 2) break;
      console.log(ends, opened.kernel.usage().threads);
      opened.kernel.close();
      other.kernel.close();
    `;
    const ran = await run(files(text));
    assert.equal(ran.stdout, "ready\n2 2\nexit 0\n", ran.stderr);
    assert.equal(ran.code, 0);
  });
});
