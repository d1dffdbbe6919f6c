import assert from "node:assert/strict";
import { mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import type { ChunkJob, ChunkJobs, ChunkSource, FetchChunksOptions } from "../../src/blob/source.ts";
import { MemoryBlobStore } from "../../src/blob/memory_store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { nobleBlake3 } from "../../src/crypto/blake3.ts";
import { fetchDir } from "../../src/directory/fetch_dir.ts";
import { outlineKey } from "../../src/directory/outline_key.ts";
import { storeDir } from "../../src/directory/store_dir.ts";
import { OfferFailedError, StreamResetError } from "../../src/errors.ts";
import { encodeBlobRef } from "../../src/wire/blob_ref.ts";
import { until } from "../mesh/nodes.ts";
import { Later } from "../support/jobs.ts";
import { tempDir, testInTempDir } from "../support/temp.ts";
import { compareTrees, makeTree, namesIn, pattern } from "../support/tree.ts";
import {
  inSteps,
  type OfferedTree,
  offeredTree,
  ScriptedOffer,
  ScriptedSource,
  type Step,
} from "./scripted_offer.ts";

const LARGE = 9_000_000;
const TREE = {
  files: {
    "a.txt": "small a",
    "b/again.txt": "small a",
    "b/large.bin": pattern(LARGE, 3),
    "c/empty": "",
    "c/last.txt": ["the last", 0o600] as const,
    "c/last_again.txt": ["the last", 0o600] as const,
  },
  dirs: { "none": 0o755 },
  links: {},
};

/** Notes which chunks are asked for, in order. */
class WatchedSource implements ChunkSource {
  readonly lengths: number[] = [];
  readonly #inner: ChunkSource;
  readonly #onJob: ((job: ChunkJob) => void) | undefined;

  constructor(store: MemoryBlobStore, onJob?: (job: ChunkJob) => void) {
    this.#inner = new StoreChunkSource(store);
    this.#onJob = onJob;
  }

  fetchChunks(jobs: ChunkJobs, options?: FetchChunksOptions): Promise<void> {
    return this.#inner.fetchChunks(this.#watched(jobs), options);
  }

  *#watched(jobs: ChunkJobs): Generator<ChunkJob | Promise<void>> {
    for (const job of jobs) {
      if (!(job instanceof Promise)) {
        this.lengths.push(job.length);
        this.#onJob?.(job);
      }
      yield job;
    }
  }
}

interface Setting {
  readonly temp: string;
  readonly from: string;
  readonly to: string;
  readonly store: MemoryBlobStore;
  readonly tree: OfferedTree;
}

function offerTest(name: string, body: (setting: Setting) => Promise<void>): void {
  testInTempDir(`offer: ${name}`, async (temp) => {
    const from = join(temp, "from");
    makeTree(from, TREE);
    const store = new MemoryBlobStore();
    await storeDir(store, from);
    await body({ temp, from, to: join(temp, "to"), store, tree: await offeredTree(from) });
  });
}

