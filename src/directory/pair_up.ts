/**
 * The entries of a plan beside those of a tree: both are sorted in most cases, so that one pass finds what belongs
 * together.
 *
 * @module
 */

import { comparePaths } from "./path_rules.ts";
import type { ManifestPlan } from "./plan.ts";
import { KINDS, type RecordTable } from "./record_table.ts";
import type { WalkRecord } from "./walk.ts";

/** What a plan has lists of. */
export type PlannedKind = WalkRecord["kind"];

/** Told of an entry of a plan: its number in the list of its kind, and the tree's entry at its path, if there is one. */
export type PairVisitor = (kind: PlannedKind, item: number, entry: number | undefined) => void;

/** The entries of one kind. */
export function itemsOf(
  { files, dirs, links }: ManifestPlan,
  kind: PlannedKind,
): readonly { path: string }[] {
  if (kind === "file") return files;
  return kind === "dir" ? dirs : links;
}

/**
 * Calls `visit` for every entry of a plan, which has no path twice: of each kind in order, but for those that are not
 * where the order of the tree's entries lets expect them. Returns the paths that the tree has and the plan has not.
 */
export function pairUp(plan: ManifestPlan, { paths, kinds }: RecordTable, visit: PairVisitor): string[] {
  /** Entries of the plan that were passed over. */
  const passed: [PlannedKind, number][] = [];
  /** Entries of the tree without one of the plan. */
  const single: number[] = [];
  const next = { file: 0, dir: 0, symlink: 0 };
  const lists = { file: plan.files, dir: plan.dirs, symlink: plan.links };
  for (let entry = 0; entry < paths.length; entry++) {
    const kind = KINDS[kinds[entry]];
    const path = paths[entry];
    const items = lists[kind];
    let item = next[kind];
    // Most are where they are expected, which is sooner found out than which of two comes first.
    while (item < items.length && items[item].path !== path && comparePaths(items[item].path, path) < 0) {
      passed.push([kind, item++]);
    }
    if (item < items.length && items[item].path === path) visit(kind, item++, entry);
    else single.push(entry);
    next[kind] = item;
  }
  for (const kind of ["dir", "symlink", "file"] as const) {
    for (let item = next[kind]; item < lists[kind].length; item++) passed.push([kind, item]);
  }
  // Of another kind, or in another order.
  const places = new Map(single.map((entry) => [paths[entry], entry]));
  for (const [kind, item] of passed) {
    const { path } = lists[kind][item];
    visit(kind, item, places.get(path));
    places.delete(path);
  }
  return [...places.keys()];
}
