/**
 * From a manifest to a plan: everything about a manifest that can be wrong is found here, before anything is fetched
 * or written (`formats.md` 5.3 and 5.4).
 *
 * @module
 */

import { LimitExceededError } from "../errors.ts";
import { type HostPlatform, hostPlatform } from "../runtime/host.ts";
import type { DirEntry } from "../wire/dir_manifest.ts";
import type { OutlineEntry } from "../wire/dir_outline.ts";
import type { ChunkTable } from "./chunk_table.ts";
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_ENTRIES, type ManifestLimits } from "./limits.ts";
import type { WorkPacer } from "./pacer.ts";
import { foldPath, PathChecker, sortByPath, unsafe } from "./path_rules.ts";
import {
  type FileRules,
  type FilesOf,
  manifestFiles,
  outlineFiles,
  type PlannedDir,
  type PlannedFile,
} from "./plan_files.ts";
import { NameTable } from "./plan_names.ts";
import { runSteps, runStepsPaced, sliced, type Steps } from "./steps.ts";
import { type SymlinkPolicy, symlinkProblem, targetProblem } from "./symlink_rules.ts";

export type { PlannedDir, PlannedFile } from "./plan_files.ts";

/** Permission bits that a fetch applies unless asked for more. */
const PERMISSION_BITS = 0o777;
/** The same with setuid, setgid and sticky. */
const SPECIAL_BITS = 0o7777;

/** Options of {@linkcode checkManifest}. */
export interface CheckOptions extends ManifestLimits {
  /** What to do with symbolic links. @default "inside" */
  readonly symlinks?: SymlinkPolicy;
  /** Applies setuid, setgid and sticky bits too. @default false */
  readonly specialModes?: boolean;
  /** Whose rules of names hold. @default the platform of this process */
  readonly platform?: HostPlatform;
  /**
   * Whether names that differ only in case or in Unicode normalisation are the same file.
   * @default true on Windows and macOS
   */
  readonly foldNames?: boolean;
}

/** A symbolic link to make. */
export interface PlannedLink {
  /** Path below the destination. */
  readonly path: string;
  /** The link's text. */
  readonly target: string;
}

/** What a checked manifest asks for. */
export interface ManifestPlan {
  /** All directories, also those that only the paths of other entries imply; parents come first. */
  readonly dirs: readonly PlannedDir[];
  /** Files in manifest order. */
  readonly files: readonly PlannedFile[];
  /** Links in manifest order, unless they are skipped. */
  readonly links: readonly PlannedLink[];
  /** Paths of links that the policy `skip` left out. */
  readonly skippedLinks: readonly string[];
  /** Sum of the sizes of all files, bytes. */
  readonly bytes: number;
  /** Where every chunk belongs. */
  readonly chunks: ChunkTable;
  /** Mode bits that are applied. */
  readonly modeMask: number;
}

/**
 * Checks every entry of a manifest against all rules and returns what is to be made. Touches nothing.
 *
 * Throws `UnsafePathError` on a path or link that must not be written, `ManifestError` when entries contradict each
 * other or a reference cannot be read, `LimitExceededError` above a limit, `UnsupportedError` when content is
 * referenced in a way that this release cannot fetch.
 */
export function checkManifest(entries: readonly DirEntry[], options: CheckOptions = {}): ManifestPlan {
  return runSteps(check(entries, manifestFiles, options));
}

/** As {@linkcode checkManifest}, with turns of the event loop in between. */
export async function checkManifestPaced(
  entries: readonly DirEntry[],
  options: CheckOptions,
  pacer: WorkPacer,
): Promise<ManifestPlan> {
  return await runStepsPaced(check(entries, manifestFiles, options), pacer);
}

/**
 * As {@linkcode checkManifestPaced}, of an outline: in the plan's table no chunk's hash is known yet. Every rule holds
 * that holds for the manifest which the outline will be.
 */
export async function checkOutlinePaced(
  entries: readonly OutlineEntry[],
  options: CheckOptions,
  pacer: WorkPacer,
): Promise<ManifestPlan> {
  return await runStepsPaced(check(entries, outlineFiles, options), pacer);
}

function* check<T extends DirEntry | OutlineEntry>(
  entries: readonly T[],
  filesOf: FilesOf<T>,
  options: CheckOptions,
): Steps<ManifestPlan> {
  const platform = options.platform ?? hostPlatform();
  const maxEntries = options.maxEntries ?? DEFAULT_MAX_ENTRIES;
  if (entries.length > maxEntries) {
    const message = `Check manifest: ${entries.length} entries exceed the limit of ${maxEntries}`;
    throw new LimitExceededError(message, "maxEntries", entries.length, maxEntries);
  }
  const { maxDepth = DEFAULT_MAX_DEPTH, maxBytes = Number.MAX_SAFE_INTEGER } = options;
  const paths = new PathChecker(platform, maxDepth);
  yield* sliced(entries, (entry) => paths.check(entry.path));
  const foldNames = options.foldNames ?? platform !== "posix";
  const names = new NameTable(foldNames ? foldPath : (path) => path);
  yield* sliced(entries, (entry) => names.add(entry));
  const implied = yield* names.impliedDirs();
  const links = checkLinks(entries, names, platform, options.symlinks ?? "inside");
  const { modeMask, applied } = modesOf(options);
  const dirs: PlannedDir[] = implied.map((path) => ({ path, mode: undefined }));
  for (const entry of entries) {
    if (entry.kind === "dir") dirs.push({ path: entry.path, mode: applied(entry.mode) });
  }
  return {
    dirs: sortByPath(dirs),
    ...yield* filesOf(entries, { applied, maxBytes }),
    ...links,
    modeMask,
  };
}

/** Which bits of modes are applied, and what becomes of a mode; `undefined` leaves what the system gives. */
export function modesOf(
  { specialModes }: CheckOptions,
): Pick<ManifestPlan, "modeMask"> & Pick<FileRules, "applied"> {
  const modeMask = specialModes ? SPECIAL_BITS : PERMISSION_BITS;
  return { modeMask, applied: (mode) => mode === 0 ? undefined : mode & modeMask };
}

function checkLinks(
  entries: readonly (DirEntry | OutlineEntry)[],
  names: NameTable,
  platform: HostPlatform,
  policy: SymlinkPolicy,
): Pick<ManifestPlan, "links" | "skippedLinks"> {
  const links: PlannedLink[] = [];
  const skippedLinks: string[] = [];
  const context = { platform, isLink: (path: string) => names.isLink(path) };
  for (const entry of entries) {
    if (entry.kind !== "symlink") continue;
    if (policy === "skip") {
      skippedLinks.push(entry.path);
      continue;
    }
    const problem = targetProblem(entry.target) ??
      (policy === "inside" ? symlinkProblem(entry.path, entry.target, context) : undefined);
    if (problem !== undefined) throw unsafe(entry.path, problem);
    links.push({ path: entry.path, target: entry.target });
  }
  return { links, skippedLinks };
}
