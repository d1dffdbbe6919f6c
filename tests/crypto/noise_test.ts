import assert from "node:assert/strict";
import fc from "fast-check";
import { createAead } from "../../src/crypto/aead.ts";
import { NoiseHandshake, type NoiseHandshakeOptions, type NoisePatternName } from "../../src/crypto/noise.ts";
import { generateKeyPair, type KeyPair, publicKeyOf } from "../../src/crypto/x25519.ts";
import { DecodeError, InvalidArgumentError, LimitExceededError } from "../../src/errors.ts";
import { fromHex, toHex } from "../../src/wire/bytes.ts";
import vectors from "../vectors/noise-25519-chachapoly-blake2s.json" with { type: "json" };

interface Vector {
  protocol_name: string;
  init_prologue: string;
  init_ephemeral: string;
  init_static?: string;
  init_remote_static?: string;
  init_psks?: string[];
  resp_prologue: string;
  resp_ephemeral: string;
  resp_static?: string;
  resp_psks?: string[];
  handshake_hash?: string;
  messages: { payload: string; ciphertext: string }[];
  source: string;
}

const EMPTY = new Uint8Array(0);

function hex(text: string): Uint8Array {
  return fromHex(text)!;
}

function pairOf(secret: string | undefined): KeyPair | undefined {
  return secret === undefined ? undefined : { publicKey: publicKeyOf(hex(secret)), secretKey: hex(secret) };
}

function sidesOf(vector: Vector): [NoiseHandshake, NoiseHandshake] {
  const pattern = vector.protocol_name.split("_")[1] as NoisePatternName;
  return [
    new NoiseHandshake({
      pattern,
      initiator: true,
      prologue: hex(vector.init_prologue),
      staticKey: pairOf(vector.init_static),
      remoteStatic: vector.init_remote_static === undefined ? undefined : hex(vector.init_remote_static),
      ephemeral: pairOf(vector.init_ephemeral),
      psk: vector.init_psks?.[0] === undefined ? undefined : hex(vector.init_psks[0]),
    }),
    new NoiseHandshake({
      pattern,
      initiator: false,
      prologue: hex(vector.resp_prologue),
      staticKey: pairOf(vector.resp_static),
      ephemeral: pairOf(vector.resp_ephemeral),
      psk: vector.resp_psks?.[0] === undefined ? undefined : hex(vector.resp_psks[0]),
    }),
  ];
}

/** Nonce of transport message `counter`, Noise §12.3. */
function nonceOf(counter: number): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce[4] = counter;
  return nonce;
}

for (const vector of vectors.vectors as Vector[]) {
  Deno.test(`noise vector ${vector.protocol_name} of ${vector.source}`, () => {
    const sides = sidesOf(vector);
    const rounds = vector.messages.findIndex((_, i) => {
      if (sides[0].isFinished) return true;
      const [writer, reader] = [sides[i % 2], sides[1 - i % 2]];
      const { payload, ciphertext } = vector.messages[i];
      assert.equal(toHex(writer.writeMessage(hex(payload))), ciphertext);
      assert.equal(toHex(reader.readMessage(hex(ciphertext))), payload);
      return false;
    });
    assert.ok(rounds > 0 && sides[1].isFinished);
    assert.deepEqual(sides[0].handshakeHash, sides[1].handshakeHash);
    if (vector.handshake_hash) assert.equal(toHex(sides[0].handshakeHash), vector.handshake_hash);

    const keys = sides.map((side) => side.split());
    assert.deepEqual(keys[0].send, keys[1].receive);
    assert.deepEqual(keys[0].receive, keys[1].send);
    const counters = [0, 0];
    for (let i = rounds; i < vector.messages.length; i++) {
      const { payload, ciphertext } = vector.messages[i];
      const nonce = nonceOf(counters[i % 2]++);
      const sealed = new Uint8Array(payload.length / 2 + 16);
      createAead(keys[i % 2].send).seal(nonce, EMPTY, hex(payload), sealed, 0);
      assert.equal(toHex(sealed), ciphertext);
      const opened = createAead(keys[1 - i % 2].receive).open(nonce, EMPTY, hex(ciphertext));
      assert.equal(toHex(opened!), payload);
    }
  });
}

Deno.test("the vectors cover IKpsk2 and IK", () => {
  const names = new Set(vectors.vectors.map((vector) => vector.protocol_name.split("_")[1]));
  assert.ok(names.has("IK") && names.has("IKpsk2"));
});

const ALICE = generateKeyPair();
const BOB = generateKeyPair();
const PSK = new Uint8Array(32).fill(7);
const PROLOGUE = new TextEncoder().encode("hawser/1");

function initiator(change: Partial<NoiseHandshakeOptions> = {}): NoiseHandshake {
  return new NoiseHandshake({
    pattern: "IKpsk2",
    initiator: true,
    prologue: PROLOGUE,
    staticKey: ALICE,
    remoteStatic: BOB.publicKey,
    psk: PSK,
    ...change,
  });
}

function responder(change: Partial<NoiseHandshakeOptions> = {}): NoiseHandshake {
  return new NoiseHandshake({
    pattern: "IKpsk2",
    initiator: false,
    prologue: PROLOGUE,
    staticKey: BOB,
    psk: PSK,
    ...change,
  });
}

