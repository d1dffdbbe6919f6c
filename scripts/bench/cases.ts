/**
 * What is measured.
 *
 * @module
 */

import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { makeSeedTree, SEED_PACKAGES } from "../seed_tree.ts";
import { findProgram, run } from "./find_program.ts";
import { makePackageTree, PACKAGE_TREE_FILES } from "./package_tree.ts";
import type { CaseResult } from "./results.ts";

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
/** Pieces in which files are made, bytes. */
const PIECE = 4 * MIB;
/** Of so many files one is changed. */
const CHANGED_EVERY = 100;
/** What is appended to it. */
const CHANGE = "changed\n";

/** What is moved. */
export interface Input {
  /** The directory. */
  readonly source: string;
  /** Its only file, if that is all there is. */
  readonly file?: string;
  /** What is done to the directory once a first transfer, unmeasured, has made a copy of it; returns what undoes it. */
  readonly change?: () => () => void;
  readonly files: number;
  readonly bytes: number;
}

/** How inputs are made. */
export interface InputOptions {
  /** Small ones, to see that everything works. */
  readonly quick: boolean;
  /** A directory to use in place of the tree of 13,000 files. */
  readonly tree?: string;
}

/** Something measured. */
export interface Case {
  /** On the command line and in the file of results. */
  readonly id: string;
  readonly title: string;
  /**
   * `transfer` between two new processes; `live` between two that are at it for a while; `store` in one; `rate` of small
   * things between two.
   */
  readonly kind: CaseResult["kind"];
  /** Whether other programs are measured too: all, those that update older copies, or none. */
  readonly peers: "all" | "updating" | "none";
  /** Largest datagram. */
  readonly maxDatagram?: number;
  /** Whether everything is read before the fetch begins. */
  readonly pinned?: boolean;
  /** Makes the input below `folder`; cases that move nothing have none. */
  prepare(folder: string, options: InputOptions): Input;
}

/** All cases, in the order of the report. */
export const CASES: readonly Case[] = [
  transfer("file-1g", "1 GiB file", "all", (folder, quick) => oneFile(folder, quick ? 64 * MIB : GIB)),
  {
    ...transfer(
      "datagram-1452",
      "1 GiB file, datagrams of at most 1452 bytes",
      "none",
      (folder, quick) => oneFile(folder, quick ? 64 * MIB : GIB),
    ),
    maxDatagram: 1452,
  },
  transfer("file-4g", "4 GiB file", "none", (folder, quick) => oneFile(folder, quick ? 128 * MIB : 4 * GIB)),
  {
    ...transfer("tree", "13,000 files, cold", "all", () => nothing()),
    prepare: packageTree,
  },
  {
    ...transfer("unchanged", "13,000 files, nothing changed", "updating", () => nothing()),
    prepare(folder, options) {
      const input = packageTree(folder, options);
      return { ...input, change: () => () => {} };
    },
  },
  {
    ...transfer("changed", "13,000 files, 1 % changed", "updating", () => nothing()),
    prepare(folder, options) {
      const input = packageTree(folder, options);
      const changed = filesOf(input.source).filter((_, i) => i % CHANGED_EVERY === 0);
      const change = () => {
        const sizes = changed.map((file) => statSync(file).size);
        for (const file of changed) appendFileSync(file, CHANGE);
        return () => changed.forEach((file, i) => truncateSync(file, sizes[i]));
      };
      return { ...input, bytes: input.bytes + changed.length * CHANGE.length, change };
    },
  },
  {
    // As net-mesh measures it: the fetch alone, of what was read before.
    ...transfer("seed", "12,430 files, cold, read before", "all", (folder, quick) => {
      const source = join(folder, "source");
      return { source, ...makeSeedTree(source, quick ? 150 : SEED_PACKAGES) };
    }),
    pinned: true,
  },
  transfer("start", "One file of 100 bytes", "none", (folder) => equalFiles(folder, 1, 100)),
  transfer("few", "8 MiB in 2 files", "none", (folder) => equalFiles(folder, 2, 4 * MIB)),
  transfer("many", "8 MiB in 1024 files", "none", (folder) => equalFiles(folder, 1024, 8 * KIB)),
  {
    ...transfer(
      "live-few",
      "8 MiB in 2 files, nodes that are up",
      "none",
      (folder) => seedFiles(folder, 2, 4 * MIB),
    ),
    kind: "live",
  },
  {
    ...transfer(
      "live-many",
      "8 MiB in 1024 files, nodes that are up",
      "none",
      (folder) => seedFiles(folder, 1024, 8 * KIB),
    ),
    kind: "live",
  },
  {
    ...transfer(
      "store-file",
      "storeDir of a 1 GiB file",
      "none",
      (folder, quick) => oneFile(folder, quick ? 64 * MIB : GIB),
    ),
    kind: "store",
  },
  {
    ...transfer("store-tree", "storeDir of 13,000 files", "none", () => nothing()),
    kind: "store",
    prepare: packageTree,
  },
  { ...transfer("handshakes", "Handshakes", "none", () => nothing()), kind: "rate" },
  {
    ...transfer("streams", "Streams that carry 64 bytes there and back", "none", () => nothing()),
    kind: "rate",
  },
];

