/**
 * Ceilings of files: making and reading small ones.
 *
 * @module
 */

import { permissions } from "#permissions";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "../runtime/files.ts";
import { join, resolve } from "../runtime/path.ts";
import { toHex } from "../wire/bytes.ts";
import type { Ceiling } from "./doctor_report.ts";

/** Files that are made. */
const FILES = 600;
/** Their size, bytes: what source files have in the middle. */
export const FILE_SIZE = 3_000;
const FILES_PER_FOLDER = 30;

/** The flags that a folder for files below `parent` needs; none when it is permitted. */
export function missingFileFlags(parent: string): string[] {
  const path = resolve(parent);
  return [
    ...(permissions.mayRead(path) ? [] : [permissions.readFlag(path)]),
    ...(permissions.mayWrite(path) ? [] : [permissions.writeFlag(path)]),
  ];
}

/** Has `work` use a new folder below `parent`, which is removed afterwards. */
export async function withFolder<T>(parent: string, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(resolve(parent), `.hawser-doctor-${toHex(crypto.getRandomValues(new Uint8Array(8)))}`);
  mkdirSync(folder);
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Makes a tree of small files at `root` and reads it again; all of them are counted. */
export function measureFiles(root: string, where: string): Ceiling[] {
  const paths: string[] = [];
  for (let i = 0; i < FILES; i++) {
    const folder = join(root, `folder${Math.floor(i / FILES_PER_FOLDER)}`);
    if (i % FILES_PER_FOLDER === 0) mkdirSync(folder, { recursive: true });
    paths.push(join(folder, `file${i}`));
  }
  const content = new Uint8Array(FILE_SIZE);
  const counter = new DataView(content.buffer);
  const perSecond = (action: (path: string) => void): number => {
    const begin = performance.now();
    for (const path of paths) action(path);
    return paths.length * 1000 / (performance.now() - begin);
  };
  let i = 0;
  const write = perSecond((path) => {
    // No two alike: equal files would be sent once.
    counter.setUint32(0, i++);
    writeFileSync(path, content);
  });
  const read = perSecond((path) => void readFileSync(path));
  const common = { resource: "files", driver: where, size: FILE_SIZE } as const;
  return [{ ...common, action: "write", perSecond: write }, { ...common, action: "read", perSecond: read }];
}
