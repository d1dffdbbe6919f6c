/**
 * Content that is fetched into memory: manifests.
 *
 * @module
 */

import type { ChunkSource, FetchChunksOptions } from "../blob/source.ts";
import { toHex } from "../wire/bytes.ts";
import { CheckedJob, type JobBatch, runJobs } from "./checked_jobs.ts";

/** Collects a chunk in memory at a place of a larger array. */
class CollectJob extends CheckedJob {
  /** It is manifests that are collected. */
  readonly packable = true;

  constructor(hash: Uint8Array, batch: JobBatch, readonly targets: readonly Uint8Array[]) {
    super(hash, targets[0].length, batch);
  }

  protected override accept(bytes: Uint8Array, offset: number): void {
    this.targets[0].set(bytes, offset);
  }

  protected override finish(): void {
    for (const other of this.targets.slice(1)) other.set(this.targets[0]);
  }
}

/** Fetches chunks that together make up content small enough to hold in memory. */
export async function fetchBytes(
  source: ChunkSource,
  chunks: readonly { readonly hash: Uint8Array; readonly size: number }[],
  options: FetchChunksOptions,
): Promise<Uint8Array> {
  const content = new Uint8Array(chunks.reduce((sum, { size }) => sum + size, 0));
  /** By address: where the chunk goes. Repeats are asked for once. */
  const targets = new Map<string, { hash: Uint8Array; places: Uint8Array[] }>();
  let at = 0;
  for (const { hash, size } of chunks) {
    const place = content.subarray(at, at += size);
    const key = `${toHex(hash)} ${size}`;
    const known = targets.get(key);
    if (known !== undefined) known.places.push(place);
    else targets.set(key, { hash, places: [place] });
  }
  await runJobs(
    source,
    (batch) => [...targets.values()].map(({ hash, places }) => new CollectJob(hash, batch, places)),
    options,
  );
  return content;
}
