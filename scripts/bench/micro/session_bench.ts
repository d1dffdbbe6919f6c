/** Two endpoints without a network between them: what a megabyte costs in protocol and encryption, and a handshake. */
import { generateKeyPair } from "../../../src/crypto/x25519.ts";
import { DEFAULT_TRANSPORT } from "../../../src/transport/config.ts";
import type { Connection } from "../../../src/transport/connection.ts";
import { Endpoint } from "../../../src/transport/endpoint.ts";
import type { Stream } from "../../../src/transport/stream.ts";

const MIB = 1024 * 1024;
/** What one write hands over. */
const PIECE = new Uint8Array(64 * 1024).fill(7);

/** One of two endpoints, with a clock of its own making. */
class Node {
  readonly key = generateKeyPair();
  readonly endpoint: Endpoint;
  readonly address: { readonly hostname: string; readonly port: number };
  received = 0;
  readonly #buffer = new Uint8Array(65_536);

  constructor(port: number, maxDatagramSize: number, readonly clock: { now: number }) {
    this.address = { hostname: "127.0.0.1", port };
    this.endpoint = new Endpoint({
      staticKey: this.key,
      psk: new Uint8Array(32),
      accepts: true,
      transport: { ...DEFAULT_TRANSPORT, maxDatagramSize, receiveBuffer: 4 * MIB },
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
      wallClock: () => 1_767_225_600_000 + clock.now,
    }, {
      onIncoming: (connection) => {
        connection.events = { onStream: (stream) => this.#take(stream), onEnd() {} };
      },
      onWake() {},
    });
  }

  /** Hands the other everything that may be sent now; whether there was anything. */
  sendTo(other: Node): boolean {
    let sent = false;
    for (;;) {
      const transmit = this.endpoint.poll(this.#buffer, this.clock.now);
      if (transmit === undefined) return sent;
      sent = true;
      other.endpoint.receive(this.#buffer.subarray(0, transmit.length), this.address, this.clock.now);
    }
  }

  #take(stream: Stream): void {
    stream.onReadable = () => {
      for (let piece = stream.read(); piece !== undefined; piece = stream.read()) {
        this.received += piece.length;
      }
    };
    stream.onReadable();
  }
}

/** Two nodes, and what runs them until `done`: time passes only when neither has anything to send. */
function pair(maxDatagramSize: number): { a: Node; b: Node; run: (done: () => boolean) => void } {
  const clock = { now: 0 };
  const [a, b] = [new Node(1, maxDatagramSize, clock), new Node(2, maxDatagramSize, clock)];
  const run = (done: () => boolean) => {
    while (!done()) {
      const [there, back] = [a.sendTo(b), b.sendTo(a)];
      if (there || back) continue;
      clock.now = Math.max(clock.now, Math.min(a.endpoint.deadline, b.endpoint.deadline));
      a.endpoint.onTimeout(clock.now);
      b.endpoint.onTimeout(clock.now);
    }
  };
  return { a, b, run };
}

function establish(size: number): { connection: Connection; nodes: ReturnType<typeof pair> } {
  const nodes = pair(size);
  const connection = nodes.a.endpoint.connect(nodes.b.key.publicKey, [nodes.b.address], 0);
  nodes.run(() =>
    connection.session !== undefined && nodes.b.endpoint.connectionTo(nodes.a.key.publicKey) !== undefined
  );
  return { connection, nodes };
}

for (const size of [1_452, 61_440]) {
  const { connection, nodes: { b, run } } = establish(size);
  const stream = connection.session!.streams.open({ protocol: 0, priority: 3, weight: 16 });
  Deno.bench(`1 MiB from session to session, datagrams of ${size} B`, { group: "session" }, () => {
    const goal = b.received + MIB;
    for (let i = 0; i < MIB; i += PIECE.length) stream.write(PIECE);
    run(() => b.received >= goal);
  });
}

Deno.bench("handshake, both sides", { group: "handshake" }, () => {
  establish(1_452);
});
