// SPDX-License-Identifier: ISC
/** `knell demo` as a program: what it prints into a log, its exit statuses, and Ctrl-C. */
import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { ROOT } from "../../tools/tree.js";

const KNELL = join(ROOT, "dist", "cli", "main.js");
const TIME_MAX_MS = 20_000;
const COLUMNS_MAX = 80;

const scratch = mkdtempSync(join(tmpdir(), "knell-demo-"));
after(() => rmSync(scratch, { recursive: true, force: true }));

interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly out: string;
  readonly err: string;
  readonly ms: number;
  readonly pid: number;
}

/** Run the command in a process group of its own; `seen` gets the output as it comes. */
function knell(
  args: readonly string[],
  seen: (out: string, child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const start = performance.now();
  // Colours asked for as strongly as can be; asking for both is a warning of Node's.
  const { NO_COLOR: _, ...inherited } = process.env;
  const env = { ...inherited, CI: "true", FORCE_COLOR: "1" };
  const child = spawn(process.execPath, [KNELL, ...args], {
    env,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    out += text;
    seen(out, child);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    err += text;
  });
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status, signal) => {
      const ms = performance.now() - start;
      resolve({ status, signal, out, err, ms, pid: child.pid ?? 0 });
    });
  });
}

/** No process is left of a group. */
function assertNoOrphan(pid: number): void {
  assert.throws(() => process.kill(-pid, 0), { code: "ESRCH" });
}

/** A folder with files of many sizes, a folder below, and names that are not nice. */
function smallFolder(name: string): string {
  const folder = join(scratch, name);
  mkdirSync(join(folder, "below"), { recursive: true });
  for (const size of [0, 1, 63, 64, 1000, 70_000, 600_000]) {
    writeFileSync(join(folder, `${size}.bin`), Buffer.alloc(size, `${size}`));
  }
  writeFileSync(join(folder, "below", "with space and \u00fc.txt"), "text\n");
  symlinkSync(join(folder, "nowhere"), join(folder, "link"));
  return folder;
}

function assertPlain(out: string): void {
  for (const line of out.split("\n")) {
    assert.doesNotMatch(line, /\p{Cc}/u, `control characters in ${JSON.stringify(line)}`);
    assert.ok([...line].length <= COLUMNS_MAX, `${line.length} columns: ${line}`);
    assert.equal(line, line.trimEnd());
  }
  assert.doesNotMatch(out, /\n\n\n/, "two empty lines");
  assert.doesNotMatch(out, /NaN|undefined|Infinity/);
}

/** The last part: whether a lock was found is chance, but the sums are not. */
function assertAccount(out: string): void {
  const text = out.slice(out.indexOf("5  A worker dies")).replace(/\n +/g, " ");
  const found = /([\d]+) workers? terminated, the last with a lock in its hand: ([a-z]+ lock)/;
  const none = /None of the (\d+) workers? that were terminated in [\d.]+ s held a lock/;
  const ended = Number((found.exec(text) ?? none.exec(text))?.[1]);
  assert.ok(ended >= 1, out);
  assert.match(text, /The others stood still for [\d.,]+ ms at most/);
  const row = (name: string): number[] => {
    const cells = new RegExp(`^ {3}${name}((?: +[\\d,]+){5})$`, "m").exec(out)?.[1];
    assert.ok(cells !== undefined, out);
    return cells
      .trim()
      .split(/ +/)
      .map((cell) => Number(cell.replaceAll(",", "")));
  };
  const [sent = 0, done = 0, inHands = 0, ...lostAndDoubled] = row("after the deaths");
  assert.ok(sent > 0 && inHands <= ended, out);
  assert.equal(sent, done + inHands);
  assert.deepEqual(lostAndDoubled, [0, 0]);
  assert.deepEqual(row("these sent again"), [sent, sent, 0, 0, 0]);
  assert.match(out, /ok ([\d]) of \1 workers that lived ended well, and the kernel is whole$/m);
}

