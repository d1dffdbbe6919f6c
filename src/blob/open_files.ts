/**
 * Files that are kept open because they will be read again soon.
 *
 * @module
 */

/** A bounded set of open files; the one not used for longest is closed for a new one. */
export class OpenFiles<K> {
  // A Map keeps the order of insertion: the first is the one not used for longest.
  readonly #files = new Map<K, number>();
  readonly #limit: number;
  readonly #open: (key: K) => number;
  readonly #close: (fd: number) => void;
  #last: K | undefined;

  /** @param limit How many files may be open. */
  constructor(limit: number, open: (key: K) => number, close: (fd: number) => void) {
    this.#limit = limit;
    this.#open = open;
    this.#close = close;
  }

  /** The open file. Valid until the next call. */
  get(key: K): number {
    let fd = this.#files.get(key);
    if (fd !== undefined && key === this.#last) return fd;
    if (fd === undefined) {
      for (const oldest of this.#files.keys()) {
        if (this.#files.size < this.#limit) break;
        this.drop(oldest);
      }
      fd = this.#open(key);
    } else this.#files.delete(key);
    this.#files.set(key, fd);
    this.#last = key;
    return fd;
  }

  /** Closes a file if it is open. */
  drop(key: K): void {
    const fd = this.#files.get(key);
    if (fd === undefined) return;
    this.#files.delete(key);
    this.#close(fd);
  }

  /** Closes all. */
  closeAll(): void {
    for (const key of [...this.#files.keys()]) this.drop(key);
  }
}
