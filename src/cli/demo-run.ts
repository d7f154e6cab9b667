// SPDX-License-Identifier: ISC
/** What the parts of the demo share: the screen, what was checked, and Ctrl-C. */
import type { Screen } from "./screen.js";

/** Ctrl-C was pressed: the demo winds up. */
export class Interrupted extends Error {}

/** Something that must have happened by now has not; the message says what. */
export class Late extends Error {}

/** A second Ctrl-C ends the process at once, with the status that a shell expects. */
const INTERRUPTED_STATUS = 130;

/** Ctrl-C, which the user may press at any time and which the demo also raises itself. */
export class CtrlC {
  /** The user pressed it. */
  pressed = false;
  /** Called by the handler: posts into the kernel, so that every wait hears of it. */
  post: (() => void) | null = null;
  #own = 0;
  readonly #handler = (): void => this.#heard();

  constructor() {
    process.on("SIGINT", this.#handler);
  }

  #heard(): void {
    if (this.#own > 0) this.#own--;
    else if (this.pressed) process.exit(INTERRUPTED_STATUS);
    else this.pressed = true;
    this.post?.();
  }

  /** Send this process the signal that Ctrl-C sends; where there are none, call the handler. */
  raise(): void {
    this.#own++;
    if (process.platform === "win32") process.emit("SIGINT");
    else process.kill(process.pid, "SIGINT");
  }

  /** @throws Interrupted if the user pressed it */
  check(): void {
    if (this.pressed) throw new Interrupted();
  }

  ignore(): void {
    process.off("SIGINT", this.#handler);
  }
}

export class Run {
  readonly screen: Screen;
  readonly ctrlC = new CtrlC();
  readonly #started = performance.now();
  #held = 0;
  #failed = 0;
  /** What the demo is doing, for the case that it hangs. */
  doing = "starting";

  constructor(screen: Screen) {
    this.screen = screen;
  }

  get elapsedMs(): number {
    return performance.now() - this.#started;
  }

  get checks(): number {
    return this.#held + this.#failed;
  }

  get failed(): number {
    return this.#failed;
  }

  /** One line for something that must hold. */
  check(held: boolean, text: string): void {
    if (held) this.#held++;
    else this.#failed++;
    this.screen.line(`   ${this.screen.mark(held)} ${text}`);
  }
}

/** Let the event loop turn once. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Whether a promise is fulfilled within a time. Nothing is left of the timer. */
export async function within(ms: number, promise: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}
