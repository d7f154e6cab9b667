// SPDX-License-Identifier: ISC
/**
 * Makes accesses by index visible. Fields tell the seam of each access, but the kernel also indexes
 * the arena directly: free links, buckets, heap entries, and whole files on every event's path. In
 * the copy of the compiled kernel that is explored, `a[i]` becomes `a[indexRead(a, i)]`, and what
 * stores becomes `a[indexWrite(a, i)] = ...`, where the thread may die first.
 *
 * Stores form a *straight-line run* when they follow each other with no call and no loop between
 * them: no runtime stops a thread there, so only the first of a run is a place to die, and the
 * others become `a[indexNext(a, i)]`. To declare a run is to write it like that. A call of a Field
 * ends a run, and so does an empty function, for neither need be inlined. Where the value itself
 * comes from a call, it becomes `indexValue(...)`: the call has been made, and nothing stored yet.
 *
 * The text is that of the TypeScript compiler: no regular expressions with brackets in them, and
 * arenas are called `a`, or are the `a` of something.
 */

const READ = "indexRead";
const WRITE = "indexWrite";
const NEXT = "indexNext";
const VALUE = "indexValue";

/** Words before a parenthesis that are no calls. */
const NO_CALL = new Set(["if", "for", "while", "switch", "return", "catch", "of", "in", "else"]);
const LOOPS = new Set(["for", "while", "do"]);

/** End of the string, template or comment that begins here, or of nothing. */
function skip(text: string, at: number): number {
  if (text.startsWith("//", at)) return lineEnd(text, at);
  if (text.startsWith("/*", at)) return text.indexOf("*/", at) + 2;
  const quote = text[at];
  if (quote !== '"' && quote !== "'" && quote !== "`") return at;
  let end = at + 1;
  while (text[end] !== quote) end += text[end] === "\\" ? 2 : 1;
  return end + 1;
}

function lineEnd(text: string, at: number): number {
  const end = text.indexOf("\n", at);
  return end < 0 ? text.length : end;
}

/** Place of the bracket that closes the one at `open`. */
function closing(text: string, open: number): number {
  let depth = 0;
  for (let at = open; at < text.length; ) {
    const past = skip(text, at);
    if (past > at) {
      at = past;
      continue;
    }
    if (text[at] === "[" || text[at] === "(") depth++;
    if ((text[at] === "]" || text[at] === ")") && --depth === 0) return at;
    at++;
  }
  throw new Error(`a bracket is not closed: ${text.slice(open, open + 60)}`);
}

/** What follows an element, if that stores to it. */
const STORES = /^\s*(?:[|&^+\-*]|<<|>>>?)?=(?!=)|^\s*(?:\+\+|--)/;

const CALL = /[\w$\])]\(/;

class Instrument {
  readonly #text: string;
  #out = "";
  #at = 0;
  /** The next store continues a run. */
  #running = false;
  /** For each open brace, whether it is a loop's. */
  readonly #braces: boolean[] = [];
  /** A loop's head has been read, and not its body yet. */
  #head = false;
  #parens = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): string {
    this.#upTo(this.#text.length);
    return this.#out;
  }

  #upTo(end: number): void {
    while (this.#at < end) this.#token();
  }

  #copy(to: number): void {
    this.#out += this.#text.slice(this.#at, to);
    this.#at = to;
  }

  #token(): void {
    const text = this.#text;
    const past = skip(text, this.#at);
    const word = /^[A-Za-z_$][\w$]*/.exec(text.slice(this.#at, this.#at + 80))?.[0];
    if (past > this.#at) {
      this.#copy(past);
    } else if (word !== undefined) {
      this.#word(word);
    } else {
      this.#sign(text[this.#at] as string);
      this.#copy(this.#at + 1);
    }
  }

  #word(word: string): void {
    const next = this.#text[this.#at + word.length];
    this.#copy(this.#at + word.length);
    if (LOOPS.has(word)) this.#head = true;
    if (LOOPS.has(word) || word === "function") this.#running = false;
    if (next === "(" && !NO_CALL.has(word)) this.#running = false;
    if (word === "a" && next === "[") this.#element();
  }

  #sign(sign: string): void {
    if (sign === "(") {
      // A call of what a call or an element returned.
      if (this.#out.endsWith(")") || this.#out.endsWith("]")) this.#running = false;
      this.#parens++;
    } else if (sign === ")") {
      this.#parens--;
    } else if (sign === "{") {
      this.#braces.push(this.#head);
      this.#head = false;
    } else if (sign === "}") {
      if (this.#braces.pop() === true) this.#running = false;
    } else if (sign === ";" && this.#parens === 0 && this.#head) {
      this.#head = false;
      this.#running = false;
    } else if (sign === ">" && this.#out.endsWith("=")) {
      this.#running = false;
    }
  }

  /** `a` was copied, and is indexed. */
  #element(): void {
    const close = closing(this.#text, this.#at);
    const stores = STORES.test(this.#text.slice(close + 1, close + 12));
    const array = /(?:[\w$#]+\.)*a$/.exec(this.#out)?.[0] as string;
    const how = !stores ? READ : this.#running ? NEXT : WRITE;
    this.#out += `[${how}(${array}, `;
    this.#at++;
    this.#upTo(close);
    this.#out += ")]";
    this.#at++;
    if (!stores) return;
    this.#value();
    this.#running = true;
  }

  /** What is stored follows. */
  #value(): void {
    const text = this.#text;
    const end = text.indexOf(";", this.#at);
    const sign = /^\s*=\s*/.exec(text.slice(this.#at, end))?.[0];
    if (sign === undefined || !CALL.test(text.slice(this.#at, end))) return;
    this.#copy(this.#at + sign.length);
    this.#out += `${VALUE}(`;
    this.#upTo(end);
    this.#out += ")";
  }
}

/** The text of a compiled module with every access by index told to the seam. */
export function instrumented(text: string): string {
  const body = new Instrument(text).whole();
  const used = [READ, WRITE, NEXT, VALUE].filter((name) => body.includes(`${name}(`));
  if (used.length === 0) return text;
  // On the first line, so that lines keep their numbers.
  return `import { ${used.join(", ")} } from "#atomics"; ${body}`;
}

/** Folders of dist whose modules index the arena; the fields themselves tell what they do. */
const FOLDERS = /^(?:arena|sync|kern|event|fd|watch|sys)\//;
const EXCEPT = new Set(["arena/field.js", "sync/atomics.js", "sync/atomics-explore.js"]);

/** Whether a file, by its path below dist, is to be instrumented. */
export function indexes(path: string): boolean {
  return path.endsWith(".js") && FOLDERS.test(path) && !EXCEPT.has(path);
}
