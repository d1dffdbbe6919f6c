/**
 * The address of something on disk, without storing it.
 *
 * @module
 */

import { FileSystemError } from "../errors.ts";
import { resolve } from "../runtime/path.ts";
import type { BlobRef } from "../wire/blob_ref.ts";
import { requireRead } from "./access.ts";
import { ContentHasher } from "./content_hasher.ts";
import { FileReader } from "./file_reader.ts";
import { WorkPacer } from "./pacer.ts";
import { resolveExisting, scanDir, type ScanOptions } from "./scan.ts";

/**
 * The reference of the directory or file at `path`; links are followed. Of a directory it is that of its manifest,
 * of a file the one that the manifest of a directory holding it would have. Needs permission to read `path`.
 *
 * Throws as `scanDir` does.
 */
export async function referenceOfPath(path: string, options: ScanOptions = {}): Promise<BlobRef> {
  const action = "Make reference";
  const absolute = resolve(path);
  requireRead(action, absolute);
  const found = resolveExisting(action, absolute);
  if (found.stat.isDirectory()) return (await scanDir(found.path, options)).ref;
  if (!found.stat.isFile()) {
    throw new FileSystemError(`${action}: "${path}" is neither a file nor a directory`, absolute);
  }
  const pacer = new WorkPacer(options.signal);
  const hasher = await ContentHasher.create();
  const pieces = new FileReader(action).chunks(found.path, found.stat);
  const content = await hasher.hash(found.stat.size, pieces, (bytes) => hasher.blake3.hash(bytes), pacer);
  return content.ref;
}
