// Fetches a directory by its ticket, tells how far it is, and gives up on Ctrl-C:
//   deno run --unstable-net --allow-net --allow-read=. --allow-write=. examples/progress.ts <ticket> <dest>
import process from "node:process";
import { decodeBlobRef, decodeTicket, fetchDir, MeshNode, toChunkSource, toOfferSource } from "@hawser/mesh";

const [text, dest] = process.argv.slice(2);
const { nodeId: id, addresses, psk, ref } = decodeTicket(text);

const stop = new AbortController();
process.once("SIGINT", () => stop.abort(new Error("stopped by Ctrl-C")));

await using node = await MeshNode.start({ psk });
const session = await node.connect({ id, addresses }, { signal: stop.signal });
// A ticket of `hawser share --pinned` names the content; with any other it is what the node offers.
const from = ref === undefined ? toOfferSource(session) : decodeBlobRef(ref)!;
let tenth = 0;
const stats = await fetchDir(toChunkSource(session), from, dest, {
  signal: stop.signal,
  onProgress({ bytes, totalBytes }) {
    const now = Math.floor(10 * bytes / Math.max(1, totalBytes));
    if (now > tenth) console.log(`${10 * (tenth = now)} %`);
  },
});
console.log(`${stats.files} files in place`);
