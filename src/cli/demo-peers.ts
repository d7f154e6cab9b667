// SPDX-License-Identifier: ISC
/** The worker of what Knell is compared with: a sleeper on a bare word, a worker with a port. */
import { workerData } from "node:worker_threads";
import { sleeperMain } from "./demo-naive.js";
import { type PortData, portMain } from "./demo-port.js";

type PeerData = { role: "sleeper"; words: Int32Array } | ({ role: "port" } & PortData);

const data = workerData as PeerData;
if (data.role === "sleeper") sleeperMain(data.words);
else portMain(data);
