import process from "node:process";
import { fetchDir, MeshNode, serveBlobs, shareFolder, toChunkSource } from "@hawser/mesh";

// The key of the mesh: whoever has it may connect. Both sides know it.
const psk = crypto.getRandomValues(new Uint8Array(32));

// On one machine: read the directory once, then serve it where it is. Nothing is copied.
const { store, ref } = await shareFolder("src/wire");
await using sharer = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
using _service = serveBlobs(sharer, store);

// On another: connect to the node by its id, fetch the directory by its reference.
await using fetcher = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
const session = await fetcher.connect({ id: sharer.id, addresses: sharer.addresses });
const stats = await fetchDir(toChunkSource(session), ref, process.argv[2] ?? "fetched");
console.log(`${stats.files} files, ${stats.bytes} bytes`);
