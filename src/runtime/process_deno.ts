/**
 * The process around a command, Deno driver: what Deno has for Node's sake takes ten milliseconds to load, before a
 * command has begun.
 *
 * @module
 */

import { permissions } from "./permissions_deno.ts";
import { DEFAULT_COLUMNS, type EndSignal, type NetworkAddress, type TextOutput } from "./process.ts";

/** Milliseconds between attempts to write to a pipe that is full and does not wait. */
const PIPE_WAIT = 1;

class DenoOutput implements TextOutput {
  readonly #stream: typeof Deno.stdout | typeof Deno.stderr;
  #broken = false;

  constructor(stream: typeof Deno.stdout | typeof Deno.stderr) {
    this.#stream = stream;
  }

  get isTerminal(): boolean {
    return this.#stream.isTerminal();
  }

  get columns(): number {
    if (!this.isTerminal) return DEFAULT_COLUMNS;
    const { columns } = Deno.consoleSize();
    return columns > 0 ? columns : DEFAULT_COLUMNS;
  }

  write(text: string): void {
    const bytes = new TextEncoder().encode(text);
    for (let at = 0; at < bytes.length && !this.#broken;) at += this.#writeSome(bytes.subarray(at));
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  #writeSome(bytes: Uint8Array): number {
    try {
      return this.#stream.writeSync(bytes);
    } catch (error) {
      if (error instanceof Deno.errors.WouldBlock) {
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, PIPE_WAIT);
      } else {
        this.#broken = true;
      }
      return 0;
    }
  }
}

/** Standard output. */
export function standardOutput(): TextOutput {
  return new DenoOutput(Deno.stdout);
}

/** Standard error. */
export function standardError(): TextOutput {
  return new DenoOutput(Deno.stderr);
}

/** Arguments after the program's own name. */
export function processArguments(): string[] {
  return [...Deno.args];
}

/** Ends the process now. */
export function exitProcess(code: number): never {
  Deno.exit(code);
}

/** Calls `handler` at every SIGINT and SIGTERM instead of ending the process. Returns what undoes it. */
export function onEndSignal(handler: (signal: EndSignal) => void): () => void {
  const signals: readonly EndSignal[] = Deno.build.os === "windows" ? ["SIGINT"] : ["SIGINT", "SIGTERM"];
  const undo = signals.map((signal) => {
    const listener = () => handler(signal);
    Deno.addSignalListener(signal, listener);
    return () => Deno.removeSignalListener(signal, listener);
  });
  return () => undo.forEach((off) => off());
}

/** Addresses of this machine's interfaces; empty where Deno does not permit to look, without asking the user. */
export function networkAddresses(): NetworkAddress[] {
  if (Deno.permissions.querySync({ name: "sys", kind: "networkInterfaces" }).state !== "granted") return [];
  return Deno.networkInterfaces().map(({ address, family, name }) => {
    // Deno does not say it: by the address, or where that tells nothing by the system's name.
    const internal = address === "::1" || address.startsWith("127.") || /^lo\d*$/.test(name);
    return { address, family, internal };
  });
}

/** Absolute path of `path`, as `resolve` of `node:path` gives it. */
export async function absolutePath(path: string): Promise<string> {
  if (Deno.build.os === "windows") return (await import("node:path")).resolve(path);
  const names: string[] = [];
  for (const name of `${path.startsWith("/") ? "" : Deno.cwd()}/${path}`.split("/")) {
    if (name === "..") names.pop();
    else if (name !== "" && name !== ".") names.push(name);
  }
  return `/${names.join("/")}`;
}

/** Whether there is a file or directory at `path` that Deno lets us look at. */
export function isFileOrDirectory(path: string): boolean {
  try {
    if (!permissions.mayRead(path)) return false;
    const { isFile, isDirectory } = Deno.statSync(path);
    return isFile || isDirectory;
  } catch {
    return false;
  }
}
