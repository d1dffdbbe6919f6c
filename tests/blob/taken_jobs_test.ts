/** Jobs that take a chunk as a whole: once it is verified, or not at all. */
import assert from "node:assert/strict";
import type { BlobStore } from "../../src/blob/store.ts";
import { StoreChunkSource } from "../../src/blob/store_source.ts";
import { HashMismatchError } from "../../src/errors.ts";
import { loopback as permissions } from "../mesh/nodes.ts";
import {
  asynchronous,
  CollectingJob,
  contents,
  fetchFrom,
  found,
  quick,
  startAnsweringHolder,
  startHolder,
  storeOf,
} from "./transfer_support.ts";

class TakingJob extends CollectingJob {
  taken = 0;

  take(bytes: Uint8Array): void {
    this.taken++;
    this.bytes.set(bytes);
    assert.equal(bytes.length, this.length);
  }
}

function check(job: TakingJob, content: Uint8Array): void {
  assert.deepEqual(job.bytes, content);
  assert.equal(job.taken + job.completed, 1);
  if (job.taken === 1) assert.deepEqual(job.offsets, []);
}

const SIZES = [1, 1000, 5_000, 32_768, 262_144, 4 * 1024 * 1024];

Deno.test("jobs that take chunks: from a session, in one piece or in several", { permissions }, async () => {
  const blobs = contents([...SIZES, ...Array(500).fill(700)]);
  const jobs = blobs.map((blob) => new TakingJob(blob));
  await fetchFrom([await startHolder(await storeOf(blobs))], jobs);
  for (const [i, job] of jobs.entries()) check(job, blobs[i]);
  assert.ok(jobs.some(({ taken }) => taken === 1));
  assert.ok(jobs.some(({ completed }) => completed === 1));
});

Deno.test("jobs that take chunks: from a store, always", { permissions }, async () => {
  const blobs = contents(SIZES);
  const store = await storeOf(blobs);
  for (const one of [store, asynchronous(store) as BlobStore]) {
    const jobs = blobs.map((blob) => new TakingJob(blob));
    await new StoreChunkSource(one).fetchChunks(jobs);
    for (const [i, job] of jobs.entries()) {
      check(job, blobs[i]);
      assert.equal(job.taken, 1);
    }
  }
});

Deno.test("jobs that take chunks: wrong bytes are not given", { permissions }, async () => {
  const [right, wrong] = contents([1000, 1000]);
  const liar = await startAnsweringHolder((_, { transport }) => {
    transport.write(found(1000));
    transport.write(wrong);
  });
  const job = new TakingJob(right);
  await assert.rejects(fetchFrom([liar], [job], quick), HashMismatchError);
  assert.deepEqual([job.taken, job.completed, job.offsets.length], [0, 0, 0]);
  // Another holder makes it good.
  const second = await startAnsweringHolder((_, { transport }) => {
    transport.write(found(1000));
    transport.write(wrong);
  });
  const good = await startHolder(await storeOf([right]));
  const again = new TakingJob(right);
  await fetchFrom([second, good], [again], quick);
  check(again, right);
});
