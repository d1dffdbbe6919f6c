/**
 * Fetching a directory: manifest, checks, staging, content, install (`content.md` 4, `formats.md` 5.2 and 5.4).
 *
 * @module
 */

import { permissions } from "#permissions";
import type { ChunkSource } from "../blob/source.ts";
import { DiskFullError } from "../errors.ts";
import { fileError } from "../runtime/file_errors.ts";
import { existsSync, statfsSync } from "../runtime/files.ts";
import { dirname, resolve } from "../runtime/path.ts";
import { type BlobRef, encodeBlobRef } from "../wire/blob_ref.ts";
import { requireRead, requireSymlinks } from "./access.ts";
import { type TreeVerdict, verifyTree } from "./compare.ts";
import { type Destination, resolveDestination, statOf } from "./destination.ts";
import { PlanFetch } from "./fetch_jobs.ts";
import type { FetchDirOptions, FetchDirStats, FetchProgress } from "./fetch_options.ts";
import { FileReader } from "./file_reader.ts";
import { INSTALL_CALLS, type InstallCalls, installTree } from "./install.ts";
import { type LocalTree, readLocalTree } from "./local_tree.ts";
import { WorkPacer } from "./pacer.ts";
import { checkManifestPaced, type ManifestPlan } from "./plan.ts";
import { readManifest } from "./read_manifest.ts";
import { LocalReuse } from "./reuse.ts";
import { type Leftover, recover, releaseLeftovers, Staging } from "./staging.ts";
import { openRoot } from "./scan.ts";
import { TreeBuilder } from "./tree_builder.ts";

const ACTION = "Fetch directory";

/**
 * Makes `dest` the directory behind `ref`, all or nothing: the new tree is made in a folder beside `dest`, verified
 * byte by byte, and then takes its place, with the old tree, if any, gone. On any failure, and when `signal` is
 * aborted, `dest` is what it was and nothing is left beside it. A process that is killed leaves a folder
 * `.<name>.fetch_<id>`, which the next fetch of the same reference continues and any other removes.
 *
 * Content that is at `dest` already is not fetched again; when `dest` is the same already, nothing is done. A file
 * that does not change (path, content and mode) becomes part of the new tree as it is, by a hard link, if it has no
 * other name: whoever holds it open holds the new tree's file, and a failed fetch leaves no trace of it but the file's
 * ctime. Where a link cannot be made it is copied. Equal content is fetched once. If `dest` is a link to a directory,
 * that directory is replaced. Missing parents are made.
 *
 * Permission bits are those of the manifest, whatever the umask says, for directories too (a read-only one can be
 * replaced by a later fetch all the same); setuid, setgid and sticky bits only with `specialModes`. `dest` itself has
 * no mode in a manifest: it keeps the one it had.
 *
 * Needs permission to read and write the directory that holds `dest`; trees with symbolic links need unscoped read and
 * write, because neither runtime makes links with less.
 *
 * Throws, before it changes anything: `PermissionDeniedError`; `UnsafePathError`, `ManifestError`,
 * `LimitExceededError`, `DecodeError`, `UnsupportedError` for manifests that are refused; `FileSystemError` when `dest`
 * cannot be replaced; `DiskFullError` when it is known that the space will not do. Later: what the source throws,
 * `SizeMismatchError` when content has not its declared size, `FileSystemError`, `DiskFullError`.
 *
 * @example
 * ```ts
 * import { MemoryBlobStore, StoreChunkSource } from "@hawser/mesh/blob";
 * import { fetchDir, storeDir } from "@hawser/mesh/directory";
 *
 * async function copy(from: string, to: string): Promise<void> {
 *   const store = new MemoryBlobStore();
 *   const { ref } = await storeDir(store, from);
 *   const stats = await fetchDir(new StoreChunkSource(store), ref, to, { signal: AbortSignal.timeout(60_000) });
 *   console.log(stats.files, stats.bytes, stats.installed);
 * }
 * ```
 */
export async function fetchDir(
  source: ChunkSource,
  ref: BlobRef,
  dest: string,
  options: FetchDirOptions = {},
): Promise<FetchDirStats> {
  return await fetchDirWith(source, ref, dest, options, INSTALL_CALLS);
}

/** As {@linkcode fetchDir}, with the calls that change the destination given by the caller. */
export async function fetchDirWith(
  source: ChunkSource,
  ref: BlobRef,
  dest: string,
  options: FetchDirOptions,
  calls: InstallCalls,
): Promise<FetchDirStats> {
  const pacer = new WorkPacer(options.signal);
  const destination = await resolveDestination(ACTION, dest);
  const reuse = (options.reuse ?? []).map((path) => checkReuse(path));
  const encodedRef = encodeBlobRef(ref);
  const leftovers = await recover(destination, encodedRef);
  let served = false;
  try {
    const { entries, manifestBytes } = await readManifest(source, ref, options);
    const plan = await checkManifestPaced(entries, options, pacer);
    const old = await readOld(destination, pacer);
    const stats = {
      files: plan.files.length,
      dirs: plan.dirs.length,
      symlinks: plan.links.length,
      bytes: plan.bytes,
      manifestBytes,
      skipped: plan.skippedLinks.map((path) => ({ path, reason: "is a symbolic link" })),
    };
    const verdict = old === undefined ? undefined : await verifyTree(plan, old, pacer);
    if (verdict?.isSame) {
      served = true;
      return { ...stats, fetchedBytes: 0, reusedBytes: plan.bytes, installed: false, resumed: false };
    }
    if (plan.links.length > 0) requireSymlinks(ACTION, plan.links.length);
    checkFreeSpace(destination, plan);
    const staging = await Staging.create(destination, encodedRef);
    let installed = false;
    try {
      // Known only now that there is a folder to try it in.
      if (staging.facts.foldsNames) await checkManifestPaced(entries, { ...options, foldNames: true }, pacer);
      const trees = old === undefined ? reuse : [old.root, ...reuse];
      const work = new Work(source, plan, staging, options, pacer, calls);
      const counts = await work.run(leftovers, old, verdict, trees).finally(() => served = true);
      options.signal?.throwIfAborted();
      const durable = options.durable ?? false;
      const leftBehind = await installTree(destination, {
        tree: staging.tree,
        backup: staging.backup,
        durable,
        calls,
      });
      installed = true;
      return { ...stats, ...counts, installed, ...(leftBehind && { leftBehind }) };
    } finally {
      await staging.remove(installed);
    }
  } finally {
    await releaseLeftovers(leftovers, served);
  }
}

