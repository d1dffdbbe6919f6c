/** Putting blobs into a store of files: small ones go into packs, large ones into files of their own. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { FileBlobStore } from "../../../src/blob/mod.ts";

/** New blobs of one size: each call differs from the one before. */
function blobs(size: number): () => Uint8Array {
  const bytes = new Uint8Array(size).fill(7);
  const view = new DataView(bytes.buffer);
  let count = 0;
  return () => {
    view.setFloat64(0, count++);
    return bytes;
  };
}

for (const [size, times] of [[3_000, 100], [4 * 1024 * 1024, 1]] as const) {
  const next = blobs(size);
  Deno.bench(
    `put ${times === 1 ? "a blob" : `${times} blobs`} of ${size} B`,
    { group: "store", n: 20 },
    async (b) => {
      const folder = mkdtempSync(join(tmpdir(), "hawser-bench-"));
      const store = await FileBlobStore.open(folder);
      b.start();
      for (let i = 0; i < times; i++) await store.put(next());
      b.end();
      await store.close();
      rmSync(folder, { recursive: true, force: true });
    },
  );
}
