/**
 * File calls of a helping thread, Node driver.
 *
 * @module
 */

import { closeSync, fsyncSync, linkSync, mkdirSync, openSync, unlinkSync, writeSync } from "node:fs";
import type { FileCalls } from "./file_calls.ts";
import { lookAt } from "./look_node.ts";

/** Node's calls. */
export const fileCalls: FileCalls = {
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
  linkFile: (from, to) => linkSync(from, to),
  removeFile: (path) => unlinkSync(path),
  look: lookAt,
};
