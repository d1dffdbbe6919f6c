import assert from "node:assert/strict";
import fc from "fast-check";
import { DecodeError } from "../../src/errors.ts";
import { concatBytes, encodeUtf8, toHex } from "../../src/wire/bytes.ts";
import {
  ABSENT_PARAMETERS,
  decodeTransportParameters,
  encodeTransportParameters,
} from "../../src/wire/transport_parameters.ts";
import { varintLength, writeVarint } from "../../src/wire/varint.ts";
import { parameters } from "../support/wire_models.ts";

/** One parameter of varint value. */
function tlv(id: number, ...values: number[]): Uint8Array {
  const out = new Uint8Array(100);
  const length = values.reduce((sum, value) => sum + varintLength(value), 0);
  let at = writeVarint(out, writeVarint(out, 0, id), length);
  for (const value of values) at = writeVarint(out, at, value);
  return out.slice(0, at);
}

function raw(id: number, value: Uint8Array): Uint8Array {
  const out = new Uint8Array(16);
  const at = writeVarint(out, writeVarint(out, 0, id), value.length);
  return concatBytes([out.subarray(0, at), value]);
}

Deno.test("transport parameters: read as written, padded or not", () => {
  fc.assert(fc.property(parameters, fc.nat(400), (value, padTo) => {
    const encoded = encodeTransportParameters(value, padTo);
    assert.deepEqual(decodeTransportParameters(encoded), value);
    const bare = encodeTransportParameters(value).length;
    assert.ok(encoded.length >= bare && encoded.length <= Math.max(padTo, bare));
    assert.ok(encoded.length > padTo - 4, "a gap too short for a parameter stays");
  }));
});

Deno.test("transport parameters: nothing means the defaults of RFC 9000", () => {
  assert.deepEqual(decodeTransportParameters(new Uint8Array()), ABSENT_PARAMETERS);
});

Deno.test("transport parameters: ids are those of the specification", () => {
  const all = encodeTransportParameters({
    maxIdleTimeout: 1,
    maxUdpPayloadSize: 1200,
    initialMaxData: 4,
    initialMaxStreamDataBidiLocal: 5,
    initialMaxStreamDataBidiRemote: 6,
    initialMaxStreamsBidi: 8,
    ackDelayExponent: 10,
    maxAckDelay: 11,
    maxDatagramFrameSize: 13,
    receiveBuffer: 12,
    agent: "h",
    features: 0,
  });
  assert.equal(
    toHex(all),
    "010101" + "030244b0" + "040104" + "050105" + "060106" + "080108" + "0a010a" + "0b010b" + "20010d" +
      "80004801" +
      "01" +
      "0c" +
      "80004803" + "01" + "00" + "80004802" + "01" + "68",
  );
});

Deno.test("transport parameters: unknown ids are skipped, even repeated", () => {
  const bytes = concatBytes([
    tlv(0x1b, 1, 2, 3),
    tlv(0x04, 77),
    raw(0x4abc, new Uint8Array(60)),
    tlv(0x1b),
    tlv(0x02),
  ]);
  assert.deepEqual(decodeTransportParameters(bytes), { ...ABSENT_PARAMETERS, initialMaxData: 77 });
});

Deno.test("transport parameters: what is out of range, repeated or cut off throws DecodeError", () => {
  const bad: [string, Uint8Array][] = [
    ["repeated", concatBytes([tlv(4, 1), tlv(4, 1)])],
    ["agent repeated", concatBytes([raw(0x4802, encodeUtf8("a")), raw(0x4802, encodeUtf8("a"))])],
    ["payload below 1200", tlv(3, 1199)],
    ["delay exponent above 20", tlv(0x0a, 21)],
    ["ack delay above 2^14", tlv(0x0b, 2 ** 14 + 1)],
    ["too many streams", tlv(8, 2 ** 50 + 1)],
    ["empty value", tlv(4)],
    ["two values", tlv(4, 1, 1)],
    ["value cut off", tlv(4, 100_000).slice(0, 4)],
    ["length beyond the end", new Uint8Array([4, 5, 1])],
    ["agent too long", raw(0x4802, new Uint8Array(129).fill(0x61))],
    ["agent not UTF-8", raw(0x4802, new Uint8Array([0xff]))],
  ];
  for (const [name, bytes] of bad) assert.throws(() => decodeTransportParameters(bytes), DecodeError, name);
});

Deno.test("transport parameters: a long agent is cut between characters", () => {
  for (
    const agent of [
      "x".repeat(300),
      "é".repeat(100),
      "x" + "é".repeat(100),
      "xx" + "€".repeat(80),
      "😀".repeat(40),
    ]
  ) {
    const decoded = decodeTransportParameters(encodeTransportParameters({ ...ABSENT_PARAMETERS, agent }));
    assert.ok(agent.startsWith(decoded.agent) && decoded.agent.length >= 42, decoded.agent);
  }
});

Deno.test("transport parameters: truncations, changes and garbage throw nothing but DecodeError", () => {
  const attempt = (bytes: Uint8Array) => {
    try {
      decodeTransportParameters(bytes);
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error));
    }
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), attempt), { numRuns: 3_000 });
  fc.assert(fc.property(parameters, fc.nat(), fc.nat(255), (value, at, byte) => {
    const bytes = encodeTransportParameters(value, 256);
    for (let end = 0; end < bytes.length; end++) attempt(bytes.subarray(0, end));
    bytes[at % bytes.length] = byte;
    attempt(bytes);
  }));
});
