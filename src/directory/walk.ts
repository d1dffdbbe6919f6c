/**
 * Lists everything below a directory without following a link.
 *
 * @module
 */

import { lookAt } from "#look";
import { LimitExceededError, SourceChangedError, UnsupportedError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import { lstatSync, readdirSync, readlinkSync, type Stats } from "../runtime/files.ts";
import { hostPlatform } from "../runtime/host.ts";
import type { Look } from "../runtime/look.ts";
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_ENTRIES } from "./limits.ts";
import type { WorkPacer } from "./pacer.ts";
import type { PathFilter } from "./path_filter.ts";
import { sortByPath } from "./path_rules.ts";

/** One entry as `lstat` saw it. */
export interface WalkRecord {
  /** Path below the root, `/`-separated. */
  readonly path: string;
  /** What it is. */
  readonly kind: "file" | "dir" | "symlink";
  /** Complete `st_mode`; 0 where the system has none. */
  readonly mode: number;
  /** Size, bytes. */
  readonly size: number;
  /** Time of the last change of the content, milliseconds since 1970. */
  readonly mtimeMs: number;
  /** Time of the last change of anything, milliseconds since 1970; in Deno whole seconds. */
  readonly ctimeMs: number;
  /** Inode number. */
  readonly ino: number;
  /** The file system. */
  readonly dev: number;
  /** The link's text; `""` for other kinds. */
  readonly target: string;
}

/** Something that a manifest cannot hold. */
export interface SkippedEntry {
  /** Path below the root; names that are no UTF-8 with U+FFFD in place of what cannot be read. */
  readonly path: string;
  /** Why it was left out. */
  readonly reason: string;
}

/** What {@linkcode walkTree} needs. */
export interface WalkOptions {
  /** What is done, for messages. */
  readonly action: string;
  /** When to let the event loop turn. */
  readonly pacer: WorkPacer;
  /** Lists this name below the root and nothing beside it. @default everything */
  readonly only?: string;
  /** What to leave out. */
  readonly filter?: PathFilter;
  /** Throws where something would be skipped. */
  readonly strict?: boolean;
  /** Skips what cannot be read instead of failing: for trees that are only looked at for what can be reused. */
  readonly tolerant?: boolean;
  /** Leaves the entries in the order in which they were found. */
  readonly unsorted?: boolean;
  /** Greatest number of entries. */
  readonly maxEntries?: number;
  /** Greatest number of components of a path. */
  readonly maxDepth?: number;
}

/** Everything below a directory. */
export interface WalkedTree {
  /** Entries, sorted by the UTF-8 bytes of their paths. In any order parents come before what is in them. */
  readonly records: WalkRecord[];
  /** What was left out because a manifest cannot hold it. */
  readonly skipped: SkippedEntry[];
}

/** What a name that is no UTF-8 is decoded to: the reason to look closer. */
const REPLACEMENT = "\uFFFD";

/** Lists everything below `root`, an absolute path that is a directory. */
export async function walkTree(root: string, options: WalkOptions): Promise<WalkedTree> {
  const walk = new TreeWalk(root, options);
  await walk.run();
  if (options.unsorted) return { records: walk.records, skipped: walk.skipped };
  return { records: sortByPath(walk.records), skipped: sortByPath(walk.skipped) };
}

class TreeWalk {
  readonly records: WalkRecord[] = [];
  readonly skipped: SkippedEntry[] = [];
  readonly #root: string;
  readonly #options: WalkOptions;
  readonly #maxEntries: number;
  readonly #maxDepth: number;
  readonly #hasModes = hostPlatform() !== "windows";

  constructor(root: string, options: WalkOptions) {
    this.#root = root;
    this.#options = options;
    this.#maxEntries = options.maxEntries ?? DEFAULT_MAX_ENTRIES;
    this.#maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH;
  }

