/**
 * UDP in Deno: through the C library of Linux where `--allow-ffi` permits it, else through `Deno.listenDatagram`, and
 * through `node:dgram` where that is missing: it exists only under `--unstable-net`.
 *
 * @module
 */

import { PermissionDeniedError, SocketError } from "../errors.ts";
import { log } from "./logging.ts";
import { permissions } from "./permissions_deno.ts";
import {
  DATAGRAM_BUFFER,
  DEFAULT_RECEIVE_BUFFER,
  PooledSends,
  type UdpAddress,
  type UdpDriver,
  type UdpHandlers,
  type UdpSocket,
} from "./udp.ts";

let toldOfFallback = false;

/**
 * Binds a socket. Throws `PermissionDeniedError` when the runtime does not allow it, `SocketError` when the system
 * does not.
 */
export async function bindUdp(hostname: string, port: number): Promise<UdpSocket> {
  assertPermitted(hostname, port);
  if (mayBeFast()) {
    const { bindLinuxUdp } = await import("./udp_linux.ts");
    const socket = bindLinuxUdp(hostname, port);
    if (socket !== undefined) return socket;
    log("udp", "debug", "The C library cannot be used: no fast UDP");
  }
  if (!hasDatagrams()) {
    if (!toldOfFallback) {
      toldOfFallback = true;
      log("udp", "info", "Deno runs without --unstable-net: using node:dgram, which is slower");
    }
    return await bindNodeUdp(hostname, port);
  }
  return bindDenoUdp(hostname, port);
}

/** The drivers of Deno, the fastest first. */
export function udpDrivers(): UdpDriver[] {
  const linux: UdpDriver = {
    name: "Linux FFI",
    missing: mayBeFast()
      ? undefined
      : "run with --allow-ffi, which lets many datagrams go with one system call",
    bind: async (hostname, port) => {
      assertPermitted(hostname, port);
      const { bindLinuxUdp } = await import("./udp_linux.ts");
      const socket = bindLinuxUdp(hostname, port);
      if (socket === undefined) {
        throw new SocketError(`Bind UDP socket at ${hostname}:${port}: the C library cannot be used`);
      }
      return socket;
    },
  };
  const deno: UdpDriver = {
    name: "Deno.listenDatagram",
    missing: hasDatagrams() ? undefined : "run with --unstable-net",
    // deno-lint-ignore require-await -- async so that a missing permission rejects
    bind: async (hostname, port) => {
      assertPermitted(hostname, port);
      return bindDenoUdp(hostname, port);
    },
  };
  const node: UdpDriver = { name: "node:dgram", missing: undefined, bind: bindNodeUdp };
  return [...(Deno.build.os === "linux" ? [linux] : []), deno, node];
}

function assertPermitted(hostname: string, port: number): void {
  if (permissions.mayUseNetwork(hostname, port)) return;
  const flag = permissions.networkFlag(hostname, port);
  throw new PermissionDeniedError(
    `Bind UDP socket at ${hostname}:${port}: permission is missing, run with ${flag}`,
    [flag],
  );
}

async function bindNodeUdp(hostname: string, port: number): Promise<UdpSocket> {
  const { bindUdp } = await import("./udp_node.ts");
  return await bindUdp(hostname, port);
}

/** Whether `Deno.listenDatagram` exists: it does only under `--unstable-net`. */
function hasDatagrams(): boolean {
  return typeof Deno.listenDatagram === "function";
}

function bindDenoUdp(hostname: string, port: number): UdpSocket {
  try {
    return new DenoUdpSocket(Deno.listenDatagram({ transport: "udp", hostname, port }));
  } catch (cause) {
    throw new SocketError(`Bind UDP socket at ${hostname}:${port}: ${(cause as Error).message}`, { cause });
  }
}

/** Whether the driver for Linux could work here: only then it is loaded. */
function mayBeFast(): boolean {
  return Deno.build.os === "linux" && Deno.permissions.querySync({ name: "ffi" }).state === "granted";
}

class DenoUdpSocket extends PooledSends implements UdpSocket {
  readonly driver = "Deno.listenDatagram";
  /** Can neither be set nor read here. */
  readonly receiveBuffer = DEFAULT_RECEIVE_BUFFER;
  readonly address: UdpAddress;
  readonly #connection: Deno.DatagramConn;
  #closed = false;
  #receiving: Promise<void> = Promise.resolve();

  constructor(connection: Deno.DatagramConn) {
    super();
    this.#connection = connection;
    this.address = connection.addr as Deno.NetAddr;
  }

  start(handlers: UdpHandlers): void {
    this.handlers = handlers;
    this.#receiving = this.#receive(handlers);
  }

  protected override transmit(buffer: Uint8Array, length: number, to: UdpAddress): void {
    const address: Deno.NetAddr = { transport: "udp", hostname: to.hostname, port: to.port };
    this.#connection.send(buffer.subarray(0, length), address).then(
      () => this.onSent(buffer),
      (error) => {
        this.onSent(buffer);
        // Anything else is a packet lost, which recovery handles: unreachable hosts, full queues, closing sockets.
        if (isTooBig(error)) this.handlers?.onTooBig(length, to);
      },
    );
  }

  async close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true;
      await this.sendsLeft();
      this.#connection.close();
    }
    await this.#receiving;
  }

  /** One `receive` at a time: two pending ones complete in swapped order. */
  async #receive(handlers: UdpHandlers): Promise<void> {
    const buffer = new Uint8Array(DATAGRAM_BUFFER);
    while (!this.#closed) {
      let received: [Uint8Array, Deno.Addr];
      try {
        received = await this.#connection.receive(buffer);
      } catch (error) {
        if (this.#closed) return;
        // Linux reports ICMP errors of earlier sends here: they say nothing about the socket.
        if (error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.ConnectionReset) {
          continue;
        }
        handlers.onFailure(error as Error);
        return;
      }
      handlers.onDatagram(received[0], received[1] as Deno.NetAddr);
      handlers.onBatchEnd();
    }
  }
}

function isTooBig(error: unknown): boolean {
  return error instanceof Error &&
    /EMSGSIZE|message too long|os error 90\b|os error 10040\b/i.test(error.message);
}
