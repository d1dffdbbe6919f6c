/**
 * Where a node listens, as text: `host:port`, with an IPv6 address in brackets.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";

/** A host and a UDP port. */
export interface Address {
  /** IPv4 or IPv6 address (without brackets, zone allowed) or host name. */
  readonly host: string;
  /** UDP port. */
  readonly port: number;
}

const MAX_PORT = 65535;
/** Greatest length of a host name (RFC 1035 §3.1, as text). */
const MAX_HOST_LENGTH = 253;
const HOST = /^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_.])?$/;
const IPV6 = /^[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,64})?$/;

/**
 * Reads `host:port` or `[IPv6]:port`. Names are not looked up. `minimumPort` is 0 where the system may choose the
 * port. Throws `DecodeError` when the text is something else; host names must be ASCII.
 */
export function parseAddress(text: string, minimumPort: 0 | 1 = 1): Address {
  const colon = text.lastIndexOf(":");
  if (colon < 0) throw notAnAddress(text, 'want "host:port"');
  const hostText = text.slice(0, colon);
  const portText = text.slice(colon + 1);
  const port = /^(0|[1-9][0-9]{0,4})$/.test(portText) ? Number(portText) : NaN;
  if (!(port >= minimumPort && port <= MAX_PORT)) {
    throw notAnAddress(text, `port is not ${minimumPort} to ${MAX_PORT}`);
  }
  const isBracketed = hostText.startsWith("[") && hostText.endsWith("]");
  const host = isBracketed ? hostText.slice(1, -1) : hostText;
  if (isBracketed ? !isIpv6(host) : host.includes(":")) {
    throw notAnAddress(text, "want IPv6 as [address]:port");
  }
  if (!isBracketed && (host.length > MAX_HOST_LENGTH || !HOST.test(host))) {
    throw notAnAddress(text, "host is not a name or address");
  }
  return { host, port };
}

/** The text of an address, such as {@linkcode parseAddress} reads. */
export function formatAddress(address: Address): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** Roughly: the system that the address is given to has the last word. */
function isIpv6(host: string): boolean {
  return IPV6.test(host) && host.split(":").length > 2;
}

function notAnAddress(text: string, problem: string): DecodeError {
  // JSON: the text may be a stranger's and go to a terminal.
  return new DecodeError(`Parse address ${JSON.stringify(text.slice(0, MAX_HOST_LENGTH))}: ${problem}`);
}
