/**
 * One handshake and the session that it becomes: indices, keys, replay window and path on one side of a pair of
 * nodes. Owned by the endpoint.
 *
 * @module
 */

import { HandshakeTimeoutError, type HawserError, NotAuthorizedError } from "../errors.ts";
import { FrameType } from "../wire/frame.ts";
import { DATA_HEADER, readPacketNumber, TAG_LENGTH } from "../wire/packet.ts";
import { sameAddress, type SocketAddress } from "./address.ts";
import {
  type EndpointLimits,
  ErrorCode,
  HALF_OPEN_TIMEOUT,
  HANDSHAKE_JITTER,
  HANDSHAKE_REFUSALS,
  HANDSHAKE_RESENDS,
  MAX_RESPONSE_ADDRESSES,
  type TransportOptions,
} from "./config.ts";
import type { Counters } from "./counters.ts";
import type { HandshakeResult, InitiatorHandshake } from "./handshake.ts";
import { PacketKeys } from "./packet_keys.ts";
import { type PathContext, Paths } from "./paths.ts";
import { ReplayWindow } from "./replay_window.ts";
import { initialRtt } from "./rtt.ts";
import { PACKET_OVERHEAD, SessionState } from "./session.ts";
import type { SessionEnd } from "./session_end.ts";
import type { SessionEvents } from "./session_events.ts";
import type { Stream } from "./stream.ts";
import type { Timed } from "./timer_queue.ts";

/** What the owner of a connection wants to know; set once the connection is handed out. */
export interface ConnectionEvents {
  /** The session stands (initiator only: a responder's is handed out standing). */
  onEstablished?(): void;
  /** The peer's handshake with us came through first, as `by` (initiator only). */
  onOvertaken?(by: Connection): void;
  /** The peer opened a stream. */
  onStream?(stream: Stream): void;
  /** The peer sent an unreliable datagram; the bytes are the owner's. */
  onDatagram?(bytes: Uint8Array): void;
  /** The handshake failed or the session ended. */
  onEnd?(end: SessionEnd): void;
}

/** What a connection needs of its endpoint. */
export interface ConnectionOwner {
  /** How sessions behave. */
  readonly transport: TransportOptions;
  /** Limits of handshakes and keys. */
  readonly limits: EndpointLimits;
  /** The endpoint's counters. */
  readonly counters: Counters;
  /** Room for the plaintext of one packet, used anew for the next. */
  readonly scratch: Uint8Array;
  /** Something is to be sent. */
  onConnectionWake(connection: Connection): void;
  /** Whether a half-open connection whose peer has shown that it has the keys may become the session; if not, counts. */
  mayConfirm(connection: Connection): boolean;
  /** A half-open connection has become a session. */
  onConnectionConfirmed(connection: Connection, now: number): void;
  /** A connection that this side began has become a session. */
  onConnectionEstablished(connection: Connection, now: number): void;
  /** A packet came in a session that awaits a sign. */
  onConnectionSign(connection: Connection): void;
  /** The session ended; it may still linger. */
  onConnectionEnd(connection: Connection): void;
  /** Number in [0, 1). */
  random(): number;
  /** Random bytes. */
  draw(length: number): Uint8Array;
}

/** Phase of a connection. */
export type ConnectionPhase = "initiating" | "half_open" | "established" | "gone";

/** One connection. */
export class Connection implements SessionEvents, PathContext, Timed {
  /** See {@linkcode ConnectionPhase}. */
  phase: ConnectionPhase;
  /** See {@linkcode Timed}. */
  queuedAt: number = Infinity;
  /** See {@linkcode Timed}. */
  queueIndex = -1;
  /** Set by whoever uses the connection. */
  events: ConnectionEvents = {};
  /** Where the packet goes that was polled last. */
  destination: SocketAddress;
  /** The session, once keys are there. */
  session: SessionState | undefined;
  /** The peer's program, as it says. */
  peerAgent = "";
  /** The response, for the case that the initiation is resent (responder only). */
  response: Uint8Array | undefined;

  /** Under which the endpoint finds it while it is half-open (responder only). */
  initiationKey = "";

  /** The peer's other session, after a crossing: one of both fades; see `PeerSessions`. */
  rival: Connection | undefined;
  /** Whether the next packet from the peer is news to the endpoint: it shows that the peer knows this session. */
  awaitsSign = false;

  /** Whether the packet received last brought only what the application has: nothing is to be sent for it now. */
  isQuiet = false;

  /** When the session came to stand. */
  establishedAt: number = Infinity;
  /** Whether this side began the handshake. */
  readonly isInitiator: boolean;

