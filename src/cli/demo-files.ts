// SPDX-License-Identifier: ISC
/** The files that the demo hashes: those of a folder, as many as fit its time. */
import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  statSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { whole } from "./stats.js";

/** More files than these are not looked for, so that `/` is a possible folder too. */
const FILES_MAX = 5000;
const SEARCH_MS_MAX = 1000;
/** A file this large would take longer than the rest of the demo. */
export const FILE_BYTES_MAX = 64 * 1024 * 1024;

const CHUNK_BYTES = 256 * 1024;
/** Smaller files are hashed several times over, so that a job is worth a message. */
const JOB_BYTES = 256 * 1024;
const TIMES_MAX = 256;

export interface FoundFile {
  readonly path: string;
  readonly size: number;
  readonly modifiedMs: number;
  /** How often its bytes are hashed, one after the other. */
  readonly times: number;
}

export interface Found {
  readonly files: readonly FoundFile[];
  /** What was left out, and why, in words: "2 files cannot be read (a.txt, ...)". */
  readonly notes: readonly string[];
}

/** A folder that cannot be used; the message is for the user. */
export class FolderError extends Error {}

/** The package itself: a folder of real files that is on any machine that has Knell. */
export function packageFolder(): string {
  return dirname(dirname(dirname(fileURLToPath(import.meta.url))));
}

/** Parts of the package that a clone and an installed copy both have. */
const PACKAGE_PARTS = ["dist", "src", "man"];

interface Search {
  readonly files: FoundFile[];
  readonly unreadable: string[];
  readonly tooLarge: string[];
  readonly deadline: number;
  more: boolean;
}

function full(search: Search): boolean {
  if (search.files.length < FILES_MAX && performance.now() < search.deadline) return false;
  search.more = true;
  return true;
}

function lookAt(search: Search, path: string): void {
  const { size, mtimeMs } = lstatSync(path);
  if (size > FILE_BYTES_MAX) {
    search.tooLarge.push(path);
    return;
  }
  closeSync(openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0)));
  const times = Math.min(TIMES_MAX, Math.max(1, Math.ceil(JOB_BYTES / size)));
  search.files.push({ path, size, modifiedMs: mtimeMs, times });
}

/** Regular files below a folder, breadth first; links are not followed. */
function searchBelow(search: Search, root: string): void {
  const folders = [root];
  for (let folder = folders.shift(); folder !== undefined; folder = folders.shift()) {
    try {
      const entries = readdirSync(folder, { withFileTypes: true });
      entries.sort((a, b) => (a.name < b.name ? -1 : 1));
      for (const entry of entries) {
        if (full(search)) return;
        const path = join(folder, entry.name);
        if (entry.isDirectory()) folders.push(path);
        else if (entry.isFile()) tryFile(search, path);
      }
    } catch {
      search.unreadable.push(folder);
    }
  }
}

function tryFile(search: Search, path: string): void {
  try {
    lookAt(search, path);
  } catch {
    search.unreadable.push(path);
  }
}

function note(paths: readonly string[], root: string, one: string, many: string): string[] {
  const [first] = paths;
  if (first === undefined) return [];
  const name = relative(root, first) || first;
  if (paths.length === 1) return [`${name} ${one}`];
  return [`${whole(paths.length)} files ${many}, for example ${name}`];
}

/** The files to hash. Throws a FolderError if the folder cannot be used. */
export function findFiles(folder: string | undefined): Found {
  const root = folder ?? packageFolder();
  const search: Search = {
    files: [],
    unreadable: [],
    tooLarge: [],
    deadline: performance.now() + SEARCH_MS_MAX,
    more: false,
  };
  if (folder === undefined) {
    for (const part of PACKAGE_PARTS) searchBelow(search, join(root, part));
    search.unreadable.length = 0;
  } else {
    checkFolder(folder);
    searchBelow(search, folder);
  }
  const limit = FILE_BYTES_MAX / 1024 / 1024;
  if (search.files.length === 0) {
    if (search.tooLarge.length > 0)
      throw new FolderError(`${root}: no file of at most ${limit} MB`);
    if (search.unreadable.length > 0) throw new FolderError(`${root}: no file that can be read`);
    throw new FolderError(`${root}: there are no files in this folder`);
  }
  return {
    files: search.files,
    notes: [
      ...note(search.unreadable, root, "cannot be read: left out", "cannot be read: left out"),
      ...note(
        search.tooLarge,
        root,
        `is larger than ${limit} MB: left out`,
        `are larger than ${limit} MB: left out`,
      ),
      ...(search.more ? [`there are more files than the first ${whole(search.files.length)}`] : []),
    ],
  };
}

function checkFolder(folder: string): void {
  let isFolder: boolean;
  try {
    isFolder = statSync(folder).isDirectory();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") throw new FolderError(`${folder}: there is no such folder`);
    throw new FolderError(`${folder}: cannot be looked into (${code})`);
  }
  if (!isFolder) throw new FolderError(`${folder}: is a file, not a folder`);
}

/** What hashing a file gives: the same in a worker as in one plain thread. */
export interface Digest {
  readonly hex: string;
  readonly bytes: number;
}

const chunk = new Uint8Array(CHUNK_BYTES);

/**
 * SHA-256 of the first `size` bytes of a file, `times` times over, by node:crypto. Throws what the
 * system throws.
 */
export function hashFile(path: string, size: number, times: number): Digest {
  const hash = createHash("sha256");
  const fd = openSync(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
  let bytes = 0;
  try {
    while (bytes < size) {
      const n = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, size - bytes), null);
      if (n === 0) break;
      bytes += n;
      // A file that is hashed more than once fits one chunk.
      for (let i = 0; i < times; i++) hash.update(chunk.subarray(0, n));
    }
  } finally {
    closeSync(fd);
  }
  return { hex: hash.digest("hex"), bytes: bytes * times };
}

/** The file is no longer what it was when it was found, so its digest may differ. */
export function hasChanged(file: FoundFile): boolean {
  try {
    const { size, mtimeMs } = lstatSync(file.path);
    return size !== file.size || mtimeMs !== file.modifiedMs;
  } catch {
    return true;
  }
}
