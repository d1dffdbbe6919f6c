/**
 * Judges how sessions of a simulated world end: each end needs a reason. "No session dies while packets can pass" means
 * here: a session may end by silence only if
 *
 * 1. no packet of it was taken from the peer within the idle time-out;
 * 2. this side, if it had streams, went on asking: never silent for more than a third of the idle time-out, or one
 *    probe time-out where that is longer;
 * 3. whatever the peer took of these questions, it answered to where this side is, and all answers were lost.
 *
 * @module
 */

import { HandshakeTimeoutError } from "../../../src/errors.ts";
import type { SocketAddress } from "../../../src/transport/address.ts";
import { sameAddress } from "../../../src/transport/address.ts";
import { ErrorCode } from "../../../src/transport/config.ts";
import type { Connection } from "../../../src/transport/connection.ts";
import type { SessionEnd } from "../../../src/transport/session_end.ts";
import { PacketType, readU32 } from "../../../src/wire/packet.ts";
import type { Watcher } from "../network.ts";
import type { SimNode } from "../node.ts";
import type { App } from "./app.ts";

/** From when on what a side sends after it last heard something asks for an answer: it has nothing to acknowledge. */
const ASKS_AFTER = 1_000;
/** Time that an answer may take, with the slowest event loop of these worlds. */
const ANSWER_TIME = 3_000;
/** Questions within this time are one. */
const ONE_ANSWER = 100;
/** Times are sums of fractions. */
const ROUNDING = 0.001;
/** What timers may be late by in a gap between questions. */
const GAP_SLACK = 1_000;

/** One side of a session. */
interface Side {
  readonly app: App;
  readonly peer: App;
  readonly connection: Connection;
  /** Begin of the silence that the gap is counted in: once something was sent in it. */
  silentSince: number;
  askedAt: number;
  longestGap: number;
  /** When something was last sent to where the peer is. */
  answeredAt: number;
  /** Since when the peer's question is not answered. */
  owesSince: number | undefined;
}

/** Watches all sessions. */
export class SessionWatch implements Watcher {
  /** When the calm came; handshakes that begin in it cannot fail. */
  calmSince = Infinity;
  /** Everything is being closed, sessions that wait in the shadow of another included. */
  isClosing = false;
  /** Ends of sessions by what ended them, to see that worlds are not all alike. */
  readonly ends = { closed: 0, replaced: 0, silent: 0, unreached: 0 };
  readonly #sides = new Map<number, Side>();
  /** Local index of the other side by our local index. */
  readonly #pairs = new Map<number, number>();
  readonly #asking = new WeakSet<Uint8Array>();
  readonly #closing = new Set<number>();
  /** Sessions begun by pair of names. */
  readonly #begun = new Map<string, number>();