function transfer(
  id: string,
  title: string,
  peers: Case["peers"],
  make: (folder: string, quick: boolean) => Input,
): Case {
  return { id, title, kind: "transfer", peers, prepare: (folder, { quick }) => make(folder, quick) };
}

const nothing = (): Input => ({ source: "", files: 0, bytes: 0 });

function packageTree(folder: string, { quick, tree }: InputOptions): Input {
  const source = join(folder, "source");
  if (tree === undefined) {
    const files = quick ? PACKAGE_TREE_FILES / 10 : PACKAGE_TREE_FILES;
    return { source, files, bytes: makePackageTree(source, files) };
  }
  copyTree(tree, source);
  const paths = filesOf(source);
  return { source, files: paths.length, bytes: paths.reduce((sum, path) => sum + statSync(path).size, 0) };
}

/** With times, by which rsync tells what has changed. */
function copyTree(from: string, to: string): void {
  const cp = findProgram("cp");
  if (cp === undefined) throw new Error("Copy tree: there is no cp on this machine");
  run(cp, "-a", from, to);
}

/** Regular files below a directory, sorted. */
function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name)).sort();
}

function oneFile(folder: string, bytes: number): Input {
  const source = join(folder, "source");
  const file = join(source, "file.bin");
  mkdirSync(source);
  writeRandom(file, bytes);
  return { source, file, files: 1, bytes };
}

function equalFiles(folder: string, files: number, size: number): Input {
  const source = join(folder, "source");
  mkdirSync(source);
  for (let i = 0; i < files; i++) writeFileSync(join(source, `file${i}.bin`), randomBytes(size));
  return { source, files, bytes: files * size };
}

/** The files with which net-mesh measures whether many cost more than few: byte `i` of file `f` is `(i + f) mod 251`. */
function seedFiles(folder: string, files: number, size: number): Input {
  const source = join(folder, "source");
  const pattern = Uint8Array.from({ length: size + 251 }, (_, i) => i % 251);
  for (let f = 0; f < files; f++) {
    const dir = join(source, `d${f % 32}`);
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, `f${f}.bin`), pattern.subarray(f % 251, f % 251 + size));
  }
  return { source, files, bytes: files * size };
}

function randomBytes(length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 65_536) crypto.getRandomValues(bytes.subarray(at, at + 65_536));
  return bytes;
}

/** No two pieces alike, and no compression shrinks them much. */
function writeRandom(path: string, bytes: number): void {
  const piece = randomBytes(PIECE);
  const counter = new DataView(piece.buffer);
  const file = openSync(path, "w");
  for (let at = 0; at < bytes; at += PIECE) {
    counter.setFloat64(0, at);
    writeSync(file, piece, 0, Math.min(PIECE, bytes - at));
  }
  closeSync(file);
}
