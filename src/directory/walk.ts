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
import { DIRECTORY_MARK, type Look } from "../runtime/look.ts";
import { DEFAULT_MAX_DEPTH, DEFAULT_MAX_ENTRIES } from "./limits.ts";
import type { WorkPacer } from "./pacer.ts";
import type { PathFilter } from "./path_filter.ts";
import { RecordTable } from "./record_table.ts";
import { comparePaths, hasHighUnits, sortByPath } from "./path_rules.ts";

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
  /** What the tree may well look like still: equal paths become the same text, which is not made once more. */
  readonly expected?: RecordTable;
}

/** Everything below a directory. */
export interface WalkedTree {
  /** Entries, sorted by the UTF-8 bytes of their paths. */
  readonly table: RecordTable;
  /** What was left out because a manifest cannot hold it. */
  readonly skipped: SkippedEntry[];
}

/** What a name that is no UTF-8 is decoded to: the reason to look closer. */
const REPLACEMENT = "\uFFFD";

const SLASH = 0x2f;
/** Entries between two looks at the clock. */
const CLOCK_EVERY = 8;

/** The names in a directory that is walked next, or as soon as those that come before it in order have been. */
interface ListedDirectory {
  readonly name: string;
  readonly names: readonly string[];
  /** The next outer one that waits. */
  readonly outer: ListedDirectory | undefined;
}

/** A directory that is being walked. */
interface OpenDirectory {
  /** Its path and a slash; nothing for the root. */
  readonly prefix: string;
  /** Its absolute path and a slash. */
  readonly absolute: string;
  /** Number of components of the paths of what is in it. */
  readonly depth: number;
  /** What is in it, sorted; directories marked. */
  readonly names: readonly string[];
  /** Number of the next of them. */
  next: number;
  /** Directories in it that were visited, and what is in them not yet. */
  held: ListedDirectory | undefined;
  /** The directory that it is in. */
  readonly outer: OpenDirectory | undefined;
}

/** Lists everything below `root`, an absolute path that is a directory. */
export async function walkTree(root: string, options: WalkOptions): Promise<WalkedTree> {
  const walk = new TreeWalk(root, options);
  await walk.run();
  if (options.expected !== undefined) walk.table.shareEncodedPaths(options.expected);
  return { table: walk.table, skipped: sortByPath(walk.skipped) };
}

class TreeWalk {
  readonly table: RecordTable;
  readonly skipped: SkippedEntry[] = [];
  readonly #root: string;
  readonly #options: WalkOptions;
  readonly #maxEntries: number;
  readonly #maxDepth: number;
  readonly #hasModes = hostPlatform() !== "windows";
  readonly #expected: readonly string[];
  /** Number of the first expected path that was not passed yet. */
  #next = 0;

  constructor(root: string, options: WalkOptions) {
    this.#root = root;
    this.#options = options;
    this.#expected = options.expected?.paths ?? [];
    this.table = RecordTable.empty(options.expected?.length);
    this.#maxEntries = options.maxEntries ?? DEFAULT_MAX_ENTRIES;
    this.#maxDepth = options.maxDepth ?? DEFAULT_MAX_DEPTH;
  }

  async run(): Promise<void> {
    const { pacer, only } = this.#options;
    let dir: OpenDirectory | undefined = {
      prefix: "",
      absolute: `${this.#root}/`,
      depth: 1,
      names: this.#rootNames(only),
      next: 0,
      held: undefined,
      outer: undefined,
    };
    while ((dir = this.#walk(dir)) !== undefined) await pacer.pause();
  }

  #rootNames(only: string | undefined): readonly string[] {
    if (only !== undefined) return [only];
    try {
      return this.#list(this.#root, "");
    } catch (error) {
      this.#unreadable("", error);
      return [];
    }
  }

  /** Goes on in `start` until it is time for a pause; returns where to go on then. */
  #walk(start: OpenDirectory): OpenDirectory | undefined {
    const { pacer } = this.#options;
    let dir: OpenDirectory | undefined = start;
    for (let steps = 1; dir !== undefined; steps++) {
      const { names, held, next } = dir;
      if (held !== undefined && (next === names.length || !isBeforeContent(names[next], held.name))) {
        dir.held = held.outer;
        dir = enter(dir, held);
      } else if (next === names.length) dir = dir.outer;
      else {
        dir.next++;
        this.#visit(dir, names[next]);
      }
      if (steps % CLOCK_EVERY === 0 && pacer.due) break;
    }
    return dir;
  }

