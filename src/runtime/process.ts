/**
 * The process around a command: its streams, terminal, signals, arguments and end. Works the same in Deno and Node
 * and needs no permission, except {@linkcode networkAddresses}, which gives nothing where it may not look.
 *
 * @module
 */

import process from "node:process";

/** Columns assumed where the terminal does not tell. */
const DEFAULT_COLUMNS = 80;

/** A text stream of the process. Writing never fails: a reader that went away (`| head`) ends the output only. */
export interface TextOutput {
  /** Whether a person looks at it. */
  readonly isTerminal: boolean;
  /** Width of the terminal now, in columns. */
  readonly columns: number;
  /** Writes `text` as it is. */
  write(text: string): void;
  /** Resolves when everything written so far has left the process. */
  flush(): Promise<void>;
}

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

/** Signals that ask a process to end. */
export type EndSignal = "SIGINT" | "SIGTERM";

/** Calls `handler` at every SIGINT and SIGTERM instead of ending the process. Returns what undoes it. */
export function onEndSignal(handler: (signal: EndSignal) => void): () => void {
  const undo = (["SIGINT", "SIGTERM"] as const).map((signal) => {
    const listener = () => handler(signal);
    process.on(signal, listener);
    return () => void process.off(signal, listener);
  });
  return () => undo.forEach((off) => off());
}

/** An address of one of this machine's network interfaces. */
export interface NetworkAddress {
  /** Such as `192.168.1.20` or `2001:db8::20`. */
  readonly address: string;
  /** Protocol family. */
  readonly family: "IPv4" | "IPv6";
  /** Whether it reaches this machine only. */
  readonly internal: boolean;
}

/** Deno's question whether a permission is there; asking it never prompts. Absent in Node. */
interface PermissionAsker {
  permissions?: { querySync(descriptor: { name: "sys"; kind: "networkInterfaces" }): { state: string } };
}

/**
 * Addresses of this machine's interfaces; empty where the runtime does not permit to look (Deno:
 * `--allow-sys=networkInterfaces`), without asking the user.
 */
export function networkAddresses(): NetworkAddress[] {
  const { Deno: deno } = globalThis as { Deno?: PermissionAsker };
  const state = deno?.permissions?.querySync({ name: "sys", kind: "networkInterfaces" }).state;
  if (state !== undefined && state !== "granted") return [];
  const addresses: NetworkAddress[] = [];
  // Loaded here: most commands never look.
  const { networkInterfaces } = process.getBuiltinModule("node:os");
  for (const list of Object.values(networkInterfaces())) {
    for (const { address, family, internal } of list ?? []) {
      if (family === "IPv4" || family === "IPv6") addresses.push({ address, family, internal });
    }
  }
  return addresses;
}