Deno.test("noise: payloads arrive, both sides learn the other's key and share keys and hash", () => {
  const [a, b] = [initiator(), responder()];
  assert.equal(b.remoteStatic, undefined);
  assert.deepEqual(b.readMessage(a.writeMessage(PROLOGUE)), PROLOGUE);
  assert.deepEqual(b.remoteStatic, ALICE.publicKey);
  assert.deepEqual(a.readMessage(b.writeMessage(PSK)), PSK);
  assert.deepEqual(a.remoteStatic, BOB.publicKey);
  assert.ok(a.isFinished && b.isFinished);
  assert.deepEqual(a.handshakeHash, b.handshakeHash);
  assert.deepEqual(a.split(), { send: b.split().receive, receive: b.split().send });
  assert.notDeepEqual(a.split().send, a.split().receive);
});

Deno.test("noise: a message that cannot be read leaves the handshake as it was", () => {
  const [a, b] = [initiator(), responder()];
  const first = a.writeMessage(PROLOGUE);
  for (let i = 0; i < first.length; i++) {
    const forged = first.slice();
    forged[i] ^= 0x40;
    assert.throws(() => b.readMessage(forged), DecodeError);
  }
  for (let length = 0; length < first.length; length++) {
    assert.throws(() => b.readMessage(first.subarray(0, length)), DecodeError);
  }
  assert.equal(b.remoteStatic, undefined);
  assert.deepEqual(b.readMessage(first), PROLOGUE);
  const second = b.writeMessage(PSK);
  for (let i = 0; i < second.length; i++) {
    const forged = second.slice();
    forged[i] ^= 1;
    assert.throws(() => a.readMessage(forged), DecodeError);
  }
  assert.deepEqual(a.readMessage(second), PSK);
  assert.deepEqual(a.split().send, b.split().receive);
});

Deno.test("noise: two answers to one first message differ, and the first that is good wins", () => {
  const a = initiator();
  const first = a.writeMessage(EMPTY);
  const stranger = responder({ psk: new Uint8Array(32) });
  stranger.readMessage(first);
  assert.throws(() => a.readMessage(stranger.writeMessage(EMPTY)), DecodeError);
  const b = responder();
  b.readMessage(first);
  a.readMessage(b.writeMessage(EMPTY));
  assert.deepEqual(a.handshakeHash, b.handshakeHash);
});

Deno.test("noise: other prologue, other responder, other mesh key are refused", () => {
  const first = initiator().writeMessage(EMPTY);
  assert.throws(() => responder({ prologue: EMPTY }).readMessage(first), DecodeError);
  assert.throws(() => responder({ staticKey: generateKeyPair() }).readMessage(first), DecodeError);
  const [a, b] = [initiator({ psk: new Uint8Array(32) }), responder()];
  b.readMessage(a.writeMessage(EMPTY));
  assert.throws(() => a.readMessage(b.writeMessage(EMPTY)), DecodeError);
});

Deno.test("noise: a key of low order is refused and nothing changes", () => {
  const b = responder();
  const forged = initiator().writeMessage(EMPTY);
  forged.fill(0, 0, 32);
  assert.throws(() => b.readMessage(forged), DecodeError);
  assert.deepEqual(b.readMessage(initiator().writeMessage(EMPTY)), EMPTY);
});

Deno.test("noise: garbage gives DecodeError and nothing else", () => {
  const b = responder();
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
    assert.throws(() => b.readMessage(bytes), DecodeError);
  }));
});

Deno.test("noise: messages out of turn, early split and missing keys are the caller's errors", () => {
  const [a, b] = [initiator(), responder()];
  assert.throws(() => b.writeMessage(EMPTY), InvalidArgumentError);
  assert.throws(() => a.readMessage(EMPTY), InvalidArgumentError);
  assert.throws(() => a.split(), InvalidArgumentError);
  b.readMessage(a.writeMessage(EMPTY));
  assert.throws(() => a.writeMessage(EMPTY), InvalidArgumentError);
  a.readMessage(b.writeMessage(EMPTY));
  assert.throws(() => a.writeMessage(EMPTY), InvalidArgumentError);
  assert.throws(() => a.readMessage(EMPTY), InvalidArgumentError);
  assert.throws(() => initiator({ psk: undefined }), InvalidArgumentError);
  assert.throws(() => initiator({ psk: new Uint8Array(31) }), InvalidArgumentError);
  assert.throws(() => initiator({ remoteStatic: undefined }), InvalidArgumentError);
  assert.throws(() => initiator({ remoteStatic: new Uint8Array(31) }), InvalidArgumentError);
  assert.throws(() => responder({ staticKey: undefined }), InvalidArgumentError);
});

Deno.test("noise: no message is longer than 65535 bytes", () => {
  const overhead = 32 + 48 + 16;
  assert.throws(() => initiator().writeMessage(new Uint8Array(65536 - overhead)), LimitExceededError);
  const a = initiator();
  assert.throws(() => a.writeMessage(new Uint8Array(65536)), LimitExceededError);
  const message = a.writeMessage(new Uint8Array(65535 - overhead));
  assert.equal(message.length, 65535);
  assert.equal(responder().readMessage(message).length, 65535 - overhead);
  assert.throws(() => responder().readMessage(new Uint8Array(65536)), DecodeError);
});
