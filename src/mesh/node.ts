/**
 * A node of the mesh: one UDP socket, any number of peers.
 *
 * @module
 */

import { bindUdp } from "#udp";
import { permissions } from "#permissions";
import { generateKeyPair, publicKeyOf } from "../crypto/x25519.ts";
import {
  type HawserError,
  InvalidArgumentError,
  NodeClosedError,
  PermissionDeniedError,
  SocketError,
} from "../errors.ts";
import { log } from "../runtime/logging.ts";
import { ipVersion, resolveHost } from "../runtime/resolve.ts";
import type { UdpSocket } from "../runtime/udp.ts";
import type { SocketAddress } from "../transport/address.ts";
import type { Connection } from "../transport/connection.ts";
import { ErrorCode } from "../transport/config.ts";
import type { Counters } from "../transport/counters.ts";
import { Endpoint } from "../transport/endpoint.ts";
import { toHex } from "../wire/bytes.ts";
import { formatAddress, parseAddress } from "../wire/address.ts";
import { encodeNodeId } from "../wire/node_id.ts";
import { abortReason, withSignal } from "./abort.ts";
import { AsyncQueue } from "./async_queue.ts";
import type { MeshStream } from "./mesh_stream.ts";
import { type CheckedNodeOptions, checkNodeOptions, type NodeOptions } from "./node_options.ts";
import { Session, type SessionMetrics } from "./session.ts";
import { SharedAttempt } from "./shared_attempt.ts";
import { monotonicNow, SocketLoop } from "./socket_loop.ts";

/** A peer to connect to. */
export interface ConnectTarget {
  /** Node id of the peer, 32 bytes: nobody else is accepted. */
  readonly id: Uint8Array;
  /** Where it may be, as "host:port"; all are tried at once. */
  readonly addresses: readonly string[];
}

/** Options of {@linkcode MeshNode.connect}. */
export interface ConnectOptions {
  /** Ends the attempt with the signal's reason. */
  readonly signal?: AbortSignal;
  /** Makes a new session even if one stands: the old one is replaced. For peers that fell silent. @default false */
  readonly fresh?: boolean;
}

/** Options of {@linkcode MeshNode.close}. */
export interface CloseOptions {
  /** Ends the wait for open streams: they are cut off then. */
  readonly signal?: AbortSignal;
  /**
   * Milliseconds that open streams are waited for at most, so that no peer can keep a node from closing.
   * @default 5000
   */
  readonly drainTimeout?: number;
}

const DEFAULT_DRAIN_TIMEOUT = 5_000;

/** Takes the streams of a protocol. */
export type StreamHandler = (stream: MeshStream, session: Session) => void;

/** What {@linkcode MeshNode.metrics} gives. */
export interface NodeMetrics {
  /** Name of the UDP driver in use. */
  readonly driver: string;
  /** Counters since the start; every reason for dropping a datagram has one. */
  readonly counters: Readonly<Counters>;
  /** Live sessions. */
  readonly sessions: readonly SessionMetrics[];
}

/**
 * A node: accepts peers and connects to them.
 *
 * ```ts
 * import { MeshNode } from "@hawser/mesh";
 *
 * const psk = crypto.getRandomValues(new Uint8Array(32));
 * await using server = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
 * await using client = await MeshNode.start({ psk, listen: "127.0.0.1:0" });
 * const session = await client.connect({ id: server.id, addresses: server.addresses });
 * console.log(session.peerName);
 * ```
 */
export class MeshNode implements AsyncDisposable {
  /** Resolves when the node is closed. */
  readonly closed: Promise<void>;
  readonly #options: CheckedNodeOptions;
  readonly #socket: UdpSocket;
  readonly #endpoint: Endpoint;
  readonly #loop: SocketLoop;
  readonly #publicKey: Uint8Array;
  readonly #sessions = new Map<Connection, Session>();
  readonly #acceptors = new Set<AsyncQueue<Session>>();
  readonly #handlers = new Map<number, StreamHandler>();
  readonly #targets = new Map<string, ConnectTarget>();
  readonly #attempts = new Map<string, SharedAttempt<Session>>();
  #resolveClosed!: () => void;
  #closing: Promise<void> | undefined;
  #failure: HawserError | undefined;

