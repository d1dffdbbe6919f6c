/** A process for tests: streams that collect, a clock that is set, signals that are sent by hand. */
import type { CliIo } from "../../src/cli/io.ts";
import type { EndSignal, NetworkAddress, TextOutput } from "../../src/runtime/process.ts";

/** A stream that keeps what is written. */
export class FakeOutput implements TextOutput {
  text = "";
  isTerminal = false;
  columns = 80;

  write(text: string): void {
    this.text += text;
  }

  flush(): Promise<void> {
    return Promise.resolve();
  }

  /** Lines written, without the last line's end. */
  get lines(): string[] {
    return this.text.replace(/\n$/, "").split("\n");
  }
}

/** Everything the command knows of the process. */
export class FakeIo implements CliIo {
  readonly stdout = new FakeOutput();
  readonly stderr = new FakeOutput();
  readonly exits: number[] = [];
  interfaces: NetworkAddress[] = [];
  cache: string | undefined;
  time = 0;
  #handlers = new Set<(signal: EndSignal) => void>();

  now(): number {
    return this.time;
  }

  onEndSignal(handler: (signal: EndSignal) => void): () => void {
    this.#handlers.add(handler);
    return () => void this.#handlers.delete(handler);
  }

  exit(code: number): void {
    this.exits.push(code);
  }

  networkAddresses(): NetworkAddress[] {
    return this.interfaces;
  }

  cacheFolder(): Promise<string | undefined> {
    return Promise.resolve(this.cache);
  }

  /** How many handlers listen for signals. */
  get listening(): number {
    return this.#handlers.size;
  }

  /** Sends a signal to the command. */
  kill(signal: EndSignal): void {
    for (const handler of this.#handlers) handler(signal);
  }
}
