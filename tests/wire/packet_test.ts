import assert from "node:assert/strict";
import fc from "fast-check";
import {
  COOKIE_REPLY_LENGTH,
  cookieReplyFields,
  cookieReplyPacket,
  DATA_HEADER,
  datagramDefect,
  INITIATION_MIN,
  initiationPacket,
  mac1Field,
  mac1Input,
  mac2Field,
  mac2Input,
  readPacketNumber,
  readU32,
  RESPONSE_MIN,
  responsePacket,
  TAG_LENGTH,
  writeDataHeader,
  writeU32,
} from "../../src/wire/packet.ts";
import { toHex } from "../../src/wire/bytes.ts";

Deno.test("packet: data header is laid out as specified", () => {
  const out = new Uint8Array(DATA_HEADER + TAG_LENGTH).fill(0xee);
  writeDataHeader(out, 0x0403_0201, 0x0005_0403_0201_0a0b);
  assert.equal(toHex(out.subarray(0, DATA_HEADER)), "04000000" + "01020304" + "0b0a010203040500");
  assert.equal(datagramDefect(out), undefined);
  assert.equal(readU32(out, 4), 0x0403_0201);
  assert.equal(readPacketNumber(out), 0x0005_0403_0201_0a0b);
});

Deno.test("packet: indices and packet numbers are read as written", () => {
  fc.assert(fc.property(fc.nat(2 ** 32 - 1), fc.maxSafeNat(), (index, number) => {
    const out = new Uint8Array(DATA_HEADER);
    writeDataHeader(out, index, number);
    assert.equal(readU32(out, 4), index);
    assert.equal(readPacketNumber(out), number);
    writeU32(out, 8, index);
    assert.equal(readU32(out, 8), index);
  }));
  const out = new Uint8Array(DATA_HEADER);
  out.fill(0xff, 8);
  assert.equal(readPacketNumber(out), undefined, "beyond 2^53 - 1");
  out.set([0, 0, 0, 0, 0, 0, 0x20, 0], 8);
  assert.equal(readPacketNumber(out), undefined, "2^53");
});

Deno.test("packet: handshake packets are laid out as specified", () => {
  const initiation = initiationPacket(0x0403_0201, new Uint8Array(100).fill(7));
  assert.equal(toHex(initiation.subarray(0, 9)), "0101000001020304" + "07");
  assert.equal(initiation.length, 8 + 100 + 32);
  assert.equal(datagramDefect(initiation), undefined);
  const response = responsePacket(0x0403_0201, 0x0807_0605, new Uint8Array(60).fill(7));
  assert.equal(toHex(response.subarray(0, 13)), "02000000" + "01020304" + "05060708" + "07");
  assert.equal(response.length, 12 + 60 + 32);
  assert.equal(datagramDefect(response), undefined);
  mac1Field(response).fill(9);
  assert.equal(toHex(response.subarray(-32)), "09".repeat(16) + "00".repeat(16));
  assert.equal(mac1Input(response).length, response.length - 32);
  assert.equal(mac2Input(response).length, response.length - 16);
  mac2Field(response).fill(8);
  assert.equal(toHex(response.subarray(-32)), "09".repeat(16) + "08".repeat(16));
  const reply = cookieReplyPacket(0x0403_0201, new Uint8Array(24).fill(5), new Uint8Array(32).fill(6));
  assert.equal(toHex(reply), "0300000001020304" + "05".repeat(24) + "06".repeat(32));
  assert.equal(reply.length, COOKIE_REPLY_LENGTH);
  assert.deepEqual(cookieReplyFields(reply), {
    nonce: new Uint8Array(24).fill(5),
    sealed: new Uint8Array(32).fill(6),
  });
});

Deno.test("packet: each defect is named", () => {
  const of = (length: number, ...head: number[]) => {
    const packet = new Uint8Array(length);
    packet.set(head.slice(0, length));
    return datagramDefect(packet);
  };
  assert.equal(of(0), "short_packet");
  for (const type of [0, 5, 0x16, 0xff]) assert.equal(of(2_000, type), "unknown_type");
  assert.equal(of(DATA_HEADER + TAG_LENGTH - 1, 4), "short_packet");
  assert.equal(of(DATA_HEADER + TAG_LENGTH, 4), undefined);
  assert.equal(of(INITIATION_MIN - 1, 1, 1), "short_packet");
  assert.equal(of(INITIATION_MIN, 1, 1), undefined);
  assert.equal(of(INITIATION_MIN, 1, 2), "unsupported_version");
  assert.equal(of(INITIATION_MIN, 1, 0), "unsupported_version");
  assert.equal(of(RESPONSE_MIN - 1, 2), "short_packet");
  assert.equal(of(RESPONSE_MIN, 2), undefined);
  assert.equal(of(COOKIE_REPLY_LENGTH - 1, 3), "short_packet");
  assert.equal(of(COOKIE_REPLY_LENGTH, 3), undefined);
  for (
    const head of [[1, 1, 1], [1, 1, 0, 1], [2, 1], [2, 0, 1], [2, 0, 0, 1], [3, 1], [3, 0, 0, 1], [4, 2], [
      4,
      0,
      1,
    ], [4, 0, 0, 1]]
  ) {
    assert.equal(of(2_000, ...head), "reserved_not_zero", `${head}`);
  }
  assert.equal(of(2_000, 4, 1), undefined, "the key phase is no reserved bit");
});

Deno.test("packet: any bytes have a defect or are long enough for their type", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (datagram) => {
      if (datagramDefect(datagram) === undefined) assert.ok(datagram.length >= DATA_HEADER + TAG_LENGTH);
    }),
    { numRuns: 2_000 },
  );
});
