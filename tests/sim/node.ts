/**
 * A node of the simulated network: a real endpoint, driven as the socket loop drives it, on virtual time.
 *
 * @module
 */

import { generateKeyPair, type KeyPair } from "../../src/crypto/x25519.ts";
import type { SocketAddress } from "../../src/transport/address.ts";
import { DEFAULT_TRANSPORT, type EndpointLimits, type TransportOptions } from "../../src/transport/config.ts";
import type { Connection } from "../../src/transport/connection.ts";
import { Endpoint } from "../../src/transport/endpoint.ts";
import type { SessionEnd } from "../../src/transport/session_end.ts";
import type { Stream } from "../../src/transport/stream.ts";
import type { SimNetwork } from "./network.ts";
import type { Prng } from "./prng.ts";
import { ReceiveQueue } from "./receive_queue.ts";

/** How a node is made; every field has a default. */
export interface SimNodeOptions {
  /** Mesh key. @default none */
  readonly psk?: Uint8Array;
  /** Whether anybody may connect. @default true */
  readonly accepts?: boolean;
  /** Changes to the transport's defaults. */
  readonly transport?: Partial<TransportOptions>;
  /** Changes to the limits. */
  readonly limits?: Partial<EndpointLimits>;
  /** Static key pair. @default one made from the network's seed */
  readonly staticKey?: KeyPair;
  /** Numeric host. @default 192.0.2.n */
  readonly hostname?: string;
  /** Takes streams that peers open. */
  readonly onStream?: (stream: Stream, connection: Connection) => void;
  /** Takes sessions that peers open, and sets their events. @default they are noted in `incoming` and `ended` */
  readonly onIncoming?: (connection: Connection) => void;
  /** Milliseconds between 1970 and the clock's zero. */
  readonly epoch?: number;
  /** Bytes that the socket holds for the event loop; more is dropped. @default no limit */
  readonly socketBuffer?: number;
  /** Milliseconds that the event loop is busy with each datagram. @default 0 */
  readonly readTime?: number;
}

/** 2026-01-01. */
const EPOCH = 1_767_225_600_000;

/** A node. */
export class SimNode {
  /** The object under test. */
  endpoint: Endpoint;
  /** Sessions that peers opened, oldest first. */
  readonly incoming: Connection[] = [];
  /** Sessions that ended, in order. */
  readonly ended: { readonly connection: Connection; readonly end: SessionEnd }[] = [];
  /** Streams that peers opened and no `onStream` took. */
  readonly streams: Stream[] = [];
  /** Unreliable datagrams that arrived, in order. */
  readonly datagrams: Uint8Array[] = [];
  readonly staticKey: KeyPair;
  /** Where the others see it; see {@linkcode SimNode.rebind}. */
  address: SocketAddress;
  readonly #random: Prng;
  readonly #buffer = new Uint8Array(65_536);
  /** What waits in the socket while the event loop is busy or stands still. */
  socket: ReceiveQueue;
  /** When the event loop last began to stand still. */
  stalledAt = -Infinity;
  /** Until when the event loop is busy or stands still. */
  #busyUntil = 0;
  /** Whether the end of that is scheduled. */
  #busy = false;
  #timerAt = Infinity;
  #flushQueued = false;
  #down = false;

  constructor(readonly network: SimNetwork, readonly options: SimNodeOptions, index: number, random: Prng) {
    this.#random = random;
    this.address = { hostname: options.hostname ?? `192.0.2.${index + 1}`, port: 4000 + index };
    this.staticKey = options.staticKey ?? generateKeyPair((length) => random.bytes(length));
    this.socket = this.#newSocket();
    this.endpoint = this.#newEndpoint();
  }

  /** The node's id. */
  get id(): Uint8Array {
    return this.staticKey.publicKey;
  }

  /** Time. */
  get now(): number {
    return this.network.clock.now;
  }

  /** Begins to connect. Ends are noted in {@linkcode SimNode.ended}. */
  connect(peer: SimNode, candidates: readonly SocketAddress[] = [peer.address]): Connection {
    const connection = this.endpoint.connect(peer.id, candidates, this.now);
    this.#watch(connection);
    return connection;
  }

  /** Connects and runs the network until the session stands. */
  establish(peer: SimNode): Connection {
    const connection = this.connect(peer);
    this.network.runUntil(() => connection.session !== undefined && peer.sessionWith(this) !== undefined);
    return connection;
  }

  /** The live session with a peer. */
  sessionWith(peer: SimNode): Connection | undefined {
    return this.endpoint.connectionTo(peer.id);
  }