/** Everything between an empty staging folder and a finished tree in it. */
class Work {
  readonly #progress: { files: number; bytes: number; totalFiles: number; totalBytes: number };
  readonly #builder: TreeBuilder;

  constructor(
    readonly source: ChunkSource,
    readonly plan: ManifestPlan,
    staging: Staging,
    readonly options: FetchDirOptions,
    readonly pacer: WorkPacer,
    calls: InstallCalls,
  ) {
    this.#progress = { files: 0, bytes: 0, totalFiles: plan.files.length, totalBytes: plan.bytes };
    this.#builder = new TreeBuilder(plan, staging.tree, staging.facts, {
      durable: options.durable ?? false,
      pacer,
      link: (from, to) => calls.link(from, to),
      onBytes: (bytes) => {
        this.#progress.bytes += bytes;
        options.onProgress?.(this.#progress satisfies FetchProgress);
      },
      onFile: () => {
        this.#progress.files++;
        options.onProgress?.(this.#progress satisfies FetchProgress);
      },
    });
  }

  async run(
    leftovers: readonly Leftover[],
    old: LocalTree | undefined,
    verdict: TreeVerdict | undefined,
    trees: readonly string[],
  ): Promise<Pick<FetchDirStats, "fetchedBytes" | "reusedBytes" | "resumed">> {
    try {
      await this.#builder.makeSkeleton();
      const reuse = await LocalReuse.create(this.plan, this.#builder, this.pacer);
      if (old !== undefined && verdict !== undefined) await reuse.linkFrom(old, verdict);
      const linkedBytes = reuse.reusedBytes;
      for (const { tree } of leftovers) await reuse.adoptFrom(tree);
      for (const { tree } of leftovers) await reuse.copyFrom(await readLocalTree(ACTION, tree, this.pacer));
      const resumed = reuse.reusedBytes > linkedBytes;
      for (const root of trees) {
        if (this.#builder.isComplete) break;
        const tree = root === old?.root ? old : await readLocalTree(ACTION, root, this.pacer);
        await reuse.copyFrom(tree);
      }
      const { signal, maxInFlightBytes } = this.options;
      const fetch = new PlanFetch(this.plan, this.#builder);
      await fetch.run(this.source, { signal, maxInFlightBytes });
      await this.#copyRepeats(fetch.repeats);
      await this.#builder.finish();
      return { fetchedBytes: fetch.fetchedBytes, reusedBytes: reuse.reusedBytes, resumed };
    } finally {
      this.#builder.close();
    }
  }

  /** Writes chunks that are in the tree to the other places where they belong. */
  async #copyRepeats(heads: readonly number[]): Promise<void> {
    const { chunks, files } = this.plan;
    const reader = new FileReader(ACTION);
    for (const head of heads) {
      const path = this.#builder.pathOf(files[chunks.fileOf(head)].path);
      const bytes = reader.tryRead(path, chunks.offsetOf(head), chunks.sizeOf(head));
      if (bytes === undefined) throw fileError(new Error("it cannot be read back"), ACTION, path);
      for (let chunk: number | undefined = head; chunk !== undefined; chunk = chunks.nextOf(chunk)) {
        if (!this.#builder.isWritten(chunk)) this.#builder.writeChunk(chunk, bytes);
        if (this.pacer.due) await this.pacer.pause();
      }
    }
  }
}

/** The tree at the destination, links on the way resolved. */
async function readOld(destination: Destination, pacer: WorkPacer): Promise<LocalTree | undefined> {
  if (statOf(ACTION, destination.path) === undefined) return undefined;
  return await readLocalTree(ACTION, destination.path, pacer);
}

/** Absolute path of a tree to reuse; what is not there is no error, for it is only an opportunity. */
function checkReuse(path: string): string {
  const absolute = resolve(path);
  requireRead(ACTION, absolute);
  return existsSync(absolute) ? openRoot(ACTION, path) : absolute;
}

/** Throws `DiskFullError` where it can be known that the tree will not fit. */
function checkFreeSpace(destination: Destination, plan: ManifestPlan): void {
  if (!permissions.mayReadFreeSpace()) return;
  let existing = destination.parent;
  while (!existsSync(existing) && dirname(existing) !== existing) existing = dirname(existing);
  let free: number;
  try {
    const { bavail, bsize } = statfsSync(existing);
    free = bavail * bsize;
  } catch {
    // Not every file system tells. It says so itself when it is full.
    return;
  }
  if (plan.bytes <= free) return;
  const message = `${ACTION}: the tree has ${plan.bytes} bytes, but only ${free} are free at "${existing}"`;
  throw new DiskFullError(message, destination.path, "ENOSPC");
}
