/**
 * A UDP relay as a process. Arguments: the server's port, shares of datagrams to drop, double and reorder, the seed.
 * Says its address in a line of JSON.
 *
 * @module
 */

import process from "node:process";
import { UdpRelay } from "../support/relay.ts";

const [server, drop, duplicate, reorder, seed] = process.argv.slice(2).map(Number);
const relay = await UdpRelay.start(server, { drop, duplicate, reorder, seed });
console.log(JSON.stringify({ address: relay.address }));
