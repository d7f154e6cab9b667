// SPDX-License-Identifier: ISC
// @ts-check
/**
 * Makes a fresh clone ready: installs the development packages when they are missing or older than
 * the lock file, and compiles what changed. Plain JavaScript without packages, since it runs before
 * there are any. Every npm script that needs compiled code starts with it.
 *
 *   node tools/setup.mjs
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync, rmSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");

/** Each project with the folders it compiles and the folder that its outputs go to. */
const PROJECTS = [
  { config: "tsconfig.json", from: "src", inputs: ["src"], out: "dist" },
  { config: "tsconfig.test.json", from: ".", inputs: ["test", "bench", "tools"], out: "build" },
];

/** @param {string} path @returns {number} */
function modified(path) {
  return existsSync(path) ? statSync(path).mtimeMs : 0;
}

/** @param {string} command @param {readonly string[]} args */
function run(command, args) {
  const result = spawnSync(command, args, { cwd: ROOT, stdio: "inherit" });
  if (result.error) throw result.error;
  if (result.status !== 0) process.exit(result.status ?? 1);
}

/** @param {string} dir @returns {string[]} */
function filesUnder(dir) {
  if (!existsSync(dir)) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

function install() {
  const locked = modified(join(ROOT, "package-lock.json"));
  if (modified(join(ROOT, "node_modules", ".package-lock.json")) >= locked) return;
  console.log("setup: npm ci");
  const npm = process.env["npm_execpath"];
  const args = ["ci", "--no-audit", "--no-fund"];
  if (npm === undefined) run("npm", args);
  else run(process.execPath, [npm, ...args]);
}

/**
 * Outputs whose source is gone would still be run and shipped: remove them. A source whose output
 * is gone would not be compiled again: forget what the compiler remembers.
 *
 * @param {typeof PROJECTS[number]} project
 */
function reconcile({ from, inputs, out }) {
  const outDir = join(ROOT, out);
  const sources = inputs.flatMap((dir) => filesUnder(join(ROOT, dir)));
  const wanted = new Set();
  let missing = false;
  for (const path of sources) {
    const match = /^(.*)\.(m?)[tj]s$/.exec(relative(join(ROOT, from), path));
    if (match === null) continue;
    const stem = `${match[1]}.${match[2]}`;
    for (const ending of ["js", "js.map", "d.ts", "d.ts.map"]) {
      wanted.add(
        join(outDir, match[2] === "m" ? stem + ending.replace("d.ts", "d.mts") : stem + ending),
      );
    }
    if (!path.endsWith(".d.ts") && !existsSync(join(outDir, `${stem}js`))) missing = true;
  }
  for (const dir of inputs.map((name) => (from === "." ? join(outDir, name) : outDir))) {
    for (const path of filesUnder(dir)) {
      if (!path.endsWith(".tsbuildinfo") && !wanted.has(path)) rmSync(path);
    }
  }
  if (missing) rmSync(join(outDir, ".tsbuildinfo"), { force: true });
}

install();
for (const project of PROJECTS) {
  reconcile(project);
  run(process.execPath, [TSC, "-p", join(ROOT, project.config)]);
}