  private constructor(options: CheckedNodeOptions, socket: UdpSocket) {
    const staticKey = options.key === undefined
      ? generateKeyPair()
      : { secretKey: options.key.slice(), publicKey: publicKeyOf(options.key) };
    this.#options = options;
    this.#socket = socket;
    this.#publicKey = staticKey.publicKey;
    this.closed = new Promise((resolve) => this.#resolveClosed = resolve);
    this.#endpoint = new Endpoint({
      staticKey,
      psk: options.psk,
      accepts: options.psk !== undefined || options.authorize !== undefined,
      transport: { ...options.transport, receiveBuffer: options.transport.receiveBuffer },
      random: (length) => crypto.getRandomValues(new Uint8Array(length)),
      wallClock: () => Date.now(),
    }, {
      onIncoming: (connection) => this.#onIncoming(connection),
      onWake: () => this.#loop.wake(),
    });
    this.#loop = new SocketLoop(socket, this.#endpoint);
    this.#loop.start((cause) => this.#onSocketFailure(cause));
  }

  /**
   * Binds the socket and begins to accept. Throws `InvalidArgumentError`, `PermissionDeniedError` (the flag that is
   * missing is in it) or `SocketError`.
   */
  static async start(options: NodeOptions = {}): Promise<MeshNode> {
    const checked = checkNodeOptions(options);
    const [hostname] = await resolveHost(checked.listen.host);
    return MeshNode.over(await bindUdp(hostname, checked.listen.port), options);
  }

  /**
   * A node on a socket that is bound already, which is the node's to close from now on. Throws `InvalidArgumentError`.
   *
   * @internal
   */
  static over(socket: UdpSocket, options: NodeOptions): MeshNode {
    const checked = checkNodeOptions(options);
    const receiveBuffer = options.transport?.receiveBuffer ?? socket.receiveBuffer;
    return new MeshNode({ ...checked, transport: { ...checked.transport, receiveBuffer } }, socket);
  }

  /** The node's id: its static public key, 32 bytes. */
  get id(): Uint8Array {
    return this.#publicKey.slice();
  }

  /** The node's id as text. */
  get name(): string {
    return encodeNodeId(this.#publicKey);
  }

  /** Where the socket is bound, as "host:port". */
  get addresses(): string[] {
    const { hostname, port } = this.#socket.address;
    return [formatAddress({ host: hostname, port })];
  }

  /** Live sessions. */
  get sessions(): Session[] {
    return [...this.#sessions.values()];
  }

  /**
   * Connects to a peer, or gives the session that stands already. Calls at the same time share one attempt.
   *
   * Throws `HandshakeTimeoutError` when nobody answers (after about 8 s), `NotAuthorizedError` when the peer answers
   * under another mesh key, `PermissionDeniedError`, `SocketError` when no address is usable, `NodeClosedError`.
   */
  async connect(target: ConnectTarget, options: ConnectOptions = {}): Promise<Session> {
    const { signal, fresh = false } = options;
    if (target.id.length !== 32) {
      throw new InvalidArgumentError(`Connect: node id is ${target.id.length} bytes, want 32`);
    }
    this.#assertOpen();
    if (signal?.aborted) throw abortReason(signal);
    const standing = this.#sessionTo(target.id);
    if (!fresh && standing !== undefined) return standing;
    return await this.#attempt(target).wait(signal);
  }

  /**
   * Connects again to a peer whose session was lost or fell silent: the session that has taken its place meanwhile, or
   * a new one. Throws as `connect`.
   */
  async reconnect(lost: Session, options: ConnectOptions = {}): Promise<Session> {
    const { hostname: host, port } = lost.address;
    const target = this.#targets.get(toHex(lost.peerId)) ??
      { id: lost.peerId, addresses: [formatAddress({ host, port })] };
    return await this.connect(target, { fresh: this.#sessionTo(lost.peerId) === lost, ...options });
  }

  /** Sessions that peers open from now on, once authorized. Ends with the node. */
  incoming(): AsyncIterableIterator<Session> {
    const queue: AsyncQueue<Session> = new AsyncQueue<Session>(() => this.#acceptors.delete(queue));
    if (this.#closing === undefined) this.#acceptors.add(queue);
    else queue.end();
    return queue;
  }

  /** Hands all streams of a protocol, of every session, to `handler`. Returns what undoes it. */
  serve(protocol: number, handler: StreamHandler): () => void {
    if (this.#handlers.has(protocol)) {
      throw new InvalidArgumentError(`Serve protocol 0x${protocol.toString(16)}: it is served already`);
    }
    this.#handlers.set(protocol, handler);
    return () => {
      if (this.#handlers.get(protocol) === handler) this.#handlers.delete(protocol);
    };
  }

  /** Counters and figures of now. */
  metrics(): NodeMetrics {
    return {
      driver: this.#socket.driver,
      counters: { ...this.#endpoint.counters },
      sessions: this.sessions.filter((session) => session.isOpen).map((session) => session.metrics()),
    };
  }

  /**
   * Takes no more peers, waits for open streams as long as the options allow, says goodbye to every peer, and lets the
   * socket go.
   */
  close(options: CloseOptions = {}): Promise<void> {
    return this.#closing ??= this.#close(options);
  }

  /** Same as {@linkcode MeshNode.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Who takes streams of a protocol. For sessions. */
  handlerOf(protocol: number): StreamHandler | undefined {
    return this.#handlers.get(protocol);
  }

  /** A session ended. For sessions. */
  onSessionEnd(session: Session): void {
    this.#sessions.delete(session.connection);
  }

  async #close({ signal, drainTimeout = DEFAULT_DRAIN_TIMEOUT }: CloseOptions): Promise<void> {
    for (const acceptor of this.#acceptors) acceptor.end();
    this.#acceptors.clear();
    this.#endpoint.stopAccepting();
    await this.#turnsUntil(() => this.#endpoint.openStreams === 0, signal, drainTimeout);
    this.#endpoint.closeAll(ErrorCode.NO_ERROR, "node closed", monotonicNow());
    this.#loop.flush();
    // Lingering answers stragglers: until the peers have heard it, or three probe time-outs.
    await this.#turnsUntil(() => this.#endpoint.isSilent);
    this.#loop.stop();
    await this.#socket.close();
    this.#resolveClosed();
  }

  /**
   * Waits, turn by turn of the socket loop, until `done`; at most `timeout` milliseconds, or until the signal aborts
   * or the socket fails.
   */
  #turnsUntil(done: () => boolean, signal?: AbortSignal, timeout?: number): Promise<void> {
    return new Promise((resolve) => {
      let timer: ReturnType<typeof setTimeout> | undefined;
      const finish = () => {
        clearTimeout(timer);
        signal?.removeEventListener("abort", finish);
        this.#loop.onTurn = undefined;
        resolve();
      };
      const check = () => {
        if (done() || signal?.aborted || this.#failure !== undefined) finish();
      };
      if (timeout !== undefined && timeout < Infinity) timer = setTimeout(finish, timeout);
      signal?.addEventListener("abort", finish, { once: true });
      this.#loop.onTurn = check;
      check();
    });
  }

  #assertOpen(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#closing !== undefined) throw new NodeClosedError("Use node: it is closed");
  }

  /** The session with a peer that stands. */
  #sessionTo(id: Uint8Array): Session | undefined {
    const connection = this.#endpoint.connectionTo(id);
    return connection?.session?.isOpen ? this.#sessions.get(connection) : undefined;
  }

  /** The attempt to reach a peer: two at once would replace each other's session. */
  #attempt(target: ConnectTarget): SharedAttempt<Session> {
    const key = [toHex(target.id), ...target.addresses].join(" ");
    const running = this.#attempts.get(key);
    if (running !== undefined && !running.isAbandoned) return running;
    const attempt = new SharedAttempt(async (signal) => {
      try {
        const candidates = await withSignal(this.#candidates(target.addresses), signal);
        this.#assertOpen();
        this.#targets.set(toHex(target.id), target);
        return await this.#handshake(target.id, candidates, signal);
      } finally {
        if (this.#attempts.get(key) === attempt) this.#attempts.delete(key);
      }
    });
    this.#attempts.set(key, attempt);
    return attempt;
  }

  #handshake(id: Uint8Array, candidates: SocketAddress[], signal: AbortSignal): Promise<Session> {
    return new Promise<Session>((resolve, reject) => {
      const connection = this.#endpoint.connect(id, candidates, monotonicNow());
      const onAbort = () => connection.fail(new NodeClosedError("Connect: given up"));
      const settle = () => signal.removeEventListener("abort", onAbort);
      signal.addEventListener("abort", onAbort, { once: true });
      connection.events = {
        onEstablished: () => {
          settle();
          resolve(this.#adopt(connection, false));
        },
        onOvertaken: (by) => {
          settle();
          resolve(this.#sessions.get(by) ?? this.#adopt(by, false));
        },
        onEnd: ({ error }) => {
          settle();
          reject(error);
        },
      };
    });
  }

  #adopt(connection: Connection, held: boolean): Session {
    const session = new Session(this, connection, held);
    this.#sessions.set(connection, session);
    return session;
  }

  #onIncoming(connection: Connection): void {
    const session = this.#adopt(connection, true);
    this.#authorize(session).then((allowed) => {
      if (!session.isOpen) return;
      if (!allowed) return session.close(ErrorCode.NOT_AUTHORIZED, "not authorized");
      session.release();
      for (const acceptor of this.#acceptors) acceptor.push(session);
    }).catch((error) => {
      log("mesh", "error", "authorize threw, peer {peer} is refused: {error}", {
        peer: session.peerName,
        error,
      });
      session.close(ErrorCode.NOT_AUTHORIZED, "not authorized");
    });
  }

  async #authorize(session: Session): Promise<boolean> {
    if (this.#options.authorize === undefined) return true;
    const { peerId: id, peerName: name, address } = session;
    return await this.#options.authorize({ id, name, address, agent: session.connection.peerAgent }) === true;
  }

  /** Numeric addresses that this socket can reach and the runtime permits. */
  async #candidates(addresses: readonly string[]): Promise<SocketAddress[]> {
    const family = ipVersion(this.#socket.address.hostname);
    const candidates: SocketAddress[] = [];
    const flags: string[] = [];
    const problems: string[] = [];
    for (const text of addresses) {
      const { host, port } = parseAddress(text);
      if (!permissions.mayUseNetwork(host, port)) {
        flags.push(permissions.networkFlag(host, port));
        continue;
      }
      try {
        for (const hostname of await resolveHost(host)) {
          if (ipVersion(hostname) === family) candidates.push({ hostname, port });
          else problems.push(`${text} is IPv${ipVersion(hostname)}, the socket is IPv${family}`);
        }
      } catch (cause) {
        problems.push(`${text}: ${(cause as Error).message}`);
      }
    }
    if (candidates.length > 0) return candidates;
    if (flags.length > 0) {
      throw new PermissionDeniedError(`Connect: permission is missing, run with ${flags.join(" ")}`, flags);
    }
    throw new SocketError(
      `Connect: no usable address among "${addresses.join('", "')}" (${problems.join("; ")})`,
    );
  }

  #onSocketFailure(cause: Error): void {
    this.#failure = new SocketError(`Use socket: ${cause.message}`, { cause });
    log("mesh", "error", "Socket failed: {error}", { error: cause });
    this.#endpoint.closeAll(ErrorCode.INTERNAL_ERROR, cause.message, monotonicNow());
    void this.close();
  }
}