  readonly #replay = new ReplayWindow();
  readonly #paths: Paths;
  /** Addresses that the response went to (responder only, while half-open). */
  #responseAddresses: SocketAddress[] = [];
  /** Where the packet in hand came from. */
  #from: SocketAddress;
  /** Until it is done: its ephemeral key must not outlive it. */
  #handshake: InitiatorHandshake | undefined;
  #remoteIndex = 0;
  #keys: PacketKeys | undefined;
  #resends = 0;
  #nextResend = Infinity;
  #refusals = 0;
  /** Handshake packets sent, whichever side this is: of several nobody knows which one was answered (Karn). */
  #sentHandshakes = 0;
  /** Initiations sent at once with a cookie since the last one in time. */
  #cookieAnswers = 0;

  private constructor(
    readonly owner: ConnectionOwner,
    readonly peerKey: Uint8Array,
    readonly localIndex: number,
    /** Where the peer is looked for; the first that answers becomes the path. */
    readonly candidates: readonly SocketAddress[],
    handshake: InitiatorHandshake | undefined,
    readonly startedAt: number,
  ) {
    this.#handshake = handshake;
    this.isInitiator = handshake !== undefined;
    this.phase = this.isInitiator ? "initiating" : "half_open";
    this.destination = this.#from = candidates[0];
    this.#paths = new Paths(candidates[0], this);
  }

  /** The initiator's side; {@linkcode Connection.takeInitiation} says when to send. */
  static initiate(
    owner: ConnectionOwner,
    handshake: InitiatorHandshake,
    localIndex: number,
    candidates: readonly SocketAddress[],
    now: number,
  ): Connection {
    const connection = new Connection(owner, handshake.peerKey, localIndex, candidates, handshake, now);
    connection.#nextResend = now;
    return connection;
  }

  /** The responder's side: keys are there, the peer has yet to show that it has them too. */
  static respond(
    owner: ConnectionOwner,
    result: HandshakeResult,
    localIndex: number,
    from: SocketAddress,
    now: number,
  ): Connection {
    const connection = new Connection(owner, result.peerKey, localIndex, [from], undefined, now);
    connection.#start(result, from, now);
    return connection;
  }

  /** The session that new streams go to, if this one fades. */
  get successor(): Connection | undefined {
    return this.session?.liveness.isFading ? this.rival : undefined;
  }

  /** Where the peer is. */
  get path(): SocketAddress {
    return this.#paths.current;
  }

  /** Whether a valid packet has come in the session. */
  get hasReceived(): boolean {
    return this.#replay.highest >= 0;
  }

