/**
 * What the mesh needs of a UDP socket. One driver per runtime behind `#udp`; each hides how its runtime queues,
 * buffers and reports.
 *
 * @module
 */

/** A numeric socket address. */
export interface UdpAddress {
  /** Numeric IPv4 or IPv6 address without brackets. */
  readonly hostname: string;
  /** Port. */
  readonly port: number;
}

/** Told what happens on a socket. */
export interface UdpHandlers {
  /** A datagram arrived; the bytes are valid during the call only. */
  onDatagram(datagram: Uint8Array, from: UdpAddress): void;
  /** What had arrived was given to {@linkcode UdpHandlers.onDatagram}: now is the time to answer, once for all of it. */
  onBatchEnd(): void;
  /** {@linkcode UdpSocket.acquire} gave nothing before and would give a buffer now. */
  onDrain(): void;
  /** A datagram of `length` bytes was refused because the path does not take its size (EMSGSIZE). */
  onTooBig(length: number, to: UdpAddress): void;
  /** The socket is of no use any more. */
  onFailure(error: Error): void;
}

/** A bound UDP socket. */
export interface UdpSocket {
  /** Where it is bound. */
  readonly address: UdpAddress;
  /** Bytes of datagrams that the system queues for it. */
  readonly receiveBuffer: number;
  /** Name of the driver, for metrics and logs. */
  readonly driver: string;
  /** Begins to receive. */
  start(handlers: UdpHandlers): void;
  /**
   * A buffer for the largest datagram, to be given to {@linkcode UdpSocket.send} or {@linkcode UdpSocket.release} before
   * the next is asked for; `undefined` when too much is on its way.
   */
  acquire(): Uint8Array | undefined;
  /** Gives the buffer back unused. */
  release(buffer: Uint8Array): void;
  /**
   * Sends the first `length` bytes of the acquired buffer, which belongs to the socket again. Loss is silent. The driver
   * may hold the datagram back until {@linkcode UdpSocket.flush}, to send many at once.
   */
  send(buffer: Uint8Array, length: number, to: UdpAddress): void;
  /** Nothing more is to be sent for now: what was held back leaves. */
  flush(): void;
  /** Closes; what was given to `send` still leaves. */
  close(): Promise<void>;
}

/** One way to have UDP, to be measured beside the others. */
export interface UdpDriver {
  /** As {@linkcode UdpSocket.driver}. */
  readonly name: string;
  /** What to do to be able to use it, such as `run with --allow-ffi`; `undefined` when it can be used. */
  readonly missing: string | undefined;
  /** Binds a socket. Throws as `bindUdp`. */
  bind(hostname: string, port: number): Promise<UdpSocket>;
}

/** Bytes of a buffer for one datagram: the most that UDP carries. */
export const DATAGRAM_BUFFER = 65_536;
/** Sends on their way at once before a driver makes its caller wait. */
export const MAX_PENDING_SENDS = 64;
/** Linux queues 208 KiB by default, counted with overhead: at least this much of payload. */
export const DEFAULT_RECEIVE_BUFFER: number = 128 * 1024;

/** A datagram on its way out. */
interface Outgoing {
  readonly buffer: Uint8Array;
  readonly length: number;
  readonly to: UdpAddress;
}

/**
 * The sending side of drivers whose runtime sends one datagram per call and tells later that it left: buffers are used
 * again instead of being left to the garbage collector, and a caller that has {@linkcode MAX_PENDING_SENDS} of them out
 * waits.
 */
export abstract class PooledSends {
  /** Told what happens, once the socket has started. */
  protected handlers: UdpHandlers | undefined;
  readonly #free: Uint8Array[] = [];
  #taken = 0;
  #starved = false;
  #onIdle: (() => void) | undefined;
  /** What waits for the first send; `undefined` once that has left. */
  #held: Outgoing[] | undefined;
  #hasSent = false;

  /** See {@linkcode UdpSocket.acquire}. */
  acquire(): Uint8Array | undefined {
    this.#starved = this.#taken >= MAX_PENDING_SENDS;
    if (this.#starved) return undefined;
    this.#taken++;
    return this.#free.pop() ?? new Uint8Array(DATAGRAM_BUFFER);
  }

  /** See {@linkcode UdpSocket.release}. */
  release(buffer: Uint8Array): void {
    this.#taken--;
    this.#free.push(buffer);
  }

  /**
   * See {@linkcode UdpSocket.send}. The first one goes alone: Deno does not know yet that the socket can be written to,
   * and of those that wait to know it the last would leave first.
   */
  send(buffer: Uint8Array, length: number, to: UdpAddress): void {
    if (this.#held !== undefined) {
      this.#held.push({ buffer, length, to });
      return;
    }
    if (!this.#hasSent) this.#held = [];
    this.#hasSent = true;
    this.transmit(buffer, length, to);
  }

  /** See {@linkcode UdpSocket.flush}: nothing is held back. */
  flush(): void {}

  /** Hands a datagram to the runtime; {@linkcode PooledSends.onSent} is called when that is done with it. */
  protected abstract transmit(buffer: Uint8Array, length: number, to: UdpAddress): void;

  /** A send has left or failed. */
  protected onSent(buffer: Uint8Array): void {
    this.release(buffer);
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const { buffer, length, to } of held) this.transmit(buffer, length, to);
    if (this.#taken === 0) this.#onIdle?.();
    if (!this.#starved) return;
    this.#starved = false;
    this.handlers?.onDrain();
  }

  /** Resolves when no send is on its way. */
  protected sendsLeft(): Promise<void> {
    return this.#taken === 0 ? Promise.resolve() : new Promise((resolve) => this.#onIdle = resolve);
  }
}
