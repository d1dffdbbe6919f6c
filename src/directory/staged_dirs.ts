/**
 * Where the directories of a tree lie while it is made. Deno, unless everything is allowed, looks at every directory on
 * the way to a file that it opens, twice at those on the way to a new one, and that takes longer than all else about a
 * small file. Trees of many files are therefore made flat there, each directory beside the others by its number, and put
 * together at the end.
 *
 * @module
 */

import { mkdirSync, renameSync } from "../runtime/files.ts";
import type { WorkPacer } from "./pacer.ts";
import { parentOf } from "./path_rules.ts";
import type { ManifestPlan } from "./plan.ts";

/** A directory of a plan. */
interface StagedDir {
  readonly path: string;
  /** Where it is made: of its own number, or in its place in the tree at once. */
  readonly place: string;
  /** Whether there is a file in it or below. */
  readonly hasFiles: boolean;
}

/** The directories of one plan, below the folder `staging`. The finished tree is `tree` there, which exists. */
export class StagedDirs {
  /** The finished tree. */
  readonly root: string;
  readonly #plan: ManifestPlan;
  readonly #staging: string;
  /** By path, parents first. */
  readonly #dirs = new Map<string, StagedDir>();
  /** The one asked for last: files of one directory follow one another. */
  #last: { readonly parent: string; readonly place: string };

  /** @param isFlat whether they are made beside each other. */
  constructor(plan: ManifestPlan, staging: string, readonly isFlat: boolean) {
    this.#plan = plan;
    this.#staging = staging;
    this.root = `${staging}/tree`;
    this.#last = { parent: "", place: this.root };
    if (!isFlat) return;
    const filled = new Set<string>();
    for (const { path } of plan.files) {
      for (let dir = parentOf(path); dir !== "" && !filled.has(dir); dir = parentOf(dir)) filled.add(dir);
    }
    for (const [number, { path }] of plan.dirs.entries()) {
      const hasFiles = filled.has(path);
      const place = hasFiles ? `${staging}/${number}` : `${this.root}/${path}`;
      this.#dirs.set(path, { path, place, hasFiles });
    }
  }

  /**
   * Makes the directories, but for those that hold no file and are made with {@linkcode StagedDirs.nest}.
   *
   * @param has tells which are there already: where they are not made beside each other. @default none
   */
  async make(pacer: WorkPacer, onError: OnError, has?: (path: string) => boolean): Promise<void> {
    for (const [path, place] of this.places()) {
      if (!has?.(path)) attempt(() => mkdirSync(place), path, onError);
      if (pacer.dueByNow) await pacer.pause();
    }
  }

  /** What {@linkcode StagedDirs.make} makes: by path of the plan, parents first, where. */
  places(): Map<string, string> {
    const places = new Map<string, string>();
    for (const { path } of this.#plan.dirs) {
      const dir = this.#dirs.get(path);
      if (dir === undefined || dir.hasFiles) places.set(path, dir?.place ?? `${this.root}/${path}`);
    }
    return places;
  }

  /** Where the file or link at `path` of the plan is to be found now. */
  pathOf(path: string): string {
    if (this.#dirs.size === 0) return `${this.root}/${path}`;
    const slash = path.lastIndexOf("/");
    if (slash < 0) return `${this.root}/${path}`;
    const parent = path.slice(0, slash);
    if (parent !== this.#last.parent) this.#last = { parent, place: this.#dirs.get(parent)!.place };
    return this.#last.place + path.slice(slash);
  }

  /** Puts the tree together. */
  async nest(pacer: WorkPacer, onError: OnError): Promise<void> {
    const dirs = [...this.#dirs.values()];
    // The deepest first: what is moved holds something already, so a name that the file system takes for the same as
    // another one is no name that it could be moved to.
    for (const { path, place, hasFiles } of [...dirs].reverse()) {
      if (hasFiles) attempt(() => renameSync(place, this.pathOf(path)), path, onError);
      if (pacer.dueByNow) await pacer.pause();
    }
    for (const { path, place, hasFiles } of dirs) {
      if (!hasFiles) attempt(() => mkdirSync(place), path, onError);
      if (pacer.dueByNow) await pacer.pause();
    }
    this.#dirs.clear();
  }
}

/**
 * Tells for the path of a file of `plan` where it may lie in a staging folder that an earlier fetch of the same plan left,
 * relative to that.
 */
export function leftPlaces(plan: ManifestPlan): (path: string) => readonly string[] {
  const numbers = new Map(plan.dirs.map(({ path }, number) => [path, number]));
  return (path) => {
    const slash = path.lastIndexOf("/");
    const nested = `tree/${path}`;
    return slash < 0 ? [nested] : [`${numbers.get(path.slice(0, slash))}${path.slice(slash)}`, nested];
  };
}

/** Makes an error to throw of what a call for the directory `path` threw. */
type OnError = (error: unknown, path: string) => Error;

function attempt(work: () => void, path: string, onError: OnError): void {
  try {
    work();
  } catch (error) {
    throw onError(error, path);
  }
}