  /** See {@linkcode Timed}. */
  get deadline(): number {
    if (this.phase === "initiating") return this.#nextResend;
    if (this.phase === "half_open") return this.startedAt + HALF_OPEN_TIMEOUT;
    return this.phase === "gone" ? Infinity : Math.min(this.session!.deadline, this.#paths.deadline);
  }

  /** Time passed. */
  onTimeout(now: number): void {
    if (this.phase === "half_open") {
      if (now >= this.startedAt + HALF_OPEN_TIMEOUT) this.phase = "gone";
    } else if (this.phase === "established") {
      if (now >= this.#paths.deadline) this.#paths.onTimeout(now);
      this.session!.onTimeout(now);
      if (this.session!.isGone) this.phase = "gone";
      this.session!.throwDefect();
    } else if (
      this.phase === "initiating" && this.#resends === HANDSHAKE_RESENDS.length && now >= this.#nextResend
    ) {
      this.fail(this.#timeoutError());
    }
  }

  /** The initiation, when it is to be sent (again) at `now` to every candidate. */
  takeInitiation(now: number): Uint8Array | undefined {
    if (this.phase !== "initiating" || now < this.#nextResend || this.#resends >= HANDSHAKE_RESENDS.length) {
      return undefined;
    }
    this.#cookieAnswers = 0;
    this.#sentHandshakes++;
    const delay = HANDSHAKE_RESENDS[this.#resends++];
    this.#nextResend = now + delay * (1 + HANDSHAKE_JITTER * this.owner.random());
    return this.#handshake!.packet;
  }

  /** The initiation that a cookie reply may answer, mac2 included; `undefined` once the handshake is over. */
  get initiation(): Uint8Array | undefined {
    return this.#handshake?.packet;
  }

  /**
   * Whether a cookie that came from `from` is to be answered at once: it is a place where we look for the peer, and
   * no more such answers go out between two resends than there are places.
   */
  mayAnswerCookie(from: SocketAddress): boolean {
    if (this.#cookieAnswers >= this.candidates.length) return false;
    if (!this.candidates.some((candidate) => sameAddress(candidate, from))) return false;
    this.#cookieAnswers++;
    this.#sentHandshakes++;
    return true;
  }

  /** Ends a handshake without success. */
  fail(error: HawserError): void {
    if (this.phase === "gone") return;
    this.phase = "gone";
    this.#handshake = undefined;
    this.owner.onConnectionEnd(this);
    this.events.onEnd?.({ code: ErrorCode.CANCELLED, reason: error.message, remote: false, error });
  }

  /** The peer's own handshake with us came through first: whoever waits for this one gets that session. */
  onOvertaken(by: Connection): void {
    if (this.phase !== "initiating") return;
    this.phase = "gone";
    this.#handshake = undefined;
    this.owner.onConnectionEnd(this);
    this.events.onOvertaken?.(by);
  }

  /** Gives a half-open connection up. */
  abandon(): void {
    this.phase = "gone";
  }

  /** Takes a response whose mac1 is right. */
  onResponse(packet: Uint8Array, from: SocketAddress, now: number): void {
    let result: HandshakeResult;
    try {
      result = this.#handshake!.readResponse(packet);
    } catch {
      // Anyone on the path can make one such packet; our own resend tells a wrong mesh key from a prank.
      this.owner.counters.bad_handshake++;
      if (++this.#refusals >= HANDSHAKE_REFUSALS) this.fail(this.#refusedError());
      return;
    }
    this.#handshake = undefined;
    this.#start(result, from, now);
    if (this.#sentHandshakes === 1) this.session!.onRoundTrip(now - this.startedAt, now);
    this.phase = "established";
    this.establishedAt = now;
    this.owner.onConnectionEstablished(this, now);
    this.events.onEstablished?.();
  }

  /** Takes a data packet; the first valid one confirms a half-open connection. */
  onData(packet: Uint8Array, from: SocketAddress, now: number): void {
    const { counters } = this.owner;
    this.isQuiet = false;
    const packetNumber = readPacketNumber(packet);
    if (packetNumber === undefined || !this.#replay.isNew(packetNumber)) {
      counters.replayed++;
      return;
    }
    const keys = this.#keys!;
    const { updates } = keys;
    const plaintext = keys.open(packet, packetNumber, this.owner.scratch, now, this.#threeProbeTimeouts);
    if (plaintext === undefined) {
      counters[keys.failure]++;
      return;
    }
    counters.key_updates += keys.updates - updates;
    if (this.phase === "half_open") {
      // Given up before it began: not worth an incoming session, nor the standing one.
      if (plaintext[0] === FrameType.CONNECTION_CLOSE) return this.abandon();
      this.#confirmAt(from);
      // The initiator sends its first packet as soon as it has the response; later ones tell nothing.
      if (packetNumber === 0 && this.#sentHandshakes === 1) {
        this.session!.onRoundTrip(now - this.startedAt, now);
      }
      if (!this.owner.mayConfirm(this)) return this.#refuse(now);
      this.phase = "established";
      this.establishedAt = now;
      this.response = undefined;
      this.owner.onConnectionConfirmed(this, now);
    }
    this.#from = from;
    const isNewest = packetNumber > this.#replay.highest;
    const isStream = (plaintext[0] & 0xf8) === FrameType.STREAM;
    const isBorrowed = plaintext.buffer === this.owner.scratch.buffer;
    if (!this.session!.receive(packetNumber, plaintext, packet.length, now, isBorrowed)) {
      counters.reassembly_full++;
      return;
    }
    this.#replay.mark(packetNumber);
    const isSign = this.awaitsSign;
    if (isSign) this.owner.onConnectionSign(this);
    // The first frame tells of all: what is behind stream data in a packet may wait as long as an ACK may.
    if (sameAddress(from, this.#paths.current)) this.isQuiet = isStream && !isSign && this.session!.canWait;
    else if (this.session!.isOpen) this.#paths.onForeign(from, packet.length, isNewest, now);
    this.session!.throwDefect();
  }

  /** Writes the next data packet to `out`; its length, 0 when there is none. */
  poll(out: Uint8Array, now: number): number {
    if (this.phase !== "established") return 0;
    const session = this.session!;
    const packetNumber = session.nextPacketNumber;
    const keys = this.#keys!;
    keys.updateIfDue(packetNumber, session.recovery.largestAcked, now);
    if (keys.isExhausted(packetNumber)) {
      session.close(ErrorCode.INTERNAL_ERROR, "packet numbers of this key are used up", now);
    }
    const frames = out.subarray(DATA_HEADER);
    let length = session.isOpen ? this.#paths.write(frames, PACKET_OVERHEAD, now) : 0;
    if (length > 0) {
      session.onPathPacket(length, now);
      this.destination = this.#paths.destination;
    } else {
      length = session.poll(frames, now);
      this.destination = this.#paths.current;
    }
    if (session.isGone) this.phase = "gone";
    if (length === 0) return 0;
    keys.seal(out, this.#remoteIndex, packetNumber, length);
    return DATA_HEADER + length + TAG_LENGTH;
  }

  /** See {@linkcode SessionEvents}. */
  onStream(stream: Stream): void {
    this.events.onStream?.(stream);
  }

  /** See {@linkcode SessionEvents}. */
  onDatagram(bytes: Uint8Array): void {
    this.events.onDatagram?.(bytes);
  }

  /** See {@linkcode SessionEvents}. */
  onEnd(end: SessionEnd): void {
    this.#paths.stop();
    this.owner.onConnectionEnd(this);
    if (this.session!.isGone) this.phase = "gone";
    this.events.onEnd?.(end);
  }

  /** See {@linkcode SessionEvents}. */
  onWake(): void {
    this.owner.onConnectionWake(this);
  }

  /** The response was sent (again), to `to`. */
  onResponseSent(to: SocketAddress): void {
    this.#sentHandshakes++;
    if (this.#responseAddresses.some((address) => sameAddress(address, to))) return;
    if (this.#responseAddresses.length < MAX_RESPONSE_ADDRESSES) this.#responseAddresses.push(to);
  }

  /** See {@linkcode PathContext}. */
  get counters(): Counters {
    return this.owner.counters;
  }

  /** See {@linkcode PathContext}. */
  get probeTimeout(): number {
    const { probeTimeout, recovery } = this.session!;
    // A stalled event loop makes round trips of seconds: a peer that has moved must be found before it gives up.
    return Math.min(probeTimeout, recovery.longestProbeTimeout);
  }

  /** See {@linkcode PathContext}. RFC 9002 §6.2.2: the variance is half of the round trip at first. */
  initialProbeTimeout(path: SocketAddress): number {
    return 3 * initialRtt(path);
  }

  /** See {@linkcode PathContext}. */
  draw(length: number): Uint8Array {
    return this.owner.draw(length);
  }

  /** See {@linkcode PathContext}. */
  onPathChange(path: SocketAddress, roundTrip: number | undefined): void {
    this.session!.onPathChange(path);
    if (roundTrip !== undefined) this.session!.onRoundTrip(roundTrip, this.session!.now);
  }

  /** See {@linkcode SessionEvents}. */
  onPathChallenge(data: Uint8Array): void {
    this.#paths.onChallenge(this.#from, data);
  }

  /** See {@linkcode SessionEvents}. */
  onPathResponse(data: Uint8Array): void {
    this.#paths.onResponse(data, this.session!.now);
  }

  /** The peer has the response: it is where that went. Anywhere else it has yet to show that it is there. */
  #confirmAt(from: SocketAddress): void {
    const addresses = this.#responseAddresses;
    this.#responseAddresses = [];
    const known = addresses.some((address) => sameAddress(address, from));
    if (!known || sameAddress(from, this.#paths.current)) return;
    this.#paths.current = from;
    this.session!.onPathChange(from);
  }

  /** Not to be the session: the peer is told, in case it believes in this one. */
  #refuse(now: number): void {
    this.phase = "established";
    this.session!.replace(now, true);
  }

  /** How long the last receive keys stay after an update (RFC 9001 §6.5). */
  readonly #threeProbeTimeouts = (): number => 3 * this.session!.probeTimeout;

  #start(result: HandshakeResult, path: SocketAddress, now: number): void {
    this.#paths.current = path;
    this.#remoteIndex = result.remoteIndex;
    this.#keys = new PacketKeys(result.sendKey, result.receiveKey, this.owner.limits, now);
    this.peerAgent = result.peer.agent;
    this.session = new SessionState(this.isInitiator, result.peer, this.owner.transport, path, this, now);
  }

  #where(): string[] {
    return this.candidates.map(({ hostname, port }) =>
      hostname.includes(":") ? `[${hostname}]:${port}` : `${hostname}:${port}`
    );
  }

  #timeoutError(): HawserError {
    if (this.#refusals > 0) return this.#refusedError();
    const where = this.#where();
    return new HandshakeTimeoutError(
      `Connect: nobody answered at ${
        where.join(", ")
      }; the peer is not running, not reachable, or has another key`,
      where,
    );
  }

  #refusedError(): HawserError {
    return new NotAuthorizedError(
      `Connect: the peer at ${this.#where().join(", ")} answered under another mesh key than ours`,
    );
  }
}
