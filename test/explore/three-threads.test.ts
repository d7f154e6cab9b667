// SPDX-License-Identifier: ISC
/** Every scenario of three threads: a smaller bound for most, and runs at random beyond it. */

import { scenarios } from "./scenarios/index.js";
import { exploring } from "./suite.js";

exploring(scenarios.filter(({ threads }) => threads.length > 2));