  /** Notes what is in `dir` by a name, which is marked when it is that of a directory. */
  #visit(dir: OpenDirectory, marked: string): void {
    const name = withoutMark(marked);
    const isDirectory = name !== marked;
    const path = this.#pathOf(dir.prefix, name);
    if (this.#options.filter?.excludes(path)) return;
    const absolute = dir.absolute + name;
    let names: readonly string[] = [];
    let failure: { readonly error: unknown } | undefined;
    if (isDirectory) {
      try {
        names = this.#list(absolute, path);
      } catch (error) {
        failure = { error };
      }
    }
    // After the listing, which follows links: it was that of a directory, not of a link put in its place.
    const look = this.#look(path, absolute);
    if (look === undefined) return;
    const { kind } = look;
    if (kind === "other") {
      return this.#skip(path, specialKind(lstatSync(absolute, { throwIfNoEntry: false })));
    }
    const target = kind === "symlink" ? this.#targetOf(absolute) : "";
    if (target === undefined) return this.#skip(path, "link target is not UTF-8");
    if ((kind === "dir") !== isDirectory) {
      if (this.#options.tolerant) return this.#skip(path, "replaced while it was listed");
      throw new SourceChangedError(absolute, "replaced while it was listed");
    }
    this.#checkLimits(path, dir.depth);
    this.table.add(path, kind, this.#hasModes ? look.mode : 0, look, target);
    if (failure !== undefined) this.#unreadable(path, failure.error);
    else if (names.length > 0) dir.held = { name, names, outer: dir.held };
  }

  #unreadable(path: string, error: unknown): void {
    if (!this.#options.tolerant) throw fileError(error, this.#options.action, this.#absolute(path));
    this.skipped.push({ path, reason: "unreadable" });
  }

  /** What is in a directory, each name once, in order. */
  #list(absolute: string, path: string): string[] {
    const names = listDirectory(absolute);
    if (names.length < 2) return names;
    // Asked once for all of them, which is cheaper.
    if (!hasHighUnits(names.join(""))) return names.sort();
    return this.#withoutLossyDuplicates(path, names).sort(comparePaths);
  }

  /** A name that really holds U+FFFD and one that merely decodes to it look the same: keep one of them. */
  #withoutLossyDuplicates(path: string, names: readonly string[]): string[] {
    const once = [...new Map(names.map((name) => [withoutMark(name), name])).values()];
    for (let extra = names.length - once.length; extra > 0; extra--) {
      this.#skip(path === "" ? REPLACEMENT : `${path}/${REPLACEMENT}`, "name is not UTF-8");
    }
    return once;
  }

  /** The path of a name, which is the one expected if that is equal. */
  #pathOf(prefix: string, name: string): string {
    const expected = this.#expected;
    if (this.#next >= expected.length) return prefix + name;
    const next = expected[this.#next];
    if (next.length === prefix.length + name.length && next.endsWith(name) && next.startsWith(prefix)) {
      this.#next++;
      return next;
    }
    const path = prefix + name;
    while (this.#next < expected.length && comparePaths(expected[this.#next], path) < 0) this.#next++;
    return expected[this.#next] === path ? expected[this.#next++] : path;
  }

  #look(path: string, absolute: string): Look | undefined {
    try {
      return lookAt(absolute);
    } catch (error) {
      if (errorCode(error) === "ENOENT") {
        // The runtime decodes names lossily; asking for the decoded one then finds nothing.
        if (path.slice(path.lastIndexOf("/") + 1).includes(REPLACEMENT)) {
          return this.#skip(path, "name is not UTF-8");
        }
        if (this.#options.tolerant) return undefined;
        throw new SourceChangedError(absolute, "removed while its directory was listed", { cause: error });
      }
      if (this.#options.tolerant) return this.#skip(path, "unreadable");
      throw fileError(error, this.#options.action, absolute);
    }
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
    if (this.table.length >= this.#maxEntries) {
      const message = `${action}: there are more than ${this.#maxEntries} entries`;
      throw new LimitExceededError(message, "maxEntries", this.table.length + 1, this.#maxEntries);
    }
  }

  #absolute(path: string): string {
    return path === "" ? this.#root : `${this.#root}/${path}`;
  }
}

function withoutMark(name: string): string {
  return name.endsWith(DIRECTORY_MARK) ? name.slice(0, -1) : name;
}

/** Whether a name that comes after that of `directory` comes before what lies in it: before the name and a slash. */
function isBeforeContent(name: string, directory: string): boolean {
  return name.startsWith(directory) && name.charCodeAt(directory.length) < SLASH;
}

function enter(dir: OpenDirectory, { name, names }: ListedDirectory): OpenDirectory {
  const prefix = `${dir.prefix}${name}/`;
  const absolute = `${dir.absolute}${name}/`;
  return { prefix, absolute, depth: dir.depth + 1, names, next: 0, held: undefined, outer: dir };
}

function specialKind(stat: Stats | undefined): string {
  if (stat?.isFIFO()) return "is a FIFO";
  if (stat?.isSocket()) return "is a socket";
  if (stat?.isBlockDevice() || stat?.isCharacterDevice()) return "is a device";
  return "is neither file, directory nor symbolic link";
}
