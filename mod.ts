/**
 * Hawser moves directories, blobs and streams between machines over an encrypted UDP mesh of its own.
 *
 * ```ts
 * import { fetchDir, MeshNode, serveBlobs, shareFolder, toChunkSource } from "@hawser/mesh";
 *
 * const dir = await Deno.makeTempDir();
 * await Deno.mkdir(`${dir}/dist`);
 * await Deno.writeTextFile(`${dir}/dist/hello.txt`, "hello");
 *
 * // One machine serves a directory, in place ...
 * const psk = crypto.getRandomValues(new Uint8Array(32));
 * await using server = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
 * const { store, ref } = await shareFolder(`${dir}/dist`);
 * using _service = serveBlobs(server, store);
 *
 * // ... another fetches it: verified, and installed all at once.
 * await using client = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
 * const session = await client.connect({ id: server.id, addresses: server.addresses });
 * const stats = await fetchDir(toChunkSource(session), ref, `${dir}/copy`);
 * console.log(stats.files); // 1
 * await store.close();
 * await Deno.remove(dir, { recursive: true });
 * ```
 *
 * @module
 */

export * from "./src/errors.ts";
export * from "./src/mesh/mod.ts";
export * from "./src/blob/mod.ts";
export * from "./src/directory/mod.ts";
export { decodeTicket, encodeTicket, type Ticket } from "./src/wire/ticket.ts";
export { decodeNodeId, encodeNodeId, shortNodeId } from "./src/wire/node_id.ts";
