/**
 * Space put aside so that a full disk does not keep the file store from removing blobs: a removal is first of all
 * another record.
 *
 * @module
 */

import { DiskFullError } from "../errors.ts";
import type { StoreFiles } from "./file_store_files.ts";

const NAME = "reserve";
/** Size of the reserve, bytes: removals of 20,000 blobs. */
const RESERVE_BYTES = 1024 * 1024;

/** The file that is given up when the disk is full. */
export class Reserve {
  readonly #files: StoreFiles;
  #isThere = false;

  /** @param files The store's folder. */
  constructor(files: StoreFiles) {
    this.#files = files;
  }

  /** Does `work`; when the disk is full, once more without the reserve. */
  use<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (!(error instanceof DiskFullError) || !this.#isThere) throw error;
      this.#isThere = false;
      this.#files.unlink(NAME);
      return work();
    }
  }

  /** Puts the space aside, where there is some. */
  restore(): void {
    if (this.#isThere) return;
    const files = this.#files;
    try {
      const fd = files.open(NAME, files.list().includes(NAME) ? "write" : "create");
      try {
        if (files.size(fd, NAME) < RESERVE_BYTES) {
          files.write(fd, NAME, new Uint8Array(RESERVE_BYTES), RESERVE_BYTES, 0);
        }
      } finally {
        files.close(fd);
      }
      this.#isThere = true;
    } catch (error) {
      if (!(error instanceof DiskFullError)) throw error;
    }
  }
}
