// SPDX-License-Identifier: ISC
/** `knell/abi`: the numbers that a program and the kernel agree on. */
export * from "./errno.js";
export * from "./event.js";
export * from "./fcntl.js";
export * from "./profile.js";
export * from "./source.js";
