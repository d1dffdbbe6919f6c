/**
 * The tree that figures are measured with: many small files in the shape of a `node_modules`, the same everywhere, so
 * that figures of different programs and machines can be compared.
 *
 * @module
 */

import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Packages of the full tree: 12,430 files, 28,749,570 bytes, 3,647 directories. */
export const SEED_PACKAGES = 1500;

/** Options of {@linkcode makeSeedTree}. */
export interface SeedTreeOptions {
  /** Makes `node_modules/.bin` with its link. @default true */
  readonly symlinks?: boolean;
}

/** What was made. */
export interface SeedTree {
  /** Regular files. */
  readonly files: number;
  /** Their bytes. */
  readonly bytes: number;
}

/** Byte `i` of a file is `(i + seed) mod 251`: every file is a slice of one pattern. */
const PATTERN = Uint8Array.from({ length: 65536 + 251 }, (_, i) => i % 251);

/** Paths, lengths and seeds of the files of package `p`. */
function* packageFiles(p: number): Generator<[path: string, length: number, seed: number]> {
  yield ["package.json", 200 + p % 400, 1];
  yield ["index.js", 800 + 7 * p % 4000, 2];
  yield ["README.md", 500 + p % 1500, 3];
  for (let f = 0; f < 3 + p % 5; f++) yield [`lib/mod${f}.js`, 300 + p * f % 6000, f + 4];
  if (p % 7 === 0) {
    yield ["dist/bundle.min.js", 40_000 + p % 20_000, 9];
    yield [`node_modules/dep${p}/index.js`, 600 + p % 2000, 11];
  }
}

/** Makes the tree of `packages` packages below `root`, which is made too. */
export function makeSeedTree(root: string, packages: number, options: SeedTreeOptions = {}): SeedTree {
  let [files, bytes] = [0, 0];
  const made = new Set<string>();
  for (let p = 0; p < packages; p++) {
    const folder = join(root, "node_modules", `pkg${String(p).padStart(4, "0")}`);
    for (const [path, length, seed] of packageFiles(p)) {
      const file = join(folder, path);
      const parent = dirname(file);
      if (!made.has(parent)) {
        mkdirSync(parent, { recursive: true });
        made.add(parent);
      }
      writeFileSync(file, PATTERN.subarray(seed, seed + length));
      files++;
      bytes += length;
    }
  }
  if (options.symlinks ?? true) {
    mkdirSync(join(root, "node_modules/.bin"), { recursive: true });
    symlinkSync("../pkg0000/index.js", join(root, "node_modules/.bin/cli"));
  }
  return { files, bytes };
}
