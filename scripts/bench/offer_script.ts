/**
 * Reads a directory and offers it until it is killed. Prints where it is as a line of JSON. Argument: the directory.
 *
 * @module
 */

import process from "node:process";
import { MeshNode, offerFolder, serveBlobs, serveOffer } from "@hawser/mesh";

const node = await MeshNode.start({ psk: new Uint8Array(32), listen: "127.0.0.1:0" });
const offer = offerFolder(process.argv[2]);
serveOffer(node, offer);
serveBlobs(node, offer.store);
await offer.done;
console.log(JSON.stringify({ id: [...node.id], addresses: node.addresses }));
await node.closed;