test("the demo says what must be said, and all checks hold", async () => {
  const { status, out, err, ms, pid } = await knell(["demo", smallFolder("files")]);
  assert.equal(err, "");
  assert.equal(status, 0, out);
  assert.ok(ms < TIME_MAX_MS, `${ms} ms`);
  assertNoOrphan(pid);
  assertPlain(out);

  assert.match(out, /^ {3}Promise\.race over Atomics\.waitAsync +15,000 +3 +[\d.]+ MB$/m);
  assert.match(out, /^ {3}Knell, queue\.wait\(\) +0 +0 /m);
  assert.match(out, /^ {3}Knell, each wait cancelled by AbortSignal +0 +0 /m);
  assert.match(out, /^ {3}Promise\.race over Atomics\.waitAsync +25 +0 +25$/m);
  assert.match(out, /^ {3}Knell, queue\.wait\(\) +25 +25 +0$/m);

  assert.match(out, /^ {3}8 files of .*, small ones several times over$/m);
  for (let worker = 1; worker <= 4; worker++) {
    assert.match(out, new RegExp(`^ {3}worker ${worker} .* [\\d,]+ files? +[\\d.]+ [kMG]B$`, "m"));
  }
  const jobs = /each of ([\d,]+) jobs was taken by exactly one worker/.exec(out)?.[1];
  assert.ok(jobs !== undefined && Number(jobs.replace(",", "")) > 8, out);
  assert.ok(out.includes(`ok ${jobs} of ${jobs} digests equal those of node:crypto`), out);

  const rows = ["note", "answer", "job", "stop", "reload"].map((what) => `an? ${what}`);
  for (const what of [...rows, "Ctrl-C"]) {
    const row = new RegExp(
      `^ {3}[a-z]+.* ${what} .*( +[\\d.,]+){4} +(a tie|too busy|(Knell|port) \\d+\\S*x)$`,
      "m",
    );
    assert.match(out, row);
  }
  assert.match(out, /^ {3}each worker +a tick +the clock +[\d.,]+ +[\d.,]+ +- +- +-$/m);

  const four = "every one heard by 4 of 4 workers";
  assert.match(out, new RegExp(`ok [\\d,]+ reloads rung, ${four}$`, "m"));
  assert.match(out, new RegExp(`ok [\\d,]+ times Ctrl-C \\(SIGINT\\), ${four} and by main$`, "m"));
  assert.match(out, /ok ([\d,]+) stops counted, \1 taken, each by one worker$/m);
  assert.match(out, /ok 4 of 4 workers ended by themselves/);
  // On a machine that has too much else to do the last part is left out, and says so.
  const leftOut = /^ {3}Left out: the machine was so busy/m.test(out);
  if (!leftOut) assertAccount(out);
  const checks = leftOut ? 9 : 13;
  assert.match(out, new RegExp(`\\nok: ${checks} of ${checks} checks held, in [\\d.]+ s\\n$`));
});

test("Ctrl-C while four workers hash ends all of them", async () => {
  let pressedAt = 0;
  const { status, out, err, pid } = await knell(["demo"], (text, child) => {
    if (pressedAt > 0 || !text.includes("2  Four workers")) return;
    pressedAt = performance.now();
    child.kill("SIGINT");
  });
  const ms = performance.now() - pressedAt;
  assert.equal(status, 130, out);
  assert.equal(err, "");
  assert.ok(ms < 5000, `${ms} ms from Ctrl-C to the end`);
  assertNoOrphan(pid);
  assertPlain(out);
  assert.match(out, /4 of 4 workers left it and ended/);
  assert.match(out, /\ninterrupted after [\d.]+ s: 2 of 2 checks held until then\n$/);
});

