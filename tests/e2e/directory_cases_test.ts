/** What directories must do, over two real nodes. */
import { serveBlobs } from "../../src/blob/transfer_server.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import type { BlobStore } from "../../src/blob/store.ts";
import { directoryCases, type MakeSource } from "../directory/directory_cases.ts";
import { closeAll, loopback, startNode, targetOf } from "../mesh/nodes.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const overNodes: MakeSource = async (store: BlobStore) => {
  const [holder, requester] = [await startNode(), await startNode()];
  serveBlobs(holder, store);
  const source = toChunkSource(await requester.connect(targetOf(holder)));
  return {
    fetchChunks: (jobs, options) => source.fetchChunks(jobs, options),
    [Symbol.asyncDispose]: () => closeAll(requester, holder),
  };
};

for (const { name, run } of directoryCases) {
  Deno.test(
    `fetchDir over two nodes: ${name}`,
    { permissions: { ...tempPermissions, ...loopback } },
    () => withTempDir((dir) => run(dir, overNodes)),
  );
}
