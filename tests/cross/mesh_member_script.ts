/**
 * A member of a mesh as a process. Arguments: its key in hex, where it listens, a folder. Serves the folder and whatever
 * it fetched. Says first who it is; then takes lines `{ ref, to, from: [{ id, addresses }] }`, fetches, and answers with
 * what came of it. Ends with its input.
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { MemoryBlobStore, serveBlobs, toChunkSource } from "../../src/blob/mod.ts";
import { fetchDir, storeDir } from "../../src/directory/mod.ts";
import { MeshNode } from "../../src/mesh/mod.ts";
import { decodeBlobRef, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";

/** A task for this member. */
interface Task {
  readonly ref: string;
  readonly to: string;
  readonly from: readonly { readonly id: string; readonly addresses: readonly string[] }[];
}

const [key, listen, folder] = process.argv.slice(2);
const say = (line: object) => console.log(JSON.stringify(line));

const psk = new Uint8Array(32).fill(7);
const node = await MeshNode.start({ key: fromHex(key), psk, listen });
const store = new MemoryBlobStore();
serveBlobs(node, store);
const { ref } = await storeDir(store, folder);
say({ id: toHex(node.id), addresses: node.addresses, ref: toHex(encodeBlobRef(ref)) });

async function fetchFor({ ref, to, from }: Task): Promise<void> {
  const targets = from.map(({ id, addresses }) => ({ id: fromHex(id)!, addresses }));
  const sessions = await Promise.all(targets.map((target) => node.connect(target)));
  const stats = await fetchDir(toChunkSource(sessions), decodeBlobRef(fromHex(ref)!)!, to);
  await storeDir(store, to);
  say({ to, files: stats.files });
}

for await (const line of createInterface(process.stdin)) {
  const task: Task = JSON.parse(line);
  fetchFor(task).catch((error) => say({ to: task.to, error: String(error.stack) }));
}
await node.close();