  /** A side of a session stands. */
  add(app: App, peer: App, connection: Connection): void {
    this.#sides.set(connection.localIndex, {
      app,
      peer,
      connection,
      silentSince: -Infinity,
      askedAt: -Infinity,
      longestGap: 0,
      answeredAt: -Infinity,
      owesSince: undefined,
    });
    const pair = pairOf(app, peer);
    this.#begun.set(pair, (this.#begun.get(pair) ?? 0) + 1);
  }

  /** The application closes a session. */
  onClosing(connection: Connection): void {
    this.#closing.add(connection.localIndex);
  }

  /** A process is gone: its sides owe nothing any more. */
  onProcessEnd(app: App): void {
    for (const [index, side] of this.#sides) if (side.app === app) this.#sides.delete(index);
  }

  /** Whether both nodes hold the same session, or none. */
  agree(a: App, b: App): boolean {
    const [here, there] = [a.sessionWith(b), b.sessionWith(a)];
    if (here === undefined || there === undefined) return here === there;
    return this.#pairs.get(here.localIndex) === there.localIndex;
  }

  /** A session or a handshake ended. Throws when it had no reason. */
  onEnd(app: App, peer: App, connection: Connection, end: SessionEnd, hadStreams: boolean): void {
    const fault = this.#faultOf(app, peer, connection, end, hadStreams);
    if (fault !== undefined) {
      throw new Error(`session of ${app.name} with ${peer.name} ended (${end.error.message}): ${fault}`);
    }
  }

  /** See {@linkcode Watcher}. */
  onSend(from: SimNode, datagram: Uint8Array, to: SocketAddress): void {
    if (datagram[0] === PacketType.RESPONSE) {
      const [responder, initiator] = [readU32(datagram, 4), readU32(datagram, 8)];
      this.#pairs.set(responder, initiator);
      this.#pairs.set(initiator, responder);
      return;
    }
    if (datagram[0] !== PacketType.DATA) return;
    const side = this.#sides.get(this.#pairs.get(readU32(datagram, 4)) ?? -1);
    if (side === undefined || side.app.node !== from) return;
    const { now } = from;
    const { lastReceivedAt } = side.connection.session!;
    if (now - lastReceivedAt > ASKS_AFTER) {
      this.#asking.add(datagram);
      if (lastReceivedAt > side.silentSince) {
        // Before the first question it may have had none: an idle session need not ask.
        side.silentSince = lastReceivedAt;
        side.askedAt = now;
        side.longestGap = 0;
      }
      side.longestGap = Math.max(side.longestGap, now - side.askedAt);
      side.askedAt = now;
    }
    if (!sameAddress(to, side.peer.node.address)) return;
    side.owesSince = undefined;
    side.answeredAt = now;
  }

  /** See {@linkcode Watcher}. */
  onReceive(by: SimNode, datagram: Uint8Array, from: SocketAddress): void {
    if (datagram[0] !== PacketType.DATA || !this.#asking.has(datagram)) return;
    const side = this.#sides.get(readU32(datagram, 4));
    if (side === undefined || side.app.node !== by) return;
    // Who has moved on meanwhile cannot be answered: the next question comes from where they are.
    if (!sameAddress(from, side.peer.node.address)) return;
    const session = side.connection.session!;
    if (!session.isOpen || session.lastReceivedAt !== by.now) return;
    // Several questions at a time are answered, or a new path challenged, once.
    if (by.now - side.answeredAt > ONE_ANSWER) side.owesSince ??= by.now;
    // A copy of it that comes later is nothing new.
    this.#asking.delete(datagram);
  }

  #faultOf(
    app: App,
    peer: App,
    connection: Connection,
    end: SessionEnd,
    hadStreams: boolean,
  ): string | undefined {
    const { localIndex } = connection;
    const remoteIndex = this.#pairs.get(localIndex) ?? -1;
    if (this.isClosing || this.#closing.has(localIndex) || this.#closing.has(remoteIndex)) {
      this.ends.closed++;
      return undefined;
    }
    if (end.error instanceof HandshakeTimeoutError) {
      this.ends.unreached++;
      return connection.startedAt >= this.calmSince ? "nothing was in the way" : undefined;
    }
    if (end.code === ErrorCode.SESSION_REPLACED) {
      this.ends.replaced++;
      if (this.#begun.get(pairOf(app, peer))! < 2) return "there is no other session";
      // Where both connect at once, the session that is not kept ends when its streams have.
      const isShared = this.#sides.get(remoteIndex)?.connection.session?.isOpen;
      return hadStreams && isShared ? "streams were lost though both sides had it" : undefined;
    }
    if (end.code !== ErrorCode.IDLE_TIMEOUT) return "nobody closed it";
    this.ends.silent++;
    return this.#faultOfSilence(this.#sides.get(localIndex)!, this.#sides.get(remoteIndex), hadStreams);
  }

  #faultOfSilence(side: Side, other: Side | undefined, hadStreams: boolean): string | undefined {
    const { app, peer, connection } = side;
    const { now } = app.node;
    const { lastReceivedAt } = connection.session!;
    const idleTimeout = Math.min(
      app.node.endpoint.transport.idleTimeout,
      peer.node.endpoint.transport.idleTimeout,
    );
    if (now - lastReceivedAt < idleTimeout - ROUNDING) {
      return `a packet came only ${now - lastReceivedAt} ms ago`;
    }
    const hasStalled = app.node.stalledAt > lastReceivedAt;
    if (hadStreams && !hasStalled) {
      const hasAsked = side.silentSince === lastReceivedAt;
      const gap = hasAsked ? Math.max(side.longestGap, now - side.askedAt) : now - lastReceivedAt;
      const { rtt, peerMaxAckDelay } = connection.session!.recovery;
      if (gap > Math.max(idleTimeout / 3, rtt.pto(peerMaxAckDelay)) + GAP_SLACK) {
        return `it asked for no sign of life for ${Math.round(gap)} ms`;
      }
    }
    const owes = other?.owesSince;
    if (owes === undefined || now - owes < ANSWER_TIME || peer.node.stalledAt > owes) return undefined;
    return `${peer.name} lives and has not answered for ${Math.round(now - owes)} ms`;
  }
}

function pairOf(a: App, b: App): string {
  return a.name < b.name ? `${a.name} ${b.name}` : `${b.name} ${a.name}`;
}
