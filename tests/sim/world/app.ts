/**
 * The application on one node of a simulated world: connects, opens and takes streams as the world's plan says, closes
 * sessions, and loses everything when its process ends.
 *
 * @module
 */

import type { Connection } from "../../../src/transport/connection.ts";
import type { SessionEnd } from "../../../src/transport/session_end.ts";
import type { Stream } from "../../../src/transport/stream.ts";
import type { SimNode } from "../node.ts";
import { open } from "../traffic.ts";
import { ReceiveEnd, SendEnd } from "./ends.ts";
import type { Ledger, StreamEntry } from "./ledger.ts";
import type { Messages } from "./messages.ts";
import type { SessionWatch } from "./session_watch.ts";

/** What an application needs of its world. */
export interface AppWorld {
  readonly ledger: Ledger;
  readonly messages: Messages;
  readonly watch: SessionWatch;
  /** Nobody takes any time any more. */
  readonly isCalm: boolean;
  /** Note for the trace. */
  note(text: string): void;
  /** An application of this world by its node's key. */
  appOf(key: Uint8Array): App;
  /** A session of this application is over. */
  onSessionEnd(app: App, peer: App): void;
}

/** A stream that is to be opened. */
export interface StreamOrder {
  readonly entry: StreamEntry;
  readonly priority: number;
  readonly weight: number;
}

/** One application. */
export class App {
  /** Set before anything else happens. */
  node!: SimNode;
  /** Whether the process is dead. */
  isDown = false;
  /** Ends of streams that may yet fail, with the session of each. */
  #ends: { readonly connection: Connection; readonly end: SendEnd | ReceiveEnd }[] = [];
  /** Streams that wait for the peer's limit or for a session. */
  readonly #waiting = new Map<App, StreamOrder[]>();
  readonly #connecting = new Map<App, Connection>();

  constructor(readonly name: string, readonly world: AppWorld) {}

  /** The live session with a peer. */
  sessionWith(peer: App): Connection | undefined {
    return this.node.sessionWith(peer.node);
  }

  /** Begins to connect where no session is and none is being made. */
  connect(peer: App): void {
    if (this.isDown || this.#connecting.has(peer) || this.sessionWith(peer) !== undefined) return;
    const { endpoint, now } = this.node;
    const connection = endpoint.connect(peer.node.id, [peer.node.address], now);
    this.world.note(`${this.name} connects to ${peer.name}`);
    this.#connecting.set(peer, connection);
    this.#listen(connection, peer);
  }

  /** Connects if streams wait for a session. */
  connectForOrders(peer: App): void {
    if ((this.#waiting.get(peer)?.length ?? 0) > 0) this.connect(peer);
  }

  /** Takes a session that a peer opened. */
  accept(connection: Connection): void {
    const peer = this.world.appOf(connection.peerKey);
    this.world.note(`${this.name} has an incoming session of ${peer.name}`);
    this.#listen(connection, peer);
    this.#onSession(connection, peer);
  }

  /** Opens a stream as soon as there is a session that allows one more. */
  order(peer: App, order: StreamOrder): void {
    if (this.isDown) return;
    const waiting = this.#waiting.get(peer) ?? [];
    this.#waiting.set(peer, waiting);
    waiting.push(order);
    this.#openWaiting(peer);
  }

  /** Gives up what was ordered and not opened. */
  cancelOrders(): void {
    this.#waiting.clear();
  }

  /** Closes the session with a peer. */
  close(peer: App, code: number): void {
    const connection = this.sessionWith(peer);
    if (connection === undefined || this.isDown) return;
    this.world.note(`${this.name} closes its session with ${peer.name}`);
    this.world.watch.onClosing(connection);
    connection.session!.close(code, "closed by the application", this.node.now);
  }

  /** The process dies. */
  kill(): void {
    this.isDown = true;
    for (const { end } of this.#ends) end.lose();
    this.#ends = [];
    this.#waiting.clear();
    this.#connecting.clear();
    this.world.watch.onProcessEnd(this);
    this.node.kill();
  }

  /** The process comes back. */
  revive(): void {
    this.isDown = false;
    this.node.restart();
  }

  #listen(connection: Connection, peer: App): void {
    const { endpoint } = this.node;
    // What a process that has ended leaves behind must not reach its successor.
    const isCurrent = () => this.node.endpoint === endpoint;
    connection.events = {
      onEstablished: () => {
        this.#connecting.delete(peer);
        this.#onSession(connection, peer);
      },
      onOvertaken: () => void this.#connecting.delete(peer),
      onStream: (stream) => this.#take(stream, connection, peer),
      onDatagram: (bytes) => this.world.messages.receive(this, bytes),
      onEnd: (end) => {
        if (isCurrent()) this.#onEnd(connection, peer, end);
      },
    };
  }

  #onSession(connection: Connection, peer: App): void {
    this.world.watch.add(this, peer, connection);
    connection.session!.streams.onStreamCredit = () => this.#openWaiting(peer);
    // Not in the middle of what the endpoint does.
    this.node.network.after(0, () => this.#openWaiting(peer));
  }

  #onEnd(connection: Connection, peer: App, end: SessionEnd): void {
    this.world.note(`${this.name}: session with ${peer.name} is over: ${end.error.message}`);
    if (this.#connecting.get(peer) === connection) this.#connecting.delete(peer);
    // Only its own: another session with the peer may end at the same instant.
    const hadStreams = this.#ends.some((held) =>
      held.connection === connection && held.end.outcome === "failed"
    );
    this.world.watch.onEnd(this, peer, connection, end, hadStreams);
    this.world.onSessionEnd(this, peer);
  }

  #openWaiting(peer: App): void {
    const waiting = this.#waiting.get(peer);
    const connection = this.sessionWith(peer);
    if (waiting === undefined || connection === undefined || this.isDown) return;
    while (waiting.length > 0 && connection.session!.streams.canOpen) {
      const { entry, priority, weight } = waiting.shift()!;
      const stream = open(connection, { protocol: entry.number, priority, weight });
      this.world.note(`${this.name} opens stream ${stream.id} to ${peer.name} for order ${entry.number}`);
      entry.forth.sender = new SendEnd(this.node.network, stream, entry.forth.plan);
      entry.back.receiver = new ReceiveEnd(this.node.network, stream, entry.back.plan);
      this.#begin(entry, connection, entry.forth.sender, entry.back.receiver);
    }
  }

  #take(stream: Stream, connection: Connection, peer: App): void {
    const entry = this.world.ledger.entries[stream.protocol];
    if (entry?.opener !== peer.name || entry.acceptor !== this.name) {
      throw new Error(
        `${this.name} got a stream for order ${stream.protocol}, which is none of ${peer.name}'s`,
      );
    }
    if (entry.forth.receiver !== undefined) throw new Error(`stream of order ${entry.number} came twice`);
    entry.forth.receiver = new ReceiveEnd(this.node.network, stream, entry.forth.plan);
    entry.back.sender = new SendEnd(this.node.network, stream, entry.back.plan);
    this.#begin(entry, connection, entry.back.sender, entry.forth.receiver);
  }

  #begin(entry: StreamEntry, connection: Connection, sender: SendEnd, receiver: ReceiveEnd): void {
    entry.sessions.push(connection);
    this.#ends = this.#ends.filter(({ end }) => end.outcome === "open");
    this.#ends.push({ connection, end: sender }, { connection, end: receiver });
    if (this.world.isCalm) {
      receiver.hurry();
      sender.hurry();
    } else {
      receiver.start();
      sender.start();
    }
  }
}
