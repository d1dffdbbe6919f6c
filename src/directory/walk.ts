/**
 * Lists everything below a directory without following a link.
 *
 * @module
 */

import { listDirectory, lookAt } from "#look";
import { LimitExceededError, SourceChangedError, UnsupportedError } from "../errors.ts";
import { errorCode, fileError } from "../runtime/file_errors.ts";
import { lstatSync, readlinkSync, type Stats } from "../runtime/files.ts";
import { hostPlatform } from "../runtime/host.ts";
import type { DirectoryName, Look } from "../runtime/look.ts";
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
  /** Greatest number of entries. */
  readonly maxEntries?: number;
  /** Greatest number of components of a path. */
  readonly maxDepth?: number;
}

/** Everything below a directory. */
export interface WalkedTree {
  /** Entries, sorted by the UTF-8 bytes of their paths. */
  readonly records: WalkRecord[];
  /** What was left out because a manifest cannot hold it. */
  readonly skipped: SkippedEntry[];
}

/** What a name that is no UTF-8 is decoded to: the reason to look closer. */
const REPLACEMENT = "\uFFFD";

/** A name in a directory, or what lies in the directory of that name. */
interface Item {
  /** What it is sorted by: what lies in a directory comes where the name and a slash would. */
  readonly path: string;
  /** Whether it is the name of a directory. */
  readonly isDirectory: boolean;
  /** Of what lies in a directory, its name. */
  readonly name?: Item;
  /** What was found in it. */
  items?: readonly Item[];
}

/** A directory that is being walked. */
interface OpenDirectory {
  /** Its path and a slash; nothing for the root. */
  readonly prefix: string;
  readonly items: readonly Item[];
  /** Number of the next of them. */
  next: number;
}

/** Lists everything below `root`, an absolute path that is a directory. */
export async function walkTree(root: string, options: WalkOptions): Promise<WalkedTree> {
  const walk = new TreeWalk(root, options);
  await walk.run();
  return { records: walk.records, skipped: sortByPath(walk.skipped) };
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
    const { pacer, only } = this.#options;
    const open: OpenDirectory[] = [{ prefix: "", items: this.#rootItems(only), next: 0 }];
    for (let dir = open.at(-1); dir !== undefined; dir = open.at(-1)) {
      const item = dir.items[dir.next++];
      if (item === undefined) open.pop();
      else if (item.name === undefined) this.#visit(dir.prefix + item.path, item, open.length);
      else if (item.name.items !== undefined) {
        open.push({ prefix: dir.prefix + item.path, items: item.name.items, next: 0 });
        item.name.items = undefined;
      }
      if (pacer.due) await pacer.pause();
    }
  }

  #rootItems(only: string | undefined): readonly Item[] {
    if (only !== undefined) return [{ path: only, isDirectory: false }];
    try {
      return this.#list("");
    } catch (error) {
      this.#unreadable("", error);
      return [];
    }
  }

  /** Notes what is at `path`. */
  #visit(path: string, item: Item, depth: number): void {
    const { filter, tolerant } = this.#options;
    if (filter?.excludes(path)) return;
    let items: readonly Item[] = [];
    let failure: { readonly error: unknown } | undefined;
    if (item.isDirectory) {
      try {
        items = this.#list(path);
      } catch (error) {
        failure = { error };
      }
    }
    // After the listing, which follows links: it was that of a directory, not of a link put in its place.
    const record = this.#look(path, item.path);
    if (record === undefined) return;
    if ((record.kind === "dir") !== item.isDirectory) {
      if (tolerant) return this.#skip(path, "replaced while it was listed");
      throw new SourceChangedError(this.#absolute(path), "replaced while it was listed");
    }
    this.#checkLimits(path, depth);
    this.records.push(record);
    if (failure !== undefined) this.#unreadable(path, failure.error);
    else if (items.length > 0) item.items = items;
  }

  #unreadable(path: string, error: unknown): void {
    if (!this.#options.tolerant) throw fileError(error, this.#options.action, this.#absolute(path));
    this.skipped.push({ path, reason: "unreadable" });
  }

  /** What is in a directory, each name once, in order. */
  #list(path: string): Item[] {
    const found = listDirectory(this.#absolute(path));
    const names = found.some(({ name }) => name.includes(REPLACEMENT))
      ? this.#withoutLossyDuplicates(path, found)
      : found;
    const items: Item[] = [];
    for (const { name, isDirectory } of names) {
      const item: Item = { path: name, isDirectory };
      items.push(item);
      if (isDirectory) items.push({ path: `${name}/`, isDirectory, name: item });
    }
    return sortByPath(items);
  }

  /** A name that really holds U+FFFD and one that merely decodes to it look the same: keep one of them. */
  #withoutLossyDuplicates(path: string, names: readonly DirectoryName[]): DirectoryName[] {
    const once = [...new Map(names.map((name) => [name.name, name])).values()];
    for (let extra = names.length - once.length; extra > 0; extra--) {
      this.#skip(path === "" ? REPLACEMENT : `${path}/${REPLACEMENT}`, "name is not UTF-8");
    }
    return once;
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
