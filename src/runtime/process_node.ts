/**
 * The process around a command, Node driver.
 *
 * @module
 */

import { statSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { resolve } from "node:path";
import process from "node:process";
import { permissions } from "./permissions_node.ts";
import { DEFAULT_COLUMNS, type EndSignal, type NetworkAddress, type TextOutput } from "./process.ts";

class StreamOutput implements TextOutput {
  #stream: NodeJS.WriteStream;
  #broken = false;
  #listening = false;

  constructor(stream: NodeJS.WriteStream) {
    this.#stream = stream;
  }

  get isTerminal(): boolean {
    return this.#stream.isTTY === true;
  }

  get columns(): number {
    return this.#stream.columns > 0 ? this.#stream.columns : DEFAULT_COLUMNS;
  }

  write(text: string): void {
    if (this.#broken) return;
    if (!this.#listening) {
      this.#listening = true;
      this.#stream.on("error", () => {
        this.#broken = true;
      });
    }
    this.#stream.write(text);
  }

  flush(): Promise<void> {
    if (this.#broken || !this.#listening) return Promise.resolve();
    return new Promise((resolve) => this.#stream.write("", () => resolve()));
  }
}

/** Standard output. */
export function standardOutput(): TextOutput {
  return new StreamOutput(process.stdout);
}

/** Standard error. */
export function standardError(): TextOutput {
  return new StreamOutput(process.stderr);
}

/** Arguments after the program's own name. */
export function processArguments(): string[] {
  return process.argv.slice(2);
}

/** Ends the process now. */
export function exitProcess(code: number): never {
  process.exit(code);
}

/** Calls `handler` at every SIGINT and SIGTERM instead of ending the process. Returns what undoes it. */
export function onEndSignal(handler: (signal: EndSignal) => void): () => void {
  const undo = (["SIGINT", "SIGTERM"] as const).map((signal) => {
    const listener = () => handler(signal);
    process.on(signal, listener);
    return () => void process.off(signal, listener);
  });
  return () => undo.forEach((off) => off());
}

/** Addresses of this machine's interfaces. */
export function networkAddresses(): NetworkAddress[] {
  const addresses: NetworkAddress[] = [];
  for (const list of Object.values(networkInterfaces())) {
    for (const { address, family, internal } of list ?? []) {
      if (family === "IPv4" || family === "IPv6") addresses.push({ address, family, internal });
    }
  }
  return addresses;
}

/** Absolute path of `path`. */
// deno-lint-ignore require-await -- async as in the other driver
export async function absolutePath(path: string): Promise<string> {
  return resolve(path);
}

/** Whether there is a file or directory at `path` that Node lets us look at. */
export function isFileOrDirectory(path: string): boolean {
  try {
    if (!permissions.mayRead(path)) return false;
    const found = statSync(path);
    return found.isFile() || found.isDirectory();
  } catch {
    return false;
  }
}
