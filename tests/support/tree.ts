/**
 * Directory trees for tests: making them, and comparing them.
 *
 * @module
 */

import assert from "node:assert/strict";
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import process from "node:process";

/** Content pattern P(n, s) of the specification: byte i is (i + s) mod 251. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = (i + seed) % 251;
  return bytes;
}

/** A tree as data. Directories on the way to an entry are made with mode 0o755. */
export interface TreeSpec {
  /** Files by path: content, or content and mode (0o644 unless given). */
  readonly files?: Readonly<Record<string, string | Uint8Array | readonly [string | Uint8Array, number]>>;
  /** Directories by path, with their modes. Modes are applied last, deepest first. */
  readonly dirs?: Readonly<Record<string, number>>;
  /** Links by path, with their targets. */
  readonly links?: Readonly<Record<string, string>>;
}

/** One of each kind: a file of one chunk, an empty one, one of several chunks, one with another mode, an empty directory. */
export const MIXED_TREE = {
  files: {
    "a/small": "small",
    "a/empty": "",
    "large": pattern(9 * 1024 * 1024 + 3, 1),
    "tool": ["#!", 0o755],
  },
  dirs: { hollow: 0o755 },
} as const satisfies TreeSpec;

/** Makes the directory `root` with all that `spec` says, whatever the umask. */
export function makeTree(root: string, spec: TreeSpec): void {
  makeDir(root);
  for (const path of Object.keys(spec.dirs ?? {})) makeDir(join(root, path));
  for (const [path, value] of Object.entries(spec.files ?? {})) {
    const [content, mode] = typeof value === "string" || value instanceof Uint8Array ? [value, 0o644] : value;
    makeFile(join(root, path), content, mode);
  }
  for (const [path, target] of Object.entries(spec.links ?? {})) {
    makeDir(dirname(join(root, path)));
    symlinkSync(target, join(root, path));
  }
  const deepestFirst = Object.entries(spec.dirs ?? {}).sort(([a], [b]) => a < b ? 1 : -1);
  for (const [path, mode] of deepestFirst) chmodSync(join(root, path), mode);
}

function makeFile(path: string, content: string | Uint8Array, mode: number): void {
  makeDir(dirname(path));
  writeFileSync(path, content);
  chmodSync(path, mode);
}

function makeDir(path: string): void {
  const first = mkdirSync(path, { recursive: true });
  if (first === undefined) return;
  for (let dir = path;; dir = dirname(dir)) {
    chmodSync(dir, 0o755);
    if (dir === first) return;
  }
}

/** Options of {@linkcode makeSeedTree}. */
export interface SeedTreeOptions {
  /** Makes the link `node_modules/.bin/cli`. @default true */
  readonly links?: boolean;
}

/** Makes the tree of `packages` packages that the specification's benchmark uses (9.5). Returns what is in it. */
export function makeSeedTree(
  root: string,
  packages: number,
  options: SeedTreeOptions = {},
): { files: number; bytes: number } {
  let files = 0;
  let bytes = 0;
  for (let p = 0; p < packages; p++) {
    const base = join(root, "node_modules", `pkg${String(p).padStart(4, "0")}`);
    const file = (path: string, length: number, seed: number) => {
      makeFile(join(base, path), pattern(length, seed), 0o644);
      files++;
      bytes += length;
    };
    file("package.json", 200 + p % 400, 1);
    file("index.js", 800 + (7 * p) % 4000, 2);
    file("README.md", 500 + p % 1500, 3);
    for (let f = 0; f < 3 + p % 5; f++) file(`lib/mod${f}.js`, 300 + (p * f) % 6000, f + 4);
    if (p % 7 !== 0) continue;
    file("dist/bundle.min.js", 40_000 + p % 20_000, 9);
    file(`node_modules/dep${p}/index.js`, 600 + p % 2000, 11);
  }
  if (options.links ?? true) {
    makeDir(join(root, "node_modules", ".bin"));
    symlinkSync("../pkg0000/index.js", join(root, "node_modules", ".bin", "cli"));
  }
  return { files, bytes };
}

/** One line per entry of the tree: kind, mode, path, and a file's content or a link's target. */
export function describeTree(root: string): string[] {
  const lines: string[] = [];
  const visit = (path: string) => {
    for (const name of readdirSync(join(root, path))) {
      const relative = path === "" ? name : `${path}/${name}`;
      const absolute = join(root, relative);
      const stat = lstatSync(absolute);
      const mode = process.platform === "win32" ? "" : (stat.mode & 0o7777).toString(8);
      const name_ = JSON.stringify(relative);
      if (stat.isSymbolicLink()) lines.push(`link ${name_} -> ${JSON.stringify(readlinkSync(absolute))}`);
      else if (stat.isDirectory()) {
        lines.push(`dir ${mode} ${name_}`);
        visit(relative);
      } else lines.push(`file ${mode} ${name_} ${stat.size} ${digest(readFileSync(absolute))}`);
    }
  };
  visit("");
  return lines.sort();
}

/** FNV-1a over 64 bits in two halves: short, and good enough to tell test files apart. */
function digest(bytes: Uint8Array): string {
  let a = 0x811c9dc5;
  let b = 0x01000193;
  for (const byte of bytes) {
    a = Math.imul(a ^ byte, 0x01000193);
    b = Math.imul(b ^ byte, 0x85ebca6b) + (a >>> 7);
  }
  return `${(a >>> 0).toString(16)}${(b >>> 0).toString(16)}`;
}

/** Fails with what differs unless both directories hold the same names, kinds, modes, contents and targets. */
export function compareTrees(actual: string, expected: string): void {
  assert.deepEqual(describeTree(actual), describeTree(expected));
}

/** Names in a directory, sorted: to see that nothing was left behind. */
export function namesIn(path: string): string[] {
  return readdirSync(path).sort();
}
