/**
 * Making a planned tree in a staging folder from what is on this machine and what a source gives.
 *
 * @module
 */

import { permissions } from "#permissions";
import type { ChunkSource } from "../blob/source.ts";
import { withSignal } from "../mesh/abort.ts";
import { fileError } from "../runtime/file_errors.ts";
import type { TreeVerdict } from "./compare.ts";
import { type KnownChunks, PlanFetch } from "./fetch_jobs.ts";
import type { FetchDirOptions, FetchDirStats, FetchProgress } from "./fetch_options.ts";
import { FileReader } from "./file_reader.ts";
import type { FetchMemory } from "./fetch_memory.ts";
import type { InstallCalls } from "./install.ts";
import { type LocalTree, readLocalTree } from "./local_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import type { ManifestPlan } from "./plan.ts";
import { LocalReuse } from "./reuse.ts";
import { StagedDirs } from "./staged_dirs.ts";
import type { Leftover, Staging } from "./staging.ts";
import { TreeBuilder } from "./tree_builder.ts";
import type { TreeHand } from "./tree_hand.ts";
import type { TreeMirror } from "./tree_mirror.ts";

const ACTION = "Fetch directory";

/** What {@linkcode FetchWork} makes a tree of, and with. */
export interface FetchWorkParts {
  /** Gives what is not on this machine. */
  readonly source: ChunkSource;
  /** What is to be made. */
  readonly plan: ManifestPlan;
  /** Where. */
  readonly staging: Staging;
  /** Those of the fetch. */
  readonly options: FetchDirOptions;
  /** When to let the event loop turn. */
  readonly pacer: WorkPacer;
  /** The calls that touch what is at the destination. */
  readonly calls: InstallCalls;
  /** Tells which hashes of the plan are known, unless all are. */
  readonly late: KnownChunks | undefined;
  /** On the tree at the destination, if there is one. */
  readonly verdict: TreeVerdict | undefined;
  /** Is told how the files look that are made. */
  readonly memory: FetchMemory | undefined;
  /** Makes directories and files meanwhile; closed in the end. */
  readonly hand: TreeHand | undefined;
  /** What of the tree at the destination is in the staging folder already; then no hand makes any. */
  readonly mirror: TreeMirror | undefined;
}

/** Everything between an empty staging folder and a finished tree in it. */
export class FetchWork {
  readonly #parts: FetchWorkParts;
  readonly #progress: { files: number; bytes: number; totalFiles: number; totalBytes: number };
  readonly #builder: TreeBuilder;

  /** @param parts what it is made of. */
  constructor(parts: FetchWorkParts) {
    this.#parts = parts;
    const { plan, staging, options, pacer, calls, verdict, memory, hand, mirror } = parts;
    this.#progress = { files: 0, bytes: 0, totalFiles: plan.files.length, totalBytes: plan.bytes };
    // Where files are linked rather than made, putting the tree together is all that it would cost.
    const made = plan.files.length - (verdict?.same.length ?? 0);
    const isFlat = mirror === undefined && permissions.resolvesPaths() && made > plan.dirs.length;
    const dirs = new StagedDirs(plan, staging.path, isFlat);
    memory?.expect(plan.files.length);
    this.#builder = new TreeBuilder(plan, dirs, staging.facts, {
      durable: options.durable ?? false,
      pacer,
      hand,
      link: (from, to) => calls.link(from, to),
      onBytes: (bytes) => {
        this.#progress.bytes += bytes;
        options.onProgress?.(this.#progress satisfies FetchProgress);
      },
      onFile: () => {
        this.#progress.files++;
        options.onProgress?.(this.#progress satisfies FetchProgress);
      },
      onLook: memory && ((file, look, isLinked) => memory.note(file, look, isLinked)),
    });
  }

  /** Does it: links and copies what is on this machine, fetches the rest. */
  async run(
    leftovers: readonly Leftover[],
    old: LocalTree | undefined,
    trees: readonly string[],
  ): Promise<Pick<FetchDirStats, "fetchedBytes" | "reusedBytes" | "resumed">> {
    const { source, plan, options, pacer, late, verdict, memory, hand, mirror } = this.#parts;
    try {
      await this.#builder.makeSkeleton(mirror);
      if (old !== undefined || leftovers.length + trees.length > 0) await this.#builder.settle();
      const reuse = await LocalReuse.create(plan, this.#builder, pacer);
      if (old !== undefined && verdict !== undefined) {
        await reuse.linkFrom(old, verdict, mirror);
      }
      const linkedBytes = reuse.reusedBytes;
      for (const { path } of leftovers) await reuse.adoptFrom(path);
      for (const { path } of leftovers) await reuse.copyFrom(await readLocalTree(ACTION, path, pacer));
      const resumed = reuse.reusedBytes > linkedBytes;
      for (const root of trees) {
        if (this.#builder.isComplete) break;
        const tree = root === old?.root
          ? old
          : await readLocalTree(ACTION, root, pacer, { cache: memory?.cache });
        await reuse.copyFrom(tree);
      }
      const { maxInFlightBytes } = options;
      const signal = this.#signal;
      const fetch = new PlanFetch(plan, this.#builder, late);
      await fetch.run(source, { signal, maxInFlightBytes });
      await withSignal(this.#builder.settle(), signal);
      await this.#copyRepeats(fetch.repeats);
      await withSignal(this.#builder.settle(), signal);
      await this.#builder.finish();
      return { fetchedBytes: fetch.fetchedBytes, reusedBytes: reuse.reusedBytes, resumed };
    } finally {
      this.#builder.close();
      await hand?.close();
    }
  }

  /** Ends the work: the caller's, and that something could not be made. */
  get #signal(): AbortSignal | undefined {
    const { options: { signal }, hand } = this.#parts;
    if (hand === undefined) return signal;
    const { failure } = this.#builder;
    return signal === undefined ? failure : AbortSignal.any([signal, failure]);
  }

  /** Writes chunks that are in the tree to the other places where they belong. */
  async #copyRepeats(heads: Iterable<number>): Promise<void> {
    const { plan: { chunks, files }, pacer } = this.#parts;
    const reader = new FileReader(ACTION);
    for (const head of heads) {
      const path = this.#builder.pathOf(files[chunks.fileOf(head)].path);
      const bytes = reader.tryRead(path, chunks.offsetOf(head), chunks.sizeOf(head));
      if (bytes === undefined) throw fileError(new Error("it cannot be read back"), ACTION, path);
      for (let chunk: number | undefined = head; chunk !== undefined; chunk = chunks.nextOf(chunk)) {
        if (!this.#builder.isWritten(chunk)) this.#builder.writeChunk(chunk, bytes);
        if (pacer.due) await pacer.pause();
      }
    }
  }
}
