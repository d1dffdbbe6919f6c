/**
 * Which entry paths may be written below a destination. Pure functions: the platform is an argument, so the rules
 * of every platform are testable on each.
 *
 * @module
 */

import { UnsafePathError } from "../errors.ts";
import type { HostPlatform } from "../runtime/host.ts";
import { encodeUtf8 } from "../wire/bytes.ts";
import { MAX_NAME_BYTES, MAX_PATH_BYTES } from "./limits.ts";

/** Characters that Windows gives a meaning (`a:b` is a stream of `a`) or refuses. */
// deno-lint-ignore no-control-regex
const WINDOWS_CHARACTERS = /[<>:"|?*\\\x00-\x1f]/;
/**
 * Names that Windows keeps for devices, in any case and with any extension. The superscript digits are no mistake:
 * Windows reads them as digits here.
 */
const WINDOWS_DEVICES = /^(?:CON|PRN|AUX|NUL|CONIN\$|CONOUT\$|(?:COM|LPT)[0-9¹²³])[ ]*(?:\.|$)/i;

/** The error of an entry that must not be written. */
export function unsafe(path: string, problem: string): UnsafePathError {
  return new UnsafePathError(`Check manifest: entry ${JSON.stringify(path)} ${problem}`, path);
}

/** Length of `text` in UTF-8, bytes, exactly where it is near `limit` and cheaply where it cannot be. */
function exceeds(text: string, limit: number): boolean {
  // A UTF-16 unit takes at most three bytes of UTF-8.
  return text.length * 3 > limit && (text.length > limit || encodeUtf8(text).length > limit);
}

/**
 * Checks one component of a path. Returns what is wrong with it, as the end of a sentence that starts with the
 * entry, or `undefined`.
 */
export function componentProblem(name: string, platform: HostPlatform): string | undefined {
  if (name === "") return "has an empty component";
  if (name === "." || name === "..") return `has the component "${name}"`;
  if (name.includes("\0")) return "contains NUL";
  if (exceeds(name, MAX_NAME_BYTES)) return `has a component longer than ${MAX_NAME_BYTES} bytes`;
  if (platform !== "windows") return undefined;
  if (WINDOWS_CHARACTERS.test(name)) return "has a character that Windows does not allow in names";
  if (name.endsWith(".") || name.endsWith(" ")) return "has a component that ends in a dot or space";
  if (WINDOWS_DEVICES.test(name)) return "has a component that names a device on Windows";
  return undefined;
}

/**
 * Throws `UnsafePathError` unless `path` is a plain relative path: `/`-separated, every component a name of its
 * own, at most 4096 bytes and `maxDepth` components, and writable as itself on `platform`.
 */
export function checkEntryPath(path: string, platform: HostPlatform, maxDepth: number): void {
  if (path === "") throw unsafe(path, "has an empty path");
  if (path.startsWith("/")) throw unsafe(path, "is absolute");
  if (exceeds(path, MAX_PATH_BYTES)) throw unsafe(path, `is longer than ${MAX_PATH_BYTES} bytes`);
  let depth = 0;
  for (let at = 0; at <= path.length;) {
    const slash = path.indexOf("/", at);
    const end = slash < 0 ? path.length : slash;
    const problem = componentProblem(path.slice(at, end), platform);
    if (problem !== undefined) throw unsafe(path, problem);
    if (++depth > maxDepth) throw unsafe(path, `has more than ${maxDepth} components`);
    at = end + 1;
  }
}

/**
 * Checks many paths. Of those in one directory, which follow each other in most manifests, only the first is looked at
 * whole: of the others the last component.
 */
export class PathChecker {
  /** Directory of the last path that was looked at whole. */
  #dir = "";

  /** See {@linkcode checkEntryPath}. */
  constructor(readonly platform: HostPlatform, readonly maxDepth: number) {}

  /** See {@linkcode checkEntryPath}. */
  check(path: string): void {
    const dir = parentOf(path);
    if (dir === "" || dir !== this.#dir) {
      checkEntryPath(path, this.platform, this.maxDepth);
      this.#dir = dir;
      return;
    }
    if (exceeds(path, MAX_PATH_BYTES)) throw unsafe(path, `is longer than ${MAX_PATH_BYTES} bytes`);
    const problem = componentProblem(path.slice(dir.length + 1), this.platform);
    if (problem !== undefined) throw unsafe(path, problem);
  }
}

/** The path of the directory that holds `path`; `""` for the root. */
export function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash < 0 ? "" : path.slice(0, slash);
}

/**
 * What a file system that ignores case and Unicode normalisation makes of `path`: two paths with the same key are
 * one there. Coarser than any real one, so it never misses a collision.
 */
export function foldPath(path: string): string {
  // Upper case first: it joins what lower case leaves apart, such as the two small sigmas and ß with ss.
  return path.normalize("NFC").toUpperCase().toLowerCase().normalize("NFC");
}

/** Order of two paths by their UTF-8 bytes, without encoding them (`formats.md` 5.1). */
export function comparePaths(a: string, b: string): number {
  const n = Math.min(a.length, b.length);
  for (let i = 0; i < n; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) return codePointOrder(x) - codePointOrder(y);
  }
  return a.length - b.length;
}

/** UTF-16 puts surrogates below U+E000..U+FFFF, UTF-8 puts the characters they stand for above. */
function codePointOrder(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit >= 0xe000 ? unit - 0x800 : unit + 0x2000;
}

/** Below these units UTF-16, by which the engine compares strings, has the order of UTF-8. */
const SURROGATES_AND_ABOVE = /[\ud800-\uffff]/;

/** Whether `text` has what the engine, which compares UTF-16, may put in another order than UTF-8 has. */
export function hasHighUnits(text: string): boolean {
  return SURROGATES_AND_ABOVE.test(text);
}

/** Sorts `items` by the UTF-8 bytes of their paths, in place; equal paths keep their order. */
export function sortByPath<T extends { readonly path: string }>(items: T[]): T[] {
  if (items.some(({ path }) => hasHighUnits(path))) {
    return items.sort((a, b) => comparePaths(a.path, b.path));
  }
  // The same order, in half the time.
  return items.sort((a, b) => a.path < b.path ? -1 : Number(a.path > b.path));
}
