/**
 * What `hawser doctor` finds out.
 *
 * @module
 */

/** What a ceiling is about. */
export type Resource = "udp" | "encryption" | "hash" | "files";

/** How fast this machine does one thing on its own, with nothing else going on. */
export interface Ceiling {
  /** What it is about. */
  readonly resource: Resource;
  /** What of it: `send` (UDP, from socket to socket), `seal`, `open`, `hash`, `write` or `read`. */
  readonly action: string;
  /** What does it, such as `node:dgram`; of files, where they are. */
  readonly driver: string;
  /** Bytes of a datagram, packet or file. */
  readonly size: number;
  /** Of these a second. */
  readonly perSecond: number;
}

/** Something that was not measured. */
export interface Skipped {
  /** What. */
  readonly what: string;
  /** Why, and the flag that changes it. */
  readonly reason: string;
  /** Whether it would be faster than what is used instead. */
  readonly isFaster: boolean;
}

/** A transfer between two nodes in this process. */
export interface Transfer {
  /** One big blob in memory, or a folder of small files. */
  readonly kind: "bytes" | "files";
  /** Bytes, or files, a second. */
  readonly perSecond: number;
  /** UDP driver that the nodes took. */
  readonly driver: string;
  /** Size that their datagrams came to, bytes. */
  readonly datagramSize: number;
}

/** A part of the time of a transfer. */
export interface Share {
  /** What took it; `hawser` is all that has no ceiling of its own. */
  readonly resource: Resource | "hawser";
  /** What a transfer could do were this all there is: bytes or files a second. */
  readonly ceiling: number;
  /** Achieved ÷ ceiling, 0 to 1. */
  readonly share: number;
}

/** A transfer with the parts of its time, the greatest first. */
export interface TransferReport extends Transfer {
  readonly shares: readonly Share[];
}

/** Everything that was found out. */
export interface Diagnosis {
  /** Runtime and its version. */
  readonly runtime: string;
  readonly ceilings: readonly Ceiling[];
  readonly skipped: readonly Skipped[];
  /** Bytes that the system queues for a socket, by driver. */
  readonly receiveBuffers: Readonly<Record<string, number>>;
  readonly transfers: readonly TransferReport[];
  /** What would help, a line each. */
  readonly advice: readonly string[];
}

/** Bytes a second of a ceiling. */
export function bytesPerSecond({ size, perSecond }: Ceiling): number {
  return size * perSecond;
}
