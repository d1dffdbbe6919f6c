/**
 * Socket addresses as the transport sees them: numeric host and port, nothing to resolve.
 *
 * @module
 */

/** Where a datagram comes from or goes to. */
export interface SocketAddress {
  /** Numeric IPv4 or IPv6 address without brackets. */
  readonly hostname: string;
  /** UDP port. */
  readonly port: number;
}

/** Whether both are the same place. */
export function sameAddress(a: SocketAddress, b: SocketAddress): boolean {
  return a.port === b.port && a.hostname === b.hostname;
}

/** Whether the address is this machine: 127.0.0.0/8 or ::1. */
export function isLoopback(address: SocketAddress): boolean {
  return /^(::ffff:)?127\./i.test(address.hostname) || address.hostname === "::1";
}

/** Whether the address is loopback, private (RFC 1918, RFC 4193) or link-local: near, as a rule. */
export function isLocal(address: SocketAddress): boolean {
  return isLoopback(address) ||
    /^(::ffff:)?(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.)/i.test(address.hostname) ||
    /^f(c|d|e8|e9|ea|eb)/i.test(address.hostname);
}
