// SPDX-License-Identifier: ISC
/** Every scenario of two threads, within its bound. */

import { scenarios } from "./scenarios/index.js";
import { exploring } from "./suite.js";

exploring(scenarios.filter(({ threads }) => threads.length === 2));
