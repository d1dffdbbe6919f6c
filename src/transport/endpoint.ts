/**
 * Everything behind one UDP socket, sans I/O: takes datagrams and the time, gives datagrams and the time of its next
 * timer. Handshakes, the table of sessions and the bounds of `protocol.md` 8 live here.
 *
 * @module
 */

import { mac1Key } from "../crypto/mac.ts";
import { InvalidArgumentError, NodeClosedError } from "../errors.ts";
import { equalBytes, toHex } from "../wire/bytes.ts";
import { datagramDefect, mac1Field, PacketType, readU32 } from "../wire/packet.ts";
import { sameAddress, type SocketAddress } from "./address.ts";
import {
  DEFAULT_LIMITS,
  type EndpointLimits,
  MAX_DATAGRAM_SIZE,
  MAX_OUTBOX,
  MAX_SESSIONS,
  type TransportOptions,
} from "./config.ts";
import { Connection, type ConnectionOwner } from "./connection.ts";
import { CookieGuard, CookieJar } from "./cookies.ts";
import { type Counters, zeroCounters } from "./counters.ts";
import type { EndpointEvents, EndpointOptions } from "./endpoint_options.ts";
import { Fifo } from "./fifo.ts";
import { HalfOpenTable } from "./half_open.ts";
import { hasValidMac1, type Identity, InitiatorHandshake, ReceivedInitiation, tai64n } from "./handshake.ts";
import { InitiatorTimes } from "./initiator_times.ts";
import { localParameters } from "./local_parameters.ts";
import { PeerSessions } from "./peer_sessions.ts";
import { TimerQueue } from "./timer_queue.ts";

/** A datagram to send. Reused by the next poll. */
export interface Transmit {
  /** Its length in the buffer that was given to poll. */
  length: number;
  /** Where it goes. */
  to: SocketAddress;
}

/** While our own initiation is younger than this, the peer's crossing one yields to it. */
const SIMULTANEOUS_OPEN_TIME = 1_000;

/** Sessions and handshakes of one socket. */
export class Endpoint implements ConnectionOwner {
  /** See {@linkcode Counters}. */
  readonly counters: Counters = zeroCounters();
  /** How sessions behave. */
  readonly transport: TransportOptions;
  /** See {@linkcode ConnectionOwner}. */
  readonly limits: EndpointLimits;
  /** See {@linkcode ConnectionOwner}. */
  readonly scratch: Uint8Array = new Uint8Array(MAX_DATAGRAM_SIZE);

  /** Whether the datagram received last asks for no poll. */
  isQuiet = false;

  readonly #identity: Identity;
  readonly #mac1Key: Uint8Array;
  readonly #byIndex = new Map<number, Connection>();
  readonly #peers: PeerSessions;
  readonly #connecting = new Set<Connection>();
  readonly #halfOpen = new HalfOpenTable();
  readonly #cookieGuard: CookieGuard;
  readonly #cookieJar = new CookieJar();
  readonly #initiatorTimes = new InitiatorTimes();
  /** Handshake packets to be sent. */
  readonly #outbox = new Fifo<{ readonly packet: Uint8Array; readonly to: SocketAddress }>();
  readonly #ready = new Set<Connection>();
  readonly #timers = new TimerQueue<Connection>();
  readonly #transmit: Transmit = { length: 0, to: { hostname: "", port: 0 } };
  #lastTime: Uint8Array | undefined;
  #accepts: boolean;

