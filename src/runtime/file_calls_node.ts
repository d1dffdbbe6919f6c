/**
 * File calls of a helping thread, Node driver.
 *
 * @module
 */

import {
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  unlinkSync,
  writeSync,
} from "node:fs";
import type { FileCalls } from "./file_calls.ts";
import { lookAt } from "./look_node.ts";

/** In half the time of the call that Node has for it. */
function removeTree(path: string): void {
  if (lstatSync(path).isDirectory()) removeDirectory(path);
  else unlinkSync(path);
}

function removeDirectory(path: string): void {
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = `${path}/${entry.name}`;
    if (entry.isDirectory()) removeDirectory(child);
    else unlinkSync(child);
  }
  rmdirSync(path);
}

/** Node's calls. */
export const fileCalls: FileCalls = {
  prepare() {},
  makeDirectory: (path) => mkdirSync(path),
  makeFile(path, bytes, mode, durable) {
    const fd = openSync(path, "wx", mode);
    try {
      for (let at = 0; at < bytes.length;) at += writeSync(fd, bytes, at, bytes.length - at);
      if (durable) fsyncSync(fd);
    } finally {
      closeSync(fd);
    }
  },
  read: () => 0,
  linkFile: (from, to) => linkSync(from, to),
  removeFile: (path) => unlinkSync(path),
  removeTree,
  look: lookAt,
};
