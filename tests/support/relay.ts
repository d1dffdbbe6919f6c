/**
 * A UDP relay that delays, loses, doubles and reorders datagrams, by a seed.
 *
 * @module
 */

import { createSocket, type Socket } from "node:dgram";
import { seeded } from "./seeded.ts";

/** What a relay does to the datagrams of both directions; shares of 1. */
export interface RelayFaults {
  /** Datagrams that vanish. @default 0 */
  readonly drop?: number;
  /** Datagrams that come twice. @default 0 */
  readonly duplicate?: number;
  /** Datagrams that are overtaken by a later one. @default 0 */
  readonly reorder?: number;
  /** Milliseconds that each takes on its way. @default none */
  readonly delay?: number;
  /** For the generator of all of these. @default 1 */
  readonly seed?: number;
}

/** One direction's faults. */
class FaultyPath {
  #held: Uint8Array | undefined;

  constructor(
    readonly faults: RelayFaults,
    readonly random: () => number,
    readonly send: (datagram: Uint8Array) => void,
  ) {}

  forward(datagram: Uint8Array): void {
    const { drop = 0, duplicate = 0, reorder = 0 } = this.faults;
    if (this.random() < drop) return;
    if (this.random() < reorder && this.#held === undefined) {
      this.#held = new Uint8Array(datagram);
      return;
    }
    this.send(datagram);
    if (this.random() < duplicate) this.send(datagram);
    if (this.#held === undefined) return;
    this.send(this.#held);
    this.#held = undefined;
  }
}

/** A relay on loopback between any number of clients and one server. */
export class UdpRelay {
  /** Whether everything is swallowed from now on. */
  isDead = false;
  /** Datagrams that came in. */
  received = 0;
  /** Bytes that may still come in before it falls silent. */
  #bytesLeft = Infinity;
  #onCut: (() => void) | undefined;
  readonly #backs = new Map<number, Promise<FaultyPath>>();
  readonly #sockets: Socket[];
  readonly #random: () => number;
  readonly #underWay = new Set<ReturnType<typeof setTimeout>>();

  private constructor(readonly front: Socket, readonly server: number, readonly faults: RelayFaults) {
    this.#sockets = [front];
    this.#random = seeded(faults.seed ?? 1);
    front.on("message", (datagram, { port }) => {
      this.#count(datagram);
      if (!this.isDead) this.#backOf(port).then((path) => path.forward(datagram));
    });
  }

  /** Begins. @param server port of the server on 127.0.0.1. */
  static async start(server: number, faults: RelayFaults = {}): Promise<UdpRelay> {
    return new UdpRelay(await openSocket(), server, faults);
  }

  /** Where clients find it. */
  get address(): string {
    return `127.0.0.1:${this.front.address().port}`;
  }

  /** Swallows everything once so many more bytes came in, and resolves then. Ends with `isDead = false`. */
  cutAfter(bytes: number): Promise<void> {
    this.#bytesLeft = bytes;
    return new Promise((resolve) => this.#onCut = resolve);
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.isDead = true;
    for (const timer of this.#underWay) clearTimeout(timer);
    await Promise.all(this.#backs.values());
    await Promise.all(
      this.#sockets.map((socket) => new Promise<void>((resolve) => socket.close(() => resolve()))),
    );
  }

  #count(datagram: Uint8Array): void {
    this.received++;
    this.#bytesLeft -= datagram.length;
    if (this.#bytesLeft > 0) return;
    this.#bytesLeft = Infinity;
    this.isDead = true;
    this.#onCut?.();
  }

  /** The way to the server for the client at `port`; its answers go back the same way. */
  #backOf(port: number): Promise<FaultyPath> {
    let back = this.#backs.get(port);
    if (back === undefined) this.#backs.set(port, back = this.#openBack(port));
    return back;
  }

  /** Does something after the relay's delay, unless that has ended by then. */
  #later(action: () => void): void {
    const { delay = 0 } = this.faults;
    const run = () => {
      if (!this.isDead) action();
    };
    if (delay === 0) return run();
    const timer = setTimeout(() => {
      this.#underWay.delete(timer);
      run();
    }, delay);
    this.#underWay.add(timer);
  }

  async #openBack(port: number): Promise<FaultyPath> {
    const socket = await openSocket();
    this.#sockets.push(socket);
    const path = (from: Socket, to: number) =>
      new FaultyPath(this.faults, this.#random, (datagram) => {
        const copy = new Uint8Array(datagram);
        this.#later(() => from.send(copy, to, "127.0.0.1"));
      });
    const answers = path(this.front, port);
    socket.on("message", (datagram) => {
      this.#count(datagram);
      if (!this.isDead) answers.forward(datagram);
    });
    return path(socket, this.server);
  }
}

function openSocket(): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket("udp4");
    // What the system says of earlier sends is loss, as a relay has it anyway.
    socket.once("error", reject);
    socket.bind(0, "127.0.0.1", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}
