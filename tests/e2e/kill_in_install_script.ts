/**
 * Fetches and kills its own process at a step of the install. Arguments: ticket, destination, step: "before-aside",
 * "between" or "after".
 *
 * @module
 */

import process from "node:process";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { MeshNode } from "../../src/mesh/mod.ts";
import { decodeBlobRef } from "../../src/wire/blob_ref.ts";
import { decodeTicket } from "../../src/wire/ticket.ts";

const [text, dest, step] = process.argv.slice(2);
const { nodeId: id, addresses, psk, ref } = decodeTicket(text);
const node = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
const source = toChunkSource(await node.connect({ id, addresses }));
const steps = ["before-aside", "between", "after"];
let renames = 0;
const die = () => process.kill(process.pid, "SIGKILL");
await fetchDirWith(source, decodeBlobRef(ref!)!, dest, {}, {
  ...INSTALL_CALLS,
  exchange: () => false,
  rename(from, to) {
    if (steps[renames++] === step) die();
    INSTALL_CALLS.rename(from, to);
    if (steps[renames] === step) die();
  },
});
