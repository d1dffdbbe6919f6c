/**
 * Where the peer of a session is, and what happens when its packets come from elsewhere (`protocol.md` 7, RFC 9000
 * §8.2 and §9): the new address is challenged, and so is the old one. The session moves when the new one answers and
 * the old one does not: a NAT has given the peer another address. When the old one answers too, somebody between
 * copies packets (RFC 9000 §9.3.3), or the peer has two ways to us of which one is enough: the session stays.
 * Times in milliseconds.
 *
 * @module
 */

import { equalBytes } from "../wire/bytes.ts";
import { FrameType, writePathFrame } from "../wire/frame.ts";
import { sameAddress, type SocketAddress } from "./address.ts";
import {
  AMPLIFICATION_LIMIT,
  MAX_PATH_RESPONSES,
  PATH_CHALLENGES,
  PATH_OLD_CHALLENGES,
  PATH_QUIET_TIME,
} from "./config.ts";
import type { Counters } from "./counters.ts";

/** What the paths of a session need to know of it. */
export interface PathContext {
  /** The endpoint's counters. */
  readonly counters: Counters;
  /** Probe time-out of the path in use (RFC 9002 §6.2.1). */
  readonly probeTimeout: number;
  /** Probe time-out of a path of which nothing is known. */
  initialProbeTimeout(path: SocketAddress): number;
  /** Random bytes. */
  draw(length: number): Uint8Array;
  /** The session is to move to an address; `roundTrip` is what the challenge took, if it is known. */
  onPathChange(path: SocketAddress, roundTrip: number | undefined): void;
}

/** Bytes of a challenge. */
const CHALLENGE_LENGTH = 8;

/** An address that wants to be the peer's. */
interface Validation {
  readonly address: SocketAddress;
  readonly challenge: Uint8Array;
  /** The same for the address in use. */
  readonly oldChallenge: Uint8Array;
  readonly startedAt: number;
  /** From when the silence of the address in use tells that it is dead. */
  readonly decideAt: number;
  /** Time between two challenges. */
  readonly interval: number;
  /** Bytes that came from there, and that went there: three times as many at most until it has answered. */
  received: number;
  sent: number;
  challenges: number;
  oldChallenges: number;
  answered: boolean;
  roundTrip: number | undefined;
}

/** The address of one peer. */
export class Paths {
  /** Where the packet goes that {@linkcode Paths.write} has written. */
  destination: SocketAddress;
  readonly #context: PathContext;
  #validation: Validation | undefined;
  /** Until when other addresses are not looked at: the one in use has just shown that it works. */
  #quietUntil = -Infinity;
  /** Answers that wait to be sent; more challenges than these are not answered. */
  readonly #responses: { readonly to: SocketAddress; readonly data: Uint8Array }[] = [];

  /** @param current where the peer is. */
  constructor(public current: SocketAddress, context: PathContext) {
    this.destination = current;
    this.#context = context;
  }

  /** When {@linkcode Paths.onTimeout} is due, or a challenge is to be sent; `Infinity` when never. */
  get deadline(): number {
    const validation = this.#validation;
    if (validation === undefined) return Infinity;
    const { answered, decideAt } = validation;
    return Math.min(
      endOf(validation),
      answered ? decideAt : newChallengeAt(validation),
      oldChallengeAt(validation),
    );
  }

  /** The session ended: nobody is challenged or answered any more. */
  stop(): void {
    this.#validation = undefined;
    this.#responses.length = 0;
    this.#quietUntil = Infinity;
  }