  constructor(readonly options: EndpointOptions, readonly events: EndpointEvents) {
    this.transport = options.transport;
    this.#accepts = options.accepts;
    this.#identity = {
      staticKey: options.staticKey,
      psk: options.psk,
      parameters: localParameters(options.transport, MAX_DATAGRAM_SIZE),
      random: (length) => options.random(length),
    };
    this.#mac1Key = mac1Key(options.staticKey.publicKey);
    this.limits = { ...DEFAULT_LIMITS, ...options.limits };
    const { publicKey } = options.staticKey;
    this.#peers = new PeerSessions(publicKey);
    this.#cookieGuard = new CookieGuard(publicKey, this.limits.cookieThreshold, this.#identity.random);
  }

  /** Established sessions; of two with one peer the one that stands. */
  get connections(): IterableIterator<Connection> {
    return this.#peers.standing;
  }

  /** The live session with a peer, if there is one. */
  connectionTo(peerKey: Uint8Array): Connection | undefined {
    return this.#peers.get(peerKey);
  }

  /** Open streams of all live sessions. */
  get openStreams(): number {
    let count = 0;
    for (const connection of this.#peers.all()) count += connection.session!.streams.size;
    return count;
  }

  /** Sessions, lingering ones included, and handshakes. */
  get size(): number {
    return this.#byIndex.size;
  }

  /** Connections that wait for a time. */
  get timerCount(): number {
    return this.#timers.size;
  }

  /** Whether no session, lingering ones included, and no handshake is left. */
  get isIdle(): boolean {
    return this.#byIndex.size === 0 && this.#outbox.size === 0;
  }

  /** Whether no peer would miss this node: what lingers yet would say nothing to anything that comes. */
  get isSilent(): boolean {
    if (this.#outbox.size > 0) return false;
    for (const { session } of this.#byIndex.values()) if (!session?.isSilent) return false;
    return true;
  }

  /** From now on nobody may connect any more: a peer that was told goodbye would be back at once. */
  stopAccepting(): void {
    this.#accepts = false;
  }

  /** Closes every session and gives up every handshake. */
  closeAll(code: number, reason: string, now: number): void {
    for (const connection of [...this.#byIndex.values()]) {
      if (connection.phase === "established") connection.session!.close(code, reason, now);
      else connection.fail(new NodeClosedError("Connect: node is closed"));
      this.#touch(connection);
    }
  }

  /** Begins a handshake with the peer that has `peerKey`, looked for at every candidate address. */
  connect(peerKey: Uint8Array, candidates: readonly SocketAddress[], now: number): Connection {
    if (equalBytes(peerKey, this.#identity.staticKey.publicKey)) {
      throw new InvalidArgumentError("Connect: the peer's key is this node's own");
    }
    if (candidates.length === 0) throw new InvalidArgumentError("Connect: no address given for the peer");
    this.#lastTime = tai64n(this.options.wallClock(), this.#lastTime);
    const index = this.#newIndex();
    const handshake = new InitiatorHandshake(this.#identity, peerKey, index, this.#lastTime);
    const connection = Connection.initiate(this, handshake, index, candidates, now);
    this.#byIndex.set(index, connection);
    this.#connecting.add(connection);
    this.#sendInitiation(connection, now);
    this.events.onWake();
    return connection;
  }

  /** Takes a datagram that arrived. It may be changed or reused after the call. */
  receive(datagram: Uint8Array, from: SocketAddress, now: number): void {
    const { counters } = this;
    this.isQuiet = false;
    counters.datagramsReceived++;
    counters.bytesReceived += datagram.length;
    const defect = datagramDefect(datagram);
    if (defect !== undefined) {
      counters[defect]++;
      return;
    }
    if (datagram[0] === PacketType.DATA) {
      const connection = this.#byIndex.get(readU32(datagram, 4));
      if (connection?.session === undefined) counters.unknown_index++;
      else {
        try {
          connection.onData(datagram, from, now);
          this.isQuiet = connection.isQuiet;
        } finally {
          this.#touch(connection);
        }
      }
    } else if (datagram[0] === PacketType.COOKIE_REPLY) {
      this.#onCookieReply(datagram, from, now);
    } else if (!hasValidMac1(this.#mac1Key, datagram)) {
      counters.bad_mac1++;
    } else if (datagram[0] === PacketType.RESPONSE) {
      this.#onResponse(datagram, from, now);
    } else {
      this.#onInitiation(datagram, from, now);
    }
  }

  /**
   * Writes the next datagram to `buffer`, which has room for the largest; `undefined` when nothing is to be sent now.
   */
  poll(buffer: Uint8Array, now: number): Transmit | undefined {
    const queued = this.#outbox.shift();
    if (queued !== undefined) {
      buffer.set(queued.packet);
      return this.#sending(queued.packet.length, queued.to);
    }
    for (const connection of this.#ready) {
      const length = connection.poll(buffer, now);
      const isGone = connection.phase === "gone";
      // Out of the set, or to its end: connections take turns.
      if (length === 0 || isGone || this.#ready.size > 1) this.#ready.delete(connection);
      if (length === 0) this.#timers.update(connection);
      this.#forgetIfGone(connection);
      if (length === 0) continue;
      if (!isGone) this.#ready.add(connection);
      return this.#sending(length, connection.destination);
    }
    return undefined;
  }

  /** The socket refused a datagram's size on the way to `to`: size probes there end. */
  onTooBig(to: SocketAddress): void {
    for (const connection of this.#peers.all()) {
      const session = connection.session!;
      if (sameAddress(connection.path, to)) session.mtu.onTooBig(session.now);
    }
  }

  /** Time at which {@linkcode Endpoint.onTimeout} is due; `Infinity` when never. */
  get deadline(): number {
    return this.#timers.next;
  }

  /** Runs what is due. The caller drained the socket first if it is late. */
  onTimeout(now: number): void {
    for (
      let connection = this.#timers.pop(now);
      connection !== undefined;
      connection = this.#timers.pop(now)
    ) {
      this.#sendInitiation(connection, now);
      try {
        connection.onTimeout(now);
      } finally {
        this.#touch(connection);
      }
    }
  }

  /** See {@linkcode ConnectionOwner}. */
  draw(length: number): Uint8Array {
    return this.options.random(length);
  }

  /** See {@linkcode ConnectionOwner}. */
  random(): number {
    return readU32(this.options.random(4), 0) / 2 ** 32;
  }

  /** See {@linkcode ConnectionOwner}. */
  onConnectionWake(connection: Connection): void {
    this.#touch(connection);
    this.events.onWake();
  }

  /** See {@linkcode ConnectionOwner}. */
  mayConfirm(connection: Connection): boolean {
    const isFull = this.connectionTo(connection.peerKey) === undefined && this.#peers.size >= MAX_SESSIONS;
    if (isFull) this.counters.too_many_sessions++;
    return !isFull;
  }

  /** See {@linkcode ConnectionOwner}. */
  onConnectionConfirmed(connection: Connection, now: number): void {
    // A handshake came through: earlier ones of the same peer would only take its place again.
    for (const older of this.#halfOpen.takeUpTo(connection)) this.#abandon(older);
    // Both sides connected at once, and the peer's handshake came through: ours is not needed any more.
    const waiting = [...this.#connecting].filter((other) => equalBytes(other.peerKey, connection.peerKey));
    this.#establish(connection, now);
    this.events.onIncoming(connection);
    for (const other of waiting) other.onOvertaken(connection);
  }

  /** See {@linkcode ConnectionOwner}. */
  onConnectionEstablished(connection: Connection, now: number): void {
    this.#connecting.delete(connection);
    this.#establish(connection, now);
  }

  /** See {@linkcode ConnectionOwner}. */
  onConnectionSign(connection: Connection): void {
    this.#peers.onSign(connection);
    if (connection.rival !== undefined) this.#touch(connection.rival);
  }

  /** See {@linkcode ConnectionOwner}. */
  onConnectionEnd(connection: Connection): void {
    this.#connecting.delete(connection);
    if (this.#peers.remove(connection)) {
      this.#countEnd(connection);
      const left = this.#peers.get(connection.peerKey);
      if (left !== undefined) this.#touch(left);
    }
    this.#touch(connection);
  }

  #send(packet: Uint8Array, to: SocketAddress): void {
    if (this.#outbox.size < MAX_OUTBOX) this.#outbox.push({ packet, to });
    else this.counters.outbox_full++;
  }

  #sending(length: number, to: SocketAddress): Transmit {
    this.counters.datagramsSent++;
    this.counters.bytesSent += length;
    this.#transmit.length = length;
    this.#transmit.to = to;
    return this.#transmit;
  }

  /** The next poll asks a connection for packets and for its deadline. */
  #touch(connection: Connection): void {
    this.#forgetIfGone(connection);
    if (connection.phase !== "gone") this.#ready.add(connection);
  }

  #forgetIfGone(connection: Connection): void {
    if (connection.phase !== "gone") return;
    this.#ready.delete(connection);
    this.#timers.remove(connection);
    if (this.#byIndex.get(connection.localIndex) === connection) this.#byIndex.delete(connection.localIndex);
    this.#connecting.delete(connection);
    this.#halfOpen.delete(connection);
  }

  #sendInitiation(connection: Connection, now: number): void {
    const packet = connection.takeInitiation(now);
    if (packet !== undefined) {
      this.#cookieJar.seal(packet, connection.peerKey, now);
      for (const to of connection.candidates) this.#send(packet, to);
    }
    this.#ready.add(connection);
  }

  #onCookieReply(reply: Uint8Array, from: SocketAddress, now: number): void {
    const { counters } = this;
    const connection = this.#byIndex.get(readU32(reply, 4));
    const initiation = connection?.initiation;
    if (connection === undefined || initiation === undefined) {
      counters.unknown_index++;
    } else if (!this.#cookieJar.take(reply, connection.peerKey, initiation, now)) {
      counters.bad_cookie++;
    } else {
      counters.cookies_received++;
      if (!connection.mayAnswerCookie(from)) return;
      // The same initiation; a copy, for the outbox may still hold the one without the cookie.
      const packet = initiation.slice();
      this.#cookieJar.seal(packet, connection.peerKey, now);
      this.#send(packet, from);
    }
  }

  #onResponse(packet: Uint8Array, from: SocketAddress, now: number): void {
    const connection = this.#byIndex.get(readU32(packet, 8));
    if (connection?.phase !== "initiating") {
      this.counters.unknown_index++;
      return;
    }
    try {
      connection.onResponse(packet, from, now);
    } finally {
      this.#touch(connection);
    }
  }

  #onInitiation(packet: Uint8Array, from: SocketAddress, now: number): void {
    const { counters } = this;
    if (!this.#accepts) {
      counters.not_accepting++;
      return;
    }
    const verdict = this.#cookieGuard.judge(packet, from, now);
    if (verdict !== "pass") {
      counters[verdict === "too_many_of_host" ? "host_over_limit" : "cookie_required"]++;
      if (verdict !== "reply") return;
      counters.cookies_sent++;
      this.#send(this.#cookieGuard.reply(packet, from, now), from);
      return;
    }
    const key = toHex(mac1Field(packet));
    const known = this.#halfOpen.get(key);
    if (known !== undefined) {
      this.#sendResponse(known, from);
      return;
    }
    let initiation: ReceivedInitiation;
    try {
      initiation = new ReceivedInitiation(this.#identity, packet);
    } catch {
      counters.bad_handshake++;
      return;
    }
    if (this.#isRefused(initiation, now)) return;
    this.#respond(initiation, key, packet.length, from, now);
  }

  #isRefused({ peerKey, time }: ReceivedInitiation, now: number): boolean {
    const { counters } = this;
    if (equalBytes(peerKey, this.#identity.staticKey.publicKey)) {
      counters.own_key++;
      return true;
    }
    const peer = toHex(peerKey);
    if (this.#initiatorTimes.isStale(peer, time)) {
      counters.stale_initiation++;
      return true;
    }
    if (this.#peers.isSmallerThan(peerKey) && this.#isOpening(peerKey, now)) {
      counters.simultaneous_open++;
      return true;
    }
    if (this.connectionTo(peerKey) === undefined && this.#peers.size >= MAX_SESSIONS) {
      counters.too_many_sessions++;
      return true;
    }
    this.#initiatorTimes.note(peer, time);
    return false;
  }

  /** Whether a handshake of ours with the peer is on its way, or just done without the peer having used it. */
  #isOpening(peerKey: Uint8Array, now: number): boolean {
    const standing = this.connectionTo(peerKey);
    if (standing?.isInitiator && !standing.hasReceived) {
      return now - standing.establishedAt < SIMULTANEOUS_OPEN_TIME;
    }
    for (const connection of this.#connecting) {
      if (!equalBytes(connection.peerKey, peerKey)) continue;
      if (now - connection.startedAt < SIMULTANEOUS_OPEN_TIME) return true;
    }
    return false;
  }

  #respond(
    initiation: ReceivedInitiation,
    key: string,
    length: number,
    from: SocketAddress,
    now: number,
  ): void {
    const index = this.#newIndex();
    const { packet, result } = initiation.respond(index);
    if (packet.length > length) {
      // An initiation too short to be answered without amplification (protocol.md 2).
      this.counters.bad_handshake++;
      return;
    }
    const connection = Connection.respond(this, result, index, from, now);
    connection.response = packet;
    connection.initiationKey = key;
    this.#byIndex.set(index, connection);
    const evicted = this.#halfOpen.add(connection);
    if (evicted !== undefined) {
      this.counters.half_open_evicted++;
      this.#abandon(evicted);
    }
    this.#sendResponse(connection, from);
    this.#ready.add(connection);
  }

  #sendResponse(connection: Connection, to: SocketAddress): void {
    connection.onResponseSent(to);
    this.#send(connection.response!, to);
  }

  /** At most one live session per peer: the newer takes the older's place, but for a crossing. */
  #establish(connection: Connection, now: number): void {
    this.counters.sessionsEstablished++;
    for (const old of this.#peers.add(connection)) {
      this.#countEnd(old);
      // One that the peer never used is not worth a word, unless the peer may take it for the one to be kept.
      old.session!.replace(now, old.hasReceived || old.isInitiator !== connection.isInitiator);
      this.#touch(old);
    }
    if (connection.rival === undefined) return;
    this.counters.sessions_crossed++;
    this.#touch(connection.rival);
  }

  #countEnd(connection: Connection): void {
    this.counters.sessionsEnded++;
    this.counters.packetsLost += connection.session!.recovery.lostPackets;
  }

  #abandon(connection: Connection): void {
    connection.abandon();
    this.#forgetIfGone(connection);
  }

  #newIndex(): number {
    for (;;) {
      const index = readU32(this.options.random(4), 0);
      if (!this.#byIndex.has(index)) return index;
    }
  }
}