test("Ctrl-C before there is a worker ends the demo too", async () => {
  let pressed = false;
  const { status, out, pid } = await knell(["demo"], (_text, child) => {
    if (!pressed) child.kill("SIGINT");
    pressed = true;
  });
  assert.equal(status, 130, out);
  assertNoOrphan(pid);
  assert.match(out, /\ninterrupted after [\d.]+ s: 0 of 0 checks held until then\n$/);
});

test("a reader that leaves early is no reason to go on", async () => {
  const { status, signal, pid } = await knell(["demo"], (_text, child) => child.stdout?.destroy());
  assert.equal(status, 141, String(signal));
  assertNoOrphan(pid);
});

test("a folder that cannot be used is refused", async () => {
  const file = join(scratch, "file.txt");
  const empty = join(scratch, "empty");
  writeFileSync(file, "text");
  mkdirSync(join(empty, "with", "nothing"), { recursive: true });
  const refusals: [string, RegExp][] = [
    [join(scratch, "missing"), /^knell demo: .*missing: there is no such folder\n$/],
    [file, /^knell demo: .*file\.txt: is a file, not a folder\n$/],
    [empty, /^knell demo: .*empty: there are no files in this folder\n$/],
    ["", /^knell demo: : there is no such folder\n$/],
    ["bad\u001b[31m\nname", /^knell demo: bad\?\[31m\?name: there is no such folder\n$/],
  ];
  for (const [folder, message] of refusals) {
    const { status, out, err } = await knell(["demo", folder]);
    assert.equal(out, "");
    assert.match(err, message);
    assert.equal(status, 2);
  }
});

/** Longest path that the system takes, in bytes. */
const PATH_MAX = process.platform === "darwin" ? 1024 : 4096;

/** Do something with another current folder, so that names can be relative to it. */
function within(folder: string, body: () => void): void {
  const before = process.cwd();
  process.chdir(folder);
  try {
    body();
  } finally {
    process.chdir(before);
  }
}

test("a folder whose files cannot be read is refused", async () => {
  // The superuser may read every file, but nobody one whose path is too long. Seen from its own
  // folder it is not.
  const folder = join(scratch, "deep");
  let deepest = folder;
  while (deepest.length + 101 < PATH_MAX) deepest = join(deepest, "d".repeat(100));
  const name = "f".repeat(200);
  mkdirSync(deepest, { recursive: true });
  within(deepest, () => writeFileSync(name, "out of reach"));
  try {
    assert.throws(() => readFileSync(join(deepest, name)), { code: "ENAMETOOLONG" });
    const { status, err } = await knell(["demo", folder]);
    assert.match(err, /no file that can be read\n$/);
    assert.equal(status, 2);
  } finally {
    within(deepest, () => unlinkSync(name));
  }
});

test("wrong command lines are refused with a hint", async () => {
  const refusals: [string[], RegExp][] = [
    [["nonsense"], /^knell: "nonsense" is not a command\.\nTry 'knell --help'\.\n$/],
    [["--nonsense"], /^knell: Unknown option '--nonsense'.*\nTry 'knell --help'\.\n$/],
    [
      ["demo", "--nonsense"],
      /^knell demo: Unknown option '--nonsense'.* Try 'knell demo --help'\.\n$/,
    ],
    [["demo", "a", "b"], /^knell demo: one folder at most\. Try 'knell demo --help'\.\n$/],
    [[], /^Usage: knell COMMAND/],
  ];
  for (const [args, message] of refusals) {
    const { status, out, err } = await knell(args);
    assert.equal(out, "");
    assert.match(err, message);
    assert.equal(status, 2);
  }
});

test("help and version", async () => {
  for (const args of [["--help"], ["-h"], ["demo", "--help"], ["demo", "-h"]]) {
    const { status, out, err } = await knell(args);
    assert.equal(err, "");
    assert.equal(status, 0);
    assert.match(out, /^Usage: knell /);
    assertPlain(out);
  }
  const { status, out } = await knell(["--version"]);
  assert.match(out, /^\d+\.\d+\.\d+\S*\n$/);
  assert.equal(status, 0);
});
