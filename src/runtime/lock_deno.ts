/**
 * Exclusive lock on a file, Deno driver: the operating system's advisory lock, which ends with the process however
 * that ends.
 *
 * @module
 */

/** A held lock. */
export interface FileLock {
  /** Lets the lock go. The file stays: removing it would let two processes lock two different files. */
  release(): void;
}

/**
 * Takes the exclusive lock on the file at `path`, which is created when missing; `undefined` when another process
 * (or another holder in this one) has it. Throws what the runtime throws when the file cannot be opened.
 */
export function tryLockFile(path: string): FileLock | undefined {
  const file = Deno.openSync(path, { create: true, read: true, write: true });
  try {
    if (!file.tryLockSync(true)) {
      file.close();
      return undefined;
    }
    // For the Node driver, which knows a holder by its process id only.
    file.truncateSync(0);
    file.writeSync(new TextEncoder().encode(`${Deno.pid}\n`));
  } catch (error) {
    file.close();
    throw error;
  }
  let held = true;
  return {
    release() {
      if (!held) return;
      held = false;
      try {
        file.truncateSync(0);
      } finally {
        file.close();
      }
    },
  };
}
