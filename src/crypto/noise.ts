/**
 * Noise handshakes (revision 34, §5.3) with 25519, ChaChaPoly and BLAKE2s. Hawser's is IKpsk2: one round trip, both
 * sides authenticated by static keys and by the mesh key, the initiator's identity hidden (`protocol.md` 2.1).
 *
 * @module
 */

import { DecodeError, InvalidArgumentError, LimitExceededError } from "../errors.ts";
import { concatBytes } from "../wire/bytes.ts";
import {
  NOISE_PATTERNS,
  type NoisePattern,
  type NoisePatternName,
  type NoiseToken,
} from "./noise_patterns.ts";
import { usesPsk, usesStatic } from "./noise_patterns.ts";
import { NoiseSymmetricState } from "./noise_symmetric.ts";
import { generateKeyPair, type KeyPair, sharedSecret, X25519_LENGTH } from "./x25519.ts";

export type { NoisePatternName } from "./noise_patterns.ts";

/** Greatest length of a handshake message, bytes (Noise §3). */
export const MAX_NOISE_MESSAGE = 65535;
/** Length of the shared key, bytes. */
export const PSK_LENGTH = 32;

/** Options of {@linkcode NoiseHandshake}. */
export interface NoiseHandshakeOptions {
  /** The handshake pattern. */
  readonly pattern: NoisePatternName;
  /** Whether this side sends the first message. */
  readonly initiator: boolean;
  /** Bytes that both sides must agree on; not sent. @default none */
  readonly prologue?: Uint8Array;
  /** This side's static key pair, where the pattern has one. */
  readonly staticKey?: KeyPair;
  /** The responder's static public key, which the initiator of `NK` and `IK` patterns knows. */
  readonly remoteStatic?: Uint8Array;
  /** The shared key, 32 bytes, where the pattern has one. */
  readonly psk?: Uint8Array;
  /** This side's ephemeral key pair, for tests only. @default a new one per handshake */
  readonly ephemeral?: KeyPair;
  /** Where ephemeral key pairs come from. @default `crypto.getRandomValues` */
  readonly random?: (length: number) => Uint8Array;
}

/** The keys of a finished handshake, 32 bytes each. */
export interface NoiseKeys {
  /** Key of what this side sends. */
  readonly send: Uint8Array;
  /** Key of what this side receives. */
  readonly receive: Uint8Array;
}

/** All that changes while the handshake goes on; replaced as a whole when a message was good. */
interface Progress {
  readonly symmetric: NoiseSymmetricState;
  /** Messages sent and received. */
  index: number;
  ephemeral: KeyPair | undefined;
  remoteEphemeral: Uint8Array | undefined;
  remoteStatic: Uint8Array | undefined;
}

/**
 * One side of a handshake. Messages are written and read in turns; a message that cannot be read throws and leaves
 * the state as it was, so that a forged one does not spoil the handshake.
 *
 * @example
 * ```ts
 * import { NoiseHandshake } from "./noise.ts";
 * import { generateKeyPair } from "./x25519.ts";
 *
 * const [alice, bob] = [generateKeyPair(), generateKeyPair()];
 * const initiator = new NoiseHandshake({ pattern: "IK", initiator: true, staticKey: alice, remoteStatic: bob.publicKey });
 * const responder = new NoiseHandshake({ pattern: "IK", initiator: false, staticKey: bob });
 * responder.readMessage(initiator.writeMessage(new Uint8Array(0)));
 * initiator.readMessage(responder.writeMessage(new Uint8Array(0)));
 * const { send, receive } = initiator.split();
 * ```
 */
export class NoiseHandshake {
  readonly #pattern: NoisePattern;
  readonly #initiator: boolean;
  readonly #staticKey: KeyPair | undefined;
  readonly #psk: Uint8Array | undefined;
  readonly #usesPsk: boolean;
  readonly #random: ((length: number) => Uint8Array) | undefined;
  #progress: Progress;

