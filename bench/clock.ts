// SPDX-License-Identifier: ISC

/** Nanoseconds of the clock that all threads of the process share. */
export function nowNs(): number {
  return Number(process.hrtime.bigint());
}

/** Passes time on the processor, where a sleep would change what is measured. */
export function spinNs(duration: number): void {
  const end = performance.now() + duration / 1e6;
  while (performance.now() < end);
}
