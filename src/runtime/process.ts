/**
 * What a command needs of the process around it: its streams, terminal, signals, arguments and end. One driver per
 * runtime behind `#process`. None needs a permission, but for what gives nothing where it may not look.
 *
 * @module
 */

/** Columns assumed where the terminal does not tell. */
export const DEFAULT_COLUMNS = 80;

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

/** Signals that ask a process to end. */
export type EndSignal = "SIGINT" | "SIGTERM";

/** An address of one of this machine's network interfaces. */
export interface NetworkAddress {
  /** Such as `192.168.1.20` or `2001:db8::20`. */
  readonly address: string;
  /** Protocol family. */
  readonly family: "IPv4" | "IPv6";
  /** Whether it reaches this machine only. */
  readonly internal: boolean;
}