offerTest("is fetched while its hashes come", async ({ temp, from, to, store, tree }) => {
  const wait = new Later();
  // The second step comes only when what the first one told of is asked for.
  const source = new WatchedSource(store, () => wait.resolve());
  const [first, ...rest] = inSteps(tree.hashes, 1, 3);
  const offers = new ScriptedSource(
    new ScriptedOffer(tree.outline, [first, wait.promise, ...rest], tree.ref),
  );
  const totals: number[] = [];
  const stats = await fetchDir(source, offers, to, {
    onProgress: ({ totalBytes }) => totals.push(totalBytes),
  });
  compareTrees(to, from);
  assert.deepEqual(offers.asked, [true]);
  assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
  assert.equal(stats.installed, true);
  assert.equal(stats.bytes, LARGE + 2 * 7 + 2 * 8);
  assert.equal(stats.fetchedBytes, LARGE + 7 + 8);
  assert(totals.every((total) => total === stats.bytes));
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

offerTest("chunks that prove equal to some that came are not asked for again", async (setting) => {
  const { from, to, store, tree } = setting;
  // One hash at a time, each when the chunk before it is there.
  const waits = tree.hashes.map(() => new Later());
  let written = 0;
  const source = new WatchedSource(store);
  const steps = tree.hashes.flatMap((hash, i): Step[] => i === 0 ? [[hash]] : [waits[i].promise, [hash]]);
  const fetching = fetchDir(source, new ScriptedOffer(tree.outline, steps, tree.ref), to, {
    onProgress: () => written++,
  });
  for (const wait of waits.slice(1)) {
    await until(() => written > 0 || source.lengths.length > 0);
    await new Promise((resolve) => setTimeout(resolve));
    wait.resolve();
  }
  const stats = await fetching;
  compareTrees(to, from);
  assert.deepEqual(source.lengths, [7, 4_194_304, 4_194_304, LARGE - 8_388_608, 8]);
  assert.equal(stats.fetchedBytes, LARGE + 7 + 8);
});

offerTest("with something at the destination the reference is waited for", async (setting) => {
  const { from, to, store, tree } = setting;
  makeTree(to, { files: { "a.txt": "small a", "old": "old" } });
  const offers = new ScriptedSource(new ScriptedOffer(undefined, [], tree.ref));
  const stats = await fetchDir(new WatchedSource(store), offers, to);
  compareTrees(to, from);
  assert.deepEqual(offers.asked, [false]);
  assert.equal(stats.reusedBytes, 7);
  const again = new ScriptedSource(new ScriptedOffer(undefined, [], tree.ref));
  const same = await fetchDir(new WatchedSource(store), again, to);
  assert.equal(same.installed, false);
  assert.deepEqual(encodeBlobRef(same.ref), encodeBlobRef(tree.ref));
});

offerTest("an offer with an outline serves a destination that is there, too", async (setting) => {
  const { from, to, store, tree } = setting;
  makeTree(to, { files: { "a.txt": "small a" } });
  const offer = new ScriptedOffer(tree.outline, inSteps(tree.hashes, 1, 2), tree.ref);
  await fetchDir(new WatchedSource(store), offer, to);
  compareTrees(to, from);
  assert(offer.isClosed);
});

offerTest("of a directory that was read already is its reference", async ({ from, to, store, tree }) => {
  const offers = new ScriptedSource(new ScriptedOffer(undefined, [], tree.ref));
  await fetchDir(new WatchedSource(store), offers, to);
  compareTrees(to, from);
  assert.deepEqual(offers.asked, [true]);
});

offerTest("of nothing but empty files and of nothing at all", async ({ temp, to, store }) => {
  for (const [name, spec] of Object.entries({ none: {}, empty: { files: { a: "", "b/c": "" } } })) {
    const from = join(temp, name);
    makeTree(from, spec);
    const tree = await offeredTree(from);
    assert.deepEqual(tree.hashes, []);
    const stats = await fetchDir(
      new WatchedSource(store),
      new ScriptedOffer(tree.outline, [], tree.ref),
      `${to}_${name}`,
    );
    compareTrees(`${to}_${name}`, from);
    assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
  }
});

offerTest(
  "what a killed fetch left is continued by reference, whatever it was fetched by",
  async (setting) => {
    const { temp, from, to, store, tree } = setting;
    const left = join(temp, ".to.fetch_0123456789abcdef");
    mkdirSync(join(left, "tree", "b"), { recursive: true });
    writeFileSync(join(left, "lock"), "");
    writeFileSync(join(left, "key"), outlineKey(nobleBlake3(), tree.outline) + "\n");
    writeFileSync(join(left, "tree", "b", "large.bin"), pattern(LARGE, 3));
    const offers = new ScriptedSource(new ScriptedOffer(undefined, [], tree.ref));
    const stats = await fetchDir(new WatchedSource(store), offers, to);
    assert.deepEqual(offers.asked, [false]);
    assert.equal(stats.resumed, true);
    assert.equal(stats.fetchedBytes, 7 + 8);
    compareTrees(to, from);
    assert.deepEqual(namesIn(temp), ["from", "to"]);
  },
);

offerTest("an offer that fails ends the look at the own tree", async ({ to, store }) => {
  makeTree(to, TREE);
  // Read in full it would take a minute: a file with nothing in it.
  truncateSync(join(to, "b/large.bin"), 100 * 2 ** 30);
  const refused = new OfferFailedError("Fetch directory: holder scripted could not read it");
  const fetching = fetchDir(new WatchedSource(store), new ScriptedSource(refused), to);
  await assert.rejects(fetching, (error) => error === refused);
});

const lost = () => new StreamResetError("Use stream: reset", 0, true);

offerTest("an answer that breaks off is asked for again", async ({ temp, from, to, store, tree }) => {
  const [one, two, ...rest] = inSteps(tree.hashes, 1, 3);
  const offers = new ScriptedSource(
    new ScriptedOffer(tree.outline, [one, lost()]),
    new ScriptedOffer(tree.outline, [lost()]),
    new ScriptedOffer(tree.outline, [one, two, lost()]),
    new ScriptedOffer(tree.outline, [[...one, ...two, ...rest.flat()]], lost()),
    new ScriptedOffer(tree.outline, [one, two, ...rest], tree.ref),
  );
  await fetchDir(new WatchedSource(store), offers, to);
  compareTrees(to, from);
  assert.deepEqual(offers.asked, [true, true, true, true, true]);
  assert(offers.given.every((offer) => (offer as ScriptedOffer).isClosed));
  assert.deepEqual(namesIn(temp), ["from", "to"]);
});

offerTest("an answer that breaks off is continued with the reference alone", async (setting) => {
  const { from, to, store, tree } = setting;
  for (const [i, steps] of [[], inSteps(tree.hashes, 1, 2).slice(0, 2), [tree.hashes]].entries()) {
    const offers = new ScriptedSource(
      new ScriptedOffer(tree.outline, [...steps, lost()]),
      new ScriptedOffer(undefined, [], tree.ref),
    );
    const stats = await fetchDir(new WatchedSource(store), offers, `${to}${i}`);
    compareTrees(`${to}${i}`, from);
    assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(tree.ref));
    assert(stats.manifestBytes > 0);
  }
});

offerTest(
  "a lost answer that nobody can be asked for again is the end",
  async ({ temp, to, store, tree }) => {
    const offer = new ScriptedOffer(tree.outline, [tree.hashes.slice(0, 1), lost()]);
    await assert.rejects(fetchDir(new WatchedSource(store), offer, to), StreamResetError);
    assert.deepEqual(namesIn(temp), ["from"]);
  },
);

offerTest("an abort ends the wait for hashes, and for the reference", async ({ temp, to, store, tree }) => {
  const never = new Promise<void>(() => {});
  for (const steps of [[tree.hashes.slice(0, 2), never], [tree.hashes]]) {
    const controller = new AbortController();
    const reason = new Error("enough");
    const offer = new ScriptedOffer(tree.outline, steps);
    const fetching = fetchDir(new WatchedSource(store, () => controller.abort(reason)), offer, to, {
      signal: controller.signal,
    });
    await assert.rejects(fetching, (error) => error === reason);
    assert.deepEqual(namesIn(temp), ["from"]);
    assert(offer.isClosed);
  }
});

testInTempDir("offer: any tree, in any pieces, with any losses, becomes what it was", async () => {
  const name = fc.constantFrom("a", "b", "c", "d/e", "d/f", "g/h/i", "g/h/j");
  const content = fc.oneof(
    fc.constantFrom("", "same", "same too"),
    fc.integer({ min: 1, max: 5000 }).map((n) => pattern(n, n)),
    fc.constantFrom(0, 1).map((n) => pattern(4_194_304 + n * 100_000, n)),
  );
  const files = fc.dictionary(name, content, { maxKeys: 7 });
  const cuts = fc.array(fc.integer({ min: 1, max: 4 }), { maxLength: 5 });
  const ending = fc.constantFrom("lost", "reference", "all");
  await fc.assert(
    fc.asyncProperty(
      files,
      fc.array(fc.tuple(cuts, fc.nat(4)), { maxLength: 3 }),
      ending,
      async (...drawn) => {
        const [files, losses, ending] = drawn;
        using dir = tempDir();
        const [from, to] = [join(dir.path, "from"), join(dir.path, "to")];
        makeTree(from, { files });
        const store = new MemoryBlobStore();
        await storeDir(store, from);
        const { outline, hashes, ref } = await offeredTree(from);
        const answers = losses.map(([cuts, count]) =>
          new ScriptedOffer(outline, [...inSteps(hashes, ...cuts).slice(0, count), lost()])
        );
        answers.push(
          ending === "reference"
            ? new ScriptedOffer(undefined, [], ref)
            : new ScriptedOffer(outline, inSteps(hashes, 1, 1), ending === "lost" ? lost() : ref),
        );
        if (ending === "lost") answers.push(new ScriptedOffer(outline, inSteps(hashes, 3), ref));
        const stats = await fetchDir(new WatchedSource(store), new ScriptedSource(...answers), to);
        compareTrees(to, from);
        assert.deepEqual(encodeBlobRef(stats.ref), encodeBlobRef(ref));
        assert.deepEqual(namesIn(dir.path), ["from", "to"]);
      },
    ),
    { numRuns: 30, interruptAfterTimeLimit: 15_000 },
  );
});

offerTest("what appears at the destination meanwhile is replaced", async ({ temp, to, store }) => {
  const from = join(temp, "hollow");
  makeTree(from, { dirs: { "a/b": 0o755 } });
  const tree = await offeredTree(from);
  const offer = new ScriptedOffer(tree.outline, [], tree.ref);
  const stats = await fetchDir(new WatchedSource(store), {
    ask() {
      makeTree(to, { dirs: { "a/b": 0o755 } });
      return Promise.resolve(offer);
    },
  }, to);
  assert.equal(stats.installed, true);
  compareTrees(to, from);
});
