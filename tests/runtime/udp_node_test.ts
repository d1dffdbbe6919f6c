/** The UDP driver of Node. */
import { bindUdp } from "../../src/runtime/udp_node.ts";
import { udpSocketTests } from "../compliance/udp_socket.ts";

// In Deno udp_test.ts runs these.
if (!("Deno" in globalThis)) udpSocketTests("node:dgram", bindUdp, {});