  /** A datagram arrives at the socket. */
  deliver(datagram: Uint8Array, from: SocketAddress): void {
    if (this.#down) return;
    if (this.#busy) {
      this.socket.push(datagram, from);
      return;
    }
    this.#receive(datagram, from);
    const { readTime = 0 } = this.options;
    if (readTime > 0) this.#occupy(readTime);
  }

  /** Sends what may be sent now and sets the timer. */
  flush(): void {
    if (!this.#busy) this.#flush();
  }

  /** The event loop stands still: datagrams queue in the socket, timers come late. */
  stall(milliseconds: number): void {
    this.stalledAt = this.now;
    this.#occupy(milliseconds);
  }

  /**
   * The NAT in front of the node forgets its mapping: from now on its datagrams come from another address, and what is
   * sent to the old one vanishes, what is on its way included. The node itself notices nothing.
   *
   * @param to the new address. @default the same host with the port raised by 1000
   */
  rebind(to: Partial<SocketAddress> = { port: this.address.port + 1000 }): void {
    this.address = { ...this.address, ...to };
  }

  /** The process dies and comes back with the same key and address: nothing of it is left. */
  restart(): void {
    this.kill();
    this.#down = false;
  }

  /** The process dies; {@linkcode SimNode.restart} brings it back. */
  kill(): void {
    this.#down = true;
    this.endpoint = this.#newEndpoint();
    this.incoming.length = this.streams.length = 0;
    this.socket = this.#newSocket();
    this.#timerAt = Infinity;
    this.#busyUntil = 0;
    this.#busy = false;
  }

  #newSocket(): ReceiveQueue {
    return new ReceiveQueue(this.options.socketBuffer ?? Infinity);
  }

  #receive(datagram: Uint8Array, from: SocketAddress): void {
    // The endpoint may keep nothing of the datagram: the next one overwrites it, as in a driver's buffer.
    this.#buffer.set(datagram);
    this.endpoint.receive(this.#buffer.subarray(0, datagram.length), from, this.now);
    this.#buffer.fill(0xdd, 0, datagram.length);
    this.network.watcher?.onReceive(this, datagram, from);
    this.#flush();
  }

  #flush(): void {
    if (this.#down) return;
    for (;;) {
      const transmit = this.endpoint.poll(this.#buffer, this.now);
      if (transmit === undefined) break;
      this.network.send(this, this.#buffer.slice(0, transmit.length), transmit.to);
    }
    this.#setTimer();
  }

  /** The event loop does nothing else for a while. */
  #occupy(milliseconds: number): void {
    this.#busyUntil = Math.max(this.#busyUntil, this.now + milliseconds);
    if (this.#busy) return;
    this.#busy = true;
    this.#scheduleFree();
  }

  #scheduleFree(): void {
    const { socket } = this;
    this.network.clock.schedule(this.#busyUntil, () => {
      if (socket === this.socket) this.#onFree();
    });
  }

  /** The event loop runs again; it drains the socket before it runs a late timer, as the socket loop does. */
  #onFree(): void {
    const { socket } = this;
    while (this.now >= this.#busyUntil) {
      const next = socket.shift();
      if (next === undefined) {
        this.#busy = false;
        if (this.#timerAt <= this.now) this.#onTimer();
        else this.#flush();
        return;
      }
      this.#busyUntil = this.now + (this.options.readTime ?? 0);
      this.#receive(next.datagram, next.from);
      // A callback may have ended the process.
      if (socket !== this.socket) return;
    }
    this.#scheduleFree();
  }

  #newEndpoint(): Endpoint {
    const { psk, accepts = true, transport, limits, onStream, onIncoming, epoch = EPOCH } = this.options;
    const endpoint: Endpoint = new Endpoint({
      staticKey: this.staticKey,
      psk,
      accepts,
      transport: { ...DEFAULT_TRANSPORT, ...transport },
      limits,
      random: (length) => this.#random.bytes(length),
      wallClock: () => epoch + this.now,
    }, {
      onIncoming: (connection) => {
        this.incoming.push(connection);
        if (onIncoming === undefined) this.#watch(connection, onStream);
        else onIncoming(connection);
      },
      onWake: () => this.#wake(endpoint),
    });
    return endpoint;
  }

  #watch(connection: Connection, onStream = this.options.onStream): void {
    connection.events = {
      onStream: (stream) => {
        if (onStream === undefined) this.streams.push(stream);
        else onStream(stream, connection);
      },
      onDatagram: (bytes) => void this.datagrams.push(bytes),
      onEnd: (end) => void this.ended.push({ connection, end }),
      onOvertaken: (by) => this.#watch(by, onStream),
    };
  }

  #wake(endpoint: Endpoint): void {
    if (this.#flushQueued || endpoint !== this.endpoint) return;
    this.#flushQueued = true;
    this.network.clock.schedule(this.now, () => {
      this.#flushQueued = false;
      this.flush();
    });
  }

  #setTimer(): void {
    const at = this.endpoint.deadline;
    if (at >= this.#timerAt) return;
    this.#timerAt = at;
    this.network.clock.schedule(at, () => {
      if (this.#timerAt === at && !this.#busy) this.#onTimer();
    });
  }

  #onTimer(): void {
    if (this.#down) return;
    this.#timerAt = Infinity;
    this.endpoint.onTimeout(this.now);
    this.#flush();
  }
}