  /**
   * An authentic packet of `size` bytes came from another address than the one in use.
   *
   * @param isNewest whether its packet number is the highest so far: an overtaken one tells nothing.
   */
  onForeign(from: SocketAddress, size: number, isNewest: boolean, now: number): void {
    const validation = this.#validation;
    if (validation !== undefined) {
      // One at a time: who else wants to be the peer may come again when this one is settled.
      if (sameAddress(validation.address, from)) validation.received += size;
      return;
    }
    if (!isNewest || now < this.#quietUntil) return;
    const { counters, probeTimeout } = this.#context;
    counters.path_validations++;
    this.#validation = {
      address: from,
      challenge: this.#context.draw(CHALLENGE_LENGTH),
      oldChallenge: this.#context.draw(CHALLENGE_LENGTH),
      startedAt: now,
      decideAt: now + probeTimeout,
      interval: Math.max(probeTimeout, this.#context.initialProbeTimeout(from)),
      received: size,
      sent: 0,
      challenges: 0,
      oldChallenges: 0,
      answered: false,
      roundTrip: undefined,
    };
  }

  /** PATH_CHALLENGE came: the answer goes to where it came from (RFC 9000 §8.2.2). */
  onChallenge(from: SocketAddress, data: Uint8Array): void {
    if (this.#responses.length < MAX_PATH_RESPONSES) this.#responses.push({ to: from, data: data.slice() });
  }

  /** PATH_RESPONSE came, by whichever path (RFC 9000 §8.2.3). One that nobody asked for is ignored. */
  onResponse(data: Uint8Array, now: number): void {
    const validation = this.#validation;
    if (validation === undefined) return;
    if (equalBytes(data, validation.oldChallenge)) {
      this.#context.counters.paths_kept++;
      this.#quietUntil = now + Math.max(PATH_QUIET_TIME, validation.interval);
      this.#validation = undefined;
    } else if (equalBytes(data, validation.challenge) && !validation.answered) {
      validation.answered = true;
      // Karn: of two challenges nobody knows which one was answered.
      if (validation.challenges === 1) validation.roundTrip = now - validation.startedAt;
      this.onTimeout(now);
    }
  }

  /** Time passed: decides what is ripe. */
  onTimeout(now: number): void {
    const validation = this.#validation;
    if (validation === undefined) return;
    const { address, answered, decideAt, roundTrip } = validation;
    if (answered && now >= decideAt) {
      this.#validation = undefined;
      this.#context.counters.path_changes++;
      this.current = address;
      this.#context.onPathChange(address, roundTrip);
    } else if (now >= endOf(validation)) {
      this.#validation = undefined;
      this.#context.counters.path_failures++;
    }
  }

  /**
   * Writes the frames of a packet of its own to `out` and sets {@linkcode Paths.destination}; their length, 0 when no
   * such packet is due.
   *
   * @param overhead bytes of the packet besides its frames.
   */
  write(out: Uint8Array, overhead: number, now: number): number {
    if (this.#responses.length > 0) return this.#writeResponses(out);
    const validation = this.#validation;
    if (validation === undefined) return 0;
    if (now >= oldChallengeAt(validation)) {
      validation.oldChallenges++;
      this.destination = this.current;
      return writePathFrame(out, 0, FrameType.PATH_CHALLENGE, validation.oldChallenge);
    }
    if (validation.answered || now < newChallengeAt(validation)) return 0;
    validation.challenges++;
    const length = writePathFrame(out, 0, FrameType.PATH_CHALLENGE, validation.challenge);
    // RFC 9000 §8.1: the address may be a victim's.
    if (validation.sent + overhead + length > AMPLIFICATION_LIMIT * validation.received) return 0;
    validation.sent += overhead + length;
    this.destination = validation.address;
    return length;
  }

  /** All answers to one address in one packet: it is no longer than what brought the challenges. */
  #writeResponses(out: Uint8Array): number {
    const { to } = this.#responses[0];
    let at = 0;
    let kept = 0;
    for (const response of this.#responses) {
      if (sameAddress(response.to, to)) at = writePathFrame(out, at, FrameType.PATH_RESPONSE, response.data);
      else this.#responses[kept++] = response;
    }
    this.#responses.length = kept;
    this.destination = to;
    return at;
  }
}

/** When the attempt is given up (RFC 9000 §8.2.4). */
function endOf({ startedAt, interval }: Validation): number {
  return startedAt + PATH_CHALLENGES * interval;
}

function newChallengeAt({ startedAt, interval, challenges }: Validation): number {
  return challenges < PATH_CHALLENGES ? startedAt + challenges * interval : Infinity;
}

/** All of them fall into the time after which the silence of the address in use is taken for an answer. */
function oldChallengeAt({ startedAt, decideAt, oldChallenges }: Validation): number {
  if (oldChallenges >= PATH_OLD_CHALLENGES) return Infinity;
  return startedAt + oldChallenges * (decideAt - startedAt) / (2 * PATH_OLD_CHALLENGES);
}
