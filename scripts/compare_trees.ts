/**
 * Compares two directories byte for byte.
 *
 * @module
 */

import { lstatSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { join } from "node:path";

/** What was found equal. */
export interface Comparison {
  /** Regular files with equal bytes and modes. */
  files: number;
  /** Their bytes. */
  bytes: number;
  /** Directories. */
  dirs: number;
  /** Symbolic links with equal targets. */
  symlinks: number;
}

/**
 * Throws at the first difference in names, kinds, modes, link targets or contents.
 *
 * @param left one directory. @param right the other. @param skipSymlinks whether links of `left` are not expected in `right`.
 */
export function compareTrees(left: string, right: string, skipSymlinks = false): Comparison {
  const result: Comparison = { files: 0, bytes: 0, dirs: 0, symlinks: 0 };
  const compare = (path: string): void => {
    const [a, b] = [join(left, path), join(right, path)];
    const names = readdirSync(a).filter((name) =>
      !(skipSymlinks && lstatSync(join(a, name)).isSymbolicLink())
    ).sort();
    const others = readdirSync(b).sort();
    if (names.join("\0") !== others.join("\0")) {
      throw new Error(`Compare: "${path || "."}" has other entries: ${names.length} and ${others.length}`);
    }
    for (const name of names) {
      const below = path === "" ? name : `${path}/${name}`;
      const [fileA, fileB] = [join(a, name), join(b, name)];
      const [statA, statB] = [lstatSync(fileA), lstatSync(fileB)];
      const isLink = statA.isSymbolicLink();
      if ((statA.mode & 0o170777) !== (statB.mode & 0o170777) && !isLink) {
        throw new Error(`Compare: "${below}" has another mode`);
      }
      if (statA.isDirectory()) {
        result.dirs++;
        compare(below);
      } else if (isLink) {
        if (readlinkSync(fileA) !== readlinkSync(fileB)) {
          throw new Error(`Compare: "${below}" leads elsewhere`);
        }
        result.symlinks++;
      } else {
        const bytes = readFileSync(fileA);
        if (!bytes.equals(readFileSync(fileB))) throw new Error(`Compare: "${below}" has other bytes`);
        result.files++;
        result.bytes += bytes.length;
      }
    }
  };
  compare("");
  return result;
}

/** Whether a directory holds a symbolic link somewhere. */
export function hasSymlinks(root: string): boolean {
  return readdirSync(root, { withFileTypes: true }).some((entry) =>
    entry.isSymbolicLink() || (entry.isDirectory() && hasSymlinks(join(root, entry.name)))
  );
}
