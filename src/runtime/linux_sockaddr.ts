/**
 * Socket addresses as Linux lays them out (`sockaddr_in`, `sockaddr_in6`), to and from numeric text. Text is as Rust and
 * therefore Deno writes it (RFC 5952), so that addresses compare equal whatever driver they come from.
 *
 * @module
 */

import type { UdpAddress } from "./udp.ts";

/** Room for either form, rounded up. */
export const SOCKADDR_LENGTH = 32;
/** Protocol family of IPv4. */
export const AF_INET = 2;
/** Protocol family of IPv6. */
export const AF_INET6 = 10;

const INET_LENGTH = 16;
const INET6_LENGTH = 28;

/** The 16-bit groups of an IPv6 address without zone. */
function groupsOf(text: string): number[] {
  const dotted = /^(.*:)(\d+)\.(\d+)\.(\d+)\.(\d+)$/.exec(text);
  if (dotted !== null) {
    const [a, b, c, d] = dotted.slice(2).map(Number);
    text = `${dotted[1]}${(a << 8 | b).toString(16)}:${(c << 8 | d).toString(16)}`;
  }
  const parse = (part: string) => part === "" ? [] : part.split(":").map((group) => parseInt(group, 16));
  const [head, tail] = text.split("::");
  if (tail === undefined) return parse(head);
  const [left, right] = [parse(head), parse(tail)];
  return [...left, ...new Array(8 - left.length - right.length).fill(0), ...right];
}

/** Writes a numeric address to the front of `out`; returns its length. IPv6 zones are numbers: `fe80::1%2`. */
export function writeSockaddr(out: Uint8Array, { hostname, port }: UdpAddress): number {
  const view = new DataView(out.buffer, out.byteOffset, SOCKADDR_LENGTH);
  out.fill(0, 0, SOCKADDR_LENGTH);
  view.setUint16(2, port);
  if (!hostname.includes(":")) {
    view.setUint16(0, AF_INET, true);
    hostname.split(".").forEach((part, i) => out[4 + i] = Number(part));
    return INET_LENGTH;
  }
  const [address, zone] = hostname.split("%");
  view.setUint16(0, AF_INET6, true);
  groupsOf(address).forEach((group, i) => view.setUint16(8 + 2 * i, group));
  view.setUint32(24, Number(zone ?? 0), true);
  return INET6_LENGTH;
}

/** The address at the front of `bytes`. */
export function readSockaddr(bytes: Uint8Array): UdpAddress {
  const view = new DataView(bytes.buffer, bytes.byteOffset, SOCKADDR_LENGTH);
  const port = view.getUint16(2);
  if (view.getUint16(0, true) === AF_INET) return { hostname: bytes.subarray(4, 8).join("."), port };
  const zone = view.getUint32(24, true);
  return { hostname: inet6Text(view) + (zone === 0 ? "" : `%${zone}`), port };
}

/** RFC 5952: the longest run of at least two zero groups, the first of equals, is left out. */
function inet6Text(view: DataView): string {
  const groups = Array.from({ length: 8 }, (_, i) => view.getUint16(8 + 2 * i));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${[20, 21, 22, 23].map((at) => view.getUint8(at)).join(".")}`;
  }
  let [start, length] = [0, 1];
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > length) [start, length] = [i, end - i];
  }
  const hex = groups.map((group) => group.toString(16));
  if (length === 1) return hex.join(":");
  return `${hex.slice(0, start).join(":")}::${hex.slice(start + length).join(":")}`;
}
