/**
 * UDP through `node:dgram`, in Node and in Deno without `--unstable-net`.
 *
 * @module
 */

import { createSocket, type RemoteInfo, type Socket } from "node:dgram";
import { PermissionDeniedError, SocketError } from "../errors.ts";
import { giveBack } from "./give_back.ts";
import { permissions } from "./permissions_node.ts";
import {
  DEFAULT_RECEIVE_BUFFER,
  PooledSends,
  type UdpAddress,
  type UdpDriver,
  type UdpHandlers,
  type UdpSocket,
} from "./udp.ts";

/** Asked of the system; Linux grants up to `net.core.rmem_max`. */
const WANTED_BUFFER = 4 * 1024 * 1024;
/** Datagrams kept for a socket that has not been started. */
const MAX_EARLY = 64;

/**
 * Binds a socket. Throws `PermissionDeniedError` when the runtime does not allow it, `SocketError` when the system
 * does not.
 */
export async function bindUdp(hostname: string, port: number): Promise<UdpSocket> {
  if (!permissions.mayUseNetwork(hostname, port)) {
    const flag = permissions.networkFlag(hostname, port);
    throw new PermissionDeniedError(
      `Bind UDP socket at ${hostname}:${port}: permission is missing, run with ${flag}`,
      [flag],
    );
  }
  return await new Promise((resolve, reject) => {
    const socket = createSocket(hostname.includes(":") ? "udp6" : "udp4");
    const fail = (cause: Error) => {
      socket.close();
      reject(new SocketError(`Bind UDP socket at ${hostname}:${port}: ${cause.message}`, { cause }));
    };
    socket.once("error", fail);
    socket.bind(port, hostname, () => {
      socket.off("error", fail);
      resolve(new NodeUdpSocket(socket));
    });
  });
}

/** The drivers of Node: this one. */
export function udpDrivers(): UdpDriver[] {
  return [{ name: "node:dgram", missing: undefined, bind: bindUdp }];
}

/** Asks for large kernel buffers; what was granted, or the default where that cannot be told. */
function enlargeBuffers(socket: Socket): number {
  // Deno's `setRecvBufferSize` sets the allocation per datagram instead of the kernel's queue.
  if ("Deno" in globalThis) return DEFAULT_RECEIVE_BUFFER;
  try {
    socket.setRecvBufferSize(WANTED_BUFFER);
    socket.setSendBufferSize(WANTED_BUFFER);
    // Linux reports twice what was asked for: the other half is its own overhead.
    return Math.max(DEFAULT_RECEIVE_BUFFER, Math.floor(socket.getRecvBufferSize() / 2));
  } catch {
    return DEFAULT_RECEIVE_BUFFER;
  }
}

class NodeUdpSocket extends PooledSends implements UdpSocket {
  readonly driver = "node:dgram";
  readonly receiveBuffer: number;
  readonly address: UdpAddress;
  readonly #socket: Socket;
  /** What arrived before the start: the runtime reads from the moment it has bound. */
  #early: [Uint8Array, RemoteInfo][] = [];
  readonly #onEarly = (message: Uint8Array, from: RemoteInfo) => {
    if (this.#early.length < MAX_EARLY) this.#early.push([message, from]);
  };
  #closed: Promise<void> | undefined;

  constructor(socket: Socket) {
    super();
    this.#socket = socket;
    const { address, port } = socket.address();
    this.address = { hostname: address, port };
    this.receiveBuffer = enlargeBuffers(socket);
    socket.on("message", this.#onEarly);
  }

  start(handlers: UdpHandlers): void {
    this.handlers = handlers;
    this.#socket.on("error", (error) => handlers.onFailure(error));
    const onMessage = (message: Uint8Array, { address, port }: RemoteInfo) => {
      try {
        // Not as a Buffer, whose `slice` copies nothing.
        const datagram = new Uint8Array(message.buffer, message.byteOffset, message.byteLength);
        handlers.onDatagram(datagram, { hostname: address, port });
        handlers.onBatchEnd();
        giveBack(datagram);
      } catch (error) {
        // Deno swallows what a message handler throws.
        handlers.onFailure(error as Error);
      }
    };
    this.#socket.off("message", this.#onEarly);
    this.#socket.on("message", onMessage);
    const early = this.#early;
    this.#early = [];
    // Not within this call: the caller is not ready before it has returned.
    if (early.length > 0) setImmediate(() => early.forEach(([message, from]) => onMessage(message, from)));
  }

  protected override transmit(buffer: Uint8Array, length: number, to: UdpAddress): void {
    this.#socket.send(buffer, 0, length, to.port, to.hostname, (error) => {
      this.onSent(buffer);
      if ((error as { code?: string } | null)?.code === "EMSGSIZE") this.handlers?.onTooBig(length, to);
    });
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  async #close(): Promise<void> {
    await this.sendsLeft();
    await new Promise<void>((resolve) => this.#socket.close(() => resolve()));
  }
}
