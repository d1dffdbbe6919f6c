/**
 * Compares a plan with a tree on disk.
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { hostPlatform } from "../runtime/host.ts";
import { FileReader } from "./file_reader.ts";
import type { LocalTree } from "./local_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import { itemsOf, pairUp } from "./pair_up.ts";
import { comparePaths } from "./path_rules.ts";
import type { ManifestPlan, PlannedFile } from "./plan.ts";
import { KINDS } from "./record_table.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";

const MODE_BITS = 0o7777;

/** How a tree differs from a manifest. Paths are sorted by their UTF-8 bytes. */
export interface DirDiff {
  /** In the manifest only. */
  readonly added: readonly string[];
  /** In both, with another kind, mode, target or content. */
  readonly changed: readonly string[];
  /** On disk only. */
  readonly removed: readonly string[];
  /** The same in both. */
  readonly unchanged: readonly string[];
}

/** Compares everything, contents last. Directories that only the paths of entries imply have no mode to compare. */
export async function compareTree(plan: ManifestPlan, tree: LocalTree, pacer: WorkPacer): Promise<DirDiff> {
  const comparison = compareShape(plan, tree);
  const content = await ContentComparison.create(plan, tree, pacer);
  const { files, entries } = comparison.undecided;
  for (const [i, file] of files.entries()) {
    const isSame = await content.compare(file, entries[i]) === "same";
    (isSame ? comparison.unchanged : comparison.changed).push(plan.files[file].path);
  }
  const { added, changed, removed, unchanged } = comparison;
  for (const paths of [added, changed, removed, unchanged]) paths.sort(comparePaths);
  return { added, changed, removed, unchanged };
}

/** What a tree has in common with a plan, content included. */
export interface TreeVerdict {
  /** Whether the tree is exactly what the plan would make. */
  readonly isSame: boolean;
  /** Files of the plan, by number, that are in the tree by their path, with their mode and their content. */
  readonly same: readonly number[];
  /** Which entries of the tree these are. */
  readonly entries: readonly number[];
  /** Files of the plan, by number, whose path is that of a file with other content. */
  readonly other: readonly number[];
  /** Entries of the tree that are files whose content is nowhere in the plan. */
  readonly useless: readonly number[];
}

/** Reads and hashes every file that may be what the plan wants at its path, once, unless it is known what it holds. */
export async function verifyTree(
  plan: ManifestPlan,
  tree: LocalTree,
  pacer: WorkPacer,
): Promise<TreeVerdict> {
  const { added, changed, removed, other, undecided } = compareShape(plan, tree);
  const same: number[] = [];
  const entries: number[] = [];
  const useless: number[] = [];
  const content = await ContentComparison.create(plan, tree, pacer);
  for (const [i, file] of undecided.files.entries()) {
    const entry = undecided.entries[i];
    const looked = content.compare(file, entry);
    const found = typeof looked === "string" ? looked : await looked;
    if (found === "same") {
      same.push(file);
      entries.push(entry);
      continue;
    }
    other.push(file);
    if (found === "unknown") useless.push(entry);
  }
  const isShaped = !tree.hasOther && added.length + changed.length + removed.length === 0;
  return { isSame: isShaped && same.length === undecided.files.length, same, entries, other, useless };
}

/** What `lstat` tells. */
function compareShape(plan: ManifestPlan, tree: LocalTree) {
  const added: string[] = [];
  const changed: string[] = [];
  const unchanged: string[] = [];
  /** Files, by number, that have another size than those at their paths. */
  const other: number[] = [];
  /** Files, by number, that only their content can tell apart, and which entry of the tree each is: without an object each. */
  const undecided = { files: [] as number[], entries: [] as number[] };
  const hasModes = hostPlatform() !== "windows";
  const sameMode = (found: number, wanted: number | undefined, mask: number) =>
    !hasModes || wanted === undefined || (found & mask) === wanted;
  const { table } = tree;
  const found = {
    dir(item: number, entry: number) {
      const { path, mode } = plan.dirs[item];
      // A directory may inherit setgid from the one around it: its special bits say nothing unless they are wanted.
      const isSame = KINDS[table.kinds[entry]] === "dir" && sameMode(table.modes[entry], mode, plan.modeMask);
      (isSame ? unchanged : changed).push(path);
    },
    symlink(item: number, entry: number) {
      const { path, target } = plan.links[item];
      (table.targets.get(entry) === target ? unchanged : changed).push(path);
    },
    file(item: number, entry: number) {
      const { path, mode, size } = plan.files[item];
      const isFile = table.isFile(entry);
      const isLong = table.sizeOf(entry) === size;
      if (isFile && isLong && sameMode(table.modes[entry], mode, MODE_BITS)) {
        undecided.files.push(item);
        undecided.entries.push(entry);
        return;
      }
      changed.push(path);
      if (isFile && !isLong) other.push(item);
    },
  };
  const removed = pairUp(plan, table, (kind, item, entry) => {
    if (entry === undefined) added.push(itemsOf(plan, kind)[item].path);
    else found[kind](item, entry);
  });
  return { added, changed, unchanged, removed, other, undecided };
}

/** What a file of a tree is to a planned one: its content, one chunk that is nowhere in the plan, or neither. */
type Found = "same" | "unknown" | "other";

/** Compares what files hold. */
class ContentComparison {
  readonly #reader = new FileReader("Compare directory");

  private constructor(
    readonly plan: ManifestPlan,
    readonly tree: LocalTree,
    readonly pacer: WorkPacer,
    readonly blake3: Blake3,
  ) {}

  static async create(plan: ManifestPlan, tree: LocalTree, pacer: WorkPacer): Promise<ContentComparison> {
    return new ContentComparison(plan, tree, pacer, await loadBlake3());
  }

  /** What an entry of the tree is to a file of its size. At once where that is known: a promise costs more than that. */
  compare(file: number, entry: number): Found | Promise<Found> {
    const { known } = this.tree;
    const row = known === undefined ? -1 : known.rowOf(entry);
    const planned = this.plan.files[file];
    if (row < 0) return this.#read(planned);
    const { hashes } = known!.memory;
    for (let i = 0; i < planned.chunkCount; i++) {
      const found = this.#compareChunk(planned, i, hashes.bytes, (hashes.firstOf(row) + i) * HASH_LENGTH);
      if (found !== "same") return found;
    }
    return "same";
  }

  async #read(file: PlannedFile): Promise<Found> {
    const { chunks } = this.plan;
    for (let i = 0; i < file.chunkCount; i++) {
      if (this.pacer.due) await this.pacer.pause();
      const chunk = file.firstChunk + i;
      const place = `${this.tree.root}/${file.path}`;
      const bytes = this.#reader.tryRead(place, chunks.offsetOf(chunk), chunks.sizeOf(chunk));
      if (bytes === undefined) return "other";
      const found = this.#compareChunk(file, i, this.blake3.hash(bytes), 0);
      if (found !== "same") return found;
    }
    return "same";
  }

  #compareChunk(
    { firstChunk, chunkCount }: PlannedFile,
    ordinal: number,
    hashes: Uint8Array,
    at: number,
  ): Found {
    const { chunks } = this.plan;
    if (chunks.hasHash(firstChunk + ordinal, hashes, at)) return "same";
    const isKnown = () => chunks.find(hashes.subarray(at, at + HASH_LENGTH)) !== undefined;
    return chunkCount === 1 && !isKnown() ? "unknown" : "other";
  }
}
