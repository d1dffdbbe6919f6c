/**
 * A UDP relay that loses, doubles and reorders datagrams, by a seed.
 *
 * @module
 */

import { seeded } from "./seeded.ts";

/** What a relay does to the datagrams of both directions: shares of 1. */
export interface RelayFaults {
  /** Datagrams that vanish. @default 0 */
  readonly drop?: number;
  /** Datagrams that come twice. @default 0 */
  readonly duplicate?: number;
  /** Datagrams that are overtaken by a later one. @default 0 */
  readonly reorder?: number;
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
      this.#held = datagram.slice();
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
  readonly #front: Deno.DatagramConn;
  readonly #backs = new Map<number, { conn: Deno.DatagramConn; path: FaultyPath }>();
  readonly #random: () => number;
  readonly #loops: Promise<void>[] = [];
  readonly #sends = new Set<Promise<unknown>>();

  /** @param server port of the server on 127.0.0.1. */
  constructor(readonly server: number, readonly faults: RelayFaults = {}) {
    this.#random = seeded(faults.seed ?? 1);
    this.#front = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    this.#loops.push(
      this.#receive(this.#front, (datagram, port) => this.#backOf(port).path.forward(datagram)),
    );
  }

  /** Where clients find it. */
  get address(): string {
    return `127.0.0.1:${(this.#front.addr as Deno.NetAddr).port}`;
  }

  /** Ends it. */
  async close(): Promise<void> {
    this.isDead = true;
    await Promise.all(this.#sends);
    this.#front.close();
    for (const { conn } of this.#backs.values()) conn.close();
    await Promise.all(this.#loops);
  }

  #backOf(port: number): { conn: Deno.DatagramConn; path: FaultyPath } {
    let back = this.#backs.get(port);
    if (back !== undefined) return back;
    const conn = Deno.listenDatagram({ transport: "udp", hostname: "127.0.0.1", port: 0 });
    const answers = new FaultyPath(
      this.faults,
      this.#random,
      (datagram) => this.#send(this.#front, datagram, port),
    );
    this.#loops.push(this.#receive(conn, (datagram) => answers.forward(datagram)));
    const path = new FaultyPath(
      this.faults,
      this.#random,
      (datagram) => this.#send(conn, datagram, this.server),
    );
    back = { conn, path };
    this.#backs.set(port, back);
    return back;
  }

  #send(conn: Deno.DatagramConn, datagram: Uint8Array, port: number): void {
    const sending = conn.send(datagram.slice(), { transport: "udp", hostname: "127.0.0.1", port })
      .catch(() => {}).finally(() => this.#sends.delete(sending));
    this.#sends.add(sending);
  }

  async #receive(conn: Deno.DatagramConn, take: (datagram: Uint8Array, port: number) => void): Promise<void> {
    const buffer = new Uint8Array(65_536);
    for (;;) {
      let datagram: Uint8Array, from: Deno.Addr;
      try {
        [datagram, from] = await conn.receive(buffer);
      } catch (error) {
        if (error instanceof Deno.errors.ConnectionRefused) continue;
        return;
      }
      this.received++;
      if (!this.isDead) take(datagram, (from as Deno.NetAddr).port);
    }
  }
}
