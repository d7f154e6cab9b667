// SPDX-License-Identifier: ISC
/** Changes and records of the rows on sources. */
import type { Expected, Ref } from "../case.js";
import * as N from "../numbers.js";
import { change, event, type Fields } from "../steps.js";

export const watch = (fd: Ref, flags = 0, fields: Fields = {}) => {
  return change(fd, N.READ, N.ADD | flags, fields);
};
export const has = (fd: Ref, data: number | bigint, flags = 0, fflags = 0): Expected => {
  return event(fd, N.READ, flags, { data, fflags });
};
/** The last event of a registration whose source was destroyed. */
export const gone = (fd: Ref, flags = 0, fflags = 0): Expected => {
  return event(fd, N.READ, N.EOF | N.ONESHOT | flags, { data: 0, fflags });
};
