/**
 * Host names to numeric addresses.
 *
 * @module
 */

const OCTET = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const IPV4 = new RegExp(`^${OCTET}(?:\\.${OCTET}){3}$`);
/** What may be an IPv6 address, with a zone behind it or not (RFC 4007 §11). */
const IPV6_SHAPE = /^([\da-f:.]*:[\da-f:.]*)(?:%[^\s%]+)?$/i;

/** IP version of a numeric address, 0 for a host name: `isIP` of `node:net`, without the time that takes to load. */
export function ipVersion(host: string): 0 | 4 | 6 {
  if (IPV4.test(host)) return 4;
  const address = IPV6_SHAPE.exec(host)?.[1];
  return address !== undefined && URL.canParse(`http://[${address}]`) ? 6 : 0;
}

/** Numeric addresses of `host`; itself when it is one. Rejects with the system's error when it has none. */
export async function resolveHost(host: string): Promise<string[]> {
  if (ipVersion(host) !== 0) return [host];
  const { lookup } = await import("node:dns/promises");
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
