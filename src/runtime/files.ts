/**
 * File calls, the same in Deno and Node. Synchronous: for many small files they are several times faster than a
 * promise per call; whoever does many of them yields to the event loop in between.
 *
 * @module
 */

export {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fstatSync,
  fsync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  rmSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
export type { Dirent, Stats } from "node:fs";
