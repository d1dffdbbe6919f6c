/**
 * Datagram layouts (`protocol.md` 2): one packet per datagram, all integers little-endian.
 *
 * @module
 */

/** First byte of a datagram. */
export const PacketType = { INITIATION: 1, RESPONSE: 2, COOKIE_REPLY: 3, DATA: 4 } as const;

/** Version byte of an initiation. */
export const PROTOCOL_VERSION = 1;
/** Bytes of the two message authentication codes that end a handshake packet. */
export const MACS_LENGTH = 32;
/** Bytes before the Noise message of an initiation: type, version, reserved 2, sender index. */
export const INITIATION_HEADER = 8;
/** Bytes before the Noise message of a response: type, reserved 3, sender index, receiver index. */
export const RESPONSE_HEADER = 12;
/** Bytes before the ciphertext of a data packet: type, flags, reserved 2, receiver index, packet number. */
export const DATA_HEADER = 16;
/** Bytes of the AEAD tag that ends a data packet. */
export const TAG_LENGTH = 16;
/** Bytes of a Noise IK message beyond its payload: ephemeral 32, static 48, tag 16. */
const INITIATION_NOISE = 96;
/** Bytes of the IK response beyond its payload: ephemeral 32, tag 16. */
const RESPONSE_NOISE = 48;
/** Shortest initiation: empty payload. */
export const INITIATION_MIN: number = INITIATION_HEADER + INITIATION_NOISE + MACS_LENGTH;
/** Shortest response: empty payload. */
export const RESPONSE_MIN: number = RESPONSE_HEADER + RESPONSE_NOISE + MACS_LENGTH;
/** Bytes before the nonce of a cookie reply: type, reserved 3, receiver index. */
export const COOKIE_REPLY_HEADER = 8;
/** Bytes of the nonce of a cookie reply. */
const COOKIE_NONCE = 24;
/** A cookie reply: header, nonce, cookie 16, tag 16. */
export const COOKIE_REPLY_LENGTH: number = COOKIE_REPLY_HEADER + COOKIE_NONCE + 32;

/** Why a datagram is dropped before it reaches a session; each is a counter in the node's metrics. */
export type DatagramDefect = "unknown_type" | "short_packet" | "reserved_not_zero" | "unsupported_version";

/** Checks type, length and reserved bytes of a datagram; the defect, or `undefined` when its header is sound. */
export function datagramDefect(datagram: Uint8Array): DatagramDefect | undefined {
  switch (datagram[0]) {
    case PacketType.DATA:
      if (datagram.length < DATA_HEADER + TAG_LENGTH) return "short_packet";
      return (datagram[1] & 0xfe) === 0 && datagram[2] === 0 && datagram[3] === 0
        ? undefined
        : "reserved_not_zero";
    case PacketType.INITIATION:
      if (datagram.length < INITIATION_MIN) return "short_packet";
      if (datagram[1] !== PROTOCOL_VERSION) return "unsupported_version";
      return datagram[2] === 0 && datagram[3] === 0 ? undefined : "reserved_not_zero";
    case PacketType.RESPONSE:
      if (datagram.length < RESPONSE_MIN) return "short_packet";
      return datagram[1] === 0 && datagram[2] === 0 && datagram[3] === 0 ? undefined : "reserved_not_zero";
    case PacketType.COOKIE_REPLY:
      if (datagram.length < COOKIE_REPLY_LENGTH) return "short_packet";
      return datagram[1] === 0 && datagram[2] === 0 && datagram[3] === 0 ? undefined : "reserved_not_zero";
    case undefined:
      return "short_packet";
    default:
      return "unknown_type";
  }
}

/** The unsigned 32-bit integer at `at`. */
export function readU32(bytes: Uint8Array, at: number): number {
  return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> 0;
}

/** Writes an unsigned 32-bit integer at `at`. */
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value;
  bytes[at + 1] = value >>> 8;
  bytes[at + 2] = value >>> 16;
  bytes[at + 3] = value >>> 24;
}

/** The packet number of a data packet; `undefined` when it exceeds 2^53 - 1, which no honest sender reaches. */
export function readPacketNumber(bytes: Uint8Array): number | undefined {
  const high = readU32(bytes, 12);
  return high > 0x1f_ffff ? undefined : high * 0x1_0000_0000 + readU32(bytes, 8);
}

/** Writes the header of a data packet. @param keyPhase 0 or 1. */
export function writeDataHeader(
  out: Uint8Array,
  receiverIndex: number,
  packetNumber: number,
  keyPhase: number = 0,
): void {
  out[0] = PacketType.DATA;
  out[1] = keyPhase;
  out[2] = out[3] = 0;
  writeU32(out, 4, receiverIndex);
  writeU32(out, 8, packetNumber >>> 0);
  writeU32(out, 12, Math.floor(packetNumber / 0x1_0000_0000));
}

/** A handshake packet whose two codes are still zero: header and Noise message. */
export function initiationPacket(senderIndex: number, noise: Uint8Array): Uint8Array {
  const packet = new Uint8Array(INITIATION_HEADER + noise.length + MACS_LENGTH);
  packet[0] = PacketType.INITIATION;
  packet[1] = PROTOCOL_VERSION;
  writeU32(packet, 4, senderIndex);
  packet.set(noise, INITIATION_HEADER);
  return packet;
}

/** A response whose two codes are still zero. */
export function responsePacket(senderIndex: number, receiverIndex: number, noise: Uint8Array): Uint8Array {
  const packet = new Uint8Array(RESPONSE_HEADER + noise.length + MACS_LENGTH);
  packet[0] = PacketType.RESPONSE;
  writeU32(packet, 4, senderIndex);
  writeU32(packet, 8, receiverIndex);
  packet.set(noise, RESPONSE_HEADER);
  return packet;
}

/** What mac1 covers: the packet up to it. */
export function mac1Input(packet: Uint8Array): Uint8Array {
  return packet.subarray(0, packet.length - MACS_LENGTH);
}

/** The mac1 field of a handshake packet, as a view. */
export function mac1Field(packet: Uint8Array): Uint8Array {
  return packet.subarray(packet.length - MACS_LENGTH, packet.length - MACS_LENGTH / 2);
}

/** What mac2 covers: the packet up to it, mac1 included. */
export function mac2Input(packet: Uint8Array): Uint8Array {
  return packet.subarray(0, packet.length - MACS_LENGTH / 2);
}

/** The mac2 field of a handshake packet, as a view. */
export function mac2Field(packet: Uint8Array): Uint8Array {
  return packet.subarray(packet.length - MACS_LENGTH / 2);
}

/** A cookie reply. @param sealed cookie and tag, 32 bytes. */
export function cookieReplyPacket(receiverIndex: number, nonce: Uint8Array, sealed: Uint8Array): Uint8Array {
  const packet = new Uint8Array(COOKIE_REPLY_LENGTH);
  packet[0] = PacketType.COOKIE_REPLY;
  writeU32(packet, 4, receiverIndex);
  packet.set(nonce, COOKIE_REPLY_HEADER);
  packet.set(sealed, COOKIE_REPLY_HEADER + COOKIE_NONCE);
  return packet;
}

/** Nonce and sealed cookie of a cookie reply, as views. */
export function cookieReplyFields(packet: Uint8Array): { nonce: Uint8Array; sealed: Uint8Array } {
  const at = COOKIE_REPLY_HEADER + COOKIE_NONCE;
  return { nonce: packet.subarray(COOKIE_REPLY_HEADER, at), sealed: packet.subarray(at) };
}
