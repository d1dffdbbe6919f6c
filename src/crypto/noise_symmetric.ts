/**
 * The symmetric half of a Noise handshake (revision 34, §5.1 and §5.2) with ChaChaPoly and BLAKE2s: a running hash
 * of everything said, and a chaining key that every agreed secret goes into.
 *
 * @module
 */

import { DecodeError } from "../errors.ts";
import { encodeUtf8 } from "../wire/bytes.ts";
import { type Aead, createAead, NONCE_LENGTH, TAG_LENGTH } from "./aead.ts";
import { blake2s, BLAKE2S_LENGTH, hkdfBlake2s } from "./blake2s.ts";

const EMPTY = new Uint8Array(0);

/** State of the hash, chaining key and cipher. Nothing in it is changed in place: a {@linkcode clone} is cheap. */
export class NoiseSymmetricState {
  #hash: Uint8Array;
  #chainingKey: Uint8Array;
  #cipher: Aead | undefined;
  #counter = 0;

  /** @param protocolName such as `Noise_IK_25519_ChaChaPoly_BLAKE2s`. */
  constructor(protocolName: string) {
    const name = encodeUtf8(protocolName);
    if (name.length > BLAKE2S_LENGTH) {
      this.#hash = blake2s(name);
    } else {
      this.#hash = new Uint8Array(BLAKE2S_LENGTH);
      this.#hash.set(name);
    }
    this.#chainingKey = this.#hash;
  }

  /** Hash of everything so far: after the handshake, a name of the session that both sides share. */
  get handshakeHash(): Uint8Array {
    return this.#hash;
  }

  /** Bytes that {@linkcode encryptAndHash} adds now: none before the first key. */
  get overhead(): number {
    return this.#cipher === undefined ? 0 : TAG_LENGTH;
  }

  /** An independent copy. */
  clone(): NoiseSymmetricState {
    const copy = new NoiseSymmetricState("");
    copy.#hash = this.#hash;
    copy.#chainingKey = this.#chainingKey;
    copy.#cipher = this.#cipher;
    copy.#counter = this.#counter;
    return copy;
  }

  /** Noise `MixHash`. */
  mixHash(data: Uint8Array): void {
    this.#hash = blake2s(this.#hash, data);
  }

  /** Noise `MixKey`. */
  mixKey(input: Uint8Array): void {
    const [chainingKey, key] = hkdfBlake2s(this.#chainingKey, input, 2);
    this.#chainingKey = chainingKey;
    this.#setKey(key);
  }

  /** Noise `MixKeyAndHash`, for the shared key. */
  mixKeyAndHash(input: Uint8Array): void {
    const [chainingKey, hash, key] = hkdfBlake2s(this.#chainingKey, input, 3);
    this.#chainingKey = chainingKey;
    this.mixHash(hash);
    this.#setKey(key);
  }

  /** Noise `EncryptAndHash`. */
  encryptAndHash(plaintext: Uint8Array): Uint8Array {
    let ciphertext = plaintext;
    if (this.#cipher !== undefined) {
      ciphertext = new Uint8Array(plaintext.length + TAG_LENGTH);
      this.#cipher.seal(this.#nextNonce(), this.#hash, plaintext, ciphertext, 0);
    }
    this.mixHash(ciphertext);
    return ciphertext;
  }

  /** Noise `DecryptAndHash`. Throws `DecodeError` when the bytes are not authentic. */
  decryptAndHash(ciphertext: Uint8Array): Uint8Array {
    const plaintext = this.#cipher === undefined
      ? ciphertext.slice()
      : this.#cipher.open(this.#nextNonce(), this.#hash, ciphertext);
    if (plaintext === undefined) throw new DecodeError("Read handshake message: not authentic");
    this.mixHash(ciphertext);
    return plaintext;
  }

  /** Noise `Split`: the keys of the initiator's and of the responder's packets. */
  split(): [Uint8Array, Uint8Array] {
    const [first, second] = hkdfBlake2s(this.#chainingKey, EMPTY, 2);
    return [first, second];
  }

  #setKey(key: Uint8Array): void {
    this.#cipher = createAead(key);
    this.#counter = 0;
  }

  #nextNonce(): Uint8Array {
    // §12.3: 32 zero bits, then the counter as 64 bits little-endian; no handshake encrypts 256 times under a key.
    const nonce = new Uint8Array(NONCE_LENGTH);
    nonce[4] = this.#counter++;
    return nonce;
  }
}
