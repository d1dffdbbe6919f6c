/**
 * Which addresses a ticket names, and how addresses are written on the command line.
 *
 * @module
 */

import { InvalidArgumentError } from "../errors.ts";
import type { NetworkAddress } from "../runtime/process.ts";
import { isLoopback, type SocketAddress } from "../transport/address.ts";

/** Most addresses in a ticket: whoever has more interfaces names those it wants with `--listen`. */
const MAX_ADDRESSES = 16;

/** Checks `host:port`, `[v6]:port` or `:port` (all of IPv4) and returns it in full. Port 0 is any free port. */
export function parseListenAddress(text: string): string {
  const match = /^(\[[0-9a-fA-F:.]+\]|[^\s:[\]/]*):([0-9]{1,5})$/.exec(text.trim());
  const port = Number(match?.[2] ?? NaN);
  if (match === null || port > 65535) {
    throw new InvalidArgumentError(
      `Listen: "${text}" is not an address such as "0.0.0.0:4711" or "[::]:4711"`,
    );
  }
  return `${match[1] === "" ? "0.0.0.0" : match[1]}:${port}`;
}

/** Splits `host:port`; an IPv6 host loses its brackets. */
function split(address: string): SocketAddress {
  const colon = address.lastIndexOf(":");
  return {
    hostname: address.slice(0, colon).replace(/^\[|\]$/g, ""),
    port: Number(address.slice(colon + 1)),
  };
}

/** Whether an address reaches this machine only. */
export function isLoopbackAddress(address: string): boolean {
  const socket = split(address);
  return socket.hostname === "localhost" || isLoopback(socket);
}

/**
 * The addresses that a ticket gives for a node bound to `bound`: itself, or where it listens on all interfaces the
 * addresses of these, and loopback last.
 */
export function ticketAddresses(bound: readonly string[], interfaces: readonly NetworkAddress[]): string[] {
  const found = new Set<string>();
  const loopback = new Set<string>();
  for (const address of bound) {
    const { hostname, port } = split(address);
    if (hostname !== "0.0.0.0" && hostname !== "::") {
      (isLoopbackAddress(address) ? loopback : found).add(address);
      continue;
    }
    for (const { address: ip, family, internal } of interfaces) {
      // A link-local address means nothing without the name of the interface it belongs to.
      if (internal || /^fe80:/i.test(ip)) continue;
      if (family === "IPv4") found.add(`${ip}:${port}`);
      else if (hostname === "::") found.add(`[${ip}]:${port}`);
    }
    if (hostname === "::") loopback.add(`[::1]:${port}`);
    loopback.add(`127.0.0.1:${port}`);
  }
  return [...[...found].slice(0, MAX_ADDRESSES - loopback.size), ...loopback];
}
