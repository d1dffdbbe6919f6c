/** A directory that is fetched again: its manifest comes as the difference from that of the old tree. */
import assert from "node:assert/strict";
import { unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { serveBlobs } from "../../src/blob/transfer_server.ts";
import type { ChunkSource } from "../../src/blob/source.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import type { FetchDirOptions, FetchDirStats } from "../../src/directory/fetch_options.ts";
import { shareFolder } from "../../src/directory/share.ts";
import { loopback, startNode, targetOf } from "../mesh/nodes.ts";
import { compareTrees, makeTree, type TreeSpec } from "../support/tree.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";

const FILES = 400;

function spec(): TreeSpec {
  const files = Array.from({ length: FILES }, (_, i) => [`dir ${i >> 4}/file ${i}`, `content ${i}`] as const);
  return { files: Object.fromEntries(files), dirs: { hollow: 0o755 } };
}

/** A source tree, a destination and a cache; what came of the manifest in the last fetch. */
class Mirror {
  readonly source: string;
  readonly dest: string;
  readonly cache: string;
  /** Lengths of what the holder sent. */
  sent: number[] = [];
  /** What `fetchDelta` came to. */
  deltas: (number | undefined)[] = [];

  constructor(temp: string) {
    [this.source, this.dest, this.cache] = ["source", "dest", "cache"].map((name) => join(temp, name));
    makeTree(this.source, spec());
  }

  /** Shares what is there now, and fetches that. @param change what is made of the source. */
  async fetch(
    options: FetchDirOptions = {},
    change: (source: ChunkSource) => ChunkSource = (source) => source,
  ): Promise<FetchDirStats> {
    this.sent = [];
    this.deltas = [];
    const { store, ref } = await shareFolder(this.source);
    await using holder = await startNode();
    using _service = serveBlobs(holder, store, { onTransfer: ({ bytes }) => this.sent.push(bytes) });
    await using node = await startNode();
    const source = toChunkSource(await node.connect(targetOf(holder)));
    const noted: ChunkSource = {
      fetchChunks: (jobs, options) => source.fetchChunks(jobs, options),
      fetchDelta: async (request, options) => {
        const manifest = await source.fetchDelta!(request, options);
        this.deltas.push(manifest?.length);
        return manifest;
      },
    };
    const stats = await fetchDir(change(noted), ref, this.dest, options);
    compareTrees(this.dest, this.source);
    await store.close();
    return stats;
  }

  /** Changes a few files, adds one, removes one. */
  edit(round: number): void {
    writeFileSync(join(this.source, "dir 1/file 20"), `changed ${round}`);
    writeFileSync(join(this.source, `dir 9/added ${round}`), "added");
    if (round > 1) unlinkSync(join(this.source, `dir 9/added ${round - 1}`));
  }
}

function test(name: string, run: (mirror: Mirror) => Promise<void>): void {
  const permissions = { ...tempPermissions, ...loopback };
  Deno.test(name, { permissions }, () => withTempDir((temp) => run(new Mirror(temp))));
}

test("fetch with a cache: of a tree that was fetched before only the difference comes", async (mirror) => {
  const { cache } = mirror;
  const first = await mirror.fetch({ cache });
  assert.deepEqual(mirror.deltas, []);
  for (const round of [1, 2, 3]) {
    mirror.edit(round);
    const { fetchedBytes, manifestBytes } = await mirror.fetch({ cache });
    assert.equal(fetchedBytes, `changed ${round}`.length + (round === 1 ? "added".length : 0));
    assert.deepEqual(mirror.deltas, [manifestBytes]);
    const sent = mirror.sent.reduce((sum, bytes) => sum + bytes, 0);
    assert.ok(sent - fetchedBytes < first.manifestBytes / 20, `${sent} bytes sent`);
  }
  const again = await mirror.fetch({ cache });
  assert.deepEqual([again.installed, mirror.deltas, mirror.sent], [false, [], []]);
});

test("fetch with a cache: a source that gives no difference gives the manifest", async (mirror) => {
  const { cache } = mirror;
  await mirror.fetch({ cache });
  mirror.edit(1);
  await mirror.fetch({ cache }, ({ fetchChunks }) => ({ fetchChunks }));
  mirror.edit(2);
  await mirror.fetch({ cache }, (source) => ({ ...source, fetchDelta: () => Promise.resolve(undefined) }));
  assert.deepEqual(mirror.deltas, []);
  // Where all is other there is none.
  for (let i = 0; i < FILES; i++) writeFileSync(join(mirror.source, `dir ${i >> 4}/file ${i}`), `other ${i}`);
  const { fetchedBytes } = await mirror.fetch({ cache });
  assert.ok(fetchedBytes > 7 * FILES);
  assert.deepEqual(mirror.deltas, [undefined]);
});

test("fetch: without a cache the manifest comes as it is", async (mirror) => {
  await mirror.fetch();
  mirror.edit(1);
  await mirror.fetch();
  assert.deepEqual(mirror.deltas, []);
});
