/**
 * Which addresses a ticket names, and what a fetcher binds to.
 *
 * @module
 */

import type { NetworkAddress } from "../runtime/process.ts";
import { isLoopback } from "../transport/address.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import { MAX_TICKET_ADDRESSES } from "../wire/ticket.ts";

/**
 * Checks the address to listen on, `host:port`, `[IPv6]:port` or `:port` (all of IPv4), and returns it in full.
 * Port 0 is any free port. Throws `DecodeError`.
 */
export function parseListenAddress(text: string): string {
  const trimmed = text.trim();
  return formatAddress(parseAddress(trimmed.startsWith(":") ? `0.0.0.0${trimmed}` : trimmed, 0));
}

/**
 * What a node that only connects to `addresses` binds to: loopback where that is enough, which needs no permission for
 * the network; IPv6 where there is nothing else.
 */
export function listenFor(addresses: readonly string[]): string {
  const hosts = addresses.map((address) => parseAddress(address).host);
  const isIpv6 = hosts.every((host) => host.includes(":"));
  if (addresses.every(isLoopbackAddress)) return isIpv6 ? "[::1]:0" : "127.0.0.1:0";
  return isIpv6 ? "[::]:0" : "0.0.0.0:0";
}

function isLoopbackAddress(address: string): boolean {
  const { host, port } = parseAddress(address);
  return host === "localhost" || isLoopback({ hostname: host, port });
}

/**
 * The addresses that a ticket gives for a node bound to `bound`: itself, or where it listens on all interfaces the
 * addresses of these, and loopback last. Whoever has more interfaces than a ticket holds names one with `--listen`.
 */
export function ticketAddresses(bound: readonly string[], interfaces: readonly NetworkAddress[]): string[] {
  const found = new Set<string>();
  const loopback = new Set<string>();
  for (const address of bound) {
    const { host, port } = parseAddress(address);
    if (host !== "0.0.0.0" && host !== "::") {
      (isLoopbackAddress(address) ? loopback : found).add(address);
      continue;
    }
    for (const { address: ip, family, internal } of interfaces) {
      // A link-local address means nothing without the name of the interface it belongs to.
      if (internal || /^fe80:/i.test(ip)) continue;
      if (family === "IPv4" || host === "::") found.add(formatAddress({ host: ip, port }));
    }
    if (host === "::") loopback.add(`[::1]:${port}`);
    loopback.add(`127.0.0.1:${port}`);
  }
  return [...[...found].slice(0, MAX_TICKET_ADDRESSES - loopback.size), ...loopback];
}
