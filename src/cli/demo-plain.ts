// SPDX-License-Identifier: ISC
/** Hashing in one plain thread: what the workers' digests are compared with. */
import { type Digest, type FoundFile, hashFile } from "./demo-files.js";
import { type Run, turn } from "./demo-run.js";

export interface PlainPass {
  /** The files in the order of the jobs; small folders come several times over. */
  readonly jobs: readonly FoundFile[];
  readonly digests: readonly Digest[];
  readonly ms: number;
  /** Files that could not be read after all. */
  readonly unread: number;
  /** Files of the folder that the time did not suffice for. */
  readonly leftOut: number;
}

/** One plain thread works for so long; the demo keeps to its time with any folder. */
const BUDGET_MS = 1200;
const JOBS_MAX = 4000;
/** Longest time that Ctrl-C has to wait. */
const SLICE_MS = 20;

/** Hash all files, again and again until the time or the number of jobs is up. */
export async function plainPass(
  run: Run,
  files: readonly FoundFile[],
  progress: (fraction: number) => void,
): Promise<PlainPass> {
  const jobs: FoundFile[] = [];
  const digests: Digest[] = [];
  const bad = new Set<FoundFile>();
  let ms = 0;
  let i = 0;
  while (ms < BUDGET_MS && jobs.length < JOBS_MAX && bad.size < files.length) {
    const start = performance.now();
    while (performance.now() - start < SLICE_MS && jobs.length < JOBS_MAX) {
      const file = files[i++ % files.length] as FoundFile;
      if (bad.has(file)) break;
      try {
        digests.push(hashFile(file.path, file.size, file.times));
        jobs.push(file);
      } catch {
        bad.add(file);
      }
    }
    ms += performance.now() - start;
    progress(Math.max(ms / BUDGET_MS, jobs.length / JOBS_MAX));
    await turn();
    run.ctrlC.check();
  }
  return { jobs, digests, ms, unread: bad.size, leftOut: Math.max(0, files.length - i) };
}
