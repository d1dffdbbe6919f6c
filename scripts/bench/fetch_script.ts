/**
 * Fetches what the node of `offer_script` offers again and again, each time anew, over one session, and prints the
 * median of the milliseconds. Arguments: what the other printed, the destination, fetches that are not counted, fetches.
 *
 * @module
 */

import { rmSync } from "node:fs";
import process from "node:process";
import { fetchDir, FileThread, MeshNode, toChunkSource, toOfferSource } from "@hawser/mesh";

const [server, dest, uncounted, counted] = process.argv.slice(2);
const { id, addresses } = JSON.parse(server);
const node = await MeshNode.start({ psk: new Uint8Array(32), listen: "127.0.0.1:0" });
const session = await node.connect({ id: Uint8Array.from(id), addresses });
using fileThread = new FileThread();
const times: number[] = [];
for (let round = 0; round < Number(uncounted) + Number(counted); round++) {
  rmSync(dest, { recursive: true, force: true });
  const begin = performance.now();
  await fetchDir(toChunkSource(session), toOfferSource(session), dest, { fileThread });
  if (round >= Number(uncounted)) times.push(performance.now() - begin);
}
console.log(JSON.stringify({ ms: times.sort((a, b) => a - b)[times.length >> 1] }));
await node.close();
