/** A directory that is fetched again: its holder tells what has changed since. */
import assert from "node:assert/strict";
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { ChunkSource } from "../../src/blob/source.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { serveBlobs } from "../../src/blob/transfer_server.ts";
import { loadBlake3 } from "../../src/crypto/blake3.ts";
import { fetchDirWith } from "../../src/directory/fetch_tree.ts";
import type { FetchDirOptions, FetchDirStats } from "../../src/directory/fetch_options.ts";
import { INSTALL_CALLS } from "../../src/directory/install.ts";
import { type FolderOffer, offerFolder } from "../../src/directory/offer_folder.ts";
import { toOfferSource } from "../../src/directory/offer_source.ts";
import { serveOffer } from "../../src/directory/offer_server.ts";
import { type BlobRef, CHUNK_SIZE, encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { equalBytes, toHex } from "../../src/wire/bytes.ts";
import type { RequestOfferOptions } from "../../src/directory/directory_offer.ts";
import { encodeTreeChanges } from "../../src/wire/tree_changes.ts";
import { loopback, startNode, targetOf } from "../mesh/nodes.ts";
import { tempPermissions, withTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, pattern, type TreeSpec } from "../support/tree.ts";

const FILES = 300;

function spec(): TreeSpec {
  const files = Array.from({ length: FILES }, (_, i) => [`dir ${i >> 4}/file ${i}`, `content ${i}`] as const);
  return {
    files: { ...Object.fromEntries(files), large: pattern(CHUNK_SIZE + 9, 1), run: ["#!", 0o755], empty: "" },
    dirs: { hollow: 0o755 },
  };
}

/** How the manifest came: by changes, as a difference, or as it is; `undefined` when it did not. */
type Way = "changes" | "delta" | "whole" | undefined;

/** A source tree, a destination and a cache of both. */
class Mirror {
  readonly source: string;
  readonly dest: string;
  readonly cache: string;
  /** How the manifest came in the last fetch. */
  way: Way;
  /** Whether the last question named a tree. */
  hasAsked = false;
  ref: BlobRef | undefined;
  /** Number of entries from which the old tree is mirrored in the staging folder ahead. */
  mirrorFrom = Infinity;
  /** How often each chunk was asked for, by its hash in hexadecimal. */
  readonly asked = new Map<string, number>();

  constructor(temp: string) {
    [this.source, this.dest, this.cache] = ["source", "dest", "cache"].map((name) => join(temp, name));
    makeTree(this.source, spec());
  }

  /** Offers what is there now, and fetches that. @param change what is made of the offer. */
  async fetch(
    options: FetchDirOptions = {},
    change: (offer: FolderOffer) => void | Promise<void> = () => {},
  ): Promise<FetchDirStats> {
    const { cache } = this;
    await using offer = offerFolder(this.source, { cache });
    await using holder = await startNode();
    await offer.done;
    await change(offer);
    using _names = serveOffer(holder, offer);
    using _content = serveBlobs(holder, offer.store);
    await using node = await startNode();
    const session = await node.connect(targetOf(holder));
    const chunks = toChunkSource(session);
    const offers = toOfferSource(session);
    let way: Way;
    const { asked } = this;
    const count = (hash: string) => asked.set(hash, (asked.get(hash) ?? 0) + 1);
    const source: ChunkSource = {
      fetchChunks: (jobs, options) => {
        function* noted() {
          for (const job of jobs) {
            if (!(job instanceof Promise) && equalBytes(job.hash, manifestHash(offer.feed.ref!))) {
              way = "whole";
            }
            if (!(job instanceof Promise)) count(toHex(job.hash));
            yield job;
          }
        }
        return chunks.fetchChunks(noted(), options);
      },
      fetchDelta: async (request, options) => {
        const manifest = await chunks.fetchDelta!(request, options);
        if (manifest !== undefined) way = "delta";
        return manifest;
      },
    };
    const before = this.ref;
    const asking = {
      ask: (options: RequestOfferOptions = {}) => {
        this.hasAsked = options.base !== undefined;
        return offers.ask(options);
      },
    };
    asked.clear();
    const all = { cache, ...options };
    const stats = await fetchDirWith(source, asking, this.dest, all, INSTALL_CALLS, this.mirrorFrom);
    compareTrees(this.dest, this.source);
    this.ref = stats.ref;
    const isNew = before === undefined || toHex(encodeBlobRef(before)) !== toHex(encodeBlobRef(stats.ref));
    this.way = way ?? (isNew ? "changes" : undefined);
    return stats;
  }
}

function manifestHash(ref: BlobRef): Uint8Array {
  assert.equal(ref.kind, "small");
  return (ref as { hash: Uint8Array }).hash;
}

function test(name: string, run: (mirror: Mirror) => Promise<void>, more = {}): void {
  const permissions = { ...tempPermissions, ...loopback, ...more };
  Deno.test(`fetch of changes: ${name}`, { permissions }, () => withTempDir((temp) => run(new Mirror(temp))));
}

test("the manifest is made of what is remembered", async (mirror) => {
  const at = (name: string) => join(mirror.source, name);
  await mirror.fetch();
  assert.deepEqual([mirror.way, mirror.hasAsked], ["whole", false]);
  const rounds: (() => void)[] = [
    () => writeFileSync(at("dir 1/file 20"), "changed"),
    () => writeFileSync(at("dir 9/added"), "added"),
    () => unlinkSync(at("dir 9/added")),
    () => rmSync(at("dir 3"), { recursive: true }),
    () => chmodSync(at("run"), 0o700),
    () => (mkdirSync(at("new/er"), { recursive: true }), writeFileSync(at("new/er/one"), "x")),
    () => writeFileSync(at("large"), pattern(CHUNK_SIZE + 9, 2)),
    () => (rmSync(at("new"), { recursive: true }), writeFileSync(at("new"), "a file now")),
  ];
  for (const [round, change] of rounds.entries()) {
    change();
    const { installed } = await mirror.fetch();
    assert.deepEqual([installed, mirror.way, mirror.hasAsked], [true, "changes", true], `round ${round}`);
  }
  const again = await mirror.fetch();
  assert.deepEqual([again.installed, mirror.way, mirror.hasAsked], [false, undefined, true]);
});

test("links and what they need are checked as ever", async (mirror) => {
  await mirror.fetch();
  symlinkSync("dir 1/file 20", join(mirror.source, "link"));
  await mirror.fetch();
  assert.equal(mirror.way, "changes");
  symlinkSync("../outside", join(mirror.source, "bad"));
  await assert.rejects(mirror.fetch(), /leaves the destination/);
  unlinkSync(join(mirror.source, "bad"));
  writeFileSync(join(mirror.source, "dir 1/file 20"), "changed");
  await mirror.fetch();
}, { read: true, write: true });

/** What is done to the source and to the destination before the next fetch. */
const ROUNDS: Record<string, (source: string, dest: string) => void> = {
  "nothing is done here": () => {},
  "a file is": (_, dest) => writeFileSync(join(dest, "dir 1/file 20"), "somebody else's"),
  "a directory is added here": (
    _,
    dest,
  ) => (mkdirSync(join(dest, "own/er"), { recursive: true }),
    writeFileSync(join(dest, "own/er/file"), "own")),
  "a directory is gone here": (_, dest) => rmSync(join(dest, "dir 4"), { recursive: true }),
  "a directory is a link here": (
    _,
    dest,
  ) => (renameSync(join(dest, "dir 5"), `${dest} 5`), symlinkSync(`${dest} 5`, join(dest, "dir 5"))),
  "directories come and go there": (
    source,
  ) => (rmSync(join(source, "dir 6"), { recursive: true }), mkdirSync(join(source, "dir 6 now"))),
  "a directory becomes a file there": (
    source,
  ) => (rmSync(join(source, "dir 7"), { recursive: true }),
    writeFileSync(join(source, "dir 7"), "a file now")),
};

for (const [name, change] of Object.entries(ROUNDS)) {
  test(`mirrored while its holder tells of them: ${name}`, async (mirror) => {
    mirror.mirrorFrom = 0;
    await mirror.fetch();
    for (const round of [1, 2]) {
      if (round === 1) change(mirror.source, mirror.dest);
      writeFileSync(join(mirror.source, "dir 0/file 1"), `changed in round ${round}`);
      writeFileSync(join(mirror.source, "dir 0/file 2"), `changed in round ${round}`);
      const { installed } = await mirror.fetch();
      assert.deepEqual([installed, mirror.way], [true, "changes"]);
      // Once for both, before there is a place for them.
      assert.deepEqual(new Set(mirror.asked.values()), new Set([1]));
      assert.deepEqual(readdirSync(join(mirror.dest, "..")).filter((name) => name.startsWith(".")), []);
    }
  }, { read: true, write: true });
}

test("the destination may be other than it was", async (mirror) => {
  await mirror.fetch();
  writeFileSync(join(mirror.dest, "dir 1/file 20"), "somebody else's");
  unlinkSync(join(mirror.dest, "dir 2/file 40"));
  writeFileSync(join(mirror.dest, "dir 2/own"), "own");
  writeFileSync(join(mirror.source, "dir 0/file 1"), "changed");
  await mirror.fetch();
  assert.equal(mirror.way, "changes");
});

test("a holder that remembers another tree, or none, gives a difference", async (mirror) => {
  await mirror.fetch();
  writeFileSync(join(mirror.source, "dir 1/file 20"), "changed");
  rmSync(mirror.cache, { recursive: true });
  await mirror.fetch();
  assert.equal(mirror.hasAsked, false);
  writeFileSync(join(mirror.source, "dir 1/file 20"), "changed again");
  await using between = offerFolder(mirror.source, { cache: mirror.cache });
  await between.done;
  writeFileSync(join(mirror.source, "dir 1/file 21"), "changed");
  await mirror.fetch();
  assert.deepEqual([mirror.way, mirror.hasAsked], ["delta", true]);
});

test("with verify nothing that is remembered is relied upon", async (mirror) => {
  await mirror.fetch();
  writeFileSync(join(mirror.source, "dir 1/file 20"), "changed");
  await mirror.fetch({ verify: true });
  assert.equal(mirror.hasAsked, false);
  assert.notEqual(mirror.way, "changes");
});

test("changes that make something else cost nothing but a question", async (mirror) => {
  const blake3 = await loadBlake3();
  await mirror.fetch();
  const entry = { kind: "dir", path: "more", mode: 0o40755 } as const;
  const lies = [
    encodeTreeChanges({ removed: [], entries: [] }),
    encodeTreeChanges({ removed: [], entries: [entry] }),
    encodeTreeChanges({ removed: ["not there"], entries: [] }),
    encodeTreeChanges({ removed: [], entries: [entry, entry] }),
    encodeTreeChanges({ removed: ["dir 0"], entries: [] }),
    new Uint8Array([9]),
    new Uint8Array(100),
  ];
  for (const [round, lie] of lies.entries()) {
    const base = blake3.hash(encodeBlobRef(mirror.ref!));
    writeFileSync(join(mirror.source, "dir 1/file 20"), `changed ${round}`);
    await mirror.fetch({}, ({ feed }) => feed.change(base, lie));
    assert.deepEqual([mirror.way, mirror.hasAsked], ["delta", true], `lie ${round}`);
  }
});
