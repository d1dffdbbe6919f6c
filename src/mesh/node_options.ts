/**
 * Options of a node: merged with their defaults and checked once, before any I/O.
 *
 * @module
 */

import { InvalidArgumentError } from "../errors.ts";
import { DEFAULT_TRANSPORT, MAX_DATAGRAM_SIZE, type TransportOptions } from "../transport/config.ts";
import { type Address, parseAddress } from "../wire/address.ts";

/** Who asks to be accepted. */
export interface PeerInfo {
  /** Node id: static public key, 32 bytes, proven by the handshake. */
  readonly id: Uint8Array;
  /** Node id as text. */
  readonly name: string;
  /** Where the peer is. */
  readonly address: { readonly hostname: string; readonly port: number };
  /** Program name and version, as the peer says. */
  readonly agent: string;
}

/** Options of `MeshNode.start`. */
export interface NodeOptions {
  /** Secret X25519 key of the node, 32 bytes. @default a new one, gone with the node */
  readonly key?: Uint8Array;
  /** Mesh key (PSK) that every peer must have, 32 bytes. @default none */
  readonly psk?: Uint8Array;
  /** UDP address to bind; port 0 takes a free one. @default "0.0.0.0:0" */
  readonly listen?: string;
  /**
   * Says whether a peer that completed the handshake may use the node. Without it and without `psk` nobody may
   * connect; this node may still connect out. @default with a `psk`: whoever has it
   */
  readonly authorize?: (peer: PeerInfo) => boolean | Promise<boolean>;
  /** Behaviour of sessions. @default see `TransportOptions` */
  readonly transport?: Partial<TransportOptions>;
}

/** Options with every default filled in. */
export interface CheckedNodeOptions {
  /** See {@linkcode NodeOptions}. */
  readonly key: Uint8Array | undefined;
  /** See {@linkcode NodeOptions}. */
  readonly psk: Uint8Array | undefined;
  /** See {@linkcode NodeOptions}. */
  readonly listen: Address;
  /** See {@linkcode NodeOptions}. */
  readonly authorize: NodeOptions["authorize"];
  /** See {@linkcode NodeOptions}. */
  readonly transport: TransportOptions;
}

const DEFAULT_LISTEN = "0.0.0.0:0";

/** Merges and checks. Throws `InvalidArgumentError`. */
export function checkNodeOptions(options: NodeOptions): CheckedNodeOptions {
  for (const name of ["key", "psk"] as const) {
    const value = options[name];
    if (value !== undefined && value.length !== 32) {
      throw new InvalidArgumentError(`Start node: ${name} is ${value.length} bytes, want 32`);
    }
  }
  const transport = { ...DEFAULT_TRANSPORT, ...options.transport };
  const size = transport.maxDatagramSize;
  if (size !== undefined && !(size >= 1200 && size <= MAX_DATAGRAM_SIZE)) {
    throw new InvalidArgumentError(
      `Start node: maxDatagramSize is ${size}, want 1200 to ${MAX_DATAGRAM_SIZE}`,
    );
  }
  if (!(transport.idleTimeout >= 0)) {
    throw new InvalidArgumentError(
      `Start node: idleTimeout is ${transport.idleTimeout}, want milliseconds from 0`,
    );
  }
  if (!(transport.datagramQueue >= 0)) {
    throw new InvalidArgumentError(
      `Start node: datagramQueue is ${transport.datagramQueue}, want bytes from 0`,
    );
  }
  let listen: Address;
  try {
    listen = parseAddress(options.listen ?? DEFAULT_LISTEN, 0);
  } catch (cause) {
    throw new InvalidArgumentError(`Start node: listen is "${options.listen}", want "host:port"`, { cause });
  }
  return { key: options.key, psk: options.psk, listen, authorize: options.authorize, transport };
}
