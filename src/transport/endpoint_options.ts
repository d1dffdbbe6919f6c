/**
 * What an endpoint is made of and what it tells its owner.
 *
 * @module
 */

import type { EndpointLimits, TransportOptions } from "./config.ts";
import type { Connection } from "./connection.ts";
import type { Identity } from "./handshake.ts";

/** What an endpoint is made of. */
export interface EndpointOptions {
  /** The node's static key pair. */
  readonly staticKey: Identity["staticKey"];
  /** The mesh key, or none. */
  readonly psk?: Uint8Array;
  /** Whether anybody may connect to this node. */
  readonly accepts: boolean;
  /** How sessions behave. */
  readonly transport: TransportOptions;
  /** Limits that only tests change. @default `DEFAULT_LIMITS` */
  readonly limits?: Partial<EndpointLimits>;
  /** Random bytes. */
  random(length: number): Uint8Array;
  /** Time since 1970, milliseconds: for the handshake's time only. */
  wallClock(): number;
}

/** What an endpoint tells its owner. */
export interface EndpointEvents {
  /** A peer connected; the owner sets `connection.events` before it returns. */
  onIncoming(connection: Connection): void;
  /** Something is to be sent: poll soon. */
  onWake(): void;
}
