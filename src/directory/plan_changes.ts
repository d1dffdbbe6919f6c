/**
 * The plan of a directory of which what it was before has been planned, by the same rules: of most entries everything
 * is known, and only what is new is checked (`formats.md` 5.4).
 *
 * @module
 */

import { HawserError } from "../errors.ts";
import { hostPlatform } from "../runtime/host.ts";
import type { ChangedTree } from "./changed_tree.ts";
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_ENTRIES } from "./limits.ts";
import { parentOf, PathChecker } from "./path_rules.ts";
import { type CheckOptions, type ManifestPlan, modesOf, type PlannedDir, type PlannedLink } from "./plan.ts";
import { FileList } from "./plan_files.ts";
import { KINDS } from "./record_table.ts";
import { inSlices, type Steps } from "./steps.ts";
import { HASH_LENGTH } from "./tree_hashes.ts";

/**
 * What `checkManifest` would say of the tree's manifest, in a fraction of the time. `undefined` where what has changed
 * may break a rule or concerns more than itself: links, directories that others lie in, names that are compared
 * folded. Then the whole manifest is to be checked.
 *
 * @param tree one whose manifest is known to be right, of what a fetch with these options made.
 */
export function* planChanges(tree: ChangedTree, options: CheckOptions): Steps<ManifestPlan | undefined> {
  try {
    return keepsRules(tree, options) ? yield* new ChangedPlan(tree, options).make() : undefined;
  } catch (error) {
    if (error instanceof HawserError) return undefined;
    throw error;
  }
}

/**
 * Whether rules about paths and links that held before hold still. May throw where one does not.
 *
 * Before, every entry lay in a directory with an entry of its own: the tree was made, and listed what it was made of.
 */
function keepsRules(tree: ChangedTree, options: CheckOptions): boolean {
  const platform = hostPlatform();
  if ((options.platform ?? platform) !== platform || (options.foldNames ?? platform !== "posix")) {
    return false;
  }
  if (tree.length > (options.maxEntries ?? DEFAULT_MAX_ENTRIES)) return false;
  const { paths, kinds } = tree.base.table;
  // Other links can only go wrong through a link that was not there. What lay in a directory has to be gone, too.
  for (const row of tree.gone) {
    if (KINDS[kinds[row]] === "dir" && !isDir(tree, paths[row]) && holdsAny(tree, paths[row])) return false;
  }
  const checker = new PathChecker(platform, options.maxDepth ?? DEFAULT_MAX_DEPTH);
  for (const { kind, path } of tree.entries) {
    if (kind === "symlink") return false;
    checker.check(path);
    const parent = parentOf(path);
    if (parent !== "" && !isDir(tree, parent)) return false;
  }
  return true;
}

function isDir(tree: ChangedTree, path: string): boolean {
  const entry = tree.firstNotBefore(path);
  return entry < tree.length && tree.pathAt(entry) === path && tree.kindAt(entry) === "dir";
}

/** Whether anything lies below `path`. */
function holdsAny(tree: ChangedTree, path: string): boolean {
  const entry = tree.firstNotBefore(`${path}/`);
  return entry < tree.length && tree.pathAt(entry).startsWith(`${path}/`);
}

/** A plan that is being put together. */
class ChangedPlan {
  readonly #dirs: PlannedDir[] = [];
  readonly #links: PlannedLink[] = [];
  readonly #files: FileList;
  readonly #modes: ReturnType<typeof modesOf>;

  constructor(readonly tree: ChangedTree, { maxBytes = Number.MAX_SAFE_INTEGER, ...options }: CheckOptions) {
    this.#modes = modesOf(options);
    this.#files = new FileList({ applied: this.#modes.applied, maxBytes }, tree.length);
  }

  *make(): Steps<ManifestPlan> {
    yield* inSlices(this.tree.length, (from, to) => this.#add(from, to));
    return {
      dirs: this.#dirs,
      ...this.#files.finish(),
      links: this.#links,
      skippedLinks: [],
      modeMask: this.#modes.modeMask,
    };
  }

  #add(from: number, to: number): void {
    const { origins, entries, base: { table, hashes } } = this.tree;
    const { paths, kinds, modes, targets } = table;
    for (let i = from; i < to; i++) {
      const row = origins[i];
      if (row < 0) {
        const entry = entries[~row];
        if (entry.kind === "file") this.#files.addEntry(entry);
        else if (entry.kind === "dir") this.#addDir(entry.path, entry.mode);
        continue;
      }
      const path = paths[row];
      const kind = KINDS[kinds[row]];
      if (kind === "file") {
        const at = hashes.firstOf(row) * HASH_LENGTH;
        this.#files.addSmall(path, modes[row], table.sizeOf(row), hashes.bytes, at);
      } else if (kind === "dir") this.#addDir(path, modes[row]);
      else this.#links.push({ path, target: targets.get(row)! });
    }
  }

  #addDir(path: string, mode: number): void {
    this.#dirs.push({ path, mode: this.#modes.applied(mode) });
  }
}
