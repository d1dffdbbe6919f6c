/** Our Noise against another implementation, noise-c (C, here as WebAssembly), in both roles. */

import assert from "node:assert/strict";
import createNoise from "noise-c.wasm";
import { NoiseHandshake } from "../../src/crypto/noise.ts";
import { generateKeyPair, type KeyPair } from "../../src/crypto/x25519.ts";
import { createAead } from "../../src/crypto/aead.ts";
import { encodeUtf8 } from "../../src/wire/bytes.ts";

/** The part of noise-c that is used here. */
interface OtherCipher {
  EncryptWithAd(ad: Uint8Array, plaintext: Uint8Array): Uint8Array;
  DecryptWithAd(ad: Uint8Array, ciphertext: Uint8Array): Uint8Array;
}
interface OtherHandshake {
  Initialize(prologue: Uint8Array, s: Uint8Array | null, rs: Uint8Array | null, psk: Uint8Array | null): void;
  WriteMessage(payload: Uint8Array): Uint8Array;
  ReadMessage(message: Uint8Array, payloadNeeded: boolean): Uint8Array;
  GetHandshakeHash(): Uint8Array;
  GetRemotePublicKey(): Uint8Array;
  Split(): [OtherCipher, OtherCipher];
}
interface Other {
  readonly constants: { readonly NOISE_ROLE_INITIATOR: number; readonly NOISE_ROLE_RESPONDER: number };
  readonly HandshakeState: new (name: string, role: number) => OtherHandshake;
}

const PROLOGUE = encodeUtf8("hawser/1");
const AD = new Uint8Array(16).fill(9);

const other = await new Promise<Other>((resolve) =>
  (createNoise as unknown as (done: (noise: Other) => void) => void)(resolve)
);

/** Nonce of Noise's ChaChaPoly (§12.3), which is that of our packets: four zero bytes and the number. */
function nonceOf(n: number): Uint8Array {
  const nonce = new Uint8Array(12);
  nonce[4] = n;
  return nonce;
}

/** Transport messages both ways, several each: the same keys, nonces and associated data. */
function talk(ours: NoiseHandshake, [theirSend, theirReceive]: [OtherCipher, OtherCipher]): void {
  const keys = ours.split();
  const [sealing, opening] = [createAead(keys.send), createAead(keys.receive)];
  for (let n = 0; n < 3; n++) {
    const text = encodeUtf8(`message ${n}`);
    const sealed = new Uint8Array(text.length + 16);
    sealing.seal(nonceOf(n), AD, text, sealed, 0);
    assert.deepEqual(Uint8Array.from(theirReceive.DecryptWithAd(AD, sealed)), text);
    assert.deepEqual(opening.open(nonceOf(n), AD, Uint8Array.from(theirSend.EncryptWithAd(AD, text))), text);
  }
}

function theirs(role: "INITIATOR" | "RESPONDER", own: KeyPair, remote: Uint8Array | null): OtherHandshake {
  const state = new other.HandshakeState(
    "Noise_IK_25519_ChaChaPoly_BLAKE2s",
    other.constants[`NOISE_ROLE_${role}`],
  );
  state.Initialize(PROLOGUE, own.secretKey, remote, null);
  return state;
}

Deno.test("noise-c as responder understands our initiator", { permissions: { read: true } }, () => {
  const [alice, bob] = [generateKeyPair(), generateKeyPair()];
  const us = new NoiseHandshake({
    pattern: "IK",
    initiator: true,
    prologue: PROLOGUE,
    staticKey: alice,
    remoteStatic: bob.publicKey,
  });
  const them = theirs("RESPONDER", bob, null);
  const first = encodeUtf8("parameters of the initiator");
  assert.deepEqual(Uint8Array.from(them.ReadMessage(us.writeMessage(first), true)), first);
  const second = encodeUtf8("parameters of the responder");
  assert.deepEqual(us.readMessage(Uint8Array.from(them.WriteMessage(second))), second);
  assert.deepEqual(Uint8Array.from(them.GetRemotePublicKey()), alice.publicKey);
  assert.deepEqual(Uint8Array.from(them.GetHandshakeHash()), us.handshakeHash);
  talk(us, them.Split());
});

Deno.test("noise-c as initiator is understood by our responder", { permissions: { read: true } }, () => {
  const [alice, bob] = [generateKeyPair(), generateKeyPair()];
  const us = new NoiseHandshake({ pattern: "IK", initiator: false, prologue: PROLOGUE, staticKey: bob });
  const them = theirs("INITIATOR", alice, bob.publicKey);
  const first = new Uint8Array(300).fill(3);
  assert.deepEqual(us.readMessage(Uint8Array.from(them.WriteMessage(first))), first);
  assert.deepEqual(us.remoteStatic, alice.publicKey);
  const second = new Uint8Array(0);
  assert.deepEqual(Uint8Array.from(them.ReadMessage(us.writeMessage(second), true)), second);
  assert.deepEqual(Uint8Array.from(them.GetHandshakeHash()), us.handshakeHash);
  talk(us, them.Split());
});
