/**
 * Compares a plan with a tree on disk.
 *
 * @module
 */

import { type Blake3, loadBlake3 } from "../crypto/blake3.ts";
import { hostPlatform } from "../runtime/host.ts";
import { equalBytes } from "../wire/bytes.ts";
import { FileReader } from "./file_reader.ts";
import type { LocalTree } from "./local_tree.ts";
import type { WorkPacer } from "./pacer.ts";
import { comparePaths } from "./path_rules.ts";
import type { ManifestPlan, PlannedFile } from "./plan.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";
import type { WalkRecord } from "./walk.ts";

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
  const reader = new FileReader("Compare directory");
  const blake3 = await loadBlake3();
  for (const index of comparison.undecided) {
    const file = plan.files[index];
    const isSame = await contentOf(plan, file, tree, reader, blake3, pacer) === "same";
    (isSame ? comparison.unchanged : comparison.changed).push(file.path);
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
  /** Files of the tree whose content is nowhere in the plan. */
  readonly useless: ReadonlySet<WalkRecord>;
}

/** Reads and hashes every file that may be what the plan wants at its path, once, unless it is known what it holds. */
export async function verifyTree(
  plan: ManifestPlan,
  tree: LocalTree,
  pacer: WorkPacer,
): Promise<TreeVerdict> {
  const { added, changed, removed, undecided } = compareShape(plan, tree);
  const same: number[] = [];
  const useless = new Set<WalkRecord>();
  const reader = new FileReader("Compare directory");
  const blake3 = await loadBlake3();
  for (const index of undecided) {
    const file = plan.files[index];
    const looked = contentOf(plan, file, tree, reader, blake3, pacer);
    const found = looked instanceof Promise ? await looked : looked;
    if (found === "same") same.push(index);
    else if (found === "unknown") useless.add(tree.records.get(file.path)!);
  }
  const isShaped = !tree.hasOther && added.length + changed.length + removed.length === 0;
  return { isSame: isShaped && same.length === undecided.length, same, useless };
}

/** What `lstat` tells. */
function compareShape(plan: ManifestPlan, tree: LocalTree) {
  const added: string[] = [];
  const changed: string[] = [];
  const unchanged: string[] = [];
  /** Files, by number, that only their content can tell apart. */
  const undecided: number[] = [];
  /** Entries of the tree that the plan has, too. */
  let common = 0;
  const visit = (path: string, isSame: (record: WalkRecord) => boolean, same: () => void) => {
    const record = tree.records.get(path);
    if (record === undefined) {
      added.push(path);
      return;
    }
    common++;
    if (isSame(record)) same();
    else changed.push(path);
  };
  const hasModes = hostPlatform() !== "windows";
  const sameMode = (found: number, wanted: number | undefined, mask: number) =>
    !hasModes || wanted === undefined || (found & mask) === wanted;
  for (const { path, mode } of plan.dirs) {
    // A directory may inherit setgid from the one around it: its special bits say nothing unless they are wanted.
    const isSame = (record: WalkRecord) =>
      record.kind === "dir" && sameMode(record.mode, mode, plan.modeMask);
    visit(path, isSame, () => unchanged.push(path));
  }
  for (const { path, target } of plan.links) {
    const isSame = (record: WalkRecord) => record.kind === "symlink" && record.target === target;
    visit(path, isSame, () => unchanged.push(path));
  }
  for (const [index, file] of plan.files.entries()) {
    const isSame = (record: WalkRecord) =>
      record.kind === "file" && record.size === file.size && sameMode(record.mode, file.mode, MODE_BITS);
    visit(file.path, isSame, () => undecided.push(index));
  }
  // A plan has no path twice. Mostly nothing is removed, and not looked for.
  const removed = common === tree.records.size ? [] : missingIn(plan, tree);
  return { added, changed, unchanged, removed, undecided };
}

/** What a tree has and a plan has not. */
function missingIn({ dirs, links, files }: ManifestPlan, tree: LocalTree): string[] {
  const paths = new Set(tree.records.keys());
  for (const list of [dirs, links, files]) for (const { path } of list) paths.delete(path);
  return [...paths];
}

/** What a file of a tree is to a planned one: its content, one chunk that is nowhere in the plan, or neither. */
type Found = "same" | "unknown" | "other";

/** What the file of the tree at a planned file's path is. At once where that is known: a promise costs more than that. */
function contentOf(
  plan: ManifestPlan,
  file: PlannedFile,
  tree: LocalTree,
  reader: FileReader,
  blake3: Blake3,
  pacer: WorkPacer,
): Found | Promise<Found> {
  const known = tree.known?.hashesOf(tree.records.get(file.path)!);
  if (known === undefined) return readContent(plan, file, tree, reader, blake3, pacer);
  for (let i = 0; i < file.chunkCount; i++) {
    const found = compareChunk(plan, file, i, known.subarray(i * HASH_LENGTH, (i + 1) * HASH_LENGTH));
    if (found !== "same") return found;
  }
  return "same";
}

async function readContent(
  plan: ManifestPlan,
  file: PlannedFile,
  tree: LocalTree,
  reader: FileReader,
  blake3: Blake3,
  pacer: WorkPacer,
): Promise<Found> {
  for (let i = 0; i < file.chunkCount; i++) {
    if (pacer.due) await pacer.pause();
    const chunk = file.firstChunk + i;
    const place = `${tree.root}/${file.path}`;
    const bytes = reader.tryRead(place, plan.chunks.offsetOf(chunk), plan.chunks.sizeOf(chunk));
    if (bytes === undefined) return "other";
    const found = compareChunk(plan, file, i, blake3.hash(bytes));
    if (found !== "same") return found;
  }
  return "same";
}

function compareChunk(plan: ManifestPlan, file: PlannedFile, ordinal: number, hash: Uint8Array): Found {
  if (equalBytes(hash, plan.chunks.hashOf(file.firstChunk + ordinal))) return "same";
  return file.chunkCount === 1 && plan.chunks.find(hash) === undefined ? "unknown" : "other";
}
