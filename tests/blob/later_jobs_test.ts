import assert from "node:assert/strict";
import type { ChunkJob, ChunkJobs, ChunkSource } from "../../src/blob/source.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { toChunkSource } from "../../src/blob/transfer_client.ts";
import { BlobNotFoundError } from "../../src/errors.ts";
import { loopback as permissions, until } from "../mesh/nodes.ts";
import { Later } from "../support/jobs.ts";
import {
  asynchronous,
  CollectingJob,
  contents,
  startHolder,
  storeOf,
  withHolders,
} from "./transfer_support.ts";

const MiB = 1024 * 1024;

/** Calls `work` with a source of `blobs`. */
type WithSource = (blobs: Uint8Array[], work: (source: ChunkSource) => Promise<void>) => Promise<void>;

const fromHolders = (count: number): WithSource => async (blobs, work) => {
  const store = await storeOf(blobs);
  const holders = await Promise.all(Array.from({ length: count }, () => startHolder(store)));
  await withHolders(holders, async (sessions) => {
    await work(toChunkSource(sessions));
    await until(() => sessions.every((session) => session.metrics().streams === 0));
  });
};

const SOURCES: Record<string, WithSource> = {
  "a store": async (blobs, work) => await work(new StoreChunkSource(await storeOf(blobs))),
  "an asynchronous store": async (blobs, work) =>
    await work(new StoreChunkSource(asynchronous(await storeOf(blobs)))),
  "a holder": fromHolders(1),
  "three holders": fromHolders(3),
};

for (const [name, withSource] of Object.entries(SOURCES)) {
  const test = (title: string, blobs: Uint8Array[], work: (source: ChunkSource) => Promise<void>) =>
    Deno.test(`jobs that come later, ${name}: ${title}`, { permissions }, () => withSource(blobs, work));

  const blobs = contents([10, 300_000, 20, 2 * MiB, 30]);

  test("each is waited for, those before it arrive meanwhile", blobs, async (source) => {
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    const waits = blobs.map(() => new Later());
    let pulled = 0;
    function* later(): ChunkJobs & Generator<ChunkJob | Promise<void>> {
      for (const [i, job] of jobs.entries()) {
        yield waits[i].promise;
        pulled++;
        yield job;
      }
    }
    const fetching = source.fetchChunks(later());
    for (const [i, wait] of waits.entries()) {
      wait.resolve();
      await until(() => jobs[i].completed === 1);
      assert.equal(pulled, i + 1);
    }
    await fetching;
    for (const [i, job] of jobs.entries()) assert.deepEqual(job.bytes, blobs[i]);
  });

  test("several waits in a row, one at the end, one resolved before", blobs, async (source) => {
    const jobs = blobs.map((blob) => new CollectingJob(blob));
    const wait = () => Promise.resolve();
    await source.fetchChunks([wait(), wait(), ...jobs.slice(0, 3), wait(), ...jobs.slice(3), wait(), wait()]);
    assert.deepEqual(jobs.map(({ completed }) => completed), [1, 1, 1, 1, 1]);
  });

  test(
    "a wait that fails ends the fetch with its reason, no job is called afterwards",
    blobs,
    async (source) => {
      const wait = new Later();
      const jobs = blobs.map((blob) => new CollectingJob(blob));
      const fetching = source.fetchChunks([...jobs.slice(0, 2), wait.promise, ...jobs.slice(2)]);
      await until(() => jobs[0].completed + jobs[1].completed === 2);
      const reason = new Error("no more hashes");
      wait.reject(reason);
      await assert.rejects(fetching, (error) => error === reason);
      assert.deepEqual(jobs.slice(2).map(({ completed }) => completed), [0, 0, 0]);
    },
  );

  test("an abort ends the wait with its reason, and the iterator", blobs, async (source) => {
    const controller = new AbortController();
    const wait = new Later();
    let isOver = false;
    const job = new CollectingJob(blobs[0]);
    function* later(): Generator<ChunkJob | Promise<void>> {
      try {
        yield job;
        yield wait.promise;
      } finally {
        isOver = true;
      }
    }
    const fetching = source.fetchChunks(later(), { signal: controller.signal });
    await until(() => job.completed === 1);
    const reason = new Error("enough");
    controller.abort(reason);
    await assert.rejects(fetching, (error) => error === reason);
    assert(isOver);
    // What the wait comes to afterwards concerns nobody.
    wait.reject(new Error("too late"));
    await wait.promise.catch(() => {});
  });

  test("a job that fails ends the wait", blobs, async (source) => {
    const wait = new Later();
    const absent = new CollectingJob(contents([50], 9)[0]);
    await assert.rejects(source.fetchChunks([absent, wait.promise]), BlobNotFoundError);
    wait.resolve();
  });

  const many = contents(Array(60).fill(100_000));

  test("waits in between keep to the bytes in flight", many, async (source) => {
    let open = 0;
    let most = 0;
    function* later(): Generator<ChunkJob | Promise<void>> {
      for (const blob of many) {
        yield new Promise<void>((resolve) => setTimeout(resolve));
        most = Math.max(most, ++open);
        const job = new CollectingJob(blob);
        job.complete = () => void open--;
        yield job;
      }
    }
    await source.fetchChunks(later(), { maxInFlightBytes: 400_000 });
    assert.equal(open, 0);
    // What is arriving counts by the bytes that are still owed: one chunk each of three holders' streams.
    assert(most <= 4 + 1 + 3, `${most} at once`);
  });
}