  /** Throws `InvalidArgumentError` when a key that the pattern needs is missing or not 32 bytes. */
  constructor(options: NoiseHandshakeOptions) {
    const { pattern: name, initiator, staticKey, remoteStatic, psk, ephemeral } = options;
    const pattern = NOISE_PATTERNS[name];
    this.#pattern = pattern;
    this.#initiator = initiator;
    this.#random = options.random;
    this.#usesPsk = usesPsk(pattern);
    if (usesStatic(pattern, initiator)) {
      this.#staticKey = required("static key", staticKey);
      checkLength("static public key", this.#staticKey.publicKey, X25519_LENGTH);
      checkLength("static secret key", this.#staticKey.secretKey, X25519_LENGTH);
    }
    if (this.#usesPsk) this.#psk = checkLength("shared key", required("shared key", psk), PSK_LENGTH).slice();

    const symmetric = new NoiseSymmetricState(`Noise_${name}_25519_ChaChaPoly_BLAKE2s`);
    symmetric.mixHash(options.prologue ?? new Uint8Array(0));
    let responderStatic: Uint8Array | undefined;
    if (pattern.knowsResponder) {
      responderStatic = initiator
        ? checkLength("remote static key", required("remote static key", remoteStatic), X25519_LENGTH).slice()
        : this.#staticKey!.publicKey;
      symmetric.mixHash(responderStatic);
    }
    this.#progress = {
      symmetric,
      index: 0,
      ephemeral,
      remoteEphemeral: undefined,
      remoteStatic: initiator ? responderStatic : undefined,
    };
  }

  /** Whether all messages were written and read. */
  get isFinished(): boolean {
    return this.#progress.index === this.#pattern.messages.length;
  }

  /** The other side's static public key; `undefined` until it is known. */
  get remoteStatic(): Uint8Array | undefined {
    return this.#progress.remoteStatic;
  }

  /** Hash of all that was said: when finished, a name of the session that both sides share and nobody can choose. */
  get handshakeHash(): Uint8Array {
    return this.#progress.symmetric.handshakeHash.slice();
  }

  /**
   * The next message, with `payload` inside; encrypted as far as the pattern has keys by then.
   *
   * Throws `InvalidArgumentError` when it is the other side's turn, `LimitExceededError` when the message would be
   * longer than {@linkcode MAX_NOISE_MESSAGE}, `DecodeError` when the other side's keys are no honest ones.
   */
  writeMessage(payload: Uint8Array): Uint8Array {
    const tokens = this.#takeTurn(true);
    const next = copyOf(this.#progress);
    const parts: Uint8Array[] = [];
    for (const token of tokens) {
      if (token === "e") {
        next.ephemeral ??= generateKeyPair(this.#random);
        parts.push(next.ephemeral.publicKey);
        this.#mixEphemeral(next, next.ephemeral.publicKey);
      } else if (token === "s") {
        parts.push(next.symmetric.encryptAndHash(this.#staticKey!.publicKey));
      } else {
        this.#mix(next, token);
      }
    }
    parts.push(next.symmetric.encryptAndHash(payload));
    const message = concatBytes(parts);
    if (message.length > MAX_NOISE_MESSAGE) {
      const text =
        `Write handshake message: ${message.length} bytes exceed the limit of ${MAX_NOISE_MESSAGE}`;
      throw new LimitExceededError(text, "MAX_NOISE_MESSAGE", message.length, MAX_NOISE_MESSAGE);
    }
    this.#progress = next;
    return message;
  }

  /**
   * The payload of the other side's next message, as a new array.
   *
   * Throws `InvalidArgumentError` when it is this side's turn, `DecodeError` when the message is truncated, too long
   * or not authentic: forged, or made with other keys, prologue or shared key. The state is then as before.
   */
  readMessage(message: Uint8Array): Uint8Array {
    const tokens = this.#takeTurn(false);
    if (message.length > MAX_NOISE_MESSAGE) {
      throw new DecodeError(
        `Read handshake message: ${message.length} bytes, want at most ${MAX_NOISE_MESSAGE}`,
      );
    }
    const next = copyOf(this.#progress);
    let at = 0;
    const take = (length: number): Uint8Array => {
      if (message.length - at < length) {
        throw new DecodeError(
          `Read handshake message: ends after ${message.length} bytes, wanted ${at + length}`,
        );
      }
      return message.subarray(at, at += length);
    };
    for (const token of tokens) {
      if (token === "e") {
        next.remoteEphemeral = take(X25519_LENGTH).slice();
        this.#mixEphemeral(next, next.remoteEphemeral);
      } else if (token === "s") {
        next.remoteStatic = next.symmetric.decryptAndHash(take(X25519_LENGTH + next.symmetric.overhead));
      } else {
        this.#mix(next, token);
      }
    }
    const payload = next.symmetric.decryptAndHash(message.subarray(at));
    this.#progress = next;
    return payload;
  }

  /** The packet keys of the finished handshake. Throws `InvalidArgumentError` before that. */
  split(): NoiseKeys {
    if (!this.isFinished) throw new InvalidArgumentError("Split handshake: not all messages were exchanged");
    const [ofInitiator, ofResponder] = this.#progress.symmetric.split();
    return this.#initiator
      ? { send: ofInitiator, receive: ofResponder }
      : { send: ofResponder, receive: ofInitiator };
  }

  #takeTurn(write: boolean): readonly NoiseToken[] {
    const { index } = this.#progress;
    const ownTurn = (index % 2 === 0) === this.#initiator;
    if (!this.isFinished && ownTurn === write) return this.#pattern.messages[index];
    throw new InvalidArgumentError(
      `${write ? "Write" : "Read"} handshake message: ${
        this.isFinished ? "handshake is over" : "not the turn"
      }`,
    );
  }

  #mixEphemeral(next: Progress, publicKey: Uint8Array): void {
    next.symmetric.mixHash(publicKey);
    // §9.2: with a shared key, the ephemeral keys go into the chaining key, too.
    if (this.#usesPsk) next.symmetric.mixKey(publicKey);
  }

  #mix(next: Progress, token: Exclude<NoiseToken, "e" | "s">): void {
    if (token === "psk") return next.symmetric.mixKeyAndHash(this.#psk!);
    // The first letter is the initiator's key, the second the responder's.
    const [own, remote] = this.#initiator ? token : [token[1], token[0]];
    const key = own === "e" ? next.ephemeral : this.#staticKey;
    const remoteKey = remote === "e" ? next.remoteEphemeral : next.remoteStatic;
    next.symmetric.mixKey(sharedSecret(key!.secretKey, remoteKey!));
  }
}

function copyOf(progress: Progress): Progress {
  return { ...progress, symmetric: progress.symmetric.clone(), index: progress.index + 1 };
}

function required<T>(what: string, value: T | undefined): T {
  if (value === undefined) throw new InvalidArgumentError(`Create handshake: pattern needs a ${what}`);
  return value;
}

function checkLength(what: string, key: Uint8Array, length: number): Uint8Array {
  if (key.length === length) return key;
  throw new InvalidArgumentError(`Create handshake: ${what} is ${key.length} bytes, want ${length}`);
}
