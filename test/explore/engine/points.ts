// SPDX-License-Identifier: ISC
/**
 * Makes visible what the compiled kernel does besides fields, in the copy that is explored.
 *
 * **Accesses by index**: free links, buckets, heap entries, and whole files on every event's path.
 * `a[i]` becomes `a[indexRead(a, i)]`, or `a[indexWrite(a, i)] = ...`.
 *
 * **Places to die.** V8 looks whether a thread is to end where a function begins and where a loop
 * goes round, and nowhere else. So `endPoint()` goes to the beginning of each function, to the end
 * of each loop's body, and before each `continue`; and fields and atomic operations, which are
 * functions, are such places themselves. What a thread does between two of them nobody can cut: it
 * is a *straight-line run*. Stores by index that follow each other without a call are one, together
 * with the last store or atomic operation that a call before them made. To declare a run is to
 * write it like that; and if a call comes to stand in it, the explorer dies there.
 *
 * The text is that of the TypeScript compiler: no regular expressions with brackets in them, arenas
 * are called `a` or are the `a` of something, and loops without braces do not stand in each other.
 */

const READ = "indexRead";
const WRITE = "indexWrite";
const END = "endPoint";

/** Words before a parenthesis that begin no function. */
const BLOCKS = new Set(["if", "switch", "catch", "with"]);
const LOOPS = new Set(["for", "while"]);

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

/** What a brace belongs to. */
type Brace = "loop" | "do" | "other";

class Instrument {
  readonly #text: string;
  readonly #entry: RegExp;
  #out = "";
  #at = 0;
  readonly #braces: Brace[] = [];
  /** For each open parenthesis, the word before it. */
  readonly #parens: string[] = [];
  /** The word before the last parenthesis that was closed, until something else follows. */
  #closed = "";
  #word = "";
  /** Depths of braces and parentheses at which a loop without braces ends with a semicolon. */
  readonly #bare: string[] = [];

  /** `entry`: what stands before the parameters of a function that is a place to die. */
  constructor(text: string, entry: RegExp) {
    this.#text = text;
    this.#entry = entry;
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
    const word = /^[A-Za-z_$#][\w$]*/.exec(text.slice(this.#at, this.#at + 80))?.[0];
    if (past > this.#at || /\s/.test(text[this.#at] as string)) {
      this.#copy(Math.max(past, this.#at + 1));
      return;
    }
    if (LOOPS.has(this.#closed) && text[this.#at] !== "{") this.#bareLoop(word);
    if (word !== undefined) this.#name(word);
    else this.#sign(text[this.#at] as string);
  }

  #depth(): string {
    return `${this.#braces.length} ${this.#parens.length}`;
  }

  /** The body of a loop begins, without a brace. */
  #bareLoop(word: string | undefined): void {
    if (word !== undefined && /^(?:for|while|do|switch|try)$/.test(word)) {
      throw new Error(`a loop without braces around ${word}: ${this.#out.slice(-80)}`);
    }
    this.#out += "{ ";
    this.#bare.push(this.#depth());
    this.#closed = "";
  }

  #name(word: string): void {
    this.#closed = "";
    this.#word = word;
    const next = this.#text[this.#at + word.length];
    if (word === "continue") {
      this.#out += `{ ${END}(); `;
      this.#copy(this.#text.indexOf(";", this.#at) + 1);
      this.#out += " }";
      return;
    }
    this.#copy(this.#at + word.length);
    if (word === "a" && next === "[") this.#element();
  }

  #sign(sign: string): void {
    const closed = this.#closed;
    this.#closed = "";
    if (sign === "}") {
      this.#closeBrace();
      return;
    }
    if (sign === "(") this.#parens.push(this.#word);
    if (sign === ")") {
      this.#closed = this.#parens.pop() ?? "";
      if (this.#closed === "") this.#closed = "(";
      // The head of a do loop has no body.
      if (this.#closed === "while" && this.#text[this.#at + 1] === ";") this.#closed = "";
    }
    const word = this.#word;
    this.#word = "";
    this.#copy(this.#at + 1);
    if (sign === "{") this.#openBrace(closed, word);
    const more = /^\s*else\b/.test(this.#text.slice(this.#at, this.#at + 80));
    if (sign === ";" && !more && this.#bare.at(-1) === this.#depth()) {
      this.#bare.pop();
      this.#out += ` ${END}(); }`;
    }
  }

  #openBrace(closed: string, word: string): void {
    if (LOOPS.has(closed)) {
      this.#braces.push("loop");
      return;
    }
    this.#braces.push(word === "do" ? "do" : "other");
    const arrow = /=>\s*\{$/.test(this.#out);
    if (!arrow && (closed === "" || BLOCKS.has(closed))) return;
    if (this.#entry.test(this.#out)) this.#out += ` ${END}();`;
  }

  #closeBrace(): void {
    const brace = this.#braces.pop();
    if (brace === "loop" || brace === "do") this.#out += `${END}(); `;
    this.#word = "";
    this.#copy(this.#at + 1);
  }

  /** `a` was copied, and is indexed. */
  #element(): void {
    const close = closing(this.#text, this.#at);
    const stores = STORES.test(this.#text.slice(close + 1, close + 12));
    const array = /(?:[\w$#]+\.)*a$/.exec(this.#out)?.[0] as string;
    this.#out += `[${stores ? WRITE : READ}(${array}, `;
    this.#at++;
    this.#word = "";
    this.#upTo(close);
    this.#out += ")]";
    this.#at++;
  }
}

/** Every function; and the functions of the checked fields that are empty ones as shipped. */
const EVERY = /\{$/;
const EXPORTED = /export function \w+\([^)]*\) \{$/;

/** The text of a compiled module with all that is to be seen of it. */
export function instrumented(text: string, path = ""): string {
  const checked = path === "arena/field-checked.js";
  const body = new Instrument(text, checked ? EXPORTED : EVERY).whole();
  const used = [READ, WRITE, END].filter((name) => body.includes(`${name}(`));
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