  async run(): Promise<void> {
    const pending: { path: string; ino: number; depth: number }[] = [{ path: "", ino: -1, depth: 0 }];
    const { pacer, filter, only } = this.#options;
    for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
      const isRoot = dir.path === "";
      const names = isRoot && only !== undefined ? [only] : this.#namesIn(dir.path, dir.ino);
      for (const name of names) {
        const path = isRoot ? name : `${dir.path}/${name}`;
        if (filter?.excludes(path)) continue;
        const record = this.#look(path, name);
        if (record === undefined) continue;
        this.#checkLimits(path, dir.depth + 1);
        this.records.push(record);
        if (record.kind === "dir") pending.push({ path, ino: record.ino, depth: dir.depth + 1 });
        if (pacer.due) await pacer.pause();
      }
    }
  }

  /** Names in a directory, each once. */
  #namesIn(path: string, ino: number): string[] {
    const absolute = this.#absolute(path);
    try {
      const names = readdirSync(absolute);
      // Listing follows links: make sure that it was the directory that lstat saw, not a link put in its place.
      if (ino >= 0 && lstatSync(absolute).ino !== ino) {
        throw new SourceChangedError(absolute, "replaced while it was listed");
      }
      if (!names.some((name) => name.includes(REPLACEMENT))) return names;
      return this.#withoutLossyDuplicates(path, names);
    } catch (error) {
      if (!this.#options.tolerant) throw fileError(error, this.#options.action, absolute);
      this.skipped.push({ path, reason: "unreadable" });
      return [];
    }
  }

  /** A name that really holds U+FFFD and one that merely decodes to it look the same: keep one of them. */
  #withoutLossyDuplicates(path: string, names: string[]): string[] {
    const once = new Set(names);
    for (let extra = names.length - once.size; extra > 0; extra--) {
      this.#skip(path === "" ? REPLACEMENT : `${path}/${REPLACEMENT}`, "name is not UTF-8");
    }
    return [...once];
  }

  #look(path: string, name: string): WalkRecord | undefined {
    const absolute = this.#absolute(path);
    let look: Look;
    try {
      look = lookAt(absolute);
    } catch (error) {
      if (errorCode(error) === "ENOENT") {
        // The runtime decodes names lossily; asking for the decoded one then finds nothing.
        if (name.includes(REPLACEMENT)) return this.#skip(path, "name is not UTF-8");
        if (this.#options.tolerant) return undefined;
        throw new SourceChangedError(absolute, "removed while its directory was listed", { cause: error });
      }
      if (this.#options.tolerant) return this.#skip(path, "unreadable");
      throw fileError(error, this.#options.action, absolute);
    }
    const { kind, size, mtimeMs, ctimeMs, ino, dev } = look;
    if (kind === "other") {
      return this.#skip(path, specialKind(lstatSync(absolute, { throwIfNoEntry: false })));
    }
    const mode = this.#hasModes ? look.mode : 0;
    const target = kind === "symlink" ? this.#targetOf(absolute) : "";
    if (target === undefined) return this.#skip(path, "link target is not UTF-8");
    return { path, kind, mode, size, mtimeMs, ctimeMs, ino, dev, target };
  }

  /** The text of a link; `undefined` when it is no UTF-8. */
  #targetOf(absolute: string): string | undefined {
    try {
      // As bytes: Node would decode lossily. Deno refuses text that is no UTF-8 by itself.
      return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(
        readlinkSync(absolute, { encoding: "buffer" }),
      );
    } catch (error) {
      // What the decoder throws, and what Deno does.
      if (error instanceof TypeError || (error as Error).name === "InvalidData") return undefined;
      throw fileError(error, this.#options.action, absolute);
    }
  }

  #skip(path: string, reason: string): undefined {
    if (this.#options.strict) {
      throw new UnsupportedError(
        `${this.#options.action}: ${JSON.stringify(path)} cannot be stored: ${reason}`,
      );
    }
    this.skipped.push({ path, reason });
    return undefined;
  }

  #checkLimits(path: string, depth: number): void {
    const { action } = this.#options;
    if (depth > this.#maxDepth) {
      const message = `${action}: ${JSON.stringify(path)} has more than ${this.#maxDepth} components`;
      throw new LimitExceededError(message, "maxDepth", depth, this.#maxDepth);
    }
    if (this.records.length >= this.#maxEntries) {
      const message = `${action}: there are more than ${this.#maxEntries} entries`;
      throw new LimitExceededError(message, "maxEntries", this.records.length + 1, this.#maxEntries);
    }
  }

  #absolute(path: string): string {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }
}

function specialKind(stat: Stats | undefined): string {
  if (stat?.isFIFO()) return "is a FIFO";
  if (stat?.isSocket()) return "is a socket";
  if (stat?.isBlockDevice() || stat?.isCharacterDevice()) return "is a device";
  return "is neither file, directory nor symbolic link";
}
