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
  /** A buffer for the largest datagram, to be given to {@linkcode UdpSocket.send}; `undefined` when too many are on their way. */
  acquire(): Uint8Array | undefined;
  /** Gives a buffer back unused. */
  release(buffer: Uint8Array): void;
  /** Sends the first `length` bytes of an acquired buffer, which belongs to the socket again. Loss is silent. */
  send(buffer: Uint8Array, length: number, to: UdpAddress): void;
  /** Closes; what was given to `send` still leaves. */
  close(): Promise<void>;
}

/** Bytes of a buffer for one datagram: the most that UDP carries. */
export const DATAGRAM_BUFFER = 65_536;
/** Sends on their way at once before a driver makes its caller wait. */
export const MAX_PENDING_SENDS = 64;
/** Linux queues 208 KiB by default, counted with overhead: at least this much of payload. */
export const DEFAULT_RECEIVE_BUFFER: number = 128 * 1024;

/**
 * The sending side that drivers share: buffers are used again instead of being left to the garbage collector, and a
 * caller that has {@linkcode MAX_PENDING_SENDS} of them out waits.
 */
export abstract class PooledSends {
  /** Told what happens, once the socket has started. */
  protected handlers: UdpHandlers | undefined;
  readonly #free: Uint8Array[] = [];
  #taken = 0;
  #starved = false;
  #onIdle: (() => void) | undefined;

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

  /** A send has left or failed. */
  protected onSent(buffer: Uint8Array): void {
    this.release(buffer);
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
