// Keeps blobs in a folder, packed, and serves them; another node fetches one by its address:
//   deno run --unstable-net --allow-net=127.0.0.1 --allow-read=. --allow-write=. examples/serve_store.ts <folder>
import process from "node:process";
import { FileBlobStore, MeshNode, serveBlobs, toChunkSource } from "@hawser/mesh";

await using store = await FileBlobStore.open(process.argv[2]);
const bytes = new TextEncoder().encode("a blob is known by what it holds");
const hash = await store.put(bytes);

const psk = crypto.getRandomValues(new Uint8Array(32));
await using holder = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
using _service = serveBlobs(holder, store);

await using node = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
const session = await node.connect({ id: holder.id, addresses: holder.addresses });
const received = new Uint8Array(bytes.length);
await toChunkSource(session).fetchChunks([{
  hash,
  length: bytes.length,
  write: (piece, offset) => received.set(piece, offset),
  complete: () => console.log(`verified: ${new TextDecoder().decode(received)}`),
}]);
