/**
 * Which entries of a tree take part, by glob patterns.
 *
 * @module
 */

import { parentOf } from "./path_rules.ts";

/**
 * Patterns that choose entries of a tree. A pattern is matched against the whole path below the root: `*` and `?`
 * stay within a component, `**` crosses them, `[a-z]` is one of a set, `{a,b}` either; names that begin with a dot
 * are nothing special. So `*.log` is a file at the top, `**` + `/*.log` one anywhere. What holds for a directory
 * holds for everything below it.
 */
export interface PathPatterns {
  /** Only what matches one of these, and the directories on the way there. @default everything */
  readonly include?: readonly string[];
  /** Never what matches one of these. Stronger than `include`. @default nothing */
  readonly exclude?: readonly string[];
}

/** Whether a path matches. */
type Matcher = (path: string) => boolean;

/** {@linkcode PathPatterns}, ready to be asked. */
export class PathFilter {
  readonly #include: Matcher | undefined;
  readonly #exclude: Matcher | undefined;

  private constructor(include: Matcher | undefined, exclude: Matcher | undefined) {
    this.#include = include;
    this.#exclude = exclude;
  }

  /** @param patterns what to match. */
  static async create(patterns: PathPatterns): Promise<PathFilter> {
    const include = patterns.include && (await compile(patterns.include) ?? (() => false));
    return new PathFilter(include, await compile(patterns.exclude));
  }

  /** Whether the entry and all below it are left out. */
  excludes(path: string): boolean {
    return this.#exclude?.(path) ?? false;
  }

  /** Keeps what `include` chooses; the order stays. Parents come before their children, as sorting by path does. */
  select<T extends { readonly path: string; readonly kind: string }>(records: readonly T[]): T[] {
    const include = this.#include;
    if (include === undefined) return [...records];
    /** Directories chosen whole, and those that lead to something chosen. */
    const whole = new Set<string>();
    const onTheWay = new Set<string>();
    const chosen = new Set<string>();
    for (const { path, kind } of records) {
      const parent = parentOf(path);
      if (!whole.has(parent) && !include(path)) continue;
      chosen.add(path);
      if (kind === "dir") whole.add(path);
      for (let dir = parent; dir !== "" && !onTheWay.has(dir); dir = parentOf(dir)) onTheWay.add(dir);
    }
    return records.filter(({ path }) => chosen.has(path) || onTheWay.has(path));
  }
}

/** Whether a path matches one of `globs`; `undefined` when there are none. */
async function compile(globs: readonly string[] = []): Promise<Matcher | undefined> {
  if (globs.length === 0) return undefined;
  // Imported here: few programs have patterns, all others start sooner.
  // @ts-types="@types/picomatch"
  const { default: picomatch } = await import("picomatch/posix.js");
  return picomatch([...globs], { dot: true });
}
