/**
 * Host names to numeric addresses.
 *
 * @module
 */

import { lookup } from "node:dns/promises";
import { isIP } from "node:net";

/** IP version of a numeric address, 0 for a host name. */
export function ipVersion(host: string): 0 | 4 | 6 {
  return isIP(host) as 0 | 4 | 6;
}

/** Numeric addresses of `host`; itself when it is one. Rejects with the system's error when it has none. */
export async function resolveHost(host: string): Promise<string[]> {
  if (ipVersion(host) !== 0) return [host];
  return (await lookup(host, { all: true })).map(({ address }) => address);
}
