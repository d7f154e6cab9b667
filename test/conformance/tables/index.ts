// SPDX-License-Identifier: ISC
/** Every table, in the order in which a reader would want them to fail. */
import type { Table } from "../case.js";
import { closing } from "./close.js";
import { delivery } from "./delivery.js";
import { errors } from "./errors.js";
import { eventfds } from "./eventfd.js";
import { descriptors } from "./fd.js";
import { nested } from "./nested.js";
import { pipes } from "./pipe.js";
import { register } from "./register.js";
import { sources } from "./source.js";
import { threads } from "./threads.js";
import { timerTable } from "./timer.js";
import { user } from "./user.js";

export const TABLES: readonly Table[] = [
  user,
  register,
  errors,
  delivery,
  timerTable,
  pipes,
  eventfds,
  descriptors,
  nested,
  closing,
  sources,
  threads,
];
